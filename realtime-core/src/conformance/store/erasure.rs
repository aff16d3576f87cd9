//! A person is erased: unknown at once, and then room by room what they left behind.

use std::sync::Arc;

use super::fixture::*;
use crate::{
    change::{Answer, Change, Legacy, Once, Pointer, Rejection},
    event::{RoomChange, RoomEvent},
    id::EventId,
    limits::TIDY_MESSAGES,
    message::{Message, Sender},
    participant::Role,
    seq::{Rev, Seq},
    store::{RoomQuery, SharedBackend, Tidied, UnreadTotals},
};

/// Which rooms were reset, by which `rev`.
fn resets(told: &[RoomEvent]) -> Vec<(crate::id::RoomId, u64)> {
    let mut resets: Vec<_> = told
        .iter()
        .map(|event| {
            assert_eq!(event.change, RoomChange::Reset);
            assert!(event.rev.follows(event.after));
            (event.room, event.rev.get())
        })
        .collect();
    resets.sort_unstable();
    resets
}

fn erase(who: &str) -> Change {
    Change::Erase {
        user: user(who),
        messages: Legacy::Tombstone,
        once: None,
    }
}

/// At once nobody finds them, by no question; and so it stays.
pub async fn who_was_erased_is_unknown(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let left = house.group(&["ann", "ben"]).await;
    room.says("ann", "hi").await;
    room.sends(room.draft(by_named("ben", "Ben"), "hi")).await;
    left.leaves("ben").await;
    let (ben, store) = (user("ben"), &house.store);
    let bens = std::slice::from_ref(&ben);
    store.saw(bens, house.now()).await.unwrap();
    house.erases("ben", Legacy::Keep).await;
    for _ in 0..2 {
        assert_eq!(store.participant(room.id, &ben).await.unwrap(), None);
        assert_eq!(store.participant(left.id, &ben).await.unwrap(), None);
        let people = store.participants(room.id, None, 0).await.unwrap();
        assert_eq!(names(&people), ["ann"]);
        assert_eq!(names(&room.view("ann").await.participants), ["ann"]);
        assert_eq!(names(&room.changes(0, 0).await.participants), ["ann"]);
        assert_eq!(house.user_head("ben").await, Rev::ZERO);
        let memberships = store.memberships(&ben, 10).await.unwrap();
        assert_eq!(memberships, (Vec::new(), Rev::ZERO));
        for left in [false, true] {
            let query = RoomQuery {
                left,
                ..RoomQuery::default()
            };
            assert_eq!(house.room_ids("ben", &query).await, []);
        }
        assert_eq!(store.views(&ben, &[room.id]).await.unwrap(), []);
        assert_eq!(room.unread("ben").await.count, 0);
        let totals = store.unread_totals(&ben).await.unwrap();
        assert_eq!(totals, UnreadTotals::default());
        let known = store.acquaintances(&user("ann"), bens).await.unwrap();
        assert_eq!(known, []);
        store.saw(bens, house.now()).await.unwrap();
        assert_eq!(store.last_seen(bens).await.unwrap(), [None]);
        assert_eq!(house.exports_a_page("ben", None).await, None);
        for change in [
            Change::Send(room.draft(by("ben"), "me again")),
            room.edit(by("ben"), 2, "me again"),
            room.mark("ben", Pointer::Read, 2),
            room.remove("ben"),
            room.leave("ben"),
            room.replace("ben", "cleo", Default::default()),
            erase("ben"),
        ] {
            assert_eq!(house.refuses(change).await, Rejection::NotFound);
        }
        house.tidies().await;
    }
}

async fn nobodys(room: Place<'_>, seq: u64) -> Message {
    let message = room.message(seq).await;
    assert_eq!(
        (&message.sender, &message.client_id),
        (&Sender::Erased, &None)
    );
    message
}

/// At once what they said is nobody's, wherever it is read.
pub async fn what_they_said_is_nobodys(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "hi").await;
    room.sends(room.draft(by_named("ben", "Ben"), "hi")).await;
    house.erases("ben", Legacy::Keep).await;
    for _ in 0..2 {
        let message = nobodys(room, 2).await;
        assert_eq!(message.body.as_deref(), Some("hi"));
        assert_eq!(room.messages().await[1], message);
        assert_eq!(room.changes(0, 0).await.messages[1], message);
        assert_eq!(room.view("ann").await.last_message, Some(message));
        assert_eq!(room.message(1).await.sender.user(), Some(&user("ann")));
        house.tidies().await;
    }
}

