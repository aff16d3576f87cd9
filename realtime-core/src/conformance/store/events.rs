//! The host's events are applied once each, as a whole or not at all.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;

use super::fixture::*;
use crate::{
    change::{
        Change, DomainEvent, History, NewParticipant, NewRoom, Rejection, RoomAction, Roster,
        SystemMessage,
    },
    event::RoomChange,
    message::{MessageKind, Sender},
    participant::Role,
    room::RoomState,
    seq::Rev,
    store::SharedBackend,
};

fn apply(event: DomainEvent) -> Change {
    Change::Apply(Box::new(event))
}

fn accepted(id: &str, about: &str) -> DomainEvent {
    DomainEvent {
        open: Some(job_room(about, &["ann", "ben"])),
        message: announcement("The job was accepted"),
        ..news(id, about)
    }
}

/// Opens the room, says so, locks it: in this order, each by its `rev`.
pub async fn an_event_opens_speaks_and_locks(store: SharedBackend) {
    let house = House::new(store);
    let at = house.in_ticks(1_000);
    let data = metadata(&json!({"code": "job.accepted", "job": 1}));
    let event = DomainEvent {
        message: Some(SystemMessage {
            body: text("The job was accepted"),
            metadata: Some(data.clone()),
        }),
        roster: Vec::new(),
        action: Some(RoomAction::Lock { at: Some(at) }),
        ..accepted("e-1", "1")
    };
    let committed = house.does(apply(event)).await;
    let (room, created, seq, duplicate) = event_in(&committed);
    assert!(created && !duplicate);
    assert_eq!(seq, Some(1));
    assert_eq!(
        kinds(&committed.events),
        [("room", 1), ("message", 2), ("room", 3)]
    );
    assert!(
        committed
            .events
            .iter()
            .all(|told| told.rev.follows(told.after))
    );
    let RoomChange::Room(opened) = &committed.events[0].change else {
        panic!("opened first");
    };
    assert_eq!((opened.rev, opened.locks_at), (Rev::FIRST, None));
    assert_eq!((room.rev, room.meta_rev), (Rev::new(3), Rev::new(3)));
    assert_eq!((room.state, room.locks_at), (RoomState::Open, Some(at)));
    assert_eq!(room.subject, Some(job("1")));
    let mut users: Vec<_> = committed
        .users
        .iter()
        .map(|one| one.user.as_str())
        .collect();
    users.sort_unstable();
    assert_eq!(users, ["ann", "ben"]);

    let place = house.place(room.id);
    assert_eq!(place.row().await, room);
    let message = place.message(1).await;
    assert_eq!(
        (message.kind, message.sender),
        (MessageKind::System, Sender::System)
    );
    assert_eq!((message.client_id, message.metadata), (None, Some(data)));
    assert_eq!(message.body.as_deref(), Some("The job was accepted"));
    place.is_dense().await;
}

/// A room that is there is used as it stands; nobody new comes in.
pub async fn an_event_finds_the_room_of_its_subject(store: SharedBackend) {
    let house = House::new(store);
    let room = house.opens(job_room("1", &["ann"])).await;
    let committed = house.does(apply(accepted("e-1", "1"))).await;
    let (same, created, seq, duplicate) = event_in(&committed);
    assert_eq!(
        (same.id, created, seq, duplicate),
        (room.id, false, Some(1), false)
    );
    assert_eq!(kinds(&committed.events), [("message", 2)]);
    assert_eq!(committed.users, []);
    assert_eq!(room.row().await.participant_count, 1);
    let (opened, created) = room_in(&house.does(Change::Open(job_room("1", &["zoe"]))).await);
    assert_eq!((opened.id, created), (room.id, false));
}

