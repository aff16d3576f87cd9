//! Everything that is known of a person, part by part.

use std::collections::HashMap;

use realtime_core::{
    id::{RoomId, UserId},
    limits::TIDY_MESSAGES,
    message::Message,
    room::Room,
    seq::Seq,
    store::{Edition, ExportCursor, ExportPage, Exported, StoreError},
};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::{From, editions::edition, room_of};
use crate::{
    codes::stored,
    dialect::Rows,
    entity::{edition, message, user::SENDER},
    error::damaged,
    query::{Query, Snapshot},
    read::{
        changes::{each_message, room_row},
        people,
    },
    rows::{self, Columns, time},
};

pub(super) async fn export(
    snapshot: &Snapshot,
    user: &UserId,
    after: Option<ExportCursor>,
) -> Result<Option<ExportPage>, StoreError> {
    let query = snapshot.query();
    let sql = "SELECT u.id, u.display_name, u.last_seen_at FROM rt_user u WHERE u.external_id = ?";
    let Some(found) = query.one(sql, [user.as_str().into()]).await? else {
        return Ok(None);
    };
    let mut columns = Columns::of(&found);
    let exporter = Exporter {
        query,
        user,
        number: columns.take()?,
    };
    let mut page = ExportPage::default();
    if after.is_none() {
        page.items.push(Exported::Person {
            id: user.clone(),
            name: columns.take()?,
            last_seen_at: columns.take::<Option<i64>>()?.map(time),
        });
    }
    exporter.add_room(&mut page, after).await?;
    Ok(Some(page))
}

struct Exporter<'a> {
    query: Query<'a, DatabaseTransaction>,
    user: &'a UserId,
    number: i64,
}

/// Messages of a room that are looked at, or were.
#[derive(Debug, Clone, Copy)]
struct Range {
    room: RoomId,
    first: Seq,
    last: Seq,
}

impl Exporter<'_> {
    /// Adds what comes after the cursor: a room, if it was not told, and some messages.
    async fn add_room(
        &self,
        page: &mut ExportPage,
        after: Option<ExportCursor>,
    ) -> Result<(), StoreError> {
        let from = From::Room(after.map_or(Uuid::nil(), |after| after.room.as_uuid()));
        let Some(id) = room_of(&self.query, self.number, from).await? else {
            return Ok(());
        };
        let row = room_row(&self.query, id).await?;
        let room = rows::room(row.ok_or_else(|| damaged("a participant without a room"))?)?;
        let begin = match after {
            Some(after) if after.room == id && !after.seq.is_zero() => after.seq.next(),
            Some(_) | None => {
                page.items.push(self.room(&room).await?);
                room.first_seq
            }
        };
        let range = Range {
            room: id,
            first: begin.max(room.first_seq),
            last: begin
                .plus(u64::from(TIDY_MESSAGES))
                .previous()
                .min(room.last_seq),
        };
        let end = self.add_messages(page, range).await?;
        page.next = if end < room.last_seq {
            Some(ExportCursor { room: id, seq: end })
        } else {
            // The next room itself has not been told yet.
            let next = room_of(&self.query, self.number, From::After(id.as_uuid())).await?;
            next.map(|room| ExportCursor {
                room,
                seq: Seq::ZERO,
            })
        };
        Ok(())
    }

    async fn room(&self, room: &Room) -> Result<Exported, StoreError> {
        let participant = people::participant(&self.query, room.id, self.user).await?;
        Ok(Exported::Room {
            id: room.id,
            subject: room.subject.clone(),
            title: room.title.clone(),
            participant: Box::new(participant.ok_or_else(|| damaged("a seat without a row"))?),
        })
    }

    /// Adds their messages of a range, each with what it said before. Answers up to where
    /// that is; not to the end of the range, if they were edited very often.
    async fn add_messages(&self, page: &mut ExportPage, range: Range) -> Result<Seq, StoreError> {
        let mut messages = self.messages(range).await?;
        let mut editions = self
            .editions(range.room, &messages, Some(TIDY_MESSAGES))
            .await?;
        let mut end = range.last;
        if let Some(cut) = editions.cut {
            messages.retain(|message| message.seq < cut);
            end = cut.previous();
            if messages.is_empty() {
                end = cut;
                messages = self
                    .messages(Range {
                        first: cut,
                        last: cut,
                        ..range
                    })
                    .await?;
                editions = self.editions(range.room, &messages, None).await?;
            }
        }
        for message in messages {
            let seq = message.seq;
            page.items.push(Exported::Message(Box::new(message)));
            let before = editions.of.remove(&seq).unwrap_or_default();
            page.items
                .extend(before.into_iter().map(|edition| Exported::Edition {
                    room: range.room,
                    seq,
                    edition,
                }));
        }
        Ok(end)
    }

    async fn messages(&self, range: Range) -> Result<Vec<Message>, StoreError> {
        if range.first > range.last {
            return Ok(Vec::new());
        }
        // Not by the index of senders: that would find all that they ever said here.
        let sql = format!(
            "SELECT {}, {SENDER} FROM rt_message m LEFT JOIN rt_user u ON u.id = m.sender_id \
             WHERE m.room_id = ? AND m.seq BETWEEN ? AND ? AND m.sender_id + 0 = ? ORDER BY m.seq",
            message::COLUMNS
        );
        let values = [
            range.room.as_uuid().into(),
            stored(range.first.get()).into(),
            stored(range.last.get()).into(),
            self.number.into(),
        ];
        each_message(&self.query.all(&sql, values).await?)
    }

    async fn editions(
        &self,
        room: RoomId,
        messages: &[Message],
        most: Option<u32>,
    ) -> Result<Editions, StoreError> {
        let mut places = Rows::new(["room_id", "seq"]);
        for message in messages {
            places.push([room.as_uuid().into(), stored(message.seq.get()).into()]);
        }
        let limit = most.map_or(String::new(), |most| format!(" LIMIT {}", most + 1));
        let from = format!(
            "rt_message_edit e ON e.room_id = v.room_id AND e.seq = v.seq \
             ORDER BY e.seq, e.rev{limit}"
        );
        let found = self.query.find(places, edition::COLUMNS, &from).await?;
        let mut editions = Editions::default();
        for (index, row) in found.iter().enumerate() {
            let (seq, edition) = edition(row)?;
            if most.is_some_and(|most| index >= most as usize) {
                editions.cut = Some(seq);
                break;
            }
            editions.of.entry(seq).or_default().push(edition);
        }
        Ok(editions)
    }
}

/// What messages said before, by message.
#[derive(Debug, Default)]
struct Editions {
    of: HashMap<Seq, Vec<Edition>>,
    /// The first message of which not all was found.
    cut: Option<Seq>,
}
