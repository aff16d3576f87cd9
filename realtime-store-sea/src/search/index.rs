//! What the index lacks: read and cut into words before anything is locked.

use realtime_core::{id::RoomId, search::Behind, seq::Rev, store::StoreError};
use sea_orm::{ConnectionTrait, QueryResult};
use uuid::Uuid;

use crate::{
    codes::{self, stored},
    dialect::Rows,
    limits::{BEHIND_ROOMS, INDEX_MESSAGES, SLOT_SEQS},
    query::{Query, Snapshot},
    read::changes::changes,
    rows::Columns,
};

/// How far a room is in the index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// All changes up to here are in it, as soon as the walk is over; 0: none.
    pub(super) rev: i64,
    /// The next message of a walk over all messages, which begins and is begun anew
    /// where changes cannot be told one by one.
    pub(super) next_seq: Option<i64>,
    /// Before this message nothing is in it.
    pub(super) first_seq: i64,
}

/// A message that goes into the index, or out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) seq: i64,
    pub(super) sent_at: i64,
    /// `None`: it goes out.
    pub(super) body: Option<String>,
}

/// The next part of what a room lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) room: Uuid,
    pub(super) was: Place,
    pub(super) becomes: Place,
    pub(super) told: Vec<Told>,
    /// Whether the room lacks more.
    pub(super) more: bool,
}

/// What rooms lack, as far as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) parts: Vec<Part>,
    /// Rooms that were not looked at any more.
    pub(super) rest: Vec<RoomId>,
}

/// A room, and its place in the index.
struct Standing {
    room: Uuid,
    last_rev: i64,
    reset_rev: i64,
    first_seq: i64,
    last_seq: i64,
    place: Place,
}

const COLUMNS: &str = "r.id, r.last_rev, r.reset_rev, r.first_seq, r.last_seq, \
    COALESCE(s.rev, 0), s.next_seq, COALESCE(s.first_seq, 0)";

impl Standing {
    fn read(row: &QueryResult) -> Result<Self, StoreError> {
        let mut columns = Columns::of(row);
        Ok(Self {
            room: columns.take()?,
            last_rev: columns.take()?,
            reset_rev: columns.take()?,
            first_seq: columns.take()?,
            last_seq: columns.take()?,
            place: Place {
                rev: columns.take()?,
                next_seq: columns.take()?,
                first_seq: columns.take()?,
            },
        })
    }

    fn is_behind(&self) -> bool {
        let place = self.place;
        place.rev < self.last_rev || place.next_seq.is_some() || place.first_seq < self.first_seq
    }
}

/// Rooms that lack something, of the next ones by id.
pub(super) async fn behind<C: ConnectionTrait>(
    query: &Query<'_, C>,
    after: Option<RoomId>,
) -> Result<Behind, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM rt_room r LEFT JOIN rt_search_room s ON s.room_id = r.id \
         WHERE r.id > ? ORDER BY r.id LIMIT ?"
    );
    let after = after.unwrap_or(RoomId::NIL).as_uuid();
    let limit = i64::try_from(BEHIND_ROOMS).unwrap_or(i64::MAX);
    let found = query.all(&sql, [after.into(), limit.into()]).await?;
    let standings: Vec<Standing> = found.iter().map(Standing::read).collect::<Result<_, _>>()?;
    let last = standings.last().map(|one| RoomId::from_uuid(one.room));
    let rooms = standings.iter().filter(|one| one.is_behind());
    Ok(Behind {
        rooms: rooms.map(|one| RoomId::from_uuid(one.room)).collect(),
        next: last.filter(|_| standings.len() >= BEHIND_ROOMS),
    })
}

