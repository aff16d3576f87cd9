//! Rooms are opened, once for a subject and once for a key.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;

use super::fixture::*;
use crate::{
    change::{Change, NewParticipant, NewRoom, Rejection},
    event::{RoomChange, Topic, UserEvent},
    limits::SMALL_ROOM,
    participant::{ParticipantState, Role},
    room::{RoomKind, RoomState},
    seq::{Rev, Seq},
    store::SharedBackend,
};

/// Participants that one request must be able to name.
const MANY: usize = 10_000;

/// A room is opened, with all its participants, by `rev` 1.
pub async fn a_room_is_opened_by_its_first_rev(store: SharedBackend) {
    let house = House::new(store);
    let new = NewRoom {
        kind: RoomKind::Direct,
        title: Some("Spring cleaning".to_owned()),
        metadata: Some(metadata(&json!({"rooms": 3}))),
        ..job_room("7421", &["ann", "ben"])
    };
    let committed = house.does(Change::Open(new.clone())).await;
    let (room, created) = room_in(&committed);
    assert!(created);
    assert_eq!((room.kind, room.subject.clone()), (new.kind, new.subject));
    assert_eq!(
        (room.title.clone(), room.metadata.clone()),
        (new.title, new.metadata)
    );
    assert_eq!((room.state, room.locks_at), (RoomState::Open, None));
    assert_eq!((room.first_seq, room.last_seq), (Seq::FIRST, Seq::ZERO));
    assert_eq!((room.rev, room.meta_rev), (Rev::FIRST, Rev::FIRST));
    assert_eq!((room.participant_count, room.last_message_at), (2, None));
    assert_eq!(room.created_at, house.now());

    let event = the_event(&committed);
    assert_eq!(
        (event.room, event.rev, event.after),
        (room.id, Rev::FIRST, Rev::ZERO)
    );
    assert_eq!(event.change, RoomChange::Room(Box::new(room.clone())));
    assert_eq!(house.place(room.id).row().await, room);
    assert_eq!(house.store.room_of(&job("7421")).await.unwrap(), Some(room));
}

/// Everybody in it is active, has read nothing, and is told once in their own stream.
pub async fn who_is_in_it_from_the_opening_on_is_told(store: SharedBackend) {
    let house = House::new(store);
    let mut new = group(&["ann", "ben", "olga"]);
    new.participants[1].name = Some("Ben".to_owned());
    new.participants[2].role = Role::Observer;
    let committed = house.does(Change::Open(new)).await;
    let (room, _) = room_in(&committed);
    let place = house.place(room.id);
    for (who, role, name) in [
        ("ann", Role::Member, None),
        ("ben", Role::Member, Some("Ben".to_owned())),
        ("olga", Role::Observer, None),
    ] {
        let one = place.person(who).await;
        assert_eq!((one.room, one.user.as_str()), (room.id, who));
        assert_eq!((one.role, one.name), (role, name));
        assert_eq!(one.state, ParticipantState::Active);
        assert_eq!((one.delivered_seq, one.read_seq), (Seq::ZERO, Seq::ZERO));
        assert_eq!((one.rev, one.member_rev), (Rev::FIRST, Rev::FIRST));
        assert_eq!((one.joined_at, one.muted_until), (house.now(), None));
        assert_eq!(house.user_head(who).await, Rev::FIRST);
    }
    let mut users = committed.users;
    users.sort_by(|a, b| a.user.cmp(&b.user));
    let told = ["ann", "ben", "olga"].map(|who| UserEvent {
        user: user(who),
        rev: Rev::FIRST,
        room: room.id,
    });
    assert_eq!(users, told);
}

/// Each opening is one more `rev` in each participant's stream.
pub async fn user_streams_are_dense(store: SharedBackend) {
    let house = House::new(store);
    house.group(&["ann", "ben"]).await;
    let outcomes = house
        .commits(&[
            Change::Open(group(&["ann", "ben"])),
            Change::Open(group(&["ann"])),
            Change::Open(group(&["ben", "ben"])),
            Change::Open(group(&["ann", "ben"])),
        ])
        .await;
    let told = |who: &str| -> Vec<u64> {
        let users = outcomes.iter().flatten().flat_map(|one| &one.users);
        let own = users.filter(|event| event.user == user(who));
        own.map(|event| event.rev.get()).collect()
    };
    assert_eq!(told("ann"), [2, 3, 4]);
    assert_eq!(told("ben"), [2, 3]);
    assert_eq!(house.user_head("ann").await, Rev::new(4));
    assert_eq!(house.user_head("ben").await, Rev::new(3));
}

