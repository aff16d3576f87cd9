//! Somebody who was erased is taken out of their rooms, one after another.

use realtime_core::{
    change::Legacy,
    event::{RoomChange, RoomEvent},
    id::RoomId,
    participant::ParticipantState,
    store::StoreError,
};
use sea_orm::{ConnectionTrait, QueryResult, Value};
use uuid::Uuid;

use super::{
    From, room_of,
    tidy::{Chore, Progress, Scrub, Step},
};
use crate::{
    codes::{self, Code, stored},
    dialect::Rows,
    entity::room,
    error::{damaged, failed},
    rows::{Columns, single},
};

/// A message of theirs.
struct Said {
    seq: i64,
    client_id: String,
    deleted_at: Option<i64>,
}

/// Which messages of a room are next.
struct Slice {
    room: RoomId,
    said: Vec<Said>,
}

impl<C: ConnectionTrait> Step<'_, C> {
    /// Deals with the next messages of a room, and with the last ones of it ends the
    /// membership, of which the room is told.
    pub(super) async fn scrub(&self, mut scrub: Scrub) -> Result<Progress, StoreError> {
        let from = scrub
            .at
            .as_ref()
            .map_or(Uuid::nil(), |(room, _)| room.as_uuid());
        let Some(room) = room_of(self.query, scrub.number, From::Room(from)).await? else {
            return Ok(Progress {
                rest: None,
                event: None,
            });
        };
        let room_row = self.lock(room).await?;
        let after = match &scrub.at {
            Some((at, after)) if *at == room => after.as_str(),
            Some(_) | None => "",
        };
        let slice = Slice {
            room,
            said: self.said(room, scrub.number, after).await?,
        };
        let gone = match scrub.legacy {
            Legacy::Keep => true,
            Legacy::Tombstone => self.forget_editions(&slice).await?,
        };
        if !gone {
            return Ok(Progress {
                rest: Some(Chore::Scrub(scrub)),
                event: None,
            });
        }
        self.rewrite(&slice, scrub.legacy).await?;
        if slice.said.len() >= self.most as usize {
            scrub.at = slice
                .said
                .into_iter()
                .last()
                .map(|last| (room, last.client_id));
            return Ok(Progress {
                rest: Some(Chore::Scrub(scrub)),
                event: None,
            });
        }
        let event = self.leave(room_row, scrub.number).await?;
        let next = room_of(self.query, scrub.number, From::After(room.as_uuid())).await?;
        let rest = next.map(|next| {
            scrub.at = Some((next, String::new()));
            Chore::Scrub(scrub)
        });
        Ok(Progress {
            rest,
            event: Some(event),
        })
    }

    /// Whoever changes anything in the room waits from here on.
    async fn lock(&self, room: RoomId) -> Result<room::Model, StoreError> {
        let mut ids = Rows::new(["id"]);
        ids.push([room.as_uuid().into()]);
        let from = "rt_room r ON r.id = v.id";
        let found = self
            .query
            .lock(ids, room::COLUMNS, from, ("r", "id"))
            .await?;
        let row = found
            .first()
            .ok_or_else(|| damaged("a participant without a room"))?;
        room::Model::read(&mut Columns::of(row)).map_err(failed)
    }

    async fn said(&self, room: RoomId, number: i64, after: &str) -> Result<Vec<Said>, StoreError> {
        let sql = "SELECT m.seq, m.client_id, m.deleted_at FROM rt_message m \
                   WHERE m.room_id = ? AND m.sender_id = ? AND m.client_id > ? \
                   ORDER BY m.client_id LIMIT ?";
        let values = [
            room.as_uuid().into(),
            number.into(),
            after.into(),
            i64::from(self.most).into(),
        ];
        let found = self.query.all(sql, values).await?;
        found.iter().map(said).collect()
    }

    /// Deletes what the messages said before, as far as a step may. Answers whether
    /// nothing is left of it.
    async fn forget_editions(&self, slice: &Slice) -> Result<bool, StoreError> {
        let mut places = Rows::new(["room_id", "seq"]);
        for said in &slice.said {
            places.push([slice.room.as_uuid().into(), said.seq.into()]);
        }
        let from = format!(
            "rt_message_edit e ON e.room_id = v.room_id AND e.seq = v.seq LIMIT {}",
            self.one_more()
        );
        let found = self.query.find(places, "e.seq, e.rev", &from).await?;
        self.delete_editions(slice.room, &found).await
    }

    /// Nothing of the messages leads to them any more, and nothing that they said is
    /// left, unless it is to be kept.
    async fn rewrite(&self, slice: &Slice, legacy: Legacy) -> Result<(), StoreError> {
        const TABLE: &str = "rt_message";
        let room: Value = slice.room.as_uuid().into();
        let mut kept = Rows::new(["room_id", "seq", "client_id", "fingerprint"]);
        let mut gone = Rows::new([
            "room_id",
            "seq",
            "client_id",
            "fingerprint",
            "deleted_at",
            "body",
            "payload",
        ]);
        let (text, number) = (Value::String(None), Value::BigInt(None));
        for said in &slice.said {
            let key = (room.clone(), said.seq.into());
            match legacy {
                Legacy::Keep => kept.push([key.0, key.1, text.clone(), number.clone()]),
                Legacy::Tombstone => gone.push([
                    key.0,
                    key.1,
                    text.clone(),
                    number.clone(),
                    said.deleted_at.unwrap_or(self.now.as_millis()).into(),
                    text.clone(),
                    text.clone(),
                ]),
            }
        }
        for statement in self.query.dialect.update(TABLE, 2, kept) {
            self.query.execute(statement).await?;
        }
        for statement in self.query.dialect.update(TABLE, 2, gone) {
            self.query.execute(statement).await?;
        }
        Ok(())
    }

    /// Ends the membership, and numbers that all of this was.
    async fn leave(&self, room: room::Model, number: i64) -> Result<RoomEvent, StoreError> {
        let key: [Value; 2] = [room.id.into(), number.into()];
        let sql = "SELECT p.state FROM rt_participant p WHERE p.room_id = ? AND p.user_id = ?";
        let state: Option<i16> = single(self.query.one(sql, key.clone()).await?)?;
        let was_active = state == Some(ParticipantState::Active.code());
        let sql = "DELETE FROM rt_participant WHERE room_id = ? AND user_id = ?";
        let statement = self.query.dialect.statement(sql, key);
        self.query.execute(statement).await?;

        let rev = codes::rev(room.last_rev)?.next();
        let count = room
            .participant_count
            .saturating_sub(i64::from(was_active))
            .max(0);
        let number: Value = stored(rev.get()).into();
        let sql = "UPDATE rt_room SET last_rev = ?, meta_rev = ?, reset_rev = ?, \
                   participant_count = ?, updated_at = ? WHERE id = ?";
        let values = [
            number.clone(),
            number.clone(),
            number,
            count.into(),
            self.now.as_millis().into(),
            room.id.into(),
        ];
        let statement = self.query.dialect.statement(sql, values);
        self.query.execute(statement).await?;
        Ok(RoomEvent {
            room: RoomId::from_uuid(room.id),
            rev,
            after: rev.previous(),
            change: RoomChange::Reset,
        })
    }
}

fn said(found: &QueryResult) -> Result<Said, StoreError> {
    let mut columns = Columns::of(found);
    Ok(Said {
        seq: columns.take()?,
        client_id: columns.take()?,
        deleted_at: columns.take()?,
    })
}
