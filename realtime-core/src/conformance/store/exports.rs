//! What is known of a person is handed out to them, all of it and nothing else.

use super::fixture::*;
use crate::{
    change::{Actor, Change, Legacy, NewParticipant},
    id::RoomId,
    limits::TIDY_MESSAGES,
    participant::Role,
    seq::Seq,
    store::{ExportCursor, Exported, SharedBackend},
};

async fn all(house: &House, who: &str) -> Vec<Exported> {
    house.exports(who, None).await.concat()
}

async fn the_person(house: &House, who: &str, name: Option<&str>) -> Exported {
    let id = user(who);
    let seen = house.store.last_seen(std::slice::from_ref(&id)).await;
    Exported::Person {
        id,
        name: name.map(str::to_owned),
        last_seen_at: seen.unwrap()[0],
    }
}

async fn the_room(room: Place<'_>, who: &str) -> Exported {
    let row = room.row().await;
    Exported::Room {
        id: row.id,
        subject: row.subject,
        title: row.title,
        participant: Box::new(room.person(who).await),
    }
}

async fn the_message(room: Place<'_>, seq: u64) -> Exported {
    Exported::Message(Box::new(room.message(seq).await))
}

async fn the_editions(room: Place<'_>, seq: u64) -> Vec<Exported> {
    let editions = room.editions(seq).await.into_iter();
    editions
        .map(|edition| Exported::Edition {
            room: room.id,
            seq: Seq::new(seq),
            edition,
        })
        .collect()
}

/// The person, then room by room the room and their own messages with what they said
/// before; nothing of others.
pub async fn an_export_is_all_that_is_known(store: SharedBackend) {
    let house = House::new(store);
    let mut new = job_room("1", &["ann"]);
    new.participants.push(NewParticipant {
        name: Some("Ben".to_owned()),
        ..newcomer("ben")
    });
    let one = house.opens(new).await;
    one.describes(Some(Some("Kitchen")), None).await;
    one.says("ann", "not ben's").await;
    one.says("ben", "helo").await;
    one.announces("nor this").await;
    one.says("ben", "oops").await;
    one.edits(by("ben"), 2, "hello").await;
    one.edits(by("ben"), 2, "Hello").await;
    one.deletes(by("ben"), 4).await;
    let quiet = house.group(&["ann", "ben"]).await;
    house.group(&["ann"]).await.says("ann", "elsewhere").await;
    house.store.saw(&[user("ben")], house.now()).await.unwrap();

    let mut of_one = vec![the_room(one, "ben").await, the_message(one, 2).await];
    of_one.extend(the_editions(one, 2).await);
    of_one.push(the_message(one, 4).await);
    of_one.extend(the_editions(one, 4).await);
    assert_eq!(of_one.len(), 6, "two versions of the one, one of the other");
    let of_quiet = vec![the_room(quiet, "ben").await];
    let mut expected = vec![the_person(&house, "ben", Some("Ben")).await];
    if one.id < quiet.id {
        expected.extend([of_one, of_quiet].concat());
    } else {
        expected.extend([of_quiet, of_one].concat());
    }
    assert_eq!(all(&house, "ben").await, expected);
    assert!(one.message(2).await.client_id.is_some());
}

/// Rooms that they left or were removed from are known of them, too.
pub async fn rooms_of_before_are_exported(store: SharedBackend) {
    let house = House::new(store);
    let mut expected = vec![the_person(&house, "ben", None).await];
    let mut rooms: Vec<Place<'_>> = Vec::new();
    for _ in 0..3 {
        let room = house.group(&["ann", "ben"]).await;
        room.says("ben", "before").await;
        rooms.push(room);
    }
    rooms[0].leaves("ben").await;
    rooms[1].removes("ben").await;
    rooms[2].removes("ben").await;
    rooms[2].admits_from_now("ben").await;
    rooms.sort_by_key(|room| room.id);
    for room in rooms {
        room.says("ann", "after").await;
        expected.push(the_room(room, "ben").await);
        expected.push(the_message(room, 1).await);
    }
    assert_eq!(all(&house, "ben").await, expected);
}

/// Of somebody unknown nothing is known, not even that.
pub async fn nobody_is_exported(store: SharedBackend) {
    let house = House::new(store);
    house.group(&["ann"]).await;
    let after = Some(ExportCursor {
        room: RoomId::from_uuid(uuid::Uuid::from_u128(7)),
        seq: Seq::new(7),
    });
    for after in [None, after] {
        assert_eq!(house.exports_a_page("nobody", after).await, None);
    }
}