/// A subject has one room; asking again answers with it as it stands.
pub async fn a_subject_has_one_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.opens(job_room("1", &["ann", "ben"])).await;
    room.says("ann", "hi").await;
    room.locks().await;
    let again = NewRoom {
        title: Some("another title".to_owned()),
        ..job_room("1", &["ben", "cleo"])
    };
    let asked = house.does(Change::Open(again));
    let committed = room.stays_as_it_was(asked).await;
    assert_eq!(room_in(&committed), (room.row().await, false));
    is_silent(&committed);
    assert_eq!(house.user_head("cleo").await, Rev::ZERO);
    // Nobody looks at what else such a request says.
    let senseless = job_room("1", &["kim", "kim"]);
    let committed = house.does(Change::Open(senseless)).await;
    assert_eq!(room_in(&committed).0.id, room.id);
    let other = house.opens(job_room("2", &["ann", "ben"])).await;
    assert_ne!(other.id, room.id);
}

/// Also inside one batch.
pub async fn a_subject_has_one_room_inside_a_batch(store: SharedBackend) {
    let house = House::new(store);
    let open = Change::Open(job_room("1", &["ann"]));
    let outcomes = house.commits(&[open.clone(), open]).await;
    let [first, second] = [0, 1].map(|index| room_in(outcomes[index].as_ref().unwrap()));
    assert_eq!((first.1, second.1), (true, false));
    assert_eq!(first.0, second.0);
    is_silent(outcomes[1].as_ref().unwrap());
    assert_eq!(house.user_head("ann").await, Rev::FIRST);
}

/// However many open it at once, there is one room, and one of them created it.
pub async fn a_subject_opened_by_many_at_once_has_one_room(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    for round in 0..4 {
        let openers = (0..16).map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let new = job_room(&format!("{round}"), &["ann", "ben"]);
                room_in(&house.does(Change::Open(new)).await)
            })
        });
        let rooms: Vec<_> = join_all(openers)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(rooms.iter().filter(|(_, created)| *created).count(), 1);
        assert!(rooms.iter().all(|(room, _)| room.id == rooms[0].0.id));
    }
    assert_eq!(house.room_ids("ann", &Default::default()).await.len(), 4);
    assert_eq!(house.user_head("ben").await, Rev::new(4));
}

/// Without a subject, every opening is another room.
pub async fn rooms_without_a_subject_are_many(store: SharedBackend) {
    let house = House::new(store);
    let one = house.group(&["ann", "ben"]).await;
    let two = house.group(&["ann", "ben"]).await;
    assert_ne!(one.id, two.id);
}

/// The same key again answers with the first one's room as it stands.
pub async fn a_key_opens_one_room(store: SharedBackend) {
    let house = House::new(store);
    let new = NewRoom {
        key: Some(key("request 1")),
        title: Some("Kitchen".to_owned()),
        ..group(&["ann", "ben"])
    };
    let room = house.opens(new.clone()).await;
    room.says("ann", "hi").await;
    let asked = house.does(Change::Open(new.clone()));
    let committed = room.stays_as_it_was(asked).await;
    assert_eq!(room_in(&committed), (room.row().await, false));
    is_silent(&committed);
    let other = NewRoom {
        key: Some(key("request 2")),
        ..new
    };
    assert_ne!(house.opens(other).await.id, room.id);
}

/// Under the same key, anything else is refused.
pub async fn a_key_is_not_reused(store: SharedBackend) {
    let house = House::new(store);
    let asked = NewRoom {
        key: Some(key("request")),
        ..group(&["ann", "ben"])
    };
    let room = house.opens(asked.clone()).await;
    let mut observer = asked.clone();
    observer.participants[1].role = Role::Observer;
    for other in [
        NewRoom {
            kind: RoomKind::Direct,
            ..asked.clone()
        },
        NewRoom {
            subject: Some(job("1")),
            ..asked.clone()
        },
        NewRoom {
            title: Some("Bath".to_owned()),
            ..asked.clone()
        },
        NewRoom {
            metadata: Some(metadata(&json!({}))),
            ..asked.clone()
        },
        NewRoom {
            participants: vec![newcomer("ann")],
            ..asked.clone()
        },
        observer,
    ] {
        assert_eq!(
            house.refuses(Change::Open(other)).await,
            Rejection::KeyReused
        );
    }
    assert_eq!(house.store.room_of(&job("1")).await.unwrap(), None);
    let (again, created) = room_in(&house.does(Change::Open(asked)).await);
    assert_eq!((again.id, created), (room.id, false));
}

