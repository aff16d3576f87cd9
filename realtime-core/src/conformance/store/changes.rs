//! What changed in a room after a `rev`, as it is now.

use super::fixture::*;
use crate::{
    change::{Actor, Change},
    event::{RoomChange, RoomEvent},
    limits::CHANGES_PAGE,
    participant::Role,
    seq::{Rev, Seq},
    store::{ChangeSet, SharedBackend},
};

fn revs(set: &ChangeSet) -> (Vec<u64>, Vec<u64>, Option<u64>) {
    let room = set.room.as_ref();
    (
        set.messages.iter().map(|one| one.rev.get()).collect(),
        set.participants.iter().map(|one| one.rev.get()).collect(),
        room.map(|room| room.meta_rev.get()),
    )
}

/// From the beginning: the room, everybody in it, and every message.
pub async fn the_changes_from_the_beginning_are_the_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ben", "ann", "cleo"]).await;
    room.says_often("ann", 2).await;
    room.reads("ben", 1).await;
    let set = room.changes(0, 100).await;
    assert_eq!((set.rev, set.complete), (Rev::new(4), true));
    assert_eq!(set.messages, room.messages().await);
    assert_eq!(set.room, Some(room.row().await));
    let people = [room.person("cleo").await, room.person("ann").await];
    assert_eq!(set.participants[..2], people);
    assert_eq!(set.participants[2], room.person("ben").await);
}

/// Participants of one `rev` come by user.
pub async fn participants_of_one_rev_come_by_user(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["cleo", "ann", "dora", "ben"]).await;
    let set = room.changes(0, 1).await;
    assert_eq!(names(&set.participants), ["ann", "ben", "cleo", "dora"]);
}

/// The range is `(after, after + limit]`: each row once, at its newest `rev`.
pub async fn a_range_is_closed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    room.says_often("ann", 3).await; // 2, 3, 4
    room.reads("ben", 2).await; // 5
    room.edits(by("ann"), 1, "edited").await; // 6
    room.describes(Some(Some("Kitchen")), None).await; // 7
    room.admits("cleo", Role::Member).await; // 8
    room.says("ben", "hi").await; // 9
    room.deletes(by("ann"), 2).await; // 10
    // (after, limit) -> messages, participants, room, rev, complete
    type Row = (
        (u64, u32),
        &'static [u64],
        &'static [u64],
        Option<u64>,
        u64,
        bool,
    );
    let rows: [Row; 12] = [
        ((0, 100), &[4, 6, 9, 10], &[4, 5, 8], Some(7), 10, true),
        ((0, 1), &[], &[], None, 1, false),
        ((0, 5), &[4], &[4, 5], None, 5, false),
        ((1, 1), &[], &[], None, 2, false),
        ((4, 1), &[], &[5], None, 5, false),
        ((4, 2), &[6], &[5], None, 6, false),
        ((5, 2), &[6], &[], Some(7), 7, false),
        ((6, 3), &[9], &[8], Some(7), 9, false),
        ((7, 3), &[9, 10], &[8], None, 10, true),
        ((9, 1), &[10], &[], None, 10, true),
        ((9, 100), &[10], &[], None, 10, true),
        ((10, 10), &[], &[], None, 10, true),
    ];
    for ((after, limit), messages, participants, meta, end, complete) in rows {
        let set = room.changes(after, limit).await;
        let expected = (messages.to_vec(), participants.to_vec(), meta);
        assert_eq!(revs(&set), expected, "after {after}, at most {limit}");
        assert_eq!((set.rev.get(), set.complete), (end, complete));
    }
    let set = room.changes(5, 1).await;
    assert_eq!(set.messages, [room.message(1).await], "as it is now");
}

/// After the head there is nothing, and the head is told.
pub async fn after_the_head_is_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "hi").await;
    for after in [2, 3, 1_000, crate::seq::MAX_JSON_INTEGER] {
        let set = room.changes(after, 10).await;
        assert_eq!(revs(&set), (Vec::new(), Vec::new(), None));
        assert_eq!((set.rev, set.complete), (Rev::new(2), true));
    }
}

/// A hundred edits of one message are one row.
pub async fn many_edits_are_one_row(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "0").await;
    let edits: Vec<Change> = (1..=100)
        .map(|edit| room.edit(by("ann"), 1, &edit.to_string()))
        .collect();
    for outcome in house.commits(&edits).await {
        outcome.unwrap();
    }
    let set = room.changes(2, 500).await;
    assert_eq!(set.messages.len(), 1);
    assert_eq!(set.messages[0].body.as_deref(), Some("100"));
    assert_eq!((set.rev, set.complete), (Rev::new(102), true));
    // A page that lies in what was superseded is empty, but not the end.
    let set = room.changes(2, 50).await;
    assert_eq!(revs(&set), (Vec::new(), Vec::new(), None));
    assert_eq!((set.rev, set.complete), (Rev::new(52), false));
}

