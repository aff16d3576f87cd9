//! People come into rooms, go out, and come back.

use super::fixture::*;
use crate::{
    change::{Change, Committed, NewParticipant, Rejection, RoomAction},
    event::{RoomChange, UserEvent},
    participant::{Participant, ParticipantState, Role},
    seq::{Rev, Seq},
    store::SharedBackend,
};

fn told_participant(committed: &Committed) -> Participant {
    let event = the_event(committed);
    let RoomChange::Participant(participant) = event.change else {
        panic!("the participant is told, not {:?}", event.change);
    };
    assert_eq!(
        (participant.rev, participant.member_rev),
        (event.rev, event.rev)
    );
    let answer = (Participant::clone(&participant), event.rev);
    assert_eq!(participant_in(committed), answer);
    *participant
}

/// A new participant, told to the room and in their own stream.
pub async fn a_newcomer_is_admitted(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "hi").await;
    let committed = room.admits("ben", Role::Owner).await;
    let ben = told_participant(&committed);
    assert_eq!((ben.room, ben.user.clone()), (room.id, user("ben")));
    assert_eq!(
        (ben.role, ben.state),
        (Role::Owner, ParticipantState::Active)
    );
    assert_eq!((ben.rev, ben.joined_at), (Rev::new(3), house.now()));
    assert_eq!((ben.name.clone(), ben.muted_until), (None, None));
    let told = UserEvent {
        user: user("ben"),
        rev: Rev::FIRST,
        room: room.id,
    };
    assert_eq!(committed.users, [told]);
    assert_eq!(room.person("ben").await, ben);
    let row = room.row().await;
    assert_eq!((row.participant_count, row.rev), (2, Rev::new(3)));
    assert_eq!(row.meta_rev, Rev::FIRST, "the room itself did not change");
    room.says("ben", "thanks").await;
}

/// What was said before they came counts as read and received.
pub async fn a_newcomer_has_nothing_unread(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 3).await;
    room.admits("ben", Role::Member).await;
    assert_eq!(room.pointers("ben").await, (3, 3));
    assert_eq!(room.unread("ben").await.count, 0);
    room.says("ann", "welcome").await;
    assert_eq!(room.unread("ben").await.count, 1);
    assert_eq!(
        room.messages().await.len(),
        4,
        "the history is theirs to read"
    );
}

/// Admitting again as they are changes nothing.
pub async fn admitting_again_changes_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let named = |name: Option<&str>| Change::Admit {
        room: room.id,
        participant: NewParticipant {
            name: name.map(str::to_owned),
            ..newcomer("ben")
        },
        history: crate::change::History::All,
    };
    house.does(named(Some("Ben"))).await;
    room.says("ann", "hi").await;
    for again in [named(Some("Ben")), named(None)] {
        let committed = room.stays_as_it_was(house.does(again)).await;
        is_silent(&committed);
        assert_eq!(
            participant_in(&committed),
            (room.person("ben").await, Rev::new(3))
        );
    }
    assert_eq!(house.user_head("ben").await, Rev::FIRST);
    assert_eq!(room.pointers("ben").await, (0, 0), "nothing counts as read");
}

/// Another role, or another name, is a change, but nobody came or went.
pub async fn a_role_or_name_changes(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "hi").await;
    let joined = room.person("ben").await;
    let committed = room.admits("ben", Role::Observer).await;
    let ben = told_participant(&committed);
    let expected = Participant {
        role: Role::Observer,
        rev: Rev::new(3),
        member_rev: Rev::new(3),
        ..joined
    };
    assert_eq!(ben, expected, "only the role");
    assert_eq!(committed.users, []);
    let renamed = NewParticipant {
        role: Role::Observer,
        name: Some("Ben".to_owned()),
        ..newcomer("ben")
    };
    let committed = house
        .does(Change::Admit {
            room: room.id,
            participant: renamed,
            history: crate::change::History::All,
        })
        .await;
    let ben = told_participant(&committed);
    assert_eq!((ben.name.as_deref(), ben.rev), (Some("Ben"), Rev::new(4)));
    assert_eq!(committed.users, []);
    assert_eq!(room.row().await.participant_count, 2);
    assert_eq!(room.pointers("ben").await, (0, 0), "nothing counts as read");
    room.is_dense().await;
}