/// The next parts of what these rooms lack, of so many messages in all as one
/// transaction takes.
pub(super) async fn read(snapshot: &Snapshot, rooms: &[RoomId]) -> Result<Read, StoreError> {
    let query = snapshot.query();
    let mut wanted: Vec<Uuid> = rooms.iter().map(RoomId::as_uuid).collect();
    // Sorted, as they will be locked.
    wanted.sort_unstable();
    wanted.dedup();
    let mut keys = Rows::new(["id"]);
    for room in wanted {
        keys.push([room.into()]);
    }
    let from = "rt_room r ON r.id = v.id LEFT JOIN rt_search_room s ON s.room_id = r.id";
    let found = query.find(keys, COLUMNS, from).await?;
    let mut standings: Vec<Standing> =
        found.iter().map(Standing::read).collect::<Result<_, _>>()?;
    standings.sort_unstable_by_key(|one| one.room);
    let (mut read, mut left) = (Read::default(), INDEX_MESSAGES);
    for standing in standings.into_iter().filter(Standing::is_behind) {
        if left == 0 {
            read.rest.push(RoomId::from_uuid(standing.room));
            continue;
        }
        let part = part(snapshot, &standing, left).await?;
        let spent = part.told.len().max(1) + purged(&part);
        left = left.saturating_sub(spent);
        read.parts.push(part);
    }
    Ok(read)
}

/// Entries that go because their messages were given up.
fn purged(part: &Part) -> usize {
    let (from, to) = (part.was.first_seq, part.becomes.first_seq);
    if part.was.rev == 0 {
        0
    } else {
        usize::try_from(to - from).unwrap_or(0)
    }
}

async fn part(snapshot: &Snapshot, room: &Standing, most: usize) -> Result<Part, StoreError> {
    let was = room.place;
    let mut place = was;
    if was.rev == 0 {
        place.first_seq = room.first_seq;
    }
    if was.rev == 0 || was.rev < room.reset_rev {
        place.rev = room.last_rev;
        place.next_seq = Some(room.first_seq);
    }
    // One slot at a time.
    let next_slot = (place.first_seq / SLOT_SEQS + 1) * SLOT_SEQS;
    place.first_seq = place.first_seq.max(room.first_seq.min(next_slot));
    let mut told = Vec::new();
    let mut complete = true;
    if let Some(next) = place.next_seq {
        told = walk(&snapshot.query(), room, next, most).await?;
        let ends = told.len() < most;
        place.next_seq = told.last().map(|last| last.seq + 1).filter(|_| !ends);
    } else if place.rev < room.last_rev {
        let (id, after) = (RoomId::from_uuid(room.room), codes::rev(place.rev)?);
        let limit = u32::try_from(most).unwrap_or(u32::MAX);
        let set = changes(snapshot, id, after, limit).await?;
        complete = set.complete;
        place.rev = stored(Rev::get(set.rev));
        told.extend(set.messages.into_iter().map(|message| Told {
            seq: stored(message.seq.get()),
            sent_at: message.sent_at.as_millis(),
            body: message.body,
        }));
    }
    Ok(Part {
        room: room.room,
        was,
        becomes: place,
        told,
        more: !complete
            || place.rev < room.last_rev
            || place.next_seq.is_some()
            || place.first_seq < room.first_seq,
    })
}

/// The next messages as they are, whatever changed them.
async fn walk<C: ConnectionTrait>(
    query: &Query<'_, C>,
    room: &Standing,
    next: i64,
    most: usize,
) -> Result<Vec<Told>, StoreError> {
    let sql = "SELECT m.seq, m.sent_at, m.body FROM rt_message m \
               WHERE m.room_id = ? AND m.seq BETWEEN ? AND ? ORDER BY m.seq";
    let from = next.max(room.first_seq);
    let to = from.saturating_add(i64::try_from(most).unwrap_or(i64::MAX)) - 1;
    let values = [room.room.into(), from.into(), to.min(room.last_seq).into()];
    let found = query.all(sql, values).await?;
    let told = found.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok(Told {
            seq: columns.take()?,
            sent_at: columns.take()?,
            body: columns.take()?,
        })
    });
    told.collect()
}
