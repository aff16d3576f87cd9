//! Rooms as their participants see them. A page is a constant number of
//! statements, whatever is on it.

use std::collections::{HashMap, HashSet};

use realtime_core::{
    id::{RoomId, UserId},
    limits::{ROOMS_PAGE, page_rows},
    message::Message,
    participant::{Participant, ParticipantState},
    room::{Room, RoomState},
    seq::{Rev, Seq},
    store::{RoomCursor, RoomQuery, RoomView, StoreError},
};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::unread::{self, Pending};
use crate::{
    codes::{self, Code, stored},
    dialect::{Dialect, Rows},
    entity::{message, participant, room, user::SENDER},
    error::failed,
    query::{Query, Snapshot},
    read::changes::{each_message, each_participant},
    rows::{self, Columns},
};

/// By what lists are sorted.
const ACTIVITY: &str = "COALESCE(r.last_message_at, r.created_at)";
const NEWEST_FIRST: &str = "ORDER BY COALESCE(r.last_message_at, r.created_at) DESC, r.id DESC";

/// The rooms in which a user is active, archived ones left out, and the head of
/// their stream.
pub(crate) async fn memberships(
    snapshot: &Snapshot,
    user: &UserId,
    limit: u32,
) -> Result<(Vec<RoomId>, Rev), StoreError> {
    let query = snapshot.query();
    let sql = "SELECT u.id, u.last_rev FROM rt_user u WHERE u.external_id = ?";
    let Some(found) = query.one(sql, [user.as_str().into()]).await? else {
        return Ok((Vec::new(), Rev::ZERO));
    };
    let mut columns = Columns::of(&found);
    let (number, rev): (i64, i64) = (columns.take()?, columns.take()?);
    let join = query.dialect.lookup();
    let sql = format!(
        "SELECT r.id FROM rt_participant p {join} rt_room r ON r.id = p.room_id \
         WHERE p.user_id = ? AND p.state = ? AND r.state <> ? {NEWEST_FIRST} LIMIT ?"
    );
    let values = [
        number.into(),
        ParticipantState::Active.code().into(),
        RoomState::Archived.code().into(),
        i64::from(limit).into(),
    ];
    let found = query.all(&sql, values).await?;
    let rooms: Result<_, StoreError> = found
        .iter()
        .map(|row| Columns::of(row).take().map(RoomId::from_uuid))
        .collect();
    Ok((rooms?, codes::rev(rev)?))
}

/// A page of the rooms in which a user is active, or that they have left.
pub(crate) async fn rooms(
    snapshot: &Snapshot,
    user: &UserId,
    wanted: &RoomQuery,
) -> Result<Vec<RoomView>, StoreError> {
    if wanted.left && wanted.unread_only {
        // Nothing is unread in rooms that were left.
        return Ok(Vec::new());
    }
    let query = snapshot.query();
    if wanted.unread_only && !query.dialect.finds_ranges_of_rows() {
        return unread_rooms(&query, user, wanted).await;
    }
    complete(&query, entries(&query, user, wanted).await?).await
}

/// A page of the rooms in which something is unread, where that cannot be asked for by the
/// statement that lists them: those in which something may be are counted page by page.
async fn unread_rooms<C: ConnectionTrait>(
    query: &Query<'_, C>,
    user: &UserId,
    wanted: &RoomQuery,
) -> Result<Vec<RoomView>, StoreError> {
    let most = usize::try_from(page_rows(wanted.limit, ROOMS_PAGE)).unwrap_or(usize::MAX);
    let mut wanted = wanted.clone();
    let mut found = Vec::new();
    loop {
        let page = entries(query, user, &wanted).await?;
        let is_last = page.len() < most;
        wanted.after = page.last().map(|Entry { room, .. }| RoomCursor {
            activity: room.last_message_at.unwrap_or(room.created_at),
            room: room.id,
        });
        let pending: Vec<Pending> = page.iter().filter_map(Entry::pending).collect();
        let unread = unread::of_rooms(query, &pending).await?;
        found.extend(page.into_iter().filter(|entry| {
            let unread = unread.get(&entry.room.id);
            unread.is_some_and(|unread| unread.count > 0)
        }));
        if is_last || found.len() >= most {
            break;
        }
    }
    found.truncate(most);
    complete(query, found).await
}

