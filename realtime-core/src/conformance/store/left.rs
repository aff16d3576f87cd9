//! The rooms that somebody has left, as they go on reading them.

use super::fixture::*;
use crate::{
    change::{Actor, Change, RoomAction},
    id::RoomId,
    participant::Role,
    room::RoomState,
    seq::{Rev, Seq},
    store::{RoomCursor, RoomQuery, RoomView, SharedBackend},
};

fn left() -> RoomQuery {
    RoomQuery {
        left: true,
        ..RoomQuery::default()
    }
}

async fn the_left_room(house: &House, who: &str) -> RoomView {
    let mut views = house.rooms(who, &left()).await;
    assert_eq!(views.len(), 1, "one room was left");
    views.remove(0)
}

/// Rooms that were left have a list of their own, without those one is in, and those
/// one was removed from.
pub async fn rooms_that_were_left_have_a_list(store: SharedBackend) {
    let house = House::new(store);
    let stays = house.group(&["ann", "ben"]).await;
    let leaves = house.group(&["ann", "ben"]).await;
    let removed = house.group(&["ann", "ben"]).await;
    let both = house.group(&["ann", "ben"]).await;
    house.group(&["zoe"]).await;
    leaves.leaves("ben").await;
    removed.removes("ben").await;
    both.leaves("ben").await;
    both.removes("ben").await;
    let all = RoomQuery::default();
    assert_eq!(house.room_ids("ben", &left()).await, [leaves.id]);
    assert_eq!(house.room_ids("ben", &all).await, [stays.id]);
    assert_eq!(house.room_ids("ann", &left()).await, []);
    assert_eq!(house.room_ids("nobody", &left()).await, []);
    leaves.admits("ben", Role::Member).await;
    assert_eq!(house.room_ids("ben", &left()).await, []);
    assert_eq!(house.room_ids("ben", &all).await, [leaves.id, stays.id]);
}

/// A view of a room that was left ends where one left it.
pub async fn a_view_of_a_left_room_ends_with_it(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await; // 1
    room.says("ann", "before").await; // 2
    room.admits_from_now("ben").await; // 3
    room.says("ben", "there").await; // 4
    room.says("ann", "there, too").await; // 5
    room.leaves("ben").await; // 6
    let at_once = the_left_room(&house, "ben").await;
    assert_eq!(at_once.room.rev, Rev::new(6));
    room.says_often("ann", 2).await; // 7, 8
    let view = the_left_room(&house, "ben").await;
    assert_eq!(view.room.first_seq, Seq::new(2));
    assert_eq!(view.room.last_seq, Seq::new(3));
    assert_eq!(view.room.rev, Rev::new(6));
    assert_eq!(view.last_message, Some(room.message(3).await));
    assert_eq!((view.unread.count, view.unread.capped), (0, false));
    assert_eq!(view.me, room.person("ben").await);
    assert_eq!(view.room.participant_count, 1);
    room.edits(Actor::Service, 3, "edited").await;
    let view = the_left_room(&house, "ben").await;
    let last = view.last_message.unwrap();
    assert_eq!(last.body.as_deref(), Some("edited"), "as it is now");
}

/// Whoever came and went before the first word has a room without messages.
pub async fn a_left_room_may_show_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 2).await;
    room.admits_from_now("ben").await;
    room.leaves("ben").await;
    room.says("ann", "gone?").await;
    let view = the_left_room(&house, "ben").await;
    assert_eq!(
        (view.room.first_seq, view.room.last_seq),
        (Seq::new(3), Seq::new(2))
    );
    assert_eq!(view.last_message, None);
}

/// Of the participants, only those are shown whom one could have met.
pub async fn a_left_room_shows_whom_one_met(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "dora"]).await;
    room.says("ann", "hi").await;
    room.leaves("ben").await;
    room.removes("dora").await;
    room.admits_from_now("later").await;
    room.admits("with all history", Role::Observer).await;
    let view = the_left_room(&house, "ben").await;
    assert_eq!(names(&view.participants), ["ann", "with all history"]);
    assert_eq!(view.participants[0], room.person("ann").await);
    // How far they read is told as far as one could have seen it.
    room.says("ann", "and later").await;
    let ann = the_left_room(&house, "ben").await.participants.remove(0);
    assert_eq!((ann.delivered_seq, ann.read_seq), (Seq::FIRST, Seq::FIRST));
    assert_eq!(room.pointers("ann").await, (2, 2));
    let people = ["ann", "later", "with all history"];
    assert_eq!(names(&room.view("later").await.participants), people);
}

/// A room that was left is nowhere else: nothing in it is unread, nobody in it is an
/// acquaintance.
pub async fn a_left_room_is_in_its_list_alone(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 2).await;
    room.leaves("ben").await;
    let (ben, store) = (user("ben"), &house.store);
    assert_eq!(store.views(&ben, &[room.id]).await.unwrap(), []);
    let memberships = store.memberships(&ben, 10).await.unwrap();
    assert_eq!(memberships, (Vec::new(), Rev::new(2)));
    assert_eq!(room.unread("ben").await.count, 0);
    let totals = store.unread_totals(&ben).await.unwrap();
    assert_eq!((totals.rooms, totals.messages), (0, 0));
    let known = store.acquaintances(&ben, &[user("ann")]).await.unwrap();
    assert_eq!(known, []);
    let known = store.acquaintances(&user("ann"), &[ben]).await.unwrap();
    assert_eq!(known, []);
    let people = store.participants(room.id, None, 0).await.unwrap();
    assert_eq!(names(&people), ["ann"]);
    let unread = RoomQuery {
        unread_only: true,
        ..left()
    };
    assert_eq!(house.room_ids("ben", &unread).await, []);
}

/// Left rooms come by newest activity, page after page, of a state.
pub async fn left_rooms_come_page_by_page(store: SharedBackend) {
    let house = House::new(store);
    let mut rooms: Vec<RoomId> = Vec::new();
    for _ in 0..5 {
        let room = house.group(&["ann", "ben"]).await;
        room.leaves("ben").await;
        rooms.push(room.id);
        // One that takes no place in any page.
        let removed = house.group(&["ann", "ben"]).await;
        removed.removes("ben").await;
    }
    // Activity of the room, also after one left it.
    house.place(rooms[1]).says("ann", "still here").await;
    house.place(rooms[0]).acts(RoomAction::Archive).await;
    house.place(rooms[3]).locks().await;
    let expected = [rooms[1], rooms[4], rooms[3], rooms[2]];
    for limit in [1, 2, 3, 9] {
        let mut query = RoomQuery { limit, ..left() };
        let mut told: Vec<RoomId> = Vec::new();
        loop {
            let page = house.rooms("ben", &query).await;
            assert!(page.len() <= limit as usize);
            let Some(last) = page.last() else { break };
            query.after = Some(RoomCursor {
                activity: last.room.last_message_at.unwrap_or(last.room.created_at),
                room: last.room.id,
            });
            told.extend(page.iter().map(|view| view.room.id));
            assert!(told.len() <= rooms.len(), "no room is told twice");
        }
        assert_eq!(told, expected, "pages of {limit}");
    }
    for (state, expected) in [
        (RoomState::Archived, rooms[0]),
        (RoomState::Locked, rooms[3]),
    ] {
        let query = RoomQuery {
            state: Some(state),
            ..left()
        };
        assert_eq!(house.room_ids("ben", &query).await, [expected]);
    }
    house.does(Change::Open(group(&["ben"]))).await;
    assert_eq!(house.room_ids("ben", &left()).await, expected);
}
