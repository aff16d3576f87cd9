//! Old messages are given up: gone at once for every reader, and then in truth.

use super::fixture::*;
use crate::{
    change::{Actor, Change, Draft, Pointer, Rejection},
    event::RoomChange,
    id::RoomId,
    limits::{AGED_MESSAGES, TIDY_MESSAGES},
    message::Message,
    seq::{Rev, Seq},
    store::{Aged, RoomQuery, SharedBackend, Tidied, Window},
    time::Timestamp,
};

/// The first message that is kept is told as a change of the room.
pub async fn what_is_kept_is_told_with_the_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 5).await;
    let before = room.row().await;
    let committed = room.retains(3).await;
    let expected = crate::room::Room {
        first_seq: Seq::new(3),
        rev: Rev::new(7),
        meta_rev: Rev::new(7),
        ..before
    };
    assert_eq!(room_in(&committed), (expected.clone(), false));
    let told = RoomChange::Room(Box::new(expected.clone()));
    assert_eq!(the_event(&committed).change, told);
    assert_eq!(committed.users, []);
    assert_eq!(room.row().await, expected);
    assert_eq!(house.tidies().await, [], "purging is no change of the room");
    assert_eq!(room.row().await, expected);
    let nowhere = house.place(RoomId::from_uuid(uuid::Uuid::from_u128(7)));
    assert_eq!(house.refuses(nowhere.retain(1)).await, Rejection::NotFound);
}

/// It never moves back, nor beyond the newest message; what holds already is silent.
pub async fn what_was_given_up_stays_so(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    is_silent(&room.retains(1).await);
    is_silent(&room.retains(9).await);
    assert_eq!(
        room.row().await.first_seq,
        Seq::FIRST,
        "nothing was said yet"
    );
    room.says_often("ann", 5).await;
    room.retains(4).await;
    for from in [0, 1, 3, 4] {
        is_silent(&room.stays_as_it_was(room.retains(from)).await);
    }
    let far = crate::seq::MAX_JSON_INTEGER;
    assert_eq!(kinds(&room.retains(far).await.events), [("room", 8)]);
    assert_eq!(room.row().await.first_seq, Seq::new(6));
    is_silent(&room.stays_as_it_was(room.retains(far)).await);
    house.tidies().await;
    is_silent(&room.stays_as_it_was(room.retains(2)).await);
}

async fn windows_begin_at_four(room: Place<'_>, when: &str) {
    let (older, newer) = (true, true);
    let (before, after) = (Window::Before, Window::After);
    for (window, limit, expected, has_older, has_newer) in [
        (
            Window::Latest,
            9,
            &[4_u64, 5, 6, 7, 8] as &[u64],
            !older,
            !newer,
        ),
        (Window::Latest, 5, &[4, 5, 6, 7, 8], !older, !newer),
        (Window::Latest, 4, &[5, 6, 7, 8], older, !newer),
        (before(Seq::new(6)), 9, &[4, 5], !older, newer),
        (before(Seq::new(6)), 1, &[5], older, newer),
        (before(Seq::new(5)), 1, &[4], !older, newer),
        (before(Seq::new(4)), 9, &[], !older, newer),
        (before(Seq::new(2)), 9, &[], !older, newer),
        (after(Seq::ZERO), 2, &[4, 5], !older, newer),
        (after(Seq::new(2)), 2, &[4, 5], !older, newer),
        (after(Seq::new(3)), 9, &[4, 5, 6, 7, 8], !older, !newer),
        (after(Seq::new(4)), 2, &[5, 6], older, newer),
        (after(Seq::new(8)), 2, &[], older, !newer),
        (Window::Around(Seq::new(5)), 4, &[4, 5, 6], !older, newer),
        (Window::Around(Seq::new(6)), 4, &[4, 5, 6, 7], !older, newer),
        (Window::Around(Seq::new(7)), 4, &[5, 6, 7, 8], older, !newer),
        (Window::Around(Seq::new(4)), 4, &[4, 5], !older, newer),
        (Window::Around(Seq::new(1)), 4, &[4, 5], !older, newer),
    ] {
        let page = room.history(window, limit).await;
        let asked = format!("{window:?}, at most {limit}, {when}");
        assert_eq!(seqs(&page.messages), expected, "{asked}");
        assert_eq!(page.has_older, has_older, "older: {asked}");
        assert_eq!(page.has_newer, has_newer, "newer: {asked}");
        assert_eq!(page.last_seq, Seq::new(8));
    }
}