/// Page after page, everything is told once, whatever the size of the pages.
pub async fn pages_join_without_a_seam(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    for round in 0..10 {
        room.says_often("ann", 3).await;
        room.reads("ben", 2 * round + 1).await;
        room.edits(by("ann"), round + 1, "edited").await;
    }
    let whole = room.changes(0, 500).await;
    assert!(whole.complete);
    for limit in [1, 2, 3, 7, 50] {
        let mut pages = ChangeSet::default();
        while !pages.complete {
            let page = room.changes(pages.rev.get(), limit).await;
            assert!(page.rev.since(pages.rev) <= u64::from(limit));
            assert!(page.rev > pages.rev, "each page leads further");
            pages.messages.extend(page.messages);
            pages.participants.extend(page.participants);
            pages.room = pages.room.or(page.room);
            (pages.rev, pages.complete) = (page.rev, page.complete);
        }
        assert_eq!(pages, whole);
    }
}

/// Who came is told on the page of their coming, though they did something after it.
pub async fn who_came_is_told_before_what_they_said(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    room.says("ann", "hi").await; // 2
    room.admits("cleo", Role::Member).await; // 3
    room.says("ann", "welcome").await; // 4
    room.reads("cleo", 2).await; // 5
    room.says("cleo", "thanks").await; // 6
    let page = room.changes(2, 2).await;
    assert_eq!(revs(&page), (vec![4], vec![4, 6], None), "as she is now");
    let told = page.into_events(room.id, Rev::new(2));
    assert_eq!(kinds(&told), [("participant", 3), ("message", 4)]);
    let RoomChange::Participant(cleo) = &told[0].change else {
        panic!("{told:?}");
    };
    assert_eq!(**cleo, room.person("cleo").await);
    let page = room.changes(4, 2).await;
    assert_eq!(revs(&page), (vec![6], vec![6], None));
    let told = page.into_events(room.id, Rev::new(4));
    assert_eq!(kinds(&told), [("receipt", 5), ("message", 6)]);
    // Who is there from the opening on comes with the room, or when they do something.
    assert_eq!(revs(&room.changes(0, 1).await).1, [1]);
    room.reads("ben", 1).await; // 7
    assert!(revs(&room.changes(0, 1).await).1.is_empty());
}

/// A page has its default and its maximum.
pub async fn a_page_of_changes_is_limited(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let (most, default) = CHANGES_PAGE;
    room.says_often("ann", u64::from(most) + 10).await;
    for (limit, rows) in [
        (0, default),
        (most, most),
        (most + 1, most),
        (u32::MAX, most),
    ] {
        let set = room.changes(1, limit).await;
        assert_eq!(set.rev, Rev::new(1 + u64::from(rows)));
        assert_eq!(set.messages.len(), rows as usize);
        assert!(!set.complete);
    }
}

/// What is told by catching up is what was told live.
pub async fn catching_up_tells_what_was_told(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let mut live: Vec<RoomEvent> = Vec::new();
    live.extend(
        house
            .does(Change::Send(room.draft(by("ann"), "1")))
            .await
            .events,
    );
    live.extend(room.reads("ben", 1).await.events);
    live.extend(room.admits("cleo", Role::Observer).await.events);
    live.extend(
        house
            .does(Change::Send(room.draft(Actor::Service, "2")))
            .await
            .events,
    );
    live.extend(room.locks().await.events);
    live.extend(room.removes("ben").await.events);
    for (place, told) in live.iter().enumerate() {
        let after = Rev::new(place as u64 + 1);
        assert_eq!((told.after, told.rev), (after, after.next()));
    }
    // Ben's receipt was superseded by his removal.
    let set = room.changes(1, 100).await;
    let caught_up = set.into_events(room.id, Rev::FIRST);
    let expected = [
        ("message", 2),
        ("participant", 4),
        ("message", 5),
        ("room", 6),
        ("participant", 7),
    ];
    assert_eq!(kinds(&caught_up), expected);
    let afters: Vec<u64> = caught_up.iter().map(|told| told.after.get()).collect();
    assert_eq!(afters, [1, 2, 4, 5, 6]);
    let telling = |rev: u64| live.iter().find(|told| told.rev == Rev::new(rev));
    for told in &caught_up {
        let before = telling(told.rev.get()).unwrap();
        let mut change = before.change.clone();
        if let RoomChange::Room(room_then) = &mut change {
            // A room is told as it is now, of which only the head can have moved on.
            room_then.rev = Rev::new(7);
            room_then.participant_count = 2;
        }
        assert_eq!(told.change, change);
    }
}

/// Pointers that a message moved along are told without a second event of its `rev`.
pub async fn each_rev_is_told_once(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    room.says("ann", "1").await; // 2
    room.says("ann", "2").await; // 3, moves ann along
    let told = room.changes(0, 100).await.into_events(room.id, Rev::ZERO);
    assert_eq!(kinds(&told), [("room", 1), ("message", 2), ("message", 3)]);
    room.reads("ben", 2).await; // 4, superseded by 5
    room.says("ben", "3").await; // 5, moves ben along
    let told = room.changes(3, 100).await.into_events(room.id, Rev::new(3));
    assert_eq!(kinds(&told), [("receipt", 4), ("message", 5)]);
    let RoomChange::Receipt(receipt) = &told[0].change else {
        panic!("{told:?}");
    };
    assert_eq!(
        (receipt.user.as_str(), receipt.read_seq),
        ("ben", Seq::new(3))
    );
    let told = room.changes(4, 100).await.into_events(room.id, Rev::new(4));
    assert_eq!(kinds(&told), [("message", 5)], "whoever heard 4 knows");
}