async fn entries<C: ConnectionTrait>(
    query: &Query<'_, C>,
    user: &UserId,
    wanted: &RoomQuery,
) -> Result<Vec<Entry>, StoreError> {
    let (sql, values) = page(query.dialect, user, wanted);
    each_entry(&query.all(&sql, values).await?)
}

/// These rooms, in the order of the question.
pub(crate) async fn views(
    snapshot: &Snapshot,
    user: &UserId,
    rooms: &[RoomId],
) -> Result<Vec<RoomView>, StoreError> {
    let query = snapshot.query();
    let mut asked = HashSet::new();
    let mut wanted = Rows::new(["room_id", "external_id"]);
    for room in rooms.iter().filter(|room| asked.insert(**room)) {
        wanted.push([room.as_uuid().into(), user.as_str().into()]);
    }
    let columns = entry_columns();
    let join = query.dialect.lookup();
    let from = format!(
        "rt_user u ON u.external_id = v.external_id \
         {join} {} AND p.state = 0 {join} rt_room r ON r.id = v.room_id",
        query.dialect.seat("p", "v.room_id", "u.id")
    );
    let found = query.find(wanted, &columns, &from).await?;
    let views = complete(&query, each_entry(&found)?).await?;
    let mut by_room: HashMap<RoomId, RoomView> =
        views.into_iter().map(|view| (view.room.id, view)).collect();
    Ok(rooms
        .iter()
        .filter_map(|room| by_room.remove(room))
        .collect())
}

/// The statement for a page. What is not asked for is not in its text.
fn page(dialect: Dialect, user: &UserId, wanted: &RoomQuery) -> (String, Vec<Value>) {
    let join = dialect.lookup();
    let (seat, visible) = if wanted.left {
        // Nothing is visible without an end.
        (ParticipantState::Left, " AND p.visible_to_seq IS NOT NULL")
    } else {
        (ParticipantState::Active, "")
    };
    let mut sql = format!(
        "SELECT {} FROM rt_user u \
         {join} rt_participant p ON p.user_id = u.id AND p.state = {}{visible} \
         {join} rt_room r ON r.id = p.room_id WHERE u.external_id = ?",
        entry_columns(),
        seat.code()
    );
    let mut values: Vec<Value> = vec![user.as_str().into()];
    let (state, is) = match wanted.state {
        Some(state) => (state, "="),
        None => (RoomState::Archived, "<>"),
    };
    sql.push_str(&format!(" AND r.state {is} ?"));
    values.push(state.code().into());
    if let Some(RoomCursor { activity, room }) = wanted.after {
        sql.push_str(&format!(" AND ({ACTIVITY}, r.id) < (?, ?)"));
        values.push(activity.as_millis().into());
        values.push(room.as_uuid().into());
    }
    if wanted.unread_only {
        sql.push_str(" AND ");
        sql.push_str(&unread::any(dialect));
    }
    sql.push_str(&format!(" {NEWEST_FIRST} LIMIT ?"));
    values.push(i64::from(page_rows(wanted.limit, ROOMS_PAGE)).into());
    (sql, values)
}

/// A room and who looks at it.
struct Entry {
    room: Room,
    me: Participant,
    number: i64,
}

fn entry_columns() -> String {
    format!(
        "{}, {}, u.external_id, u.display_name",
        room::COLUMNS,
        participant::COLUMNS
    )
}

