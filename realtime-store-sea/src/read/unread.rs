//! Unread is never counted up and down: it is derived from the pointers, over a
//! closed range, and no further than the cap.

use std::collections::HashMap;

use realtime_core::{
    id::{RoomId, UserId},
    limits::UNREAD_CAP,
    room::RoomState,
    store::{StoreError, Unread, UnreadTotals},
};
use sea_orm::ConnectionTrait;

use crate::{
    codes::Code,
    dialect::{Dialect, Rows},
    query::Query,
    rows::{Columns, single},
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
        count(query.dialect)
    );
    let values = [room.as_uuid().into(), user.as_str().into()];
    let counted: Option<i64> = single(query.one(&sql, values).await?)?;
    Ok(capped(counted.unwrap_or_default()))
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
        count(query.dialect)
    );
    let values = [RoomState::Archived.code().into(), user.as_str().into()];
    let mut totals = UnreadTotals::default();
    for row in query.all(&sql, values).await? {
        let unread = capped(Columns::of(&row).take()?);
        totals.rooms += u32::from(unread.count > 0);
        totals.messages = totals.messages.saturating_add(unread.count);
        totals.capped |= unread.capped;
    }
    Ok(totals)
}

/// A room in which something may be unread.
pub(crate) struct Pending {
    pub(crate) room: RoomId,
    /// The first and the last message after the pointer.
    pub(crate) range: (i64, i64),
    /// The number of who reads.
    pub(crate) reader: i64,
}

/// What is unread in each of several rooms, in one statement.
pub(crate) async fn of_rooms<C: ConnectionTrait>(
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
    let select = format!(
        "SELECT v.room_id, {} FROM v WHERE v.room_id IS NOT NULL",
        query.dialect.capped_count(&from, UNREAD_CAP + 1)
    );
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

/// Of a message `m`: whether it can be unread at all.
const COUNTS: &str = "m.counts AND m.deleted_at IS NULL";

/// Of a participant `p` in a room `r`: the messages of others after the pointer.
fn of_others() -> String {
    format!(
        "rt_message m WHERE m.room_id = r.id AND m.seq BETWEEN p.read_seq + 1 AND r.last_seq \
         AND {COUNTS} AND m.sender_id <> p.user_id"
    )
}

/// Of a participant `p` in a room `r`: whether anything is unread.
pub(crate) fn any() -> String {
    format!(
        "r.last_seq > p.read_seq AND EXISTS (SELECT 1 FROM {})",
        of_others()
    )
}

fn count(dialect: Dialect) -> String {
    dialect.capped_count(&of_others(), UNREAD_CAP + 1)
}

fn capped(counted: i64) -> Unread {
    let counted = u32::try_from(counted).unwrap_or_default();
    Unread {
        count: counted.min(UNREAD_CAP),
        capped: counted > UNREAD_CAP,
    }
}
