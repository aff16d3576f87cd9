//! Unread is never counted up and down: it is derived from the pointers, over a
//! closed range, and no further than the cap.

use std::collections::HashMap;

use realtime_core::{
    id::{RoomId, UserId},
    limits::UNREAD_CAP,
    room::RoomState,
    store::{StoreError, Unread, UnreadTotals},
};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use crate::{
    codes::Code,
    dialect::{Dialect, Rows},
    limits::UNREAD_ROOMS,
    query::Query,
    rows::Columns,
};

/// What a user has not read in one room.
pub(crate) async fn unread<C: ConnectionTrait>(
    query: &Query<'_, C>,
    room: RoomId,
    user: &UserId,
) -> Result<Unread, StoreError> {
    let join = query.dialect.lookup();
    let sql = format!(
        "SELECT {} FROM rt_user u \
         {join} rt_participant p ON p.room_id = ? AND p.user_id = u.id AND p.state = 0 \
         {join} rt_room r ON r.id = p.room_id \
         WHERE u.external_id = ?",
        counted_or_pending(query.dialect)
    );
    let values = [room.as_uuid().into(), user.as_str().into()];
    let found = query.all(&sql, values).await?;
    let counted = each_count(query, &found).await?;
    Ok(counted.first().copied().unwrap_or_default())
}

/// What a user has not read in all rooms that are not archived.
pub(crate) async fn totals<C: ConnectionTrait>(
    query: &Query<'_, C>,
    user: &UserId,
) -> Result<UnreadTotals, StoreError> {
    let join = query.dialect.lookup();
    let sql = format!(
        "SELECT {} FROM rt_user u \
         {join} rt_participant p ON p.user_id = u.id AND p.state = 0 \
         {join} rt_room r ON r.id = p.room_id AND r.state <> ? AND r.last_seq > p.read_seq \
         WHERE u.external_id = ?",
        counted_or_pending(query.dialect)
    );
    let values = [RoomState::Archived.code().into(), user.as_str().into()];
    let found = query.all(&sql, values).await?;
    let mut totals = UnreadTotals::default();
    for unread in each_count(query, &found).await? {
        totals.rooms += u32::from(unread.count > 0);
        totals.messages = totals.messages.saturating_add(unread.count);
        totals.capped |= unread.capped;
    }
    Ok(totals)
}

/// Of a participant `p` in a room `r`: how much is unread; or what [`Pending`] is made of,
/// where it must be counted by a statement of its own.
fn counted_or_pending(dialect: Dialect) -> String {
    if dialect.finds_ranges_of_rows() {
        return capped_count(&of_others(dialect));
    }
    let first = first(dialect);
    format!("r.id, {first}, r.last_seq, p.user_id")
}

/// What [`counted_or_pending`] found, counted.
async fn each_count<C: ConnectionTrait>(
    query: &Query<'_, C>,
    found: &[QueryResult],
) -> Result<Vec<Unread>, StoreError> {
    if query.dialect.finds_ranges_of_rows() {
        let counts = found.iter().map(|row| Columns::of(row).take().map(capped));
        return counts.collect();
    }
    let pending: Result<Vec<Pending>, StoreError> = found
        .iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            Ok(Pending {
                room: RoomId::from_uuid(columns.take()?),
                range: (columns.take()?, columns.take()?),
                reader: columns.take()?,
            })
        })
        .collect();
    let counted = of_rooms(query, &pending?).await?;
    Ok(counted.into_values().collect())
}

/// A room in which something may be unread.
pub(crate) struct Pending {
    pub(crate) room: RoomId,
    /// The first and the last message after the pointer.
    pub(crate) range: (i64, i64),
    /// The number of who reads.
    pub(crate) reader: i64,
}

/// What is unread in each of several rooms.
pub(crate) async fn of_rooms<C: ConnectionTrait>(
    query: &Query<'_, C>,
    pending: &[Pending],
) -> Result<HashMap<RoomId, Unread>, StoreError> {
    if query.dialect.finds_ranges_of_rows() {
        of_rooms_together(query, pending).await
    } else {
        of_rooms_apart(query, pending).await
    }
}