/// The room is opened for the event's subject, whatever the request within says.
pub async fn an_event_opens_the_room_of_its_own_subject(store: SharedBackend) {
    let house = House::new(store);
    let event = DomainEvent {
        open: Some(NewRoom {
            key: Some(key("ignored")),
            ..group(&["ann"])
        }),
        ..news("e-1", "1")
    };
    let (room, created, ..) = event_in(&house.does(apply(event)).await);
    assert!(created);
    assert_eq!(room.subject, Some(job("1")));
    assert_eq!(house.store.room_of(&job("1")).await.unwrap(), Some(room));
    let keyed = NewRoom {
        key: Some(key("ignored")),
        ..group(&["ben"])
    };
    house.opens(keyed).await;
}

/// Without a room, and without one to open, there is nothing to apply it to.
pub async fn an_event_about_nothing_is_not_found(store: SharedBackend) {
    let house = House::new(store);
    let event = DomainEvent {
        open: None,
        ..accepted("e-1", "1")
    };
    assert_eq!(
        house.refuses(apply(event.clone())).await,
        Rejection::NotFound
    );
    assert_eq!(house.store.room_of(&job("1")).await.unwrap(), None);
    // The refusal did not use up the id.
    house.opens(job_room("1", &["ann"])).await;
    let (_, _, seq, duplicate) = event_in(&house.does(apply(event)).await);
    assert_eq!((seq, duplicate), (Some(1), false));
}

/// All of it, or nothing.
pub async fn an_event_is_applied_whole_or_not_at_all(store: SharedBackend) {
    let house = House::new(store);
    let wrong = DomainEvent {
        open: Some(job_room("1", &["ann", "ann"])),
        ..accepted("e-1", "1")
    };
    is_invalid(&house.refuses(apply(wrong.clone())).await, "participants");
    assert_eq!(house.store.room_of(&job("1")).await.unwrap(), None);
    assert_eq!(house.user_head("ann").await, Rev::ZERO);
    let room = house.opens(job_room("1", &["ann"])).await;
    let (same, ..) = event_in(&house.does(apply(wrong)).await);
    assert_eq!(same.id, room.id, "with a room, nobody looks at the request");
}

/// A repeat changes nothing and gets the first answer, with the room as it stands.
pub async fn a_repeated_event_changes_nothing(store: SharedBackend) {
    let house = House::new(store);
    let event = DomainEvent {
        roster: Vec::new(),
        action: Some(RoomAction::Lock {
            at: Some(house.in_ticks(1_000)),
        }),
        ..accepted("e-1", "1")
    };
    let (room, ..) = event_in(&house.does(apply(event.clone())).await);
    let place = house.place(room.id);
    place.says("ann", "hi").await;
    place.acts(RoomAction::Reopen).await;
    place.deletes(crate::change::Actor::Service, 1).await;
    let again = house.does(apply(event));
    let committed = place.stays_as_it_was(again).await;
    is_silent(&committed);
    let expected = (place.row().await, false, Some(1), true);
    assert_eq!(event_in(&committed), expected);
}

/// Also inside one batch.
pub async fn a_repeated_event_is_found_inside_its_batch(store: SharedBackend) {
    let house = House::new(store);
    let event = apply(accepted("e-1", "1"));
    let other = apply(accepted("e-2", "1"));
    let outcomes = house.commits(&[event.clone(), event, other]).await;
    let told: Vec<_> = outcomes
        .iter()
        .map(|outcome| event_in(outcome.as_ref().unwrap()))
        .map(|(room, created, seq, duplicate)| (room.rev.get(), created, seq, duplicate))
        .collect();
    assert_eq!(
        told,
        [
            (2, true, Some(1), false),
            (2, false, Some(1), true),
            (3, false, Some(2), false)
        ]
    );
}

/// Another event under the same id is refused.
pub async fn an_event_id_is_not_reused(store: SharedBackend) {
    let house = House::new(store);
    house.does(apply(accepted("e-1", "1"))).await;
    let other = DomainEvent {
        fingerprint: 2,
        ..accepted("e-1", "2")
    };
    assert_eq!(house.refuses(apply(other)).await, Rejection::KeyReused);
    assert_eq!(house.store.room_of(&job("2")).await.unwrap(), None);
    let negative = DomainEvent {
        fingerprint: i64::MIN,
        ..accepted("e-2", "2")
    };
    house.does(apply(negative.clone())).await;
    let (.., duplicate) = event_in(&house.does(apply(negative)).await);
    assert!(duplicate, "a fingerprint is any number");
}

