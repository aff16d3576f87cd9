//! Rooms as their participants see them in lists, and lists of participants.

use super::fixture::*;
use crate::{
    change::{Actor, Change, RoomAction},
    id::RoomId,
    limits::{PARTICIPANTS_PAGE, ROOMS_PAGE, SMALL_ROOM},
    participant::Role,
    room::RoomState,
    seq::Rev,
    store::{RoomCursor, RoomQuery, SharedBackend},
};

/// Newest activity first: the newest message, or the opening.
pub async fn rooms_come_by_newest_activity(store: SharedBackend) {
    let house = House::new(store);
    let (one, two) = (house.group(&["ann"]).await, house.group(&["ann"]).await);
    let three = house.group(&["ann", "ben"]).await;
    house.group(&["ben"]).await;
    let all = RoomQuery::default();
    assert_eq!(
        house.room_ids("ann", &all).await,
        [three.id, two.id, one.id]
    );
    one.says("ann", "hi").await;
    assert_eq!(
        house.room_ids("ann", &all).await,
        [one.id, three.id, two.id]
    );
    two.announces("the platform speaks").await;
    assert_eq!(
        house.room_ids("ann", &all).await,
        [two.id, one.id, three.id]
    );
    // Neither an edit nor a receipt nor a change of the room is activity.
    one.edits(by("ann"), 1, "hello").await;
    three.describes(Some(Some("Three")), None).await;
    three.reads("ben", 0).await;
    three.admits("cleo", Role::Member).await;
    one.deletes(by("ann"), 1).await;
    assert_eq!(
        house.room_ids("ann", &all).await,
        [two.id, one.id, three.id]
    );
    let (ids, rev) = house.store.memberships(&user("ann"), 10).await.unwrap();
    assert_eq!((ids, rev), (vec![two.id, one.id, three.id], Rev::new(3)));
}

/// Rooms of one moment come by id, newest first, and none is lost between pages.
pub async fn a_cursor_continues_a_list(store: SharedBackend) {
    let house = House::new(store);
    let mut rooms: Vec<RoomId> = Vec::new();
    for _ in 0..3 {
        let batch = vec![Change::Open(group(&["ann"])); 3];
        let mut opened: Vec<RoomId> = Vec::new();
        for outcome in house.commits(&batch).await {
            opened.push(room_in(&outcome.unwrap()).0.id);
        }
        opened.sort();
        rooms.extend(opened);
    }
    rooms.reverse();
    assert_eq!(house.room_ids("ann", &RoomQuery::default()).await, rooms);
    for limit in [1, 2, 3, 4, 9] {
        let mut told: Vec<RoomId> = Vec::new();
        let mut query = RoomQuery {
            limit,
            ..RoomQuery::default()
        };
        loop {
            let page = house.rooms("ann", &query).await;
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            let row = &last.room;
            query.after = Some(RoomCursor {
                activity: row.last_message_at.unwrap_or(row.created_at),
                room: row.id,
            });
            told.extend(page.iter().map(|view| view.room.id));
            assert!(told.len() <= rooms.len(), "no room is told twice");
        }
        assert_eq!(told, rooms, "pages of {limit}");
    }
    let (ids, _) = house.store.memberships(&user("ann"), 4).await.unwrap();
    assert_eq!(ids, rooms[..4]);
}

/// Archived rooms are out of the default list, and each state has a list.
pub async fn a_list_is_of_a_state(store: SharedBackend) {
    let house = House::new(store);
    let open = house.group(&["ann"]).await;
    let locked = house.group(&["ann"]).await;
    let archived = house.group(&["ann"]).await;
    let due = house.group(&["ann"]).await;
    locked.locks().await;
    archived.acts(RoomAction::Archive).await;
    let at = Some(house.in_ticks(2));
    due.acts(RoomAction::Lock { at }).await;
    house.group(&["zoe"]).await;
    house.group(&["zoe"]).await;
    for (state, expected) in [
        (None, vec![due.id, locked.id, open.id]),
        // The stored state, though the time to lock has come.
        (Some(RoomState::Open), vec![due.id, open.id]),
        (Some(RoomState::Locked), vec![locked.id]),
        (Some(RoomState::Archived), vec![archived.id]),
    ] {
        let query = RoomQuery {
            state,
            ..RoomQuery::default()
        };
        assert_eq!(house.room_ids("ann", &query).await, expected, "{state:?}");
    }
    let (ids, _) = house.store.memberships(&user("ann"), 10).await.unwrap();
    assert_eq!(ids, [due.id, locked.id, open.id]);
    archived.acts(RoomAction::Reopen).await;
    let (ids, _) = house.store.memberships(&user("ann"), 10).await.unwrap();
    assert_eq!(ids, [due.id, archived.id, locked.id, open.id]);
}

