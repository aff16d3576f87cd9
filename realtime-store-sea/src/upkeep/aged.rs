//! Rooms whose oldest messages have passed their time.

use realtime_core::{
    id::RoomId,
    limits::{AGED_MESSAGES, ROOMS_PAGE, page_rows},
    seq::Seq,
    store::{Aged, StoreError},
    time::Timestamp,
};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::{
    codes::{self, stored},
    limits::AGED_ROOMS,
    query::Query,
    rows::{Columns, single},
};

/// A room whose first message is old.
#[derive(Debug, Clone, Copy)]
struct Old {
    room: RoomId,
    first: Seq,
    last: Seq,
}

/// A page of rooms by id, each with the first message that it should keep. However many
/// rooms there are that have nothing old, each statement looks at a few.
pub(super) async fn aged<C: ConnectionTrait>(
    query: &Query<'_, C>,
    horizon: Timestamp,
    after: Option<RoomId>,
    limit: u32,
) -> Result<Vec<Aged>, StoreError> {
    let most = page_rows(limit, ROOMS_PAGE) as usize;
    let mut after = after.map_or(Uuid::nil(), |after| after.as_uuid());
    let mut old: Vec<Old> = Vec::new();
    loop {
        let look = rooms(query, horizon, after).await?;
        old.extend(look.old);
        match look.end {
            Some(end) if old.len() < most => after = end,
            Some(_) | None => break,
        }
    }
    let mut found = Vec::new();
    for room in old.into_iter().take(most) {
        found.push(keep_from(query, horizon, room).await?);
    }
    Ok(found)
}

/// What a look at some rooms found.
struct Look {
    old: Vec<Old>,
    /// The last room that was looked at, if there may be more.
    end: Option<Uuid>,
}

async fn rooms<C: ConnectionTrait>(
    query: &Query<'_, C>,
    horizon: Timestamp,
    after: Uuid,
) -> Result<Look, StoreError> {
    // Not joined: PostgreSQL would merge the two, and read the large room to its end.
    let sql = "SELECT r.id, r.first_seq, r.last_seq, \
               (SELECT m.sent_at FROM rt_message m WHERE m.room_id = r.id AND m.seq = r.first_seq) \
               FROM rt_room r WHERE r.id > ? ORDER BY r.id LIMIT ?";
    let found = query.all(sql, [after.into(), AGED_ROOMS.into()]).await?;
    let (mut old, mut end) = (Vec::new(), None);
    for row in &found {
        let mut columns = Columns::of(row);
        let id = columns.take()?;
        let room = Old {
            room: RoomId::from_uuid(id),
            first: codes::seq(columns.take()?)?,
            last: codes::seq(columns.take()?)?,
        };
        let sent_at: Option<i64> = columns.take()?;
        if sent_at.is_some_and(|sent_at| sent_at < horizon.as_millis()) {
            old.push(room);
        }
        end = Some(id);
    }
    let is_full = i64::try_from(found.len()).is_ok_and(|rows| rows >= AGED_ROOMS);
    Ok(Look {
        old,
        end: end.filter(|_| is_full),
    })
}

/// The first message of a room that is not old, among the first few. A statement a room:
/// only a range that is given is read as one by every database.
async fn keep_from<C: ConnectionTrait>(
    query: &Query<'_, C>,
    horizon: Timestamp,
    room: Old,
) -> Result<Aged, StoreError> {
    let sql = "SELECT m.seq FROM rt_message m WHERE m.room_id = ? AND m.seq BETWEEN ? AND ? \
               AND m.sent_at >= ? ORDER BY m.seq LIMIT 1";
    let values = [
        room.room.as_uuid().into(),
        stored(room.first.get()).into(),
        stored(room.end().previous().get()).into(),
        horizon.as_millis().into(),
    ];
    let young: Option<i64> = single(query.one(sql, values).await?)?;
    let young = young.map(codes::seq).transpose()?;
    Ok(Aged {
        room: room.room,
        keep_from: young.unwrap_or(room.end()),
    })
}

impl Old {
    /// The message after the last one that is looked at.
    fn end(self) -> Seq {
        self.first
            .plus(u64::from(AGED_MESSAGES))
            .min(self.last.next())
    }
}