/// Every window ends at the first message that is kept, tidied or not.
pub async fn history_begins_with_what_is_kept(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 8).await;
    room.retains(4).await;
    windows_begin_at_four(room, "before it was tidied").await;
    room.is_dense().await;
    house.tidies().await;
    windows_begin_at_four(room, "after it was tidied").await;
    room.is_dense().await;
}

/// What is no longer kept is not among the changes, however late it was changed.
pub async fn changes_are_of_what_is_kept(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    room.says_often("ann", 4).await; // 2, 3, 4, 5
    room.edits(by("ann"), 4, "edited").await; // 6
    room.edits(by("ann"), 2, "edited").await; // 7
    room.deletes(by("ann"), 1).await; // 8
    room.retains(3).await; // 9
    for when in ["before", "after"] {
        for (after, limit, kept, end) in [
            (0, 100, &[3_u64, 4] as &[u64], 9),
            (1, 100, &[3, 4], 9),
            (4, 100, &[4], 9),
            (6, 2, &[], 8),
            (6, 100, &[], 9),
        ] {
            let set = room.changes(after, limit).await;
            assert_eq!(seqs(&set.messages), kept, "after {after}, {when}");
            assert_eq!((set.rev, set.reset), (Rev::new(end), false));
            assert_eq!(set.room.is_some(), end == 9);
        }
        house.tidies().await;
    }
}

/// In a room that was emptied nothing lies on either side, and it goes on.
pub async fn an_emptied_room_goes_on(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 3).await;
    room.retains(4).await;
    for _ in 0..2 {
        for window in [
            Window::Latest,
            Window::Before(Seq::new(9)),
            Window::Before(Seq::new(2)),
            Window::After(Seq::ZERO),
            Window::Around(Seq::new(2)),
        ] {
            let page = room.history(window, 10).await;
            assert_eq!(page.messages, []);
            assert!(!page.has_older && !page.has_newer, "{window:?}");
            assert_eq!(page.last_seq, Seq::new(3));
        }
        let view = room.view("ben").await;
        assert_eq!((view.last_message, view.unread.count), (None, 0));
        house.tidies().await;
    }
    assert_eq!(room.says("ann", "on we go").await.seq, Seq::new(4));
    assert_eq!(room.unread("ben").await.count, 1);
    assert_eq!(
        room.view("ben").await.last_message,
        Some(room.message(4).await)
    );
    room.is_dense().await;
}

/// What is no longer kept is not unread, and pointers stay where they are.
pub async fn what_is_not_kept_is_not_unread(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 5).await;
    room.reads("ben", 1).await;
    room.retains(4).await;
    for _ in 0..2 {
        assert_eq!(room.unread("ben").await.count, 2);
        let totals = house.store.unread_totals(&user("ben")).await.unwrap();
        assert_eq!((totals.rooms, totals.messages), (1, 2));
        assert_eq!(room.pointers("ben").await, (1, 1));
        house.tidies().await;
    }
    // A pointer moves over what is gone.
    room.house.does(room.mark("ben", Pointer::Read, 2)).await;
    assert_eq!(room.unread("ben").await.count, 2);
    room.retains(6).await;
    assert_eq!(room.unread("ben").await.count, 0);
    let unread = RoomQuery {
        unread_only: true,
        ..RoomQuery::default()
    };
    assert_eq!(house.room_ids("ben", &unread).await, []);
    room.says("ben", "I did not read it").await;
    assert_eq!(room.pointers("ben").await, (2, 2), "5 was not read");
}