/// Only rooms with something unread, without gaps between pages.
pub async fn a_list_is_of_the_unread(store: SharedBackend) {
    let house = House::new(store);
    let mut unread: Vec<RoomId> = Vec::new();
    for number in 0..8 {
        let room = house.group(&["ann", "ben"]).await;
        room.says("ann", "hi").await;
        match number % 4 {
            0 => unread.push(room.id),
            1 => drop(room.reads("ben", 1).await),
            2 => drop(room.deletes(by("ann"), 1).await),
            _ => {
                room.reads("ben", 1).await;
                room.announces("does not count").await;
                room.says("ben", "nor do my own").await;
            }
        }
    }
    unread.reverse();
    let mut query = RoomQuery {
        unread_only: true,
        limit: 1,
        ..RoomQuery::default()
    };
    let mut told: Vec<RoomId> = Vec::new();
    while let Some(view) = house.rooms("ben", &query).await.pop() {
        assert_eq!(view.unread.count, 1);
        query.after = Some(RoomCursor {
            activity: view.room.last_message_at.unwrap(),
            room: view.room.id,
        });
        told.push(view.room.id);
        assert!(told.len() <= unread.len(), "no room is told twice");
    }
    assert_eq!(told, unread);
}

/// Only rooms in which the user is active.
pub async fn a_list_is_of_rooms_one_is_in(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "hi").await;
    room.removes("ben").await;
    assert_eq!(house.room_ids("ben", &RoomQuery::default()).await, []);
    let (ids, rev) = house.store.memberships(&user("ben"), 10).await.unwrap();
    assert_eq!((ids, rev), (Vec::new(), Rev::new(2)));
    let views = house.store.views(&user("ben"), &[room.id]).await.unwrap();
    assert_eq!(views, []);
    room.admits("ben", Role::Observer).await;
    assert_eq!(
        house.room_ids("ben", &RoomQuery::default()).await,
        [room.id]
    );
    let (ids, rev) = house.store.memberships(&user("ben"), 10).await.unwrap();
    assert_eq!((ids, rev), (vec![room.id], Rev::new(3)));
}

/// A page of rooms has its default and its maximum; memberships have no page.
pub async fn a_page_of_rooms_is_limited(store: SharedBackend) {
    let house = House::new(store);
    let (most, default) = ROOMS_PAGE;
    let batch = vec![Change::Open(group(&["ann"])); most as usize + 5];
    house.commits(&batch).await;
    for (limit, rows) in [(0, default), (1, 1), (most + 1, most), (u32::MAX, most)] {
        let query = RoomQuery {
            limit,
            ..RoomQuery::default()
        };
        assert_eq!(house.rooms("ann", &query).await.len(), rows as usize);
    }
    for (limit, rows) in [(0, 0), (3, 3), (most + 3, most + 3), (u32::MAX, most + 5)] {
        let (ids, _) = house.store.memberships(&user("ann"), limit).await.unwrap();
        assert_eq!(ids.len(), rows as usize);
    }
}

