//! Who came later, or has left, sees their part of a room.

use super::fixture::*;
use crate::{
    change::{Actor, Change, Draft, History, NewParticipant, NewRoom, Pointer, Rejection},
    event::{RoomChange, UserEvent},
    participant::{Participant, ParticipantState, Role},
    seq::{Rev, Seq},
    store::SharedBackend,
};

/// Who is there from the opening on, and who is admitted to all of it, sees all of it.
pub async fn a_participant_sees_everything(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 3).await;
    let (ben, _) = participant_in(&room.admits("ben", Role::Observer).await);
    assert_eq!((ben.visible_from, ben.visible_to), (Seq::FIRST, None));
    for who in ["ann", "ben"] {
        assert_eq!(room.window(who).await, Some((1, None)));
        assert_eq!(room.view(who).await.room, room.row().await);
    }
}

/// Who is admitted from now on sees nothing of what was said before.
pub async fn a_newcomer_sees_what_is_said_from_now_on(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 3).await;
    let committed = room.admits_from_now("ben").await;
    let RoomChange::Participant(told) = the_event(&committed).change else {
        panic!("a participant is told: {committed:?}");
    };
    assert_eq!((told.visible_from, told.visible_to), (Seq::new(4), None));
    assert_eq!(*told, room.person("ben").await);
    assert_eq!((room.pointers("ben").await), (3, 3), "as who sees it all");
    let view = room.view("ben").await;
    assert_eq!(view.room.first_seq, Seq::new(4));
    assert_eq!(
        (view.room.last_seq, view.room.rev),
        (Seq::new(3), Rev::new(5))
    );
    assert_eq!((view.last_message, view.unread.count), (None, 0));
    assert_eq!(room.view("ann").await.room.first_seq, Seq::FIRST);
    room.says("ann", "welcome").await;
    let view = room.view("ben").await;
    assert_eq!(view.last_message, Some(room.message(4).await));
    assert_eq!(view.unread.count, 1);
    assert_eq!(room.row().await.first_seq, Seq::FIRST, "it is all there");
}

/// In an empty room there is nothing that they could miss.
pub async fn from_now_on_may_be_from_the_beginning_on(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.admits_from_now("ben").await;
    assert_eq!(room.window("ben").await, Some((1, None)));
}

/// Who leaves goes on reading what was said up to now, and nothing after it.
pub async fn who_left_goes_on_reading(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 3).await;
    room.reads("ben", 1).await;
    let before = room.person("ben").await;
    let committed = room.leaves("ben").await;
    let expected = Participant {
        state: ParticipantState::Left,
        visible_to: Some(Seq::new(3)),
        rev: Rev::new(6),
        member_rev: Rev::new(6),
        ..before
    };
    let told = RoomChange::Participant(Box::new(expected.clone()));
    assert_eq!(the_event(&committed).change, told);
    assert_eq!(participant_in(&committed), (expected.clone(), Rev::new(6)));
    let told = UserEvent {
        user: user("ben"),
        rev: Rev::new(2),
        room: room.id,
    };
    assert_eq!(committed.users, [told]);
    assert_eq!(room.row().await.participant_count, 1);
    room.says("ann", "bye").await;
    assert_eq!(room.person("ben").await, expected);
    assert_eq!(room.window("ben").await, Some((1, Some(3))));
}

/// Who was removed sees nothing, also if they had left before, which is one `rev` that
/// only the room is told.
pub async fn who_was_removed_sees_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "cleo"]).await;
    room.says("ann", "hi").await;
    room.removes("ben").await;
    assert_eq!(room.person("ben").await.state, ParticipantState::Removed);
    assert_eq!(room.window("ben").await, None);
    room.leaves("cleo").await;
    let committed = room.removes("cleo").await;
    let (cleo, rev) = participant_in(&committed);
    assert_eq!(
        (cleo.state, cleo.visible_to),
        (ParticipantState::Removed, None)
    );
    assert_eq!(
        (cleo.rev, cleo.member_rev, rev),
        (Rev::new(5), Rev::new(5), Rev::new(5))
    );
    let told = RoomChange::Participant(Box::new(cleo));
    assert_eq!(the_event(&committed).change, told);
    assert_eq!(committed.users, [], "they were out already");
    assert_eq!(house.user_head("cleo").await, Rev::new(2));
    assert_eq!(room.row().await.participant_count, 1);
    assert_eq!(room.window("cleo").await, None);
}

/// Who is out stays out as they are: a window never grows by leaving again.
pub async fn leaving_again_changes_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben", "cleo"]).await;
    room.says("ann", "one").await;
    room.leaves("ben").await;
    room.removes("cleo").await;
    room.says("ann", "two").await;
    for who in ["ben", "cleo"] {
        let again = room.stays_as_it_was(room.leaves(who)).await;
        is_silent(&again);
        let told = participant_in(&again);
        assert_eq!(told, (room.person(who).await, room.head().await));
    }
    assert_eq!(room.window("ben").await, Some((1, Some(1))));
    assert_eq!(room.window("cleo").await, None);
    let refused = house.refuses(room.leave("zoe")).await;
    assert_eq!(refused, Rejection::NotFound);
}

