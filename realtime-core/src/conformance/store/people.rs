//! What is known of people, over all rooms: names, streams, acquaintances, last seen.

use super::fixture::*;
use crate::{
    change::{Actor, Change, NewParticipant},
    event::{RoomChange, Topic},
    id::{RoomId, UserId},
    message::Sender,
    participant::Role,
    seq::Rev,
    store::SharedBackend,
    time::Timestamp,
};

fn users<const N: usize>(names: [&str; N]) -> [UserId; N] {
    names.map(user)
}

/// Heads come in the order of the question, one for each place in it.
pub async fn heads_come_as_they_were_asked_for(store: SharedBackend) {
    let house = House::new(store);
    let (one, two) = (house.group(&["ann"]).await, house.group(&["ann"]).await);
    one.says_often("ann", 3).await;
    let unknown = RoomId::from_uuid(uuid::Uuid::from_u128(7));
    let topics = [
        Topic::Room(two.id),
        Topic::User(user("ann")),
        Topic::Room(unknown),
        Topic::Room(one.id),
        Topic::User(user("nobody")),
        Topic::Room(two.id),
        Topic::User(user("ann")),
    ];
    let heads = house.store.heads(&topics).await.unwrap();
    assert_eq!(heads, [1, 2, 0, 4, 0, 1, 2].map(Rev::new));
    assert_eq!(house.store.heads(&[]).await.unwrap(), []);
}

/// Many heads are asked for at once.
pub async fn heads_of_many_topics_are_answered(store: SharedBackend) {
    let house = House::new(store);
    let batch = vec![Change::Open(group(&["ann"])); 1_500];
    let mut topics: Vec<Topic> = Vec::new();
    for outcome in house.commits(&batch).await {
        topics.push(Topic::Room(room_in(&outcome.unwrap()).0.id));
    }
    topics.extend((0..1_500).map(|number| Topic::User(user(&format!("u{number}")))));
    topics.push(Topic::User(user("ann")));
    let heads = house.store.heads(&topics).await.unwrap();
    assert!(heads[..1_500].iter().all(|head| *head == Rev::FIRST));
    assert!(heads[1_500..3_000].iter().all(|head| head.is_zero()));
    assert_eq!(heads[3_000..], [Rev::new(1_500)]);
}

/// A name that a token tells is remembered with what is stored, and told from then on.
pub async fn a_name_is_remembered_with_a_message(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "who am I?").await;
    let draft = room.draft(by_named("ann", "Ann"), "I am Ann");
    let committed = house.does(Change::Send(draft)).await;
    let ann = Sender::User {
        id: user("ann"),
        name: Some("Ann".to_owned()),
    };
    let RoomChange::Message(told) = the_event(&committed).change else {
        panic!("a message is told");
    };
    assert_eq!(told.sender, ann);
    assert_eq!(message_in(&committed).0.sender, ann);
    for message in room.messages().await {
        assert_eq!(message.sender, ann, "earlier messages as well");
    }
    let changes = room.changes(1, 10).await;
    assert!(changes.messages.iter().all(|message| message.sender == ann));
    let person = room.person("ann").await;
    assert_eq!(person.name.as_deref(), Some("Ann"));
    assert_eq!(
        person.member_rev,
        Rev::FIRST,
        "a name has no rev of its own"
    );
    assert_eq!(room.head().await, Rev::new(3));
    assert_eq!(room.view("ben").await.last_message.unwrap().sender, ann);
    let elsewhere = house.group(&["ann"]).await;
    assert_eq!(elsewhere.person("ann").await.name.as_deref(), Some("Ann"));
    // No name keeps the one that is known; another one replaces it.
    room.says("ann", "still Ann").await;
    assert_eq!(room.person("ann").await.name.as_deref(), Some("Ann"));
    room.edits(by_named("ann", "Anna"), 1, "edited").await;
    assert_eq!(room.person("ann").await.name.as_deref(), Some("Anna"));
    room.deletes(by_named("ann", "Anne"), 1).await;
    assert_eq!(room.person("ann").await.name.as_deref(), Some("Anne"));
}

/// What changes nothing and what is refused leaves no name behind.
pub async fn a_name_is_not_remembered_with_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = room.draft(by("ann"), "hi");
    room.sends(draft.clone()).await;
    let repeat = crate::change::Draft {
        from: by_named("ann", "Ann"),
        ..draft
    };
    let (message, duplicate) = message_in(&house.does(Change::Send(repeat)).await);
    assert!(duplicate);
    assert_eq!(
        message.sender,
        Sender::User {
            id: user("ann"),
            name: None
        }
    );
    room.edits(by_named("ann", "Ann"), 1, "hi").await;
    house
        .refuses(room.edit(by_named("ben", "Ben"), 1, "x"))
        .await;
    assert_eq!(room.person("ann").await.name, None);
    assert_eq!(room.person("ben").await.name, None);
}