/// A long export comes in bounded pages, of which some may be empty.
pub async fn an_export_comes_page_by_page(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let page = u64::from(TIDY_MESSAGES);
    room.says("ben", "the first").await;
    room.says_often("ann", page * 2).await;
    room.says_often("ben", page + 1).await;
    room.says("ann", "the last").await;
    let pages = house.exports("ben", None).await;
    let mut seqs: Vec<u64> = Vec::new();
    for items in &pages {
        let messages = items.iter().filter_map(|item| match item {
            Exported::Message(message) => Some(message.seq.get()),
            Exported::Person { .. } | Exported::Room { .. } | Exported::Edition { .. } => None,
        });
        let messages: Vec<u64> = messages.collect();
        assert!(messages.len() as u64 <= page);
        seqs.extend(messages);
    }
    let own = std::iter::once(1).chain(page * 2 + 2..=page * 3 + 2);
    assert_eq!(seqs, own.collect::<Vec<_>>());
    let items = pages.concat();
    assert_eq!(items.len(), seqs.len() + 2, "the person and the room, once");
    assert_eq!(items[1], the_room(room, "ben").await);
}

/// From a position in a room that they are not known in, it goes on with the next.
pub async fn an_export_goes_on_after_any_room(store: SharedBackend) {
    let house = House::new(store);
    let batch = vec![Change::Open(group(&["ann", "ben"])); 5];
    let opened = house.commits(&batch).await.into_iter();
    let mut ids: Vec<RoomId> = opened.map(|one| room_in(&one.unwrap()).0.id).collect();
    ids.sort();
    let rooms: Vec<Place<'_>> = ids.iter().map(|id| house.place(*id)).collect();
    for room in &rooms {
        room.says("ben", "hi").await;
    }
    let stranger = user("zoe");
    rooms[2].admits("zoe", Role::Member).await;
    rooms[4].admits("zoe", Role::Observer).await;
    let expected = |places: &[usize]| {
        let rooms: Vec<RoomId> = places.iter().map(|place| ids[*place]).collect();
        rooms
    };
    let told = async |who: &str, room: usize, seq: u64| {
        let after = ExportCursor {
            room: ids[room],
            seq: Seq::new(seq),
        };
        let items = house.exports(who, Some(after)).await.concat();
        let rooms = items.iter().filter_map(|item| match item {
            Exported::Room { id, .. } => Some(*id),
            Exported::Person { id, .. } => panic!("{id} was told"),
            Exported::Message(_) | Exported::Edition { .. } => None,
        });
        rooms.collect::<Vec<_>>()
    };
    assert_eq!(told(stranger.as_str(), 0, 1).await, expected(&[2, 4]));
    assert_eq!(told(stranger.as_str(), 3, 1).await, expected(&[4]));
    assert_eq!(told("ben", 1, 1).await, expected(&[2, 3, 4]));
    let far = crate::seq::MAX_JSON_INTEGER;
    assert_eq!(told("ben", 3, far).await, expected(&[4]));
    assert_eq!(told("ben", 4, far).await, expected(&[]));
}

/// What is no longer kept is not exported.
pub async fn what_is_not_kept_is_not_exported(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ben"]).await;
    room.says_often("ben", 3).await;
    for seq in [1, 3] {
        room.edits(by("ben"), seq, "edited").await;
    }
    room.retains(2).await;
    for _ in 0..2 {
        let mut expected = vec![
            the_person(&house, "ben", None).await,
            the_room(room, "ben").await,
            the_message(room, 2).await,
            the_message(room, 3).await,
        ];
        expected.extend(the_editions(room, 3).await);
        assert_eq!(all(&house, "ben").await, expected);
        house.tidies().await;
    }
}

/// What somebody said who was erased is no longer anybody's, though they come again.
pub async fn who_comes_anew_is_exported_anew(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ben", "the old one").await;
    house.erases("ben", Legacy::Keep).await;
    assert_eq!(house.exports_a_page("ben", None).await, None);
    room.admits("ben", Role::Member).await;
    room.says("ben", "the new one").await;
    room.sends(room.draft(Actor::Service, "nobody's")).await;
    for _ in 0..2 {
        let expected = [
            the_person(&house, "ben", None).await,
            the_room(room, "ben").await,
            the_message(room, 2).await,
        ];
        assert_eq!(all(&house, "ben").await, expected);
        house.tidies().await;
    }
}