/// What is no longer kept is neither changed nor answered, by anybody.
pub async fn what_is_not_kept_is_not_changed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 3).await;
    room.retains(3).await;
    for _ in 0..2 {
        for who in [by("ann"), Actor::Service] {
            let changes = [room.edit(who.clone(), 2, "x"), room.delete(who.clone(), 2)];
            for change in changes {
                let refused = room.stays_as_it_was(house.refuses(change)).await;
                assert_eq!(refused, Rejection::NotFound);
            }
            let reply = Draft {
                reply_to: Some(Seq::new(2)),
                ..room.draft(who, "to that")
            };
            is_invalid(&room.refuses(reply).await, "reply_to");
        }
        house.tidies().await;
    }
    room.edits(by("ann"), 3, "kept").await;
    let reply = Draft {
        reply_to: Some(Seq::new(3)),
        ..room.draft(by("ann"), "to that")
    };
    room.sends(reply).await;
    // What answers stays, though what it answers goes.
    room.retains(4).await;
    house.tidies().await;
    assert_eq!(room.message(4).await.reply_to, Some(Seq::new(3)));
}

/// A repeat is known until its message is purged; then its name is free.
pub async fn a_client_id_is_forgotten_with_its_message(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let mut sent: Vec<(Draft, Message)> = Vec::new();
    for who in [by("ann"), Actor::Service, by("ben"), by("ann")] {
        let draft = room.draft(who, "once");
        sent.push((draft.clone(), room.sends(draft).await));
    }
    room.retains(3).await;
    for (draft, first) in &sent {
        let again = house.does(Change::Send(draft.clone())).await;
        assert_eq!(message_in(&again), (first.clone(), true));
        let other = Draft {
            body: text("other"),
            ..draft.clone()
        };
        assert_eq!(room.refuses(other).await, Rejection::ClientIdReused);
    }
    house.tidies().await;
    for (draft, first) in &sent[2..] {
        let again = house.does(Change::Send(draft.clone())).await;
        assert_eq!(message_in(&again), (first.clone(), true), "kept");
    }
    for (place, (draft, _)) in sent[..2].iter().enumerate() {
        let other = Draft {
            body: text("other"),
            ..draft.clone()
        };
        let message = room.sends(other).await;
        assert_eq!(message.seq, Seq::new(5 + place as u64));
    }
}

/// What one stays in touch with in lists does not change by what is given up.
pub async fn a_list_keeps_its_order_when_messages_go(store: SharedBackend) {
    let house = House::new(store);
    let (one, two) = (house.group(&["ann"]).await, house.group(&["ann"]).await);
    one.says_often("ann", 2).await;
    let spoken = one.row().await.last_message_at;
    one.retains(3).await;
    house.tidies().await;
    assert_eq!(one.row().await.last_message_at, spoken);
    let rooms = house.room_ids("ann", &RoomQuery::default()).await;
    assert_eq!(rooms, [one.id, two.id]);
}

/// Many rows are removed in parts of a bounded size, and none of them is seen meanwhile.
pub async fn many_messages_are_purged_in_parts(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let gone = u64::from(TIDY_MESSAGES) * 2 + 100;
    room.says_often("ann", gone + 2).await;
    let draft = room.draft(by("ann"), "the last that goes");
    room.sends(draft.clone()).await;
    room.says("ann", "kept").await;
    room.retains(gone + 4).await;
    let mut steps = 0;
    loop {
        let tidied = house.store.tidy(house.now()).await.unwrap();
        assert_eq!(tidied.events, []);
        assert_eq!(seqs(&room.messages().await), [gone + 4]);
        steps += 1;
        if !tidied.more {
            break;
        }
        assert!(steps < 100, "it comes to an end");
    }
    assert!(steps >= 3, "{gone} messages were purged in {steps} steps");
    let (_, duplicate) = message_in(&house.does(Change::Send(draft)).await);
    assert!(!duplicate, "all of them are gone");
    room.is_dense().await;
}

/// Where nothing is left to be done, nothing is done.
pub async fn there_may_be_nothing_to_tidy(store: SharedBackend) {
    let house = House::new(store);
    let nothing = Tidied::default();
    assert_eq!(house.store.tidy(house.now()).await.unwrap(), nothing);
    let room = house.group(&["ann"]).await;
    room.says("ann", "hi").await;
    let tidy = house.store.tidy(house.now());
    assert_eq!(room.stays_as_it_was(tidy).await.unwrap(), nothing);
    room.retains(2).await;
    house.tidies().await;
    let tidy = house.store.tidy(house.now());
    assert_eq!(room.stays_as_it_was(tidy).await.unwrap(), nothing);
}