/// Ids of events and keys of rooms are two sets of names.
pub async fn event_ids_and_keys_do_not_meet(store: SharedBackend) {
    let house = House::new(store);
    let keyed = NewRoom {
        key: Some(key("7")),
        ..group(&["ann"])
    };
    let room = house.opens(keyed.clone()).await;
    let (other, created, ..) = event_in(&house.does(apply(accepted("7", "1"))).await);
    assert!(created && other.id != room.id);
    let (same, _) = room_in(&house.does(Change::Open(keyed)).await);
    assert_eq!(same.id, room.id);
}

/// Locks do not hold the platform back; and an event may lock at once.
pub async fn an_event_speaks_in_a_locked_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.opens(job_room("1", &["ann"])).await;
    let done = |id: &str| DomainEvent {
        message: announcement("Done"),
        roster: Vec::new(),
        action: Some(RoomAction::Lock {
            at: Some(house.in_ticks(-1)),
        }),
        ..news(id, "1")
    };
    let committed = house.does(apply(done("e-1"))).await;
    assert_eq!(kinds(&committed.events), [("message", 2), ("room", 3)]);
    let (locked, ..) = event_in(&committed);
    assert_eq!((locked.state, locked.locks_at), (RoomState::Locked, None));
    let committed = house.does(apply(done("e-2"))).await;
    assert_eq!(kinds(&committed.events), [("message", 4)], "locked already");
    room.acts(RoomAction::Archive).await;
    let committed = house.does(apply(done("e-3"))).await;
    assert_eq!(kinds(&committed.events), [("message", 6)]);
    assert_eq!(room.row().await.state, RoomState::Archived);
    room.is_dense().await;
}

/// An event that asks for nothing is remembered all the same.
pub async fn an_event_may_ask_for_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.opens(job_room("1", &["ann"])).await;
    for repeat in [false, true] {
        let event = house.does(apply(news("e-1", "1")));
        let committed = room.stays_as_it_was(event).await;
        is_silent(&committed);
        let (.., created, seq, duplicate) = event_in(&committed);
        assert_eq!((created, seq, duplicate), (false, None, repeat));
    }
}

/// Who comes and goes, in order; then the message; last, the room as a whole.
pub async fn an_event_changes_who_is_there(store: SharedBackend) {
    let house = House::new(store);
    let room = house.opens(job_room("1", &["ann", "ben"])).await; // 1
    room.says("ben", "hi").await; // 2
    let event = DomainEvent {
        roster: vec![
            replaced("ben", "cleo"),                        // 3, 4
            admitted("olga", Role::Observer, History::All), // 5
            admitted("olga", Role::Owner, History::All),    // 6
            removed("ann", false),                          // 7
        ],
        action: Some(RoomAction::Archive), // 9
        ..accepted("e-1", "1")
    };
    let committed = house.does(apply(event.clone())).await;
    let expected = [
        ("participant", 3),
        ("participant", 4),
        ("participant", 5),
        ("participant", 6),
        ("participant", 7),
        ("message", 8),
        ("room", 9),
    ];
    assert_eq!(kinds(&committed.events), expected);
    let moved: Vec<_> = committed.users.iter().map(|one| &one.user).collect();
    assert_eq!(moved.len(), 4, "{moved:?}");
    let (row, created, seq, _) = event_in(&committed);
    assert_eq!(
        (row.clone(), created, seq),
        (room.row().await, false, Some(2))
    );
    assert_eq!((row.participant_count, row.state), (2, RoomState::Archived));
    assert_eq!(room.window("ben").await, Some((1, Some(1))));
    assert_eq!(
        room.window("cleo").await,
        Some((2, None)),
        "with its message"
    );
    assert_eq!(room.window("olga").await, Some((1, None)));
    assert_eq!(room.window("ann").await, None);
    assert_eq!(room.person("olga").await.role, Role::Owner);
    let again = room.stays_as_it_was(house.does(apply(event))).await;
    is_silent(&again);
    room.is_dense().await;
}