/// What somebody sees is decided anew whenever they come.
pub async fn who_comes_back_sees_what_was_decided_then(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "one").await;
    room.leaves("ben").await;
    room.says("ann", "two").await;
    let (ben, _) = participant_in(&room.admits_from_now("ben").await);
    assert_eq!((ben.visible_from, ben.visible_to), (Seq::new(3), None));
    assert_eq!(room.window("ben").await, Some((3, None)));
    assert_eq!(room.pointers("ben").await, (2, 2));
    room.leaves("ben").await;
    assert_eq!(
        room.window("ben").await,
        Some((3, Some(2))),
        "nothing at all"
    );
    room.admits("ben", Role::Member).await;
    assert_eq!(room.window("ben").await, Some((1, None)));
    room.removes("ben").await;
    room.says("ann", "three").await;
    room.admits_from_now("ben").await;
    assert_eq!(room.window("ben").await, Some((4, None)));
    room.removes("ben").await;
    room.admits("ben", Role::Member).await;
    assert_eq!(room.window("ben").await, Some((1, None)));
}

/// Who is in keeps what they see, whatever an admission says.
pub async fn admitting_again_moves_no_window(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "one").await;
    room.admits_from_now("ben").await;
    room.says("ann", "two").await;
    for (who, history) in [("ann", History::FromNow), ("ben", History::All)] {
        let window = room.window(who).await;
        let admit = |role: Role| Change::Admit {
            room: room.id,
            participant: NewParticipant {
                role,
                ..newcomer(who)
            },
            history,
        };
        let again = house.does(admit(Role::Member));
        is_silent(&room.stays_as_it_was(again).await);
        let committed = house.does(admit(Role::Owner)).await;
        assert_eq!(participant_in(&committed).0.role, Role::Owner);
        assert_eq!(room.window(who).await, window, "{who}");
    }
}

/// What lies before one's window does not exist, not even one's own messages.
pub async fn what_is_not_seen_is_not_changed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ben", 2).await;
    room.leaves("ben").await;
    room.admits_from_now("ben").await;
    room.says("ben", "three").await;
    for seq in [1, 2] {
        for change in [room.edit(by("ben"), seq, "x"), room.delete(by("ben"), seq)] {
            let refused = room.stays_as_it_was(house.refuses(change)).await;
            assert_eq!(refused, Rejection::NotFound);
        }
    }
    let others = house.refuses(room.edit(by("ann"), 1, "x")).await;
    assert_eq!(others, Rejection::Forbidden, "who sees it learns that");
    room.edits(by("ben"), 3, "three, edited").await;
    room.edits(Actor::Service, 2, "the platform sees it all")
        .await;
    room.deletes(Actor::Service, 1).await;
    room.deletes(by("ben"), 3).await;
}

/// What lies before one's window is not there to be answered.
pub async fn what_is_not_seen_is_not_answered(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says_often("ann", 2).await;
    room.admits_from_now("cleo").await;
    room.says("ann", "three").await;
    let reply = |who: Actor, seq: u64| Draft {
        reply_to: Some(Seq::new(seq)),
        ..room.draft(who, "to that")
    };
    for seq in [0, 1, 2, 4] {
        let refused = room.refuses(reply(by("cleo"), seq)).await;
        is_invalid(&refused, "reply_to");
    }
    room.sends(reply(by("cleo"), 3)).await;
    room.sends(reply(by("ben"), 2)).await;
    room.sends(reply(Actor::Service, 1)).await;
}

/// What one sent oneself is known as sent, though it lies before one's window.
pub async fn a_repeat_is_known_before_its_senders_window(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = room.draft(by("ben"), "hello");
    let first = room.sends(draft.clone()).await;
    room.leaves("ben").await;
    let refused = room.refuses(draft.clone()).await;
    assert_eq!(refused, Rejection::NotFound, "not while they are out");
    room.admits_from_now("ben").await;
    let committed = house.does(Change::Send(draft)).await;
    assert_eq!(message_in(&committed), (first, true));
}

/// Who left, whatever they may read, does nothing any more.
pub async fn who_left_does_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "hi").await;
    room.says("ben", "hi").await;
    room.leaves("ben").await;
    for change in [
        Change::Send(room.draft(by("ben"), "one more thing")),
        room.edit(by("ben"), 2, "bye"),
        room.delete(by("ben"), 2),
        room.mark("ben", Pointer::Read, 2),
    ] {
        let refused = room.stays_as_it_was(house.refuses(change)).await;
        assert_eq!(refused, Rejection::NotFound);
    }
}

/// Who leaves before the first word may read none.
pub async fn a_window_may_be_empty(store: SharedBackend) {
    let house = House::new(store);
    let direct = NewRoom {
        kind: crate::room::RoomKind::Direct,
        ..group(&["ann", "ben"])
    };
    let room = house.opens(direct).await;
    room.leaves("ben").await;
    assert_eq!(room.window("ben").await, Some((1, Some(0))));
    room.says("ann", "alone").await;
    let ben = room.person("ben").await.visible().unwrap();
    assert!(!ben.has(Seq::FIRST) && !ben.has(Seq::ZERO));
}