fn each_entry(found: &[QueryResult]) -> Result<Vec<Entry>, StoreError> {
    found
        .iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            let room = room::Model::read(&mut columns).map_err(failed)?;
            let me = participant::Model::read(&mut columns).map_err(failed)?;
            let external: Option<String> = columns.take()?;
            let user = rows::user_id(external.as_deref())?;
            Ok(Entry {
                room: rows::room(room)?,
                me: rows::participant(&me, user, columns.take()?)?,
                number: me.user_id,
            })
        })
        .collect()
}

/// Adds what else a view shows: one statement for the unread, one for the newest
/// messages, one for the participants of small rooms.
async fn complete<C: ConnectionTrait>(
    query: &Query<'_, C>,
    entries: Vec<Entry>,
) -> Result<Vec<RoomView>, StoreError> {
    let pending: Vec<Pending> = entries.iter().filter_map(Entry::pending).collect();
    let unread = unread::of_rooms(query, &pending).await?;
    let mut newest = newest_messages(query, &entries).await?;
    let mut people = small_rooms(query, &entries).await?;
    Ok(entries
        .into_iter()
        .filter_map(|Entry { room, me, .. }| {
            let unread = unread.get(&room.id).copied().unwrap_or_default();
            let people = people.remove(&room.id).unwrap_or_default();
            let newest = newest.remove(&room.id);
            RoomView::of(room, me, unread, people, newest)
        })
        .collect())
}

impl Entry {
    fn pending(&self) -> Option<Pending> {
        let first = self.me.read_seq.next().max(self.room.first_seq);
        let last = self.room.last_seq;
        (self.me.is_active() && first <= last).then(|| Pending {
            room: self.room.id,
            range: (stored(first.get()), stored(last.get())),
            reader: self.number,
        })
    }

    /// The newest message that is kept and that they may see, or may have seen.
    fn newest(&self) -> Option<Seq> {
        let end = self.me.visible()?.to.unwrap_or(self.room.last_seq);
        let newest = end.min(self.room.last_seq);
        (newest >= self.room.first_seq).then_some(newest)
    }
}

async fn newest_messages<C: ConnectionTrait>(
    query: &Query<'_, C>,
    entries: &[Entry],
) -> Result<HashMap<RoomId, Message>, StoreError> {
    let mut places = Rows::new(["room_id", "seq"]);
    for entry in entries {
        if let Some(newest) = entry.newest() {
            let room = entry.room.id.as_uuid();
            places.push([room.into(), stored(newest.get()).into()]);
        }
    }
    let columns = format!("{}, {SENDER}", message::COLUMNS);
    let from = "rt_message m ON m.room_id = v.room_id AND m.seq = v.seq \
                LEFT JOIN rt_user u ON u.id = m.sender_id";
    let found = each_message(&query.find(places, &columns, from).await?)?;
    Ok(found
        .into_iter()
        .map(|message| (message.room, message))
        .collect())
}

async fn small_rooms<C: ConnectionTrait>(
    query: &Query<'_, C>,
    entries: &[Entry],
) -> Result<HashMap<RoomId, Vec<Participant>>, StoreError> {
    let mut rooms = Rows::new(["room_id"]);
    for entry in entries.iter().filter(|entry| entry.room.is_small()) {
        rooms.push([entry.room.id.as_uuid().into()]);
    }
    let columns = format!("{}, u.external_id, u.display_name", participant::COLUMNS);
    let join = query.dialect.lookup();
    // The sum keeps PostgreSQL from starting at the index by user: while the tables were
    // never analyzed, it takes "active" for rare, and would read everybody's seat.
    let from = format!(
        "rt_participant p ON p.room_id = v.room_id AND p.state + 0 = 0 \
         {join} rt_user u ON u.id = p.user_id AND u.external_id IS NOT NULL"
    );
    let found = each_participant(&query.find(rooms, &columns, &from).await?)?;
    let mut people: HashMap<RoomId, Vec<Participant>> = HashMap::new();
    for participant in found {
        people
            .entry(participant.room)
            .or_default()
            .push(participant);
    }
    for room in people.values_mut() {
        room.sort_unstable_by(|a, b| a.user.cmp(&b.user));
    }
    Ok(people)
}