/// A key remembers its room also when the subject had it already.
pub async fn a_key_remembers_a_room_that_was_there(store: SharedBackend) {
    let house = House::new(store);
    let room = house.opens(job_room("1", &["ann"])).await;
    let keyed = NewRoom {
        key: Some(key("request")),
        ..job_room("1", &["ann"])
    };
    for _ in 0..2 {
        let (same, created) = room_in(&house.does(Change::Open(keyed.clone())).await);
        assert_eq!((same.id, created), (room.id, false));
    }
    let other = NewRoom {
        subject: Some(job("2")),
        ..keyed
    };
    assert_eq!(
        house.refuses(Change::Open(other)).await,
        Rejection::KeyReused
    );
}

/// A refused opening does not use its key or its subject up.
pub async fn a_refused_opening_leaves_no_trace(store: SharedBackend) {
    let house = House::new(store);
    let mut wrong = NewRoom {
        key: Some(key("request")),
        ..job_room("1", &["ann", "ann"])
    };
    wrong.participants[0].name = Some("Ann".to_owned());
    house.refuses(Change::Open(wrong)).await;
    let right = NewRoom {
        key: Some(key("request")),
        ..job_room("1", &["ann"])
    };
    let room = house.opens(right).await;
    assert_eq!(room.person("ann").await.name, None);
    assert_eq!(house.user_head("ann").await, Rev::FIRST);
}

/// The same key by many at once opens one room.
pub async fn a_key_used_by_many_at_once_opens_one_room(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let openers = (0..16).map(|_| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let new = NewRoom {
                key: Some(key("request")),
                ..group(&["ann", "ben"])
            };
            room_in(&house.does(Change::Open(new)).await)
        })
    });
    let rooms: Vec<_> = join_all(openers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rooms.iter().filter(|(_, created)| *created).count(), 1);
    assert_eq!(house.room_ids("ann", &Default::default()).await.len(), 1);
}

/// A direct room is opened with exactly two; a group room with any number.
pub async fn a_direct_room_is_for_two(store: SharedBackend) {
    let house = House::new(store);
    let direct = |people: &[&str]| NewRoom {
        kind: RoomKind::Direct,
        ..group(people)
    };
    for people in [&[] as &[&str], &["ann"], &["ann", "ben", "cleo"]] {
        is_invalid(
            &house.refuses(Change::Open(direct(people))).await,
            "participants",
        );
    }
    let room = house.opens(direct(&["ann", "ben"])).await;
    assert_eq!(room.row().await.kind, RoomKind::Direct);
    let empty = house.group(&[]).await;
    assert_eq!(empty.row().await.participant_count, 0);
    empty.announces("nobody here").await;
}

/// A user is named once.
pub async fn nobody_is_in_a_room_twice(store: SharedBackend) {
    let house = House::new(store);
    for people in [&["ann", "ann"] as &[&str], &["ann", "ben", "ann"]] {
        is_invalid(
            &house.refuses(Change::Open(group(people))).await,
            "participants",
        );
    }
    assert_eq!(house.user_head("ann").await, Rev::ZERO);
    assert_eq!(house.room_ids("ann", &Default::default()).await, []);
}

/// Ten thousand participants fit in one opening, of which each is told.
pub async fn a_room_of_ten_thousand_is_opened_at_once(store: SharedBackend) {
    let house = House::new(store);
    let participants = (0..MANY).map(|number| NewParticipant {
        user: user(&format!("user-{number:05}")),
        role: Role::Member,
        name: Some(format!("User {number}")),
    });
    let committed = house
        .does(Change::Open(NewRoom {
            participants: participants.collect(),
            ..group(&[])
        }))
        .await;
    let (room, _) = room_in(&committed);
    the_event(&committed);
    assert_eq!(committed.users.len(), MANY);
    assert_eq!(room.participant_count as usize, MANY);
    let place = house.place(room.id);
    let last = place.person("user-09999").await;
    assert_eq!(last.name.as_deref(), Some("User 9999"));
    assert_eq!(last.rev, Rev::FIRST);
    place.says("user-05000", "hello, everybody").await;
    assert_eq!(place.unread("user-09999").await.count, 1);
    let view = place.view("user-00000").await;
    assert_eq!(view.participants, [], "too many to show");
    assert!(view.room.participant_count > SMALL_ROOM);
    let topics = [Topic::User(user("user-07777")), Topic::Room(room.id)];
    let heads = house.store.heads(&topics).await.unwrap();
    assert_eq!(heads, [Rev::FIRST, Rev::new(2)]);
    let people = all_participants(&house, room.id).await;
    assert_eq!(people.len(), MANY);
    assert!(people.is_sorted());
}

async fn all_participants(house: &House, room: crate::id::RoomId) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let after = all.last().map(|last| user(last));
        let page = house.store.participants(room, after.as_ref(), u32::MAX);
        let page = page.await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page.iter().map(|one| one.user.as_str().to_owned()));
        assert!(all.len() <= MANY, "nobody is told twice");
    }
}
