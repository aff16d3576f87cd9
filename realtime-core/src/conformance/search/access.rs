//! Who finds what.

use super::{Rig, fixture::House};
use crate::{
    change::{Change, History, NewParticipant},
    participant::Role,
};

/// Neither who is unknown nor who is in no room.
pub async fn strangers_find_nothing(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    house.opens(&["cat"]).await;
    house.says(room, "ann", "the key").await;
    house.indexes().await;
    assert!(house.finds("stranger", "key").await.is_empty());
    assert!(house.finds("cat", "key").await.is_empty());
    assert_eq!(house.finds("ann", "key").await, ["the key"]);
}

/// The same words in rooms of others stay there.
pub async fn others_rooms_are_not_searched(rig: Rig) {
    let house = House::new(rig);
    for who in ["ann", "ben", "cat"] {
        let room = house.opens(&[who]).await;
        for number in 0..20 {
            house
                .says(room, who, &format!("key {number} of {who}"))
                .await;
        }
    }
    let shared = house.opens(&["ann", "ben"]).await;
    house.says(shared, "ann", "key of both").await;
    house.indexes().await;
    let found = house.finds("ben", "key").await;
    assert_eq!(found.len(), 21, "{found:?}");
    assert!(
        found
            .iter()
            .all(|text| text.ends_with("ben") || text.ends_with("both"))
    );
}

/// At once, whatever the index says.
pub async fn who_was_removed_finds_nothing(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    house.says(room, "ann", "the key").await;
    house.indexes().await;
    house.removes(room, "ben", false).await;
    assert!(house.finds("ben", "key").await.is_empty());
    assert!(house.finds_in(room, "ben", "key").await.is_empty());
    assert_eq!(house.finds("ann", "key").await.len(), 1);
}

/// What was said while they were there, and no more.
pub async fn who_left_finds_what_was_before(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    house.says(room, "ann", "first key").await;
    house
        .does(replace(room, "ben", "cat", History::FromNow))
        .await;
    house.says(room, "ann", "second key").await;
    house.indexes().await;
    assert_eq!(house.finds("ben", "key").await, ["first key"]);
    assert_eq!(house.finds("cat", "key").await, ["second key"]);
    assert_eq!(house.finds("ann", "key").await, ["second key", "first key"]);
    assert_eq!(house.finds_in(room, "ben", "key").await, [1]);
    assert_eq!(house.finds_in(room, "cat", "key").await, [2]);
}

fn replace(room: crate::id::RoomId, leaves: &str, comes: &str, history: History) -> Change {
    Change::Replace {
        room,
        leaves: super::fixture::user(leaves),
        comes: NewParticipant {
            user: super::fixture::user(comes),
            role: Role::Member,
            name: None,
        },
        history,
    }
}

/// From when they came, or everything, as was decided.
pub async fn a_newcomer_finds_what_comes_after(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    house.says(room, "ann", "first key").await;
    house.admits(room, "ben", History::FromNow).await;
    house.admits(room, "cat", History::All).await;
    house.says(room, "ann", "second key").await;
    house.indexes().await;
    assert_eq!(house.finds("ben", "key").await, ["second key"]);
    assert_eq!(house.finds("cat", "key").await.len(), 2);
}

/// Their window is the one that they have now.
pub async fn who_came_back_finds_again(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    house.says(room, "ann", "first key").await;
    house.removes(room, "ben", true).await;
    house.says(room, "ann", "second key").await;
    house.indexes().await;
    assert_eq!(house.finds("ben", "key").await, ["first key"]);
    house.admits(room, "ben", History::All).await;
    assert_eq!(house.finds("ben", "key").await.len(), 2);
    house.removes(room, "ben", true).await;
    house.removes(room, "ben", false).await;
    assert!(house.finds("ben", "key").await.is_empty());
}

/// One that is not there looks the same.
pub async fn a_room_that_is_not_seen_is_empty(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    let other = house.opens(&["ann", "ben"]).await;
    house.says(room, "ann", "the key").await;
    house.says(other, "ann", "another key").await;
    house.indexes().await;
    let nowhere = crate::id::RoomId::from_uuid(uuid::Uuid::from_u128(7));
    for room in [room, nowhere] {
        assert!(house.finds_in(room, "ben", "key").await.is_empty());
    }
    assert_eq!(house.finds_in(room, "ann", "key").await, [1]);
    assert_eq!(house.finds_in(other, "ben", "key").await, [1]);
}