/// Kept messages stay as they are, their earlier versions too.
pub async fn messages_are_kept_if_so_said(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ben", 2).await;
    room.edits(by("ben"), 1, "edited").await;
    room.deletes(by("ben"), 2).await;
    let before = room.messages().await;
    let editions = (room.editions(1).await, room.editions(2).await);
    house.erases("ben", Legacy::Keep).await;
    assert_eq!(house.tidies().await.len(), 1);
    let kept: Vec<Message> = before
        .into_iter()
        .map(|message| Message {
            sender: Sender::Erased,
            client_id: None,
            ..message
        })
        .collect();
    assert_eq!(room.messages().await, kept);
    assert_eq!((room.editions(1).await, room.editions(2).await), editions);
    assert_eq!(room.unread("ann").await.count, 1, "still something to read");
    room.is_dense().await;
}

/// Else they become tombstones, without a `rev` each, and without earlier versions.
pub async fn messages_become_tombstones(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    room.says("ann", "not ben's").await; // 2
    let data = metadata(&serde_json::json!({"private": true}));
    let said = crate::change::Draft {
        metadata: Some(data),
        reply_to: Some(Seq::FIRST),
        ..room.draft(by("ben"), "said")
    };
    room.sends(said).await; // 3
    room.says("ben", "edited").await; // 4
    room.says("ben", "deleted").await; // 5
    room.edits(by("ben"), 3, "edited!").await; // 6
    room.deletes(by("ben"), 4).await; // 7
    let before = room.messages().await;
    house.erases("ben", Legacy::Tombstone).await;
    assert_eq!(house.tidies().await.len(), 1); // 8
    let mut expected = before.clone();
    for message in &mut expected[1..] {
        (message.sender, message.client_id) = (Sender::Erased, None);
        (message.body, message.metadata) = (None, None);
        message.deleted_at = message.deleted_at.or(Some(house.now()));
    }
    assert_eq!(room.messages().await, expected);
    assert!(expected[3].deleted_at < expected[2].deleted_at);
    for seq in 2..=4 {
        assert_eq!(room.editions(seq).await, []);
    }
    assert_eq!(room.unread("ann").await.count, 0, "tombstones do not count");
    assert_eq!(room.head().await, Rev::new(8));
    room.is_dense().await;
}

/// Each room they were in is told once, active or not; the others are left alone.
pub async fn each_of_their_rooms_is_reset(store: SharedBackend) {
    let house = House::new(store);
    let (open, locked) = (
        house.group(&["ann", "ben"]).await,
        house.group(&["ben"]).await,
    );
    let (left, removed) = (
        house.group(&["ann", "ben"]).await,
        house.group(&["ann", "ben"]).await,
    );
    let other = house.group(&["ann"]).await;
    open.says("ben", "hi").await;
    locked.locks().await;
    left.leaves("ben").await;
    removed.removes("ben").await;
    let others = (other.row().await, other.changes(0, 0).await);
    let before = open.row().await;
    house.erases("ben", Legacy::Tombstone).await;
    assert_eq!(open.row().await, before, "nothing is told yet");
    let steps = house.tidies_in_steps().await;
    assert!(steps.iter().all(|told| told.len() <= 1), "a room at a time");
    let mut expected = [(open.id, 3), (locked.id, 3), (left.id, 3), (removed.id, 3)];
    expected.sort_unstable();
    assert_eq!(resets(&steps.concat()), expected);
    for (room, count) in [(open, 1), (locked, 0), (left, 1), (removed, 1)] {
        let row = room.row().await;
        assert_eq!(row.participant_count, count);
        assert_eq!((row.rev, row.meta_rev), (Rev::new(3), Rev::new(3)));
        room.is_dense().await;
    }
    assert_eq!((other.row().await, other.changes(0, 0).await), others);
    let again = house.store.tidy(house.now()).await.unwrap();
    assert_eq!(again, Tidied::default(), "it was all done");
    let row = crate::room::Room {
        participant_count: 1,
        rev: Rev::new(3),
        meta_rev: Rev::new(3),
        ..before
    };
    assert_eq!(open.row().await, row, "nothing else of the room");
}