async fn of_rooms_together<C: ConnectionTrait>(
    query: &Query<'_, C>,
    pending: &[Pending],
) -> Result<HashMap<RoomId, Unread>, StoreError> {
    let mut ranges = Rows::new(["room_id", "first", "last", "reader"]);
    for Pending {
        room,
        range: (first, last),
        reader,
    } in pending
    {
        ranges.push([
            room.as_uuid().into(),
            (*first).into(),
            (*last).into(),
            (*reader).into(),
        ]);
    }
    let from = format!(
        "rt_message m WHERE m.room_id = v.room_id AND m.seq BETWEEN v.first AND v.last \
         AND {COUNTS} AND m.sender_id <> v.reader"
    );
    let counted = capped_count(&from);
    let select = format!("SELECT v.room_id, {counted} FROM v WHERE v.room_id IS NOT NULL");
    let found = query.of_rows(ranges, &select).await?;
    found
        .iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            let room = RoomId::from_uuid(columns.take()?);
            Ok((room, capped(columns.take()?)))
        })
        .collect()
}

/// Each room is counted by a query of its own, so that the ends of its range are values; as
/// many of them in one statement as a list has rooms. Padded to a power of two, as tables
/// of rows are, by rooms that are none.
async fn of_rooms_apart<C: ConnectionTrait>(
    query: &Query<'_, C>,
    pending: &[Pending],
) -> Result<HashMap<RoomId, Unread>, StoreError> {
    let from = format!(
        "rt_message m WHERE m.room_id = ? AND m.seq BETWEEN ? AND ? \
         AND {COUNTS} AND m.sender_id <> ?"
    );
    let one = format!(
        "SELECT {} AS n, {}",
        query.dialect.integer(),
        capped_count(&from)
    );
    let mut counted = HashMap::with_capacity(pending.len());
    for part in pending.chunks(UNREAD_ROOMS) {
        let padded = part.len().next_power_of_two();
        let sql = vec![one.as_str(); padded].join(" UNION ALL ");
        let mut values: Vec<Value> = Vec::with_capacity(padded * 5);
        for (index, room) in part.iter().enumerate() {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            let (first, last) = room.range;
            values.extend([index.into(), room.room.as_uuid().into()]);
            values.extend([first, last, room.reader].map(Value::from));
        }
        for _ in part.len()..padded {
            values.extend([(-1_i64).into(), Value::Uuid(None)]);
            values.extend([0_i64; 3].map(Value::from));
        }
        for row in query.all(&sql, values).await? {
            let mut columns = Columns::of(&row);
            let index: i64 = columns.take()?;
            let asked = usize::try_from(index)
                .ok()
                .and_then(|index| part.get(index));
            if let Some(asked) = asked {
                counted.insert(asked.room, capped(columns.take()?));
            }
        }
    }
    Ok(counted)
}

/// Of a message `m`: whether it can be unread at all.
const COUNTS: &str = "m.counts AND m.deleted_at IS NULL";

/// Of a participant `p` in a room `r`: the first message after the pointer that is kept.
fn first(dialect: Dialect) -> String {
    dialect.greatest("p.read_seq + 1", "r.first_seq")
}

/// Of a participant `p` in a room `r`: the messages of others after the pointer that are
/// kept.
fn of_others(dialect: Dialect) -> String {
    format!(
        "rt_message m WHERE m.room_id = r.id AND m.seq BETWEEN {first} AND r.last_seq \
         AND {COUNTS} AND m.sender_id <> p.user_id",
        first = first(dialect)
    )
}

/// Of a participant `p` in a room `r`: whether anything is unread; where that must be
/// counted by a statement of its own, whether anything may be.
pub(crate) fn any(dialect: Dialect) -> String {
    const SOMETHING: &str = "r.last_seq > p.read_seq";
    if !dialect.finds_ranges_of_rows() {
        return SOMETHING.to_owned();
    }
    format!(
        "{SOMETHING} AND EXISTS (SELECT 1 FROM {})",
        of_others(dialect)
    )
}

/// How many rows `FROM … WHERE …` finds, counted up to one more than the cap and then no
/// further.
fn capped_count(from_where: &str) -> String {
    let limit = UNREAD_CAP + 1;
    format!("(SELECT COUNT(*) FROM (SELECT 1 FROM {from_where} LIMIT {limit}) counted)")
}

fn capped(counted: i64) -> Unread {
    let counted = u32::try_from(counted).unwrap_or_default();
    Unread {
        count: counted.min(UNREAD_CAP),
        capped: counted > UNREAD_CAP,
    }
}
