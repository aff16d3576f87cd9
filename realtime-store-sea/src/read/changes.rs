//! What changed, and whether anything did.

use realtime_core::{
    event::Topic,
    id::RoomId,
    limits::{CHANGES_PAGE, page_rows},
    message::Message,
    participant::Participant,
    room::Room,
    seq::Rev,
    store::{ChangeSet, StoreError},
};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use crate::{
    codes::{self, stored},
    dialect::Rows,
    entity::{message, participant, room, user::SENDER},
    error::{damaged, failed},
    query::{Query, Snapshot},
    rows::{self, Columns, single},
};

/// The newest `rev` of each topic.
pub(crate) async fn heads<C: ConnectionTrait>(
    query: &Query<'_, C>,
    topics: &[Topic],
) -> Result<Vec<Rev>, StoreError> {
    let mut heads = vec![Rev::ZERO; topics.len()];
    let mut rooms = Rows::new(["n", "id"]);
    let mut users = Rows::new(["n", "external_id"]);
    for (index, topic) in topics.iter().enumerate() {
        let index = i64::try_from(index).unwrap_or(i64::MAX).into();
        match topic {
            Topic::Room(room) => rooms.push([index, room.as_uuid().into()]),
            Topic::User(user) => users.push([index, user.as_str().into()]),
        }
    }
    let of_rooms = query.find(rooms, "v.n, r.last_rev", "rt_room r ON r.id = v.id");
    let mut found = of_rooms.await?;
    let from = "rt_user u ON u.external_id = v.external_id";
    found.append(&mut query.find(users, "v.n, u.last_rev", from).await?);
    for row in &found {
        let mut columns = Columns::of(row);
        let head = place(&mut heads, columns.take()?)?;
        *head = codes::rev(columns.take()?)?;
    }
    Ok(heads)
}

/// The place in a list that a row of `v` had.
pub(crate) fn place<T>(list: &mut [T], index: i64) -> Result<&mut T, StoreError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| list.get_mut(index))
        .ok_or_else(|| damaged("an answer to no question"))
}

/// The range `(after, after + limit]`, clipped to the head.
pub(crate) async fn changes(
    snapshot: &Snapshot,
    room: RoomId,
    after: Rev,
    limit: u32,
) -> Result<ChangeSet, StoreError> {
    let query = snapshot.query();
    let Some(row) = room_row(&query, room).await? else {
        return Ok(ChangeSet {
            complete: true,
            ..ChangeSet::default()
        });
    };
    let receipt_rev = codes::rev(row.receipt_rev)?;
    let reset_rev = codes::rev(row.reset_rev)?;
    let row = rows::room(row)?;
    let limit = page_rows(limit, CHANGES_PAGE);
    let end = row.rev.min(after.plus(u64::from(limit)));
    let mut set = ChangeSet {
        rev: end,
        complete: end == row.rev,
        ..ChangeSet::default()
    };
    if after >= end {
        return Ok(set);
    }
    if Rev::ZERO < after && after < reset_rev {
        return Ok(ChangeSet {
            rev: row.rev,
            complete: true,
            reset: true,
            ..ChangeSet::default()
        });
    }
    let range = Range { room, after, end };
    set.messages = messages(&query, &range, &row).await?;
    set.participants = participants(&query, &range, receipt_rev).await?;
    let room_changed = after < row.meta_rev && row.meta_rev <= end;
    set.room = room_changed.then_some(row);
    Ok(set)
}

struct Range {
    room: RoomId,
    after: Rev,
    end: Rev,
}

impl Range {
    fn values(&self) -> [Value; 3] {
        [
            self.room.as_uuid().into(),
            stored(self.after.next().get()).into(),
            stored(self.end.get()).into(),
        ]
    }
}

/// A room as it is stored.
pub(crate) async fn room_row<C: ConnectionTrait>(
    query: &Query<'_, C>,
    room: RoomId,
) -> Result<Option<room::Model>, StoreError> {
    let sql = format!("SELECT {} FROM rt_room r WHERE r.id = ?", room::COLUMNS);
    let found = query.one(&sql, [room.as_uuid().into()]).await?;
    found
        .map(|row| room::Model::read(&mut Columns::of(&row)).map_err(failed))
        .transpose()
}