/// After a `rev` before a reset, that is all that is told; at it and after it, not.
pub async fn a_reset_is_told_instead_of_changes(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "cleo"]).await; // 1
    room.says("ben", "hi").await; // 2
    room.says("cleo", "hi").await; // 3
    house.erases("ben", Legacy::Keep).await;
    assert!(!room.changes(2, 0).await.reset, "not yet");
    assert_eq!(resets(&house.tidies().await), [(room.id, 4)]);
    room.says("ann", "hi").await; // 5
    let told = async |after: u64, limit: u32| {
        let set = room.changes(after, limit).await;
        if set.reset {
            assert!(set.messages.is_empty() && set.participants.is_empty());
            assert_eq!((set.room.clone(), set.complete), (None, true));
            assert_eq!(set.rev, room.head().await);
            let events = set.clone().into_events(room.id, Rev::new(after));
            assert_eq!(kinds(&events), [("reset", set.rev.get())]);
            assert_eq!(events[0].after, Rev::new(after));
        }
        (set.reset, set.rev.get())
    };
    for limit in [0, 1, 2, 100] {
        for after in 1..=3 {
            assert_eq!(told(after, limit).await, (true, 5));
        }
        for after in [4, 5, 9] {
            assert_eq!(told(after, limit).await, (false, 5));
        }
    }
    assert_eq!(
        told(0, 2).await,
        (false, 2),
        "who holds nothing loses nothing"
    );
    assert_eq!(told(0, 100).await, (false, 5));
    let set = room.changes(4, 100).await;
    assert_eq!((seqs(&set.messages), set.room), (vec![3], None));
    // The newest of several resets counts.
    house.erases("cleo", Legacy::Tombstone).await;
    assert_eq!(told(4, 100).await, (false, 5));
    assert_eq!(resets(&house.tidies().await), [(room.id, 6)]);
    for after in 1..=5 {
        assert_eq!(told(after, 100).await, (true, 6));
    }
    assert_eq!(told(6, 100).await, (false, 6));
    let set = room.changes(0, 100).await;
    assert_eq!(
        (set.messages, set.room),
        (room.messages().await, Some(room.row().await))
    );
}

/// Who is unknown cannot be erased, and nobody is erased twice.
pub async fn only_who_is_known_is_erased(store: SharedBackend) {
    let house = House::new(store);
    house.group(&["ann", "ben"]).await;
    assert_eq!(house.refuses(erase("nobody")).await, Rejection::NotFound);
    let outcomes = house.commits(&[erase("ben"), erase("ben")]).await;
    assert_eq!(
        outcomes[0].as_ref().unwrap().answer,
        Answer::Erased { duplicate: false }
    );
    assert_eq!(outcomes[1], Err(Rejection::NotFound));
    assert_eq!(house.refuses(erase("ben")).await, Rejection::NotFound);
    assert_eq!(house.tidies().await.len(), 1);
}

/// Who comes under the same id is somebody else, whatever is left to be tidied.
pub async fn the_same_id_is_somebody_else(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    let old = room.named_draft(by_named("ben", "Ben"), "c", "the old one");
    room.sends(old.clone()).await; // 2
    room.says("ann", "hi").await; // 3
    house.erases("ben", Legacy::Tombstone).await;
    let committed = room.admits_from_now("ben").await; // 4
    assert_eq!(committed.users[0].rev, Rev::FIRST, "a stream of their own");
    let ben = room.person("ben").await;
    assert_eq!((ben.name.clone(), ben.read_seq), (None, Seq::new(2)));
    let (message, duplicate) = message_in(&house.does(Change::Send(old)).await); // 5
    assert!(!duplicate, "their client_ids are theirs");
    assert_eq!(
        (message.seq, message.sender.user()),
        (Seq::new(3), Some(&user("ben")))
    );
    room.edits(by("ben"), 3, "the new one").await; // 6
    let ben = room.person("ben").await;
    house.store.saw(&[user("ben")], house.now()).await.unwrap();
    assert_eq!(resets(&house.tidies().await), [(room.id, 7)]);
    assert_eq!(nobodys(room, 1).await.body, None);
    let message = room.message(3).await;
    assert_eq!(message.body.as_deref(), Some("the new one"));
    assert_eq!(room.editions(3).await.len(), 1);
    assert_eq!(room.person("ben").await, ben);
    assert_eq!(room.row().await.participant_count, 2);
    let seen = house.store.last_seen(&[user("ben")]).await.unwrap();
    assert!(seen[0].is_some());
    room.admits("ben", Role::Owner).await;
    for change in [room.edit(by("ben"), 1, "x"), room.delete(by("ben"), 1)] {
        let refused = house.refuses(change).await;
        assert!(
            matches!(refused, Rejection::Forbidden | Rejection::NotFound),
            "{refused:?}"
        );
    }
}

