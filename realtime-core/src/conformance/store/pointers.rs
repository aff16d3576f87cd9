//! How far somebody has received and read: forward only, and never too far.

use super::fixture::*;
use crate::{
    change::{Change, Pointer, Rejection, RoomAction},
    event::{Receipt, RoomChange},
    limits::SMALL_ROOM,
    participant::Role,
    seq::{Rev, Seq},
    store::SharedBackend,
};

/// A pointer moves by one `rev`, told as a receipt with both pointers.
pub async fn a_pointer_moves_and_is_told(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 3).await;
    let committed = room.receives("ben", 2).await;
    let receipt = |delivered, read| Receipt {
        user: user("ben"),
        delivered_seq: Seq::new(delivered),
        read_seq: Seq::new(read),
    };
    assert_eq!(pointers_in(&committed), (receipt(2, 0), 5, 3));
    let event = the_event(&committed);
    assert_eq!((event.room, event.rev), (room.id, Rev::new(5)));
    assert_eq!(event.change, RoomChange::Receipt(receipt(2, 0)));
    assert_eq!(committed.users, []);

    let committed = room.reads("ben", 1).await;
    assert_eq!(pointers_in(&committed), (receipt(2, 1), 6, 3));
    let ben = room.person("ben").await;
    assert_eq!((ben.delivered_seq, ben.read_seq), (Seq::new(2), Seq::FIRST));
    assert_eq!(ben.rev, Rev::new(6));
    assert_eq!(ben.member_rev, Rev::FIRST, "the membership did not change");
    assert_eq!(room.head().await, Rev::new(6));
    room.is_dense().await;
}

/// What was read was received.
pub async fn reading_moves_the_delivered_pointer(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 3).await;
    let committed = room.reads("ben", 2).await;
    assert_eq!(the_event(&committed).rev, Rev::new(5), "both by one rev");
    assert_eq!(room.pointers("ben").await, (2, 2));
    room.receives("ben", 3).await;
    assert_eq!(room.pointers("ben").await, (3, 2));
}

/// Backwards, to the same place, or to nowhere: no `rev`, no news.
pub async fn a_pointer_never_moves_back(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 3).await;
    room.reads("ben", 2).await;
    for (pointer, seq) in [
        (Pointer::Read, 2),
        (Pointer::Read, 1),
        (Pointer::Read, 0),
        (Pointer::Delivered, 2),
        (Pointer::Delivered, 1),
        (Pointer::Delivered, 0),
    ] {
        let mark = house.does(room.mark("ben", pointer, seq));
        let committed = room.stays_as_it_was(mark).await;
        is_silent(&committed);
        let (receipt, rev, last_seq) = pointers_in(&committed);
        assert_eq!(receipt.read_seq, Seq::new(2), "as they stand");
        assert_eq!(receipt.delivered_seq, Seq::new(2));
        assert_eq!((rev, last_seq), (5, 3));
    }
}

/// Nobody has read what was not said yet.
pub async fn a_pointer_stops_at_the_newest_message(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let early = room.stays_as_it_was(room.reads("ben", 5)).await;
    is_silent(&early);
    room.says_often("ann", 2).await;
    room.receives("ben", 99).await;
    assert_eq!(room.pointers("ben").await, (2, 0));
    room.reads("ben", crate::seq::MAX_JSON_INTEGER).await;
    assert_eq!(room.pointers("ben").await, (2, 2));
    room.says("ann", "three").await;
    assert_eq!(room.unread("ben").await.count, 1);
    assert_eq!(room.pointers("ben").await, (2, 2));
}

/// Strangers, who was removed, and unknown rooms: not found. Observers: forbidden.
pub async fn only_members_have_pointers_to_move(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let nowhere = house.place(crate::id::RoomId::from_uuid(uuid::Uuid::from_u128(7)));
    room.says("ann", "hi").await;
    room.admits("olga", Role::Observer).await;
    room.removes("ben").await;
    for pointer in [Pointer::Read, Pointer::Delivered] {
        for (place, who, expected) in [
            (room, "zoe", Rejection::NotFound),
            (room, "ben", Rejection::NotFound),
            (nowhere, "ann", Rejection::NotFound),
            (room, "olga", Rejection::Forbidden),
        ] {
            let mark = house.refuses(place.mark(who, pointer, 1));
            assert_eq!(room.stays_as_it_was(mark).await, expected, "{who}");
        }
    }
}