/// The messages whose newest change lies in the range.
///
/// Those that were rewritten have an index by `rev`. Those that were only sent have
/// none, which makes sending cheaper by one tree: their `rev` grows with their `seq`,
/// so that the first one of the range is found by halving.
async fn messages<C: ConnectionTrait>(
    query: &Query<'_, C>,
    range: &Range,
    room: &Room,
) -> Result<Vec<Message>, StoreError> {
    let first = first_sent_after(query, range, room).await?;
    let most = stored(range.end.since(range.after));
    let columns = format!("{}, {SENDER}", message::COLUMNS);
    let named = "LEFT JOIN rt_user u ON u.id = m.sender_id";
    let sql = format!(
        "SELECT {columns} FROM rt_message m {named} \
         WHERE m.room_id = ? AND m.seq BETWEEN ? AND ? AND m.sent_rev <= ? AND m.rev = m.sent_rev \
         UNION ALL SELECT {columns} FROM rt_message m {named} \
         WHERE m.room_id = ? AND {rewritten}",
        rewritten = query.dialect.rewritten_between(),
    );
    let [id, begin, end] = range.values();
    let last = first.saturating_add(most).saturating_sub(1);
    let values = [
        id.clone(),
        first.into(),
        last.into(),
        end.clone(),
        id,
        begin,
        end,
    ];
    let mut found = each_message(&query.all(&sql, values).await?)?;
    // What is no longer kept may still have its rows.
    found.retain(|message| message.seq >= room.first_seq);
    found.sort_unstable_by_key(|message| message.rev);
    Ok(found)
}

/// The place of the first message that was sent after the range begins; the one after
/// the newest, if there is none.
async fn first_sent_after<C: ConnectionTrait>(
    query: &Query<'_, C>,
    range: &Range,
    room: &Room,
) -> Result<i64, StoreError> {
    let end = room.last_seq.next();
    // No more messages can have been sent since than there were changes.
    let since = room.rev.since(range.after);
    let begin = end.get().saturating_sub(since).max(room.first_seq.get());
    if begin >= end.get() {
        return Ok(stored(end.get()));
    }
    let sql = format!(
        "WITH RECURSIVE half(low, high) AS (\
         SELECT {int}, {int} UNION ALL \
         SELECT CASE WHEN m.sent_rev > ? THEN half.low ELSE m.seq + 1 END, \
         CASE WHEN m.sent_rev > ? THEN m.seq ELSE half.high END \
         FROM half {join} rt_message m \
         ON m.room_id = ? AND m.seq = {middle} WHERE half.low < half.high) \
         SELECT half.low FROM half WHERE half.low >= half.high",
        int = query.dialect.integer(),
        join = query.dialect.lookup(),
        middle = query.dialect.halved("half.low + half.high"),
    );
    let after = stored(range.after.get());
    let values = [
        stored(begin).into(),
        stored(end.get()).into(),
        after.into(),
        after.into(),
        range.room.as_uuid().into(),
    ];
    single(query.one(&sql, values).await?)?.ok_or_else(|| damaged("a message is missing"))
}

/// Rows of messages, each with its [sender](SENDER).
pub(crate) fn each_message(found: &[QueryResult]) -> Result<Vec<Message>, StoreError> {
    found
        .iter()
        .map(|row| rows::sent_message(&mut Columns::of(row)).map(|(message, _)| message))
        .collect()
}

/// The participants whose newest change lies in the range, or their coming does: who
/// moved a pointer after it is told before what they said.
///
/// There is no index on `rev`: it would be written with every receipt. Receipts
/// have a `rev` only in small rooms, whose participants are read in one go. Where
/// no receipt lies in the range, as in all large rooms but those that have just
/// become large, the new ones among the memberships are all, and those have one.
async fn participants<C: ConnectionTrait>(
    query: &Query<'_, C>,
    range: &Range,
    receipt_rev: Rev,
) -> Result<Vec<Participant>, StoreError> {
    let (mut values, changed) = (range.values().to_vec(), "BETWEEN ? AND ?");
    let changed = if receipt_rev > range.after {
        // Who is there from the opening on did not come.
        let came = range.after.next().max(Rev::FIRST.next());
        values.extend([stored(came.get()).into(), stored(range.end.get()).into()]);
        format!("(p.rev {changed} OR p.member_rev {changed})")
    } else {
        format!("p.member_rev {changed}")
    };
    let sql = format!(
        "SELECT {}, u.external_id, u.display_name FROM rt_participant p \
         JOIN rt_user u ON u.id = p.user_id \
         WHERE p.room_id = ? AND {changed} AND u.external_id IS NOT NULL \
         ORDER BY p.rev, u.external_id",
        participant::COLUMNS
    );
    each_participant(&query.all(&sql, values).await?)
}

/// Rows of participants with their id and name.
pub(crate) fn each_participant(found: &[QueryResult]) -> Result<Vec<Participant>, StoreError> {
    found
        .iter()
        .map(|row| rows::named_participant(&mut Columns::of(row)))
        .collect()
}
