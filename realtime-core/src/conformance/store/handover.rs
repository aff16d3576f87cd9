//! A room is handed over from one to another.

use std::sync::Arc;

use futures::future::join_all;

use super::fixture::*;
use crate::{
    change::{Change, History, NewParticipant, Rejection},
    event::{RoomChange, UserEvent},
    id::RoomId,
    participant::{ParticipantState, Role},
    seq::{Rev, Seq},
    store::{RoomQuery, SharedBackend},
};

/// The one leaves, the other comes: two revisions, one after the other.
pub async fn a_room_is_handed_over(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 2).await;
    let committed = room.replaces("ben", "cleo").await;
    let (ben, cleo) = (room.person("ben").await, room.person("cleo").await);
    assert_eq!((ben.state, ben.rev), (ParticipantState::Left, Rev::new(4)));
    assert_eq!(
        (cleo.state, cleo.rev),
        (ParticipantState::Active, Rev::new(5))
    );
    assert_eq!(cleo.joined_at, house.now());
    assert_eq!(room.window("ben").await, Some((1, Some(2))));
    assert_eq!(room.window("cleo").await, Some((3, None)));
    assert_eq!(participant_in(&committed), (cleo.clone(), Rev::new(5)));
    let told: Vec<_> = committed.events.iter().map(|told| &told.change).collect();
    let [ben, cleo] = [ben, cleo].map(|one| RoomChange::Participant(Box::new(one)));
    assert_eq!(told, [&ben, &cleo]);
    assert!(
        committed
            .events
            .iter()
            .all(|told| told.rev.follows(told.after))
    );
    let event = |who: &str, rev: u64| UserEvent {
        user: user(who),
        rev: Rev::new(rev),
        room: room.id,
    };
    assert_eq!(committed.users.len(), 2);
    assert!(committed.users.contains(&event("ben", 2)));
    assert!(committed.users.contains(&event("cleo", 1)));
    let row = room.row().await;
    assert_eq!((row.participant_count, row.rev), (2, Rev::new(5)));
    assert_eq!(row.meta_rev, Rev::FIRST);
    room.is_dense().await;
}

/// Each sees their part, and whoever stays sees it all.
pub async fn each_sees_their_part_of_a_handed_over_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ben", "I begin").await;
    room.replaces("ben", "cleo").await;
    room.says("ann", "welcome").await;
    room.says("cleo", "I go on").await;
    let left = RoomQuery {
        left: true,
        ..RoomQuery::default()
    };
    let ben = house.rooms("ben", &left).await.remove(0);
    assert_eq!(
        (ben.room.first_seq, ben.room.last_seq),
        (Seq::FIRST, Seq::FIRST)
    );
    assert_eq!(names(&ben.participants), ["ann"], "ben never met cleo");
    let cleo = room.view("cleo").await;
    assert_eq!(
        (cleo.room.first_seq, cleo.room.last_seq),
        (Seq::new(2), Seq::new(3))
    );
    assert_eq!(names(&cleo.participants), ["ann", "cleo"]);
    let ann = room.view("ann").await;
    assert_eq!(
        (ann.room.first_seq, ann.room.last_seq),
        (Seq::FIRST, Seq::new(3))
    );
    assert_eq!(room.unread("cleo").await.count, 1);
    assert_eq!(room.unread("ann").await.count, 2, "ben's and cleo's");
}

/// Who comes may be shown what was before.
pub async fn a_room_is_handed_over_with_its_history(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 2).await;
    house.does(room.replace("ben", "cleo", History::All)).await;
    assert_eq!(room.window("cleo").await, Some((1, None)));
    assert_eq!(room.window("ben").await, Some((1, Some(2))));
    assert_eq!(room.unread("cleo").await.count, 0);
}

/// A repeat changes nothing, whatever was said since.
pub async fn handing_over_again_changes_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.replaces("ben", "cleo").await;
    room.says("ann", "welcome").await;
    for history in [History::FromNow, History::All] {
        let again = house.does(room.replace("ben", "cleo", history));
        let again = room.stays_as_it_was(again).await;
        is_silent(&again);
        let told = participant_in(&again);
        assert_eq!(told, (room.person("cleo").await, Rev::new(4)));
    }
    assert_eq!(house.user_head("ben").await, Rev::new(2));
    assert_eq!(house.user_head("cleo").await, Rev::FIRST);
}

/// Where the one is out already, or the other in, the other half is done.
pub async fn half_a_handover_is_completed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "cleo"]).await; // 1
    room.says("ann", "hi").await; // 2
    let committed = room.replaces("ben", "cleo").await;
    assert_eq!(kinds(&committed.events), [("participant", 3)]);
    assert_eq!(committed.users.len(), 1, "cleo was in");
    assert_eq!(
        participant_in(&committed),
        (room.person("cleo").await, Rev::new(3))
    );
    assert_eq!(
        room.window("cleo").await,
        Some((1, None)),
        "and sees what she saw"
    );
    assert_eq!(room.window("ben").await, Some((1, Some(1))));
    assert_eq!(room.row().await.participant_count, 2);
    room.is_dense().await;
}