/// What cannot be done to somebody who is not there is left undone, and the rest done.
pub async fn a_roster_is_never_refused(store: SharedBackend) {
    let house = House::new(store);
    let room = house.opens(job_room("1", &["ann", "ben"])).await; // 1
    let event = DomainEvent {
        roster: vec![
            removed("nobody", true),
            removed("nobody", false),
            admitted("ann", Role::Member, History::FromNow),
            replaced("nobody", "cleo"), // 2
            replaced("dora", "dora"),   // 3
            replaced("ann", "ann"),
            replaced("ben", "ann"), // 4
            removed("ben", true),
            removed("cleo", true), // 5
        ],
        ..news("e-1", "1")
    };
    let committed = house.does(apply(event)).await;
    let expected = [2, 3, 4, 5].map(|rev| ("participant", rev));
    assert_eq!(kinds(&committed.events), expected);
    let people = house.store.participants(room.id, None, 0).await.unwrap();
    assert_eq!(names(&people), ["ann", "dora"]);
    assert_eq!(room.window("ann").await, Some((1, None)));
    assert_eq!(house.user_head("nobody").await, Rev::ZERO);
    room.is_dense().await;
}

/// Who comes and goes in a room that the event opens itself.
pub async fn an_event_opens_and_changes_who_is_there(store: SharedBackend) {
    let house = House::new(store);
    let event = DomainEvent {
        roster: vec![replaced("ben", "cleo")],
        action: Some(RoomAction::Reopen),
        ..accepted("e-1", "1")
    };
    let committed = house.does(apply(event)).await;
    let expected = [
        ("room", 1),
        ("participant", 2),
        ("participant", 3),
        ("message", 4),
    ];
    assert_eq!(kinds(&committed.events), expected, "open it is already");
    let (row, created, ..) = event_in(&committed);
    assert!(created);
    assert_eq!((row.rev, row.participant_count), (Rev::new(4), 2));
    let ben = committed.users.iter().filter(|one| one.user == user("ben"));
    let revs: Vec<u64> = ben.map(|one| one.rev.get()).collect();
    assert_eq!(revs, [1, 2], "in and out");
    let room = house.place(row.id);
    assert_eq!(room.window("ben").await, Some((1, Some(0))));
    assert_eq!(room.window("cleo").await, Some((1, None)));
    // Without a room nobody comes anywhere.
    let lost = DomainEvent {
        roster: vec![admitted("zoe", Role::Member, History::All)],
        ..news("e-2", "2")
    };
    assert_eq!(house.refuses(apply(lost)).await, Rejection::NotFound);
    assert_eq!(house.user_head("zoe").await, Rev::ZERO);
}

fn admitted(who: &str, role: Role, history: History) -> Roster {
    let participant = NewParticipant {
        role,
        ..newcomer(who)
    };
    Roster::Admit {
        participant,
        history,
    }
}

fn removed(who: &str, keeps_history: bool) -> Roster {
    Roster::Remove {
        user: user(who),
        keeps_history,
    }
}

fn replaced(leaves: &str, comes: &str) -> Roster {
    Roster::Replace {
        leaves: user(leaves),
        comes: newcomer(comes),
        history: History::FromNow,
    }
}

/// However often it is sent at once, an event is applied once.
pub async fn an_event_sent_by_many_at_once_is_applied_once(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let senders = (0..16).map(|task| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let id = format!("e-{}", task % 2);
            event_in(&house.does(apply(accepted(&id, "1"))).await)
        })
    });
    let told: Vec<_> = join_all(senders)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(told.iter().filter(|(_, created, ..)| *created).count(), 1);
    assert_eq!(told.iter().filter(|(.., again)| !again).count(), 2);
    let room = house.place(told[0].0.id);
    assert_eq!(seqs(&room.messages().await), [1, 2]);
    assert_eq!(house.user_head("ann").await, Rev::FIRST);
    room.is_dense().await;
}