/// A view is the room, oneself, the others, what is unread and what was said last.
pub async fn a_view_shows_the_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["cleo", "ann", "ben", "dora"]).await;
    let view = room.view("ann").await;
    assert_eq!(view.last_message, None);
    room.says("ben", "one").await;
    room.says("ben", "two").await;
    room.removes("dora").await;
    room.admits("ann", Role::Observer).await;
    let view = room.view("ann").await;
    assert_eq!(view.room, room.row().await);
    assert_eq!(view.me, room.person("ann").await);
    assert_eq!((view.unread.count, view.unread.capped), (2, false));
    let people = ["ann", "ben", "cleo"];
    assert_eq!(names(&view.participants), people, "by user id");
    for (one, who) in view.participants.iter().zip(people) {
        assert_eq!(*one, room.person(who).await);
    }
    assert_eq!(view.last_message, Some(room.message(2).await));
    room.deletes(Actor::Service, 2).await;
    let last = room.view("ann").await.last_message.unwrap();
    assert!(last.seq.get() == 2 && last.deleted_at.is_some(), "{last:?}");
    let listed = house.rooms("ann", &RoomQuery::default()).await;
    assert_eq!(listed, [room.view("ann").await]);
}

/// Views come in the order of the question, each once, the others left out.
pub async fn views_come_as_they_were_asked_for(store: SharedBackend) {
    let house = House::new(store);
    let (one, two) = (house.group(&["ann"]).await, house.group(&["ann"]).await);
    let other = house.group(&["zoe"]).await;
    let archived = house.group(&["ann"]).await;
    archived.acts(RoomAction::Archive).await;
    let unknown = RoomId::from_uuid(uuid::Uuid::from_u128(7));
    let asked = [
        two.id,
        other.id,
        one.id,
        two.id,
        unknown,
        archived.id,
        one.id,
    ];
    let views = house.store.views(&user("ann"), &asked).await.unwrap();
    let told: Vec<RoomId> = views.iter().map(|view| view.room.id).collect();
    assert_eq!(told, [two.id, one.id, archived.id]);
    assert_eq!(house.store.views(&user("ann"), &[]).await.unwrap(), []);
}

/// A room that is not small does not list its people in views.
pub async fn a_large_room_does_not_list_its_people(store: SharedBackend) {
    let house = House::new(store);
    let people: Vec<String> = (0..SMALL_ROOM).map(|one| format!("u{one:03}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let room = house.group(&people).await;
    assert_eq!(names(&room.view("u007").await.participants), people);
    room.admits("one more", Role::Observer).await;
    let view = room.view("u007").await;
    assert_eq!(view.participants, []);
    assert_eq!(view.me.user, user("u007"));
    room.removes("u000").await;
    let view = room.view("u007").await;
    assert_eq!(view.participants.len(), SMALL_ROOM as usize);
}

/// Active participants by user id, page after page.
pub async fn participants_come_by_user(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["d", "B", "a", "é", "c", "Z", "b"]).await;
    room.removes("c").await;
    let page = async |after: Option<&str>, limit: u32| {
        let after = after.map(user);
        let people = house.store.participants(room.id, after.as_ref(), limit);
        let people = people.await.unwrap();
        people
            .iter()
            .map(|one| one.user.as_str().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(page(None, 100).await, ["B", "Z", "a", "b", "d", "é"]);
    assert_eq!(page(None, 2).await, ["B", "Z"]);
    assert_eq!(page(Some("Z"), 2).await, ["a", "b"]);
    assert_eq!(
        page(Some("c"), 2).await,
        ["d", "é"],
        "who left is a place too"
    );
    assert_eq!(page(Some("aa"), 1).await, ["b"], "so is who was never here");
    assert_eq!(page(Some("é"), 2).await, [] as [&str; 0]);
    let people = house.store.participants(room.id, None, 1).await.unwrap();
    assert_eq!(people, [room.person("B").await]);
}

/// A page of participants has its default and its maximum.
pub async fn a_page_of_participants_is_limited(store: SharedBackend) {
    let house = House::new(store);
    let (most, default) = PARTICIPANTS_PAGE;
    let people: Vec<String> = (0..most + 5).map(|one| format!("u{one:03}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let room = house.group(&people).await;
    for (limit, rows) in [(0, default), (1, 1), (most + 1, most), (u32::MAX, most)] {
        let page = house.store.participants(room.id, None, limit).await;
        assert_eq!(page.unwrap().len(), rows as usize);
    }
}
