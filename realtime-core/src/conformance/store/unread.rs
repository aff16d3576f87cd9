//! What somebody has not read: derived from their pointer, never counted up and down.

use super::fixture::*;
use crate::{
    change::{Actor, RoomAction},
    limits::UNREAD_CAP,
    participant::Role,
    store::{SharedBackend, Unread, UnreadTotals},
};

const fn exactly(count: u32) -> Unread {
    Unread {
        count,
        capped: false,
    }
}

/// Messages of others after the read pointer count; one's own do not.
pub async fn messages_of_others_are_unread(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "cleo"]).await;
    room.says_often("ann", 2).await;
    room.says("ben", "three").await;
    room.says("cleo", "four").await;
    assert_eq!(room.unread("ann").await, exactly(2));
    assert_eq!(room.unread("ben").await, exactly(3));
    assert_eq!(room.unread("cleo").await, exactly(3));
    room.reads("ben", 1).await;
    assert_eq!(room.unread("ben").await, exactly(2));
    room.receives("ben", 4).await;
    assert_eq!(room.unread("ben").await, exactly(2), "received is not read");
    room.reads("ben", 4).await;
    assert_eq!(room.unread("ben").await, exactly(0));
    room.says("ann", "five").await;
    assert_eq!(room.unread("ben").await, exactly(1));
}

/// System messages do not count, texts of the platform do, for everybody.
pub async fn system_messages_are_not_unread(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.announces("The job was accepted").await;
    assert_eq!(room.unread("ann").await, exactly(0));
    room.sends(room.draft(Actor::Service, "A text")).await;
    room.announces("The job was completed").await;
    assert_eq!(room.unread("ann").await, exactly(1));
    assert_eq!(room.unread("ben").await, exactly(1));
}

/// What was deleted does not count, what was edited counts once.
pub async fn tombstones_are_not_unread(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 3).await;
    room.deletes(by("ann"), 2).await;
    room.edits(by("ann"), 3, "edited").await;
    assert_eq!(room.unread("ben").await, exactly(2));
    room.reads("ben", 3).await;
    room.edits(by("ann"), 3, "edited again").await;
    assert_eq!(room.unread("ben").await, exactly(0));
}

/// Counted up to the cap; then it is said that there are more.
pub async fn unread_is_counted_up_to_the_cap(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let cap = u64::from(UNREAD_CAP);
    room.says_often("ann", cap).await;
    assert_eq!(room.unread("ben").await, exactly(UNREAD_CAP));
    room.announces("does not count").await;
    assert_eq!(room.unread("ben").await, exactly(UNREAD_CAP));
    room.says("ann", "one more").await;
    let capped = Unread {
        count: UNREAD_CAP,
        capped: true,
    };
    assert_eq!(room.unread("ben").await, capped);
    assert_eq!(room.view("ben").await.unread, capped);
    room.says_often("ann", 50).await;
    assert_eq!(room.unread("ben").await, capped);
    room.reads("ben", 51).await;
    assert_eq!(room.unread("ben").await, exactly(UNREAD_CAP));
    room.reads("ben", 52).await;
    assert_eq!(room.unread("ben").await, exactly(UNREAD_CAP - 1));
}

/// What does not count does not use the cap up.
pub async fn what_does_not_count_is_not_in_the_cap(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "unread").await;
    room.says_often("ben", 2 * u64::from(UNREAD_CAP)).await;
    room.says("ann", "unread, too").await;
    assert_eq!(room.unread("ben").await, exactly(2));
}

/// Who is not active in a room has nothing unread there.
pub async fn strangers_have_nothing_unread(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 3).await;
    assert_eq!(room.unread("zoe").await, exactly(0));
    room.removes("ben").await;
    assert_eq!(room.unread("ben").await, exactly(0));
    let totals = house.store.unread_totals(&user("ben")).await.unwrap();
    assert_eq!(totals, UnreadTotals::default());
    room.admits("olga", Role::Observer).await;
    room.says("ann", "four").await;
    assert_eq!(room.unread("olga").await, exactly(1), "observers have");
}

/// Totals: rooms exactly, messages each room up to the cap, archived ones left out.
pub async fn totals_are_over_all_rooms_but_archived(store: SharedBackend) {
    let house = House::new(store);
    let totals = async || house.store.unread_totals(&user("ben")).await.unwrap();
    let expected = |rooms, messages, capped| UnreadTotals {
        rooms,
        messages,
        capped,
    };
    assert_eq!(totals().await, expected(0, 0, false));
    let (one, two) = (
        house.group(&["ann", "ben"]).await,
        house.group(&["ann", "ben"]).await,
    );
    let read = house.group(&["ann", "ben"]).await;
    let others = house.group(&["ann", "cleo"]).await;
    one.says_often("ann", 3).await;
    two.says("ann", "hi").await;
    read.says("ann", "hi").await;
    read.reads("ben", 1).await;
    others.says("ann", "hi").await;
    assert_eq!(totals().await, expected(2, 4, false));
    two.says_often("ann", u64::from(UNREAD_CAP) + 20).await;
    assert_eq!(totals().await, expected(2, UNREAD_CAP + 3, true));
    one.locks().await;
    assert_eq!(totals().await, expected(2, UNREAD_CAP + 3, true));
    two.acts(RoomAction::Archive).await;
    assert_eq!(totals().await, expected(1, 3, false));
    assert_eq!(
        two.unread("ben").await.count,
        UNREAD_CAP,
        "asked for itself"
    );
    two.acts(RoomAction::Reopen).await;
    two.reads("ben", 1_000).await;
    one.removes("ben").await;
    assert_eq!(totals().await, expected(0, 0, false));
}