/// In a batch, what comes before is of who was erased, what comes after of nobody or
/// of who came then.
pub async fn an_erasure_stands_in_its_place_in_a_batch(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    let say = |body: &str| Change::Send(room.named_draft(by("ben"), "c", body));
    let outcomes = house
        .commits(&[
            say("the last"),                          // 2
            room.edit(by("ben"), 1, "the very last"), // 3
            erase("ben"),
            say("from nowhere"),
            room.admit("ben", Role::Member), // 4
            say("the first"),                // 5
            erase("ben"),
            room.admit("ben", Role::Member), // 6
        ])
        .await;
    let refused: Vec<usize> = (0..outcomes.len())
        .filter(|index| outcomes[*index].is_err())
        .collect();
    assert_eq!(refused, [3], "{outcomes:?}");
    assert_eq!(outcomes[3], Err(Rejection::NotFound));
    for admitted in [4, 7] {
        let told = &outcomes[admitted].as_ref().unwrap().users;
        assert_eq!(told[0].rev, Rev::FIRST);
    }
    for seq in [1, 2] {
        assert!(nobodys(room, seq).await.body.is_some());
    }
    assert_eq!(
        room.row().await.participant_count,
        4,
        "two are to be tidied"
    );
    assert_eq!(resets(&house.tidies().await), [(room.id, 7), (room.id, 8)]);
    for seq in [1, 2] {
        assert_eq!(nobodys(room, seq).await.body, None);
    }
    assert_eq!(room.row().await.participant_count, 2);
    assert_eq!(house.user_head("ben").await, Rev::FIRST);
    room.is_dense().await;
}

/// Everybody else stays as they are.
pub async fn others_stay_as_they_are(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "cleo"]).await;
    let draft = room.draft(by_named("ann", "Ann"), "mine");
    let mine = room.sends(draft.clone()).await;
    room.edits(by("ann"), 1, "mine!").await;
    room.says("ben", "not mine").await;
    room.reads("cleo", 1).await;
    room.leaves("cleo").await;
    let people = [room.person("ann").await, room.person("cleo").await];
    let heads = [house.user_head("ann").await, house.user_head("cleo").await];
    let message = room.message(1).await;
    house.erases("ben", Legacy::Tombstone).await;
    house.tidies().await;
    assert_eq!(
        [room.person("ann").await, room.person("cleo").await],
        people
    );
    assert_eq!(
        [house.user_head("ann").await, house.user_head("cleo").await],
        heads
    );
    assert_eq!(room.message(1).await, message);
    assert_eq!(room.editions(1).await.len(), 1);
    let (again, duplicate) = message_in(&house.does(Change::Send(draft)).await);
    assert_eq!((again.id, duplicate), (mine.id, true));
    let edited = room
        .edits(crate::change::Actor::Service, 1, "by the platform")
        .await;
    assert!(!message_in(&edited).1);
}

/// The platform changes what was left behind, and nobody's it stays.
pub async fn what_was_left_behind_is_the_platforms(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ben", 2).await;
    house.erases("ben", Legacy::Keep).await;
    let service = crate::change::Actor::Service;
    for body in ["before", "after"] {
        let committed = room.edits(service.clone(), 1, body).await;
        let (message, _) = message_in(&committed);
        assert_eq!(
            (&message.sender, &message.client_id),
            (&Sender::Erased, &None)
        );
        let told = RoomChange::Message(Box::new(message));
        assert_eq!(the_event(&committed).change, told);
        let refused = house.refuses(room.edit(by("ann"), 1, "mine?")).await;
        assert_eq!(refused, Rejection::Forbidden);
        house.tidies().await;
    }
    room.deletes(service, 2).await;
    assert_eq!(nobodys(room, 2).await.body, None);
    let reply = crate::change::Draft {
        reply_to: Some(Seq::FIRST),
        ..room.draft(by("ann"), "to nobody")
    };
    room.sends(reply).await;
    room.is_dense().await;
}

/// Many messages become tombstones in parts of a bounded size; the room is told once,
/// when all of them are.
pub async fn many_messages_are_erased_in_parts(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let said = u64::from(TIDY_MESSAGES) * 2 + 1;
    room.says_often("ben", said).await;
    house.erases("ben", Legacy::Tombstone).await;
    let steps = house.tidies_in_steps().await;
    assert!(steps.len() >= 3, "{said} messages in {} steps", steps.len());
    assert_eq!(resets(&steps.concat()), [(room.id, said + 2)]);
    let mut after = Seq::ZERO;
    while after < Seq::new(said) {
        let page = room
            .history(crate::store::Window::After(after), u32::MAX)
            .await;
        for message in page.messages {
            assert!(message.body.is_none() && message.sender == Sender::Erased);
            after = message.seq;
        }
    }
}