async fn aged(house: &House, horizon: Timestamp, after: Option<RoomId>, limit: u32) -> Vec<Aged> {
    house.store.aged(horizon, after, limit).await.unwrap()
}

/// Rooms whose first kept message is older than a horizon, by id, page after page.
pub async fn aged_rooms_are_found(store: SharedBackend) {
    let house = House::new(store);
    let mut rooms: Vec<RoomId> = Vec::new();
    for _ in 0..4 {
        let room = house.group(&["ann"]).await;
        room.says_often("ann", 2).await;
        rooms.push(room.id);
    }
    house.group(&["ann"]).await;
    rooms.sort();
    let horizon = house.in_ticks(1);
    for id in &rooms {
        house.place(*id).says("ann", "young").await;
    }
    let all: Vec<Aged> = rooms
        .iter()
        .map(|room| Aged {
            room: *room,
            keep_from: Seq::new(3),
        })
        .collect();
    assert_eq!(aged(&house, horizon, None, 100).await, all);
    assert_eq!(aged(&house, horizon, None, 0).await, all);
    assert_eq!(aged(&house, horizon, None, 3).await, all[..3]);
    assert_eq!(aged(&house, horizon, Some(rooms[2]), 3).await, all[3..]);
    assert_eq!(aged(&house, horizon, Some(rooms[3]), 3).await, []);
    assert_eq!(aged(&house, Timestamp::default(), None, 3).await, []);
    let place = house.place(rooms[1]);
    place.retains(3).await;
    let rest = [all[0], all[2], all[3]];
    assert_eq!(aged(&house, horizon, None, 100).await, rest);
    house.tidies().await;
    assert_eq!(aged(&house, horizon, None, 100).await, rest);
    place.retains(4).await;
    let end_of_time = house.in_ticks(1_000);
    let rooms = aged(&house, end_of_time, None, 100).await;
    assert_eq!(rooms.len(), 3, "an emptied room does not age");
    assert!(rooms.iter().all(|one| one.keep_from == Seq::new(4)));
}

/// Clocks step: what is old is counted in the order of `seq`, up to the first message
/// that is not; one sent at the horizon itself is not.
pub async fn messages_age_in_their_order(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let at = |seconds: i64| Timestamp::from_millis(1_800_000_000_000 + 1_000 * seconds);
    for seconds in [10, 12, 30, 11, 10] {
        let draft = Change::Send(room.draft(by("ann"), "tick"));
        let outcomes = house.store.commit(at(seconds), &[draft]).await.unwrap();
        assert!(outcomes[0].is_ok());
    }
    for (horizon, keep_from) in [
        (10, None),
        (11, Some(2)),
        (12, Some(2)),
        (13, Some(3)),
        (30, Some(3)),
        (31, Some(6)),
    ] {
        let found = aged(&house, at(horizon), None, 1).await;
        let found = found.first().map(|one| one.keep_from);
        assert_eq!(found, keep_from.map(Seq::new), "horizon {horizon}");
    }
}

/// A room with much that is old is asked for again, until nothing is.
pub async fn a_room_is_asked_for_until_nothing_is_old(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let old = u64::from(AGED_MESSAGES) + 200;
    room.says_often("ann", old).await;
    let horizon = house.in_ticks(1);
    room.says("ann", "young").await;
    let mut rounds = 0;
    while let Some(found) = aged(&house, horizon, None, 10).await.pop() {
        assert_eq!(found.room, room.id);
        let before = room.row().await.first_seq;
        assert!(found.keep_from > before, "each round leads further");
        assert!(found.keep_from.since(before) <= u64::from(AGED_MESSAGES));
        room.retains(found.keep_from.get()).await;
        rounds += 1;
    }
    assert_eq!(room.row().await.first_seq, Seq::new(old + 1));
    assert!(rounds >= 2, "more than one look takes in");
}
