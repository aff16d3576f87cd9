//! Rooms are described, locked, reopened and archived.

use serde_json::json;

use super::fixture::*;
use crate::{
    change::{Change, Committed, Rejection, RoomAction},
    event::RoomChange,
    room::{Room, RoomState},
    seq::Rev,
    store::SharedBackend,
    time::Timestamp,
};

fn told_room(committed: &Committed) -> Room {
    let event = the_event(committed);
    let RoomChange::Room(room) = event.change else {
        panic!("the room is told, not {:?}", event.change);
    };
    assert_eq!((room.rev, room.meta_rev), (event.rev, event.rev));
    assert_eq!(room_in(committed), (Room::clone(&room), false));
    assert_eq!(committed.users, [], "nobody came or went");
    *room
}

/// Title and metadata change by one `rev`; what is not named stays.
pub async fn a_room_is_described(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "hi").await;
    let opened = room.row().await;
    let told = told_room(&room.describes(Some(Some("Kitchen")), None).await);
    let expected = Room {
        title: Some("Kitchen".to_owned()),
        rev: Rev::new(3),
        meta_rev: Rev::new(3),
        ..opened
    };
    assert_eq!(told, expected);
    let data = Some(metadata(&json!({"floor": 2})));
    let told = told_room(&room.describes(None, Some(data.clone())).await);
    assert_eq!(told.title.as_deref(), Some("Kitchen"));
    assert_eq!(told.metadata, data);
    assert_eq!(room.row().await, told);
    room.is_dense().await;
}

/// `Some(None)` removes.
pub async fn a_description_is_removed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let data = Some(metadata(&json!({"floor": 2})));
    room.describes(Some(Some("Kitchen")), Some(data)).await;
    let told = told_room(&room.describes(Some(None), None).await);
    assert!(told.title.is_none() && told.metadata.is_some());
    let told = told_room(&room.describes(None, Some(None)).await);
    assert!(told.title.is_none() && told.metadata.is_none());
    assert_eq!(told.rev, Rev::new(4));
}

/// Saying what is already so burns no `rev`.
pub async fn the_same_description_changes_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let data = Some(metadata(&json!({"b": {"x": [1, 2.5]}, "a": null})));
    room.describes(Some(Some("Kitchen")), Some(data.clone()))
        .await;
    for (title, metadata) in [
        (None, None),
        (Some(Some("Kitchen")), None),
        (None, Some(data.clone())),
        (Some(Some("Kitchen")), Some(data)),
    ] {
        let describe = room.describes(title, metadata);
        let committed = room.stays_as_it_was(describe).await;
        is_silent(&committed);
        assert_eq!(room_in(&committed), (room.row().await, false));
    }
}

/// A lock without a time, or with one that is past, locks now.
pub async fn a_room_is_locked_now(store: SharedBackend) {
    let house = House::new(store);
    for at in [
        None,
        Some(house.in_ticks(-10)),
        Some(Timestamp::from_millis(0)),
    ] {
        let room = house.group(&["ann"]).await;
        let told = told_room(&room.acts(RoomAction::Lock { at }).await);
        assert_eq!((told.state, told.locks_at), (RoomState::Locked, None));
        assert_eq!(told.rev, Rev::new(2));
    }
    let room = house.group(&["ann"]).await;
    let at = Some(house.in_ticks(1));
    let told = told_room(&room.acts(RoomAction::Lock { at }).await);
    assert_eq!(told.state, RoomState::Locked, "at the very moment");
}

/// A lock to come is noted; the state stays open until then.
pub async fn a_lock_to_come_is_noted(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let at = Some(house.in_ticks(1_000));
    let told = told_room(&room.acts(RoomAction::Lock { at }).await);
    assert_eq!((told.state, told.locks_at), (RoomState::Open, at));
    let again = room.acts(RoomAction::Lock { at });
    is_silent(&room.stays_as_it_was(again).await);
    for later in [2_000, 500] {
        let at = Some(house.in_ticks(later));
        let told = told_room(&room.acts(RoomAction::Lock { at }).await);
        assert_eq!((told.state, told.locks_at), (RoomState::Open, at));
    }
    let told = told_room(&room.locks().await);
    assert_eq!((told.state, told.locks_at), (RoomState::Locked, None));
}

/// A later time for a locked room changes nothing: a lock never opens.
pub async fn a_lock_never_opens(store: SharedBackend) {
    let house = House::new(store);
    let later = RoomAction::Lock {
        at: Some(house.in_ticks(1_000)),
    };
    let now = RoomAction::Lock { at: None };
    let room = house.group(&["ann"]).await;
    for action in [now, RoomAction::Archive] {
        room.acts(action).await;
        for lock in [later, now] {
            is_silent(&room.stays_as_it_was(room.acts(lock)).await);
        }
    }
    // Neither does one for a room whose time has come.
    let room = house.group(&["ann"]).await;
    let at = Some(house.in_ticks(2));
    room.acts(RoomAction::Lock { at }).await;
    room.refuses(room.draft(by("ann"), "late")).await;
    is_silent(&room.stays_as_it_was(room.acts(later)).await);
    let told = told_room(&room.locks().await);
    assert_eq!((told.state, told.locks_at), (RoomState::Locked, None));
}

/// Open again, and no lock to come.
pub async fn a_room_is_reopened(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    is_silent(&room.stays_as_it_was(room.acts(RoomAction::Reopen)).await);
    let at = Some(house.in_ticks(1_000));
    for action in [
        RoomAction::Lock { at: None },
        RoomAction::Lock { at },
        RoomAction::Archive,
    ] {
        room.acts(action).await;
        let told = told_room(&room.acts(RoomAction::Reopen).await);
        assert_eq!((told.state, told.locks_at), (RoomState::Open, None));
    }
    room.says("ann", "still here").await;
    room.is_dense().await;
}

/// As locked, and out of the default list; archiving again changes nothing.
pub async fn a_room_is_archived(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let at = Some(house.in_ticks(1_000));
    room.acts(RoomAction::Lock { at }).await;
    let told = told_room(&room.acts(RoomAction::Archive).await);
    assert_eq!((told.state, told.locks_at), (RoomState::Archived, None));
    is_silent(&room.stays_as_it_was(room.acts(RoomAction::Archive)).await);
    assert_eq!(house.user_head("ann").await, Rev::FIRST);
}

/// An unknown room is not found.
pub async fn an_unknown_room_is_not_changed(store: SharedBackend) {
    let house = House::new(store);
    let room = crate::id::RoomId::from_uuid(uuid::Uuid::from_u128(7));
    for action in [
        RoomAction::Lock { at: None },
        RoomAction::Reopen,
        RoomAction::Archive,
    ] {
        let refused = house.refuses(Change::Act { room, action }).await;
        assert_eq!(refused, Rejection::NotFound);
    }
    let describe = Change::Describe {
        room,
        title: Some(Some("x".to_owned())),
        metadata: None,
    };
    assert_eq!(house.refuses(describe).await, Rejection::NotFound);
}