/// What was given up and who was erased, in one room at once.
pub async fn messages_go_and_their_sender_too(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    room.says_often("ben", 4).await; // 2, 3, 4, 5
    room.retains(3).await; // 6
    house.erases("ben", Legacy::Tombstone).await;
    room.retains(4).await; // 7
    assert_eq!(resets(&house.tidies().await), [(room.id, 8)]);
    assert_eq!(seqs(&room.messages().await), [4]);
    assert_eq!(nobodys(room, 4).await.body, None);
    assert_eq!(room.row().await.first_seq, Seq::new(4));
    room.is_dense().await;
}

/// However many write meanwhile, also in their name, who is erased is erased.
pub async fn an_erasure_among_writers_is_whole(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let room = house.group(&["ann", "ben"]).await.id;
    let writers = (0..8).map(|task| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let place = house.place(room);
            let who = if task % 2 == 0 { "ann" } else { "ben" };
            for _ in 0..8 {
                let draft = place.draft(by_named(who, "A name"), "hello");
                let refused = house.tries(Change::Send(draft)).await.err();
                let erased = who == "ben" && refused == Some(Rejection::NotFound);
                assert!(refused.is_none() || erased, "{refused:?}");
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    house.erases("ben", Legacy::Tombstone).await;
    let told = house.tidies().await;
    for writer in writers {
        writer.await.unwrap();
    }
    let place = house.place(room);
    let reset = resets(&told);
    assert_eq!((reset.len(), reset[0].0), (1, room));
    let ann = user("ann");
    for message in place.messages().await {
        match &message.sender {
            Sender::User { id, .. } => assert_eq!(*id, ann),
            Sender::Erased => assert!(message.rev.get() < reset[0].1 && message.body.is_none()),
            Sender::System => panic!("the platform said nothing: {message:?}"),
        }
    }
    let people = house.store.participants(room, None, 0).await.unwrap();
    assert_eq!(names(&people), ["ann"]);
    assert_eq!(house.user_head("ben").await, Rev::ZERO);
    assert_eq!(place.row().await.participant_count, 1);
    place.is_dense().await;
}

/// Several who tidy at once do it once in all.
pub async fn tidying_by_many_at_once_is_done_once(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let mut expected = Vec::new();
    for _ in 0..6 {
        let room = house.group(&["ann", "ben"]).await;
        room.says_often("ben", 3).await;
        expected.push((room.id, 5));
    }
    expected.sort_unstable();
    house.erases("ben", Legacy::Tombstone).await;
    let tidying = (0..8).map(|_| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { house.tidies().await })
    });
    let told = futures::future::join_all(tidying).await.into_iter();
    let told: Vec<RoomEvent> = told.flat_map(Result::unwrap).collect();
    assert_eq!(resets(&told), expected);
    for (room, rev) in expected {
        let place = house.place(room);
        assert_eq!(place.head().await, Rev::new(rev));
        assert_eq!(place.row().await.participant_count, 1);
    }
}

/// An event erases whom its id led to when it first came, and nobody who comes later.
pub async fn an_event_erases_once(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let event = |who: &str, fingerprint: i64| Change::Erase {
        user: user(who),
        messages: Legacy::Tombstone,
        once: Some(Once {
            id: EventId::parse("evt-1").unwrap(),
            fingerprint,
        }),
    };
    let erased = |duplicate: bool| Answer::Erased { duplicate };
    assert_eq!(house.does(event("ben", 1)).await.answer, erased(false));
    house.tidies_in_steps().await;
    room.admits("ben", Role::Member).await;
    let again = room.stays_as_it_was(house.does(event("ben", 1))).await;
    assert_eq!(again.answer, erased(true));
    is_silent(&again);
    assert!(room.person("ben").await.is_active(), "this is another ben");
    // The name of an event is that event's.
    assert_eq!(house.refuses(event("ann", 2)).await, Rejection::KeyReused);
    assert!(room.person("ann").await.is_active());
}

/// An event about somebody unknown is remembered, too.
pub async fn an_event_about_nobody_erases_nobody_later(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let event = || Change::Erase {
        user: user("ben"),
        messages: Legacy::Keep,
        once: Some(Once {
            id: EventId::parse("evt-1").unwrap(),
            fingerprint: 1,
        }),
    };
    let erased = |duplicate: bool| Answer::Erased { duplicate };
    assert_eq!(house.does(event()).await.answer, erased(false));
    room.admits("ben", Role::Member).await;
    assert_eq!(house.does(event()).await.answer, erased(true));
    assert!(room.person("ben").await.is_active());
}