/// Reading goes on in a locked room.
pub async fn pointers_move_in_a_locked_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 2).await;
    room.locks().await;
    the_event(&room.reads("ben", 1).await);
    room.acts(RoomAction::Archive).await;
    the_event(&room.reads("ben", 2).await);
    assert_eq!(room.pointers("ben").await, (2, 2));
}

/// A new message moves its sender's pointers by its own `rev`, if all before was read.
pub async fn a_sender_has_read_their_own_message(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = Change::Send(room.draft(by("ann"), "one"));
    let committed = house.does(draft).await;
    the_event(&committed);
    let ann = room.person("ann").await;
    assert_eq!((ann.read_seq, ann.delivered_seq), (Seq::FIRST, Seq::FIRST));
    assert_eq!((ann.rev, ann.member_rev), (Rev::new(2), Rev::FIRST));
    room.says_often("ann", 2).await;
    assert_eq!(room.pointers("ann").await, (3, 3));
    assert_eq!(room.pointers("ben").await, (0, 0));
    assert_eq!(room.head().await, Rev::new(4));
}

/// Two messages that cross must not hide each other.
pub async fn a_message_does_not_hide_the_one_it_crossed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let batch = [
        Change::Send(room.draft(by("ann"), "from ann")),
        Change::Send(room.draft(by("ben"), "from ben")),
    ];
    house.commits(&batch).await;
    assert_eq!(room.pointers("ann").await, (1, 1));
    assert_eq!(room.pointers("ben").await, (0, 0), "ann's is unread");
    let ben = room.person("ben").await;
    assert_eq!(ben.rev, Rev::FIRST, "his pointers did not move");
    assert_eq!(room.unread("ben").await.count, 1);
    room.says("ben", "again").await;
    assert_eq!(room.pointers("ben").await, (0, 0));
    room.reads("ben", 1).await;
    assert_eq!(room.pointers("ben").await, (1, 1));
    // A received but unread message stands in the way as well.
    room.receives("ben", 3).await;
    room.says("ben", "and again").await;
    assert_eq!(room.pointers("ben").await, (3, 1));
    room.reads("ben", 4).await;
    room.says("ben", "read all").await;
    assert_eq!(room.pointers("ben").await, (5, 5));
}

/// Neither a repeat nor a refused message moves anything.
pub async fn only_a_new_message_moves_its_senders_pointers(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = room.draft(by("ben"), "one");
    room.says("ann", "zero").await;
    room.sends(draft.clone()).await;
    house.does(Change::Send(draft)).await;
    assert_eq!(room.pointers("ben").await, (0, 0));
    room.edits(by("ben"), 2, "two").await;
    assert_eq!(room.pointers("ben").await, (0, 0));
    room.reads("ben", 2).await;
    room.locks().await;
    room.refuses(room.draft(by("ben"), "locked")).await;
    assert_eq!(room.pointers("ben").await, (2, 2));
    room.announces("from the platform").await;
    assert_eq!(room.pointers("ben").await, (2, 2));
}

/// In a larger room pointers move without a `rev` and without an event.
pub async fn a_large_room_shows_no_receipts(store: SharedBackend) {
    let house = House::new(store);
    let people: Vec<String> = (0..=SMALL_ROOM).map(|one| format!("u{one}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let room = house.group(&people).await;
    assert!(!room.row().await.is_small());

    let committed = house.does(Change::Send(room.draft(by("u1"), "hi"))).await;
    the_event(&committed);
    assert_eq!(
        room.pointers("u1").await,
        (1, 1),
        "they have read their own"
    );
    let sender = room.person("u1").await;
    assert_eq!(sender.rev, Rev::FIRST, "the pointers moved without a rev");

    for pointer in [Pointer::Delivered, Pointer::Read] {
        let committed = house.does(room.mark("u2", pointer, 1)).await;
        is_silent(&committed);
        let (receipt, rev, _) = pointers_in(&committed);
        assert_eq!((receipt.delivered_seq, rev), (Seq::FIRST, 2));
    }
    assert_eq!(room.pointers("u2").await, (1, 1));
    assert_eq!(room.person("u2").await.rev, Rev::FIRST);
    assert_eq!(room.head().await, Rev::new(2));
    assert_eq!(room.unread("u2").await.count, 0);

    // One person less, and it is small.
    room.removes("u0").await;
    assert!(room.row().await.is_small());
    room.says("u1", "now we are few").await;
    assert_eq!(room.person("u1").await.rev, Rev::new(4));
    assert_eq!(the_event(&room.reads("u2", 2).await).rev, Rev::new(5));
}