/// Who has gone cannot be replaced once more: their place is somebody else's.
pub async fn nobody_is_replaced_twice(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.replaces("ben", "cleo").await;
    let conflict = |refused: &Rejection| matches!(refused, Rejection::Conflict { .. });
    let again = room.replace("ben", "dora", History::All);
    let refused = room.stays_as_it_was(house.refuses(again.clone())).await;
    assert!(conflict(&refused), "{refused:?}");
    room.removes("ben").await;
    let refused = room.stays_as_it_was(house.refuses(again)).await;
    assert!(conflict(&refused), "{refused:?}");
    assert_eq!(house.user_head("dora").await, Rev::ZERO);
    assert_eq!(room.row().await.participant_count, 2);
}

/// Of several who are to take the same place, one does.
pub async fn one_place_is_given_once(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let changes = ["cleo", "dora", "emma"].map(|who| room.replace("ben", who, History::FromNow));
    let outcomes = join_all(changes.map(|change| house.tries(change))).await;
    assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 1);
    assert_eq!(room.row().await.participant_count, 2);
    room.is_dense().await;
}

/// Who comes may come in another role, and who is in gets it.
pub async fn a_handover_gives_a_role(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "cleo"]).await;
    let as_owner = |who: &str| NewParticipant {
        role: Role::Owner,
        name: Some("The Owner".to_owned()),
        ..newcomer(who)
    };
    let replace = |leaves: &str, comes: &str| Change::Replace {
        room: room.id,
        leaves: user(leaves),
        comes: as_owner(comes),
        history: History::FromNow,
    };
    let committed = house.does(replace("ben", "dora")).await;
    let (dora, _) = participant_in(&committed);
    assert_eq!(
        (dora.role, dora.name.as_deref()),
        (Role::Owner, Some("The Owner"))
    );
    let committed = house.does(replace("dora", "cleo")).await;
    assert_eq!(
        kinds(&committed.events),
        [("participant", 4), ("participant", 5)]
    );
    assert_eq!(committed.users.len(), 1, "cleo did not move");
    assert_eq!(room.person("cleo").await.role, Role::Owner);
}

/// Whom nobody knows here cannot be replaced, and then nobody comes.
pub async fn only_who_was_there_is_replaced(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    house.group(&["zoe"]).await;
    for (leaves, comes) in [("zoe", "cleo"), ("nobody", "cleo"), ("zoe", "zoe")] {
        let replace = room.replace(leaves, comes, History::All);
        let refused = room.stays_as_it_was(house.refuses(replace)).await;
        assert_eq!(refused, Rejection::NotFound);
    }
    assert_eq!(house.user_head("cleo").await, Rev::ZERO);
    let nowhere = house.place(RoomId::from_uuid(uuid::Uuid::from_u128(7)));
    let replace = nowhere.replace("ann", "cleo", History::All);
    assert_eq!(house.refuses(replace).await, Rejection::NotFound);
}

/// Nobody replaces themselves, in or out.
pub async fn nobody_replaces_themselves(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.leaves("ben").await;
    for who in ["ann", "ben"] {
        let replace = room.replace(who, who, History::FromNow);
        let refused = room.stays_as_it_was(house.refuses(replace)).await;
        is_invalid(&refused, "user");
    }
}

/// However many write meanwhile, the one's part ends where the other's begins, and with
/// the last message before the handover.
pub async fn a_handover_among_writers_is_one_place(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let room = house.group(&["ann", "ben"]).await.id;
    let writers = (0..8).map(|_| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { house.place(room).says_often("ann", 4).await })
    });
    let writers: Vec<_> = writers.collect();
    let handover = tokio::spawn({
        let house = Arc::clone(&house);
        async move { house.place(room).replaces("ben", "cleo").await }
    });
    for writer in writers {
        writer.await.unwrap();
    }
    let events = handover.await.unwrap().events;
    let place = house.place(room);
    let messages = place.messages().await;
    let before = messages.iter().filter(|one| one.rev < events[0].rev);
    let last = before.map(|one| one.seq.get()).max().unwrap_or_default();
    assert_eq!(place.window("ben").await, Some((1, Some(last))));
    assert_eq!(place.window("cleo").await, Some((last + 1, None)));
    assert!(
        events[1].rev.follows(events[0].rev),
        "nothing between the two"
    );
    assert_eq!(messages.len(), 32);
    place.is_dense().await;
}

/// A room may come back to who had it before, who then sees what is said from then on.
pub async fn a_room_is_handed_back(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ben", "one").await;
    room.replaces("ben", "cleo").await;
    room.says("cleo", "two").await;
    room.locks().await;
    room.replaces("cleo", "ben").await;
    assert_eq!(room.window("ben").await, Some((3, None)));
    assert_eq!(room.window("cleo").await, Some((2, Some(2))));
    assert_eq!(room.row().await.participant_count, 2);
    // In one batch, each to the state that the one before it left.
    let outcomes = house
        .commits(&[
            room.replace("ben", "cleo", History::FromNow),
            Change::Send(room.draft(crate::change::Actor::Service, "three")),
            room.replace("cleo", "ben", History::All),
        ])
        .await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(room.window("cleo").await, Some((3, Some(3))));
    assert_eq!(room.window("ben").await, Some((1, None)));
    room.is_dense().await;
}
