//! Finding: slots are asked from the newest to the oldest, until the page is full.

use std::collections::HashMap;

use realtime_core::{
    id::{RoomId, UserId},
    limits::{SEARCH_PAGE, SEARCH_ROOMS, page_rows},
    message::Message,
    participant::ParticipantState,
    search::{Hit, SearchCursor, SearchPage, SearchQuery},
    seq::Seq,
    store::StoreError,
    time::Timestamp,
};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::term;
use crate::{
    codes::{self, Code, stored},
    dialect::{
        Rows,
        search::{Asked, Span, Wanted},
    },
    entity::{message, user::SENDER},
    limits::{
        CANDIDATES, FIRST_SLOTS, MOST_CANDIDATES, MOST_SLOTS, SLOT_GROWTH, SLOT_SEQS,
        STATEMENT_ROWS,
    },
    query::{Query, Snapshot},
    read::changes::each_message,
    rows::Columns,
};

/// A slot that may hold something.
struct Slot {
    asked: Asked,
    oldest_at: i64,
    newest_at: i64,
}

/// A search under way.
struct Finder<'a, C> {
    query: &'a Query<'a, C>,
    wanted: &'a SearchQuery,
    terms: Vec<Wanted>,
    /// Those with the newest messages first.
    slots: Vec<Slot>,
    /// What is older than this lies in slots that were too many.
    floor: Option<i64>,
    /// Everything from here on, which is newer, was looked at.
    at: Option<SearchCursor>,
    hits: Vec<Hit>,
    /// Slots that were asked, and messages that were read.
    spent: (usize, usize),
}

pub(super) async fn search(
    snapshot: &Snapshot,
    user: &UserId,
    wanted: &SearchQuery,
) -> Result<SearchPage, StoreError> {
    let query = snapshot.query();
    let rooms = rooms(&query, user, wanted.room).await?;
    let mut slots = slots(&query, &rooms, wanted.before).await?;
    slots.sort_unstable_by_key(|slot| std::cmp::Reverse((slot.newest_at, slot.asked.slot)));
    let floor = slots.get(MOST_SLOTS).map(|slot| slot.newest_at);
    slots.truncate(MOST_SLOTS);
    let finder = Finder {
        query: &query,
        wanted,
        terms: term::wanted(&wanted.text.lookups()),
        slots,
        floor,
        at: wanted.before,
        hits: Vec::new(),
        spent: (0, 0),
    };
    finder.page().await
}

/// The rooms in which is looked, and what may be seen of each.
async fn rooms<C: ConnectionTrait>(
    query: &Query<'_, C>,
    user: &UserId,
    only: Option<RoomId>,
) -> Result<HashMap<Uuid, (i64, i64)>, StoreError> {
    let join = query.dialect.lookup();
    let (of_room, limit) = match only {
        Some(_) => ("AND p.room_id = ?", 1),
        None => ("", i64::from(SEARCH_ROOMS)),
    };
    let sql = format!(
        "SELECT r.id, r.first_seq, r.last_seq, p.visible_from_seq, p.visible_to_seq \
         FROM rt_user u {join} rt_participant p ON p.user_id = u.id {of_room} \
         AND (p.state = {active} OR (p.state = {left} AND p.visible_to_seq IS NOT NULL)) \
         {join} rt_room r ON r.id = p.room_id WHERE u.external_id = ? \
         ORDER BY COALESCE(r.last_message_at, r.created_at) DESC, r.id DESC LIMIT ?",
        active = ParticipantState::Active.code(),
        left = ParticipantState::Left.code(),
    );
    let room = only.map(|room| room.as_uuid().into());
    let values = room.into_iter().chain([user.as_str().into(), limit.into()]);
    let found = query.all(&sql, values).await?;
    let visible = found.iter().map(|row| {
        let mut columns = Columns::of(row);
        let room: Uuid = columns.take()?;
        let (first, last): (i64, i64) = (columns.take()?, columns.take()?);
        let (from, to): (i64, Option<i64>) = (columns.take()?, columns.take()?);
        Ok((room, (first.max(from), to.unwrap_or(last).min(last))))
    });
    visible.collect()
}

/// The slots of these rooms, from a position on.
async fn slots<C: ConnectionTrait>(
    query: &Query<'_, C>,
    rooms: &HashMap<Uuid, (i64, i64)>,
    before: Option<SearchCursor>,
) -> Result<Vec<Slot>, StoreError> {
    let before = before.map_or(i64::MAX, |before| before.at.as_millis());
    let mut keys = Rows::new(["room_id", "low", "high", "before_at"]);
    for (room, (low, high)) in rooms.iter().filter(|(_, (low, high))| low <= high) {
        keys.push([
            (*room).into(),
            (low / SLOT_SEQS).into(),
            (high / SLOT_SEQS).into(),
            before.into(),
        ]);
    }
    let columns = "s.id, s.room_id, s.bucket, s.oldest_at, s.newest_at";
    let from = format!(
        "rt_search_slot s ON s.room_id = v.room_id AND s.bucket BETWEEN v.low AND v.high \
         AND s.oldest_at <= v.before_at ORDER BY s.newest_at DESC LIMIT {}",
        MOST_SLOTS + 1
    );
    let found = query.find(keys, columns, &from).await?;
    let mut slots = Vec::with_capacity(found.len());
    for row in &found {
        let mut columns = Columns::of(row);
        let (slot, room, bucket): (i64, Uuid, i64) =
            (columns.take()?, columns.take()?, columns.take()?);
        let Some(visible) = rooms.get(&room) else {
            continue;
        };
        slots.push(Slot {
            asked: Asked {
                slot,
                room,
                base: bucket * SLOT_SEQS,
                visible: *visible,
            },
            oldest_at: columns.take()?,
            newest_at: columns.take()?,
        });
    }
    Ok(slots)
}