/// Who is removed is out: told to the room and in their own stream.
pub async fn a_participant_is_removed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ben", "hi").await;
    let before = room.person("ben").await;
    let committed = room.removes("ben").await;
    let ben = told_participant(&committed);
    let expected = Participant {
        state: ParticipantState::Removed,
        rev: Rev::new(3),
        member_rev: Rev::new(3),
        ..before
    };
    assert_eq!(ben, expected);
    let told = UserEvent {
        user: user("ben"),
        rev: Rev::new(2),
        room: room.id,
    };
    assert_eq!(committed.users, [told]);
    assert_eq!(room.person("ben").await, ben, "known, but not active");
    assert_eq!(room.row().await.participant_count, 1);
    let people = house.store.participants(room.id, None, 0).await.unwrap();
    assert_eq!(names(&people), ["ann"]);
    assert_eq!(room.messages().await.len(), 1, "what they said stays");
}

/// Who is out stays out, unchanged; who never was in it is not found.
pub async fn only_who_is_in_is_removed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.removes("ben").await;
    let again = room.stays_as_it_was(room.removes("ben")).await;
    is_silent(&again);
    assert_eq!(
        participant_in(&again),
        (room.person("ben").await, Rev::new(2))
    );
    assert_eq!(house.user_head("ben").await, Rev::new(2));
    house.group(&["zoe"]).await;
    for stranger in ["zoe", "nobody"] {
        let refused = house.refuses(room.remove(stranger)).await;
        assert_eq!(refused, Rejection::NotFound);
    }
    let nowhere = house.place(crate::id::RoomId::from_uuid(uuid::Uuid::from_u128(7)));
    let refused = house.refuses(nowhere.remove("ann")).await;
    assert_eq!(refused, Rejection::NotFound);
    let admit = nowhere.admit("ann", Role::Member);
    assert_eq!(house.refuses(admit).await, Rejection::NotFound);
}

/// Who comes back has nothing unread, and keeps what they had read.
pub async fn a_participant_comes_back(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 2).await;
    room.reads("ben", 1).await;
    room.removes("ben").await;
    room.says_often("ann", 2).await;
    assert_eq!(room.unread("ben").await.count, 0, "not active");
    let committed = room.admits("ben", Role::Observer).await;
    let ben = told_participant(&committed);
    assert_eq!(
        (ben.state, ben.role),
        (ParticipantState::Active, Role::Observer)
    );
    assert_eq!(
        (ben.delivered_seq, ben.read_seq),
        (Seq::new(4), Seq::new(4))
    );
    assert_eq!(ben.joined_at, house.now());
    let told = UserEvent {
        user: user("ben"),
        rev: Rev::new(3),
        room: room.id,
    };
    assert_eq!(committed.users, [told]);
    assert_eq!(room.row().await.participant_count, 2);
    assert_eq!(room.unread("ben").await.count, 0);
    room.is_dense().await;
}

/// People come and go in locked rooms and direct rooms too: that is the host's to say.
pub async fn the_host_admits_into_any_room(store: SharedBackend) {
    let house = House::new(store);
    let direct = crate::change::NewRoom {
        kind: crate::room::RoomKind::Direct,
        ..group(&["ann", "ben"])
    };
    let room = house.opens(direct).await;
    room.acts(RoomAction::Archive).await;
    room.admits("support", Role::Observer).await;
    room.removes("ben").await;
    assert_eq!(room.row().await.participant_count, 2);
}

/// A room may lose everybody, and be filled again.
pub async fn a_room_may_be_empty(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "bye").await;
    room.removes("ann").await;
    room.removes("ben").await;
    assert_eq!(room.row().await.participant_count, 0);
    room.announces("nobody here").await;
    room.admits("ann", Role::Member).await;
    assert_eq!(room.says("ann", "back").await.seq, Seq::new(3));
    room.is_dense().await;
}