/// The host says what people are called when it opens rooms and admits people.
pub async fn the_host_names_people(store: SharedBackend) {
    let house = House::new(store);
    let named = |who: &str, name: &str| NewParticipant {
        name: Some(name.to_owned()),
        ..newcomer(who)
    };
    let mut new = group(&["ann"]);
    new.participants.push(named("ben", "Ben"));
    let room = house.opens(new).await;
    assert_eq!(room.person("ben").await.name.as_deref(), Some("Ben"));
    assert_eq!(room.person("ann").await.name, None);
    let other = house.group(&["ben"]).await;
    assert_eq!(other.person("ben").await.name.as_deref(), Some("Ben"));
    let admit = Change::Admit {
        room: other.id,
        participant: named("cleo", "Cleo \u{1F9F9}"),
        history: crate::change::History::All,
    };
    let (cleo, _) = participant_in(&house.does(admit).await);
    assert_eq!(cleo.name.as_deref(), Some("Cleo \u{1F9F9}"));
    let renamed = Change::Open(crate::change::NewRoom {
        participants: vec![named("ben", "Benjamin")],
        ..group(&[])
    });
    house.does(renamed).await;
    assert_eq!(room.person("ben").await.name.as_deref(), Some("Benjamin"));
    assert_eq!(room.head().await, Rev::FIRST);
}

/// Those of the others who are active in a room in which the user is active too.
pub async fn acquaintances_share_a_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "cleo"]).await;
    house.group(&["ann", "dora"]).await;
    house.group(&["ben", "zoe"]).await;
    room.removes("cleo").await;
    room.admits("olga", Role::Observer).await;
    let known = async |who: &str, others: &[UserId]| {
        let who = user(who);
        house.store.acquaintances(&who, others).await.unwrap()
    };
    let all = users(["zoe", "dora", "cleo", "nobody", "olga", "ben", "dora"]);
    assert_eq!(known("ann", &all).await, users(["dora", "olga", "ben"]));
    assert_eq!(known("cleo", &all).await, []);
    assert_eq!(known("zoe", &all).await, users(["zoe", "ben"]));
    assert_eq!(known("nobody", &all).await, []);
    assert_eq!(known("ann", &[]).await, []);
    room.admits("cleo", Role::Member).await;
    assert_eq!(known("cleo", &all).await, users(["cleo", "olga", "ben"]));
}

/// When people were last online is remembered, and never moves back.
pub async fn last_seen_is_remembered(store: SharedBackend) {
    let house = House::new(store);
    house.group(&["ann", "ben", "cleo"]).await;
    let at = |millis: i64| Timestamp::from_millis(1_700_000_000_000 + millis);
    let asked = users(["ben", "nobody", "ann", "cleo", "ben"]);
    let last_seen = async || house.store.last_seen(&asked).await.unwrap();
    assert_eq!(last_seen().await, [None; 5]);
    let seen = users(["ann", "ben", "ann", "nobody"]);
    house.store.saw(&seen, at(123)).await.unwrap();
    let first = Some(at(123));
    assert_eq!(last_seen().await, [first, None, first, None, first]);
    house.store.saw(&users(["ben"]), at(456)).await.unwrap();
    house.store.saw(&users(["ann"]), at(1)).await.unwrap();
    let later = Some(at(456));
    assert_eq!(last_seen().await, [later, None, first, None, later]);
    house.store.saw(&[], at(789)).await.unwrap();
    assert_eq!(house.store.last_seen(&[]).await.unwrap(), []);
    // Who was unknown stays unknown.
    house.group(&["nobody"]).await;
    assert_eq!(last_seen().await, [later, None, first, None, later]);
}

/// The check of every access: one participant, active or not.
pub async fn a_participant_is_looked_up(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let other = house.group(&["zoe"]).await;
    room.removes("ben").await;
    let find = async |room: RoomId, who: &str| {
        let found = house.store.participant(room, &user(who)).await.unwrap();
        found.map(|one| one.is_active())
    };
    assert_eq!(find(room.id, "ann").await, Some(true));
    assert_eq!(find(room.id, "ben").await, Some(false));
    assert_eq!(find(room.id, "zoe").await, None);
    assert_eq!(find(other.id, "zoe").await, Some(true));
    assert_eq!(find(other.id, "ann").await, None);
    other.sends(other.draft(Actor::Service, "hi")).await;
}