impl<C: ConnectionTrait> Finder<'_, C> {
    async fn page(mut self) -> Result<SearchPage, StoreError> {
        let limit = page_rows(self.wanted.limit, SEARCH_PAGE) as usize;
        // One more, to know whether there is one.
        let enough = limit + 1;
        let (mut open, mut most) = (FIRST_SLOTS, CANDIDATES.max(enough));
        let mut exhausted = false;
        while self.hits.len() < enough && !exhausted && self.may_go_on() {
            let bound = match self.slots.get(open) {
                Some(slot) => Some(slot.newest_at),
                None => self.floor,
            };
            let found = self.ask(open, bound, most).await?;
            if found == most {
                // There is more between here and the bound; the index offered much in
                // vain, if this is not the end of the page.
                most = most.saturating_mul(2);
            } else if let Some(bound) = bound {
                self.reach(bound);
                if open >= self.slots.len() {
                    // The next page begins with other slots; unless clocks went so wrong
                    // that these all hold the same moment.
                    exhausted = self.at == self.wanted.before;
                    break;
                }
                open = open.saturating_mul(SLOT_GROWTH);
            } else {
                exhausted = true;
            }
        }
        let more = self.hits.len() > limit;
        self.hits.truncate(limit);
        let last = self.hits.last().map(|hit| SearchCursor::of(&hit.message));
        Ok(SearchPage {
            next: if more {
                last
            } else {
                self.at.filter(|_| !exhausted)
            },
            hits: self.hits,
        })
    }

    const fn may_go_on(&self) -> bool {
        self.spent.0 < MOST_SLOTS && self.spent.1 < MOST_CANDIDATES
    }

    /// Everything that is newer than a time was looked at.
    fn reach(&mut self, time: i64) {
        let end = SearchCursor {
            at: Timestamp::from_millis(time),
            room: RoomId::from_uuid(Uuid::max()),
            seq: Seq::new(u64::MAX),
        };
        if self.at.is_none_or(|at| end < at) {
            self.at = Some(end);
        }
    }

    /// Asks the first `open` slots for what is newer than the bound, and keeps what
    /// matches; answers how much was offered.
    async fn ask(
        &mut self,
        open: usize,
        bound: Option<i64>,
        most: usize,
    ) -> Result<usize, StoreError> {
        let after_at = bound.unwrap_or(i64::MIN);
        let before = match self.at {
            Some(at) => (at.at.as_millis(), at.room.as_uuid(), stored(at.seq.get())),
            None => (i64::MAX, Uuid::max(), i64::MAX),
        };
        let asked: Vec<Asked> = self
            .slots
            .iter()
            .take(open)
            .filter(|slot| slot.oldest_at <= before.0 && slot.newest_at > after_at)
            .map(|slot| slot.asked.clone())
            .collect();
        self.spent.0 += asked.len();
        let span = Span { after_at, before };
        let mut found: Vec<SearchCursor> = Vec::new();
        for part in asked.chunks(STATEMENT_ROWS) {
            for statement in self
                .query
                .dialect
                .candidates(part, &self.terms, &span, most)
            {
                found.append(&mut self.candidates(statement).await?);
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(most);
        self.spent.1 += found.len();
        let mut messages = messages(self.query, &found).await?;
        for place in &found {
            self.at = Some(*place);
            let Some(message) = messages.remove(&(place.room, place.seq)) else {
                continue;
            };
            let marks = message
                .body
                .as_deref()
                .and_then(|body| self.wanted.text.find(body));
            self.hits.extend(marks.map(|marks| Hit { message, marks }));
        }
        Ok(found.len())
    }

    async fn candidates(
        &self,
        statement: sea_orm::Statement,
    ) -> Result<Vec<SearchCursor>, StoreError> {
        let found = self.query.rows(statement).await?;
        let place = found.iter().map(|row| {
            let mut columns = Columns::of(row);
            let (room, seq, at): (Uuid, i64, i64) =
                (columns.take()?, columns.take()?, columns.take()?);
            Ok(SearchCursor {
                at: Timestamp::from_millis(at),
                room: RoomId::from_uuid(room),
                seq: codes::seq(seq)?,
            })
        });
        place.collect()
    }
}

/// The messages at these places, as they are.
async fn messages<C: ConnectionTrait>(
    query: &Query<'_, C>,
    places: &[SearchCursor],
) -> Result<HashMap<(RoomId, Seq), Message>, StoreError> {
    let mut keys = Rows::new(["room_id", "seq"]);
    for place in places {
        keys.push([place.room.as_uuid().into(), stored(place.seq.get()).into()]);
    }
    let columns = format!("{}, {SENDER}", message::COLUMNS);
    let from = "rt_message m ON m.room_id = v.room_id AND m.seq = v.seq \
                LEFT JOIN rt_user u ON u.id = m.sender_id";
    let found = each_message(&query.find(keys, &columns, from).await?)?;
    let keyed = found
        .into_iter()
        .map(|message| ((message.room, message.seq), message));
    Ok(keyed.collect())
}
