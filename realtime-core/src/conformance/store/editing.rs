//! Messages are edited and deleted, by whom it is allowed.

use serde_json::json;

use super::fixture::*;
use crate::{
    change::{Actor, Change, Draft, Rejection, RoomAction},
    event::RoomChange,
    message::MessageChange,
    participant::Role,
    seq::{Rev, Seq},
    store::SharedBackend,
    time::Timestamp,
};

/// An edit changes the text and nothing else, by one `rev`.
pub async fn an_edit_changes_the_text(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = Draft {
        metadata: Some(metadata(&json!({"a": [1]}))),
        ..room.draft(by("ann"), "helo")
    };
    let sent = room.sends(draft).await;
    room.says("ben", "what?").await;
    let committed = room.edits(by("ann"), 1, "hello").await;
    let (edited, duplicate) = message_in(&committed);
    assert!(!duplicate);
    let expected = crate::message::Message {
        rev: Rev::new(4),
        body: Some("hello".to_owned()),
        edited_at: Some(house.now()),
        ..sent
    };
    assert_eq!(edited, expected);
    assert_eq!(edited.change(), MessageChange::Edited);
    let event = the_event(&committed);
    assert_eq!(event.rev, Rev::new(4));
    assert_eq!(event.change, RoomChange::Message(Box::new(edited.clone())));
    assert_eq!(room.message(1).await, edited);
    let row = room.row().await;
    assert_eq!((row.last_seq, row.rev), (Seq::new(2), Rev::new(4)));
    assert!(
        row.last_message_at < edited.edited_at,
        "nothing new was said"
    );
    room.is_dense().await;
}

/// The same text again burns no number.
pub async fn the_same_text_again_changes_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let sent = room.says("ann", "hello").await;
    for by in [by_named("ann", "Ann"), Actor::Service] {
        let edit = room.edits(by, 1, "hello");
        let committed = room.stays_as_it_was(edit).await;
        assert_eq!(message_in(&committed), (sent.clone(), true));
        is_silent(&committed);
    }
    room.edits(by("ann"), 1, "Hello").await;
    room.locks().await;
    let committed = room.edits(by("ann"), 1, "Hello").await;
    is_silent(&committed);
    let refused = house.refuses(room.edit(by("ann"), 1, "hello")).await;
    assert_eq!(refused, Rejection::RoomLocked);
}

/// A delete leaves a tombstone: no text, no metadata, the same place.
pub async fn a_delete_leaves_a_tombstone(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ben", "zero").await;
    let draft = Draft {
        metadata: Some(metadata(&json!({"secret": true}))),
        reply_to: Some(Seq::FIRST),
        ..room.draft(by("ann"), "oops")
    };
    room.sends(draft).await;
    room.edits(by("ann"), 2, "oops!").await;
    let edited = room.message(2).await;
    let committed = room.deletes(by("ann"), 2).await;
    let (deleted, duplicate) = message_in(&committed);
    assert!(!duplicate);
    let expected = crate::message::Message {
        rev: Rev::new(5),
        body: None,
        metadata: None,
        deleted_at: Some(house.now()),
        ..edited
    };
    assert_eq!(deleted, expected);
    assert_eq!(deleted.change(), MessageChange::Deleted);
    let event = the_event(&committed);
    assert_eq!(event.change, RoomChange::Message(Box::new(deleted.clone())));
    assert_eq!(room.messages().await[1], deleted);
    assert_eq!(room.row().await.last_seq, Seq::new(2));
    room.is_dense().await;
}

/// Deleting again changes nothing, also where the room was locked since.
pub async fn deleting_again_changes_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "oops").await;
    let (deleted, _) = message_in(&room.deletes(by("ann"), 1).await);
    let locked = [RoomAction::Lock { at: None }, RoomAction::Archive];
    for action in locked {
        for by in [by("ann"), Actor::Service] {
            let again = room.deletes(by, 1);
            let committed = room.stays_as_it_was(again).await;
            assert_eq!(message_in(&committed), (deleted.clone(), true));
            is_silent(&committed);
        }
        room.acts(action).await;
    }
}

/// What is deleted cannot be edited, by anybody.
pub async fn a_deleted_message_is_not_edited(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "oops").await;
    room.deletes(by("ann"), 1).await;
    for by in [by("ann"), Actor::Service] {
        let edit = house.refuses(room.edit(by, 1, "back again"));
        let refused = room.stays_as_it_was(edit).await;
        assert!(matches!(refused, Rejection::Conflict { .. }), "{refused:?}");
    }
    let refused = house.refuses(room.edit(by("ben"), 1, "mine")).await;
    assert_eq!(refused, Rejection::Forbidden, "whose it is comes first");
}

/// Users change their own texts only.
pub async fn others_messages_are_left_alone(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.admits("otto", Role::Owner).await;
    room.says("ann", "mine").await;
    room.announces("the platform's").await;
    let from_service = room.draft(Actor::Service, "a text of the platform");
    room.sends(from_service).await;
    for who in ["ben", "otto"] {
        for seq in 1..=3 {
            for change in [room.edit(by(who), seq, "x"), room.delete(by(who), seq)] {
                let refused = room.stays_as_it_was(house.refuses(change)).await;
                assert_eq!(refused, Rejection::Forbidden, "{who}, {seq}");
            }
        }
    }
}

/// The platform edits and deletes any message, also in a locked room.
pub async fn the_platform_changes_any_message(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "rude").await;
    room.announces("anouncement").await;
    room.locks().await;
    room.edits(Actor::Service, 1, "[removed]").await;
    room.edits(Actor::Service, 2, "announcement").await;
    room.deletes(Actor::Service, 1).await;
    let messages = room.messages().await;
    assert_eq!(messages[0].body, None);
    assert_eq!(messages[0].sender.user(), Some(&user("ann")));
    assert_eq!(messages[1].body.as_deref(), Some("announcement"));
    room.is_dense().await;
}

/// Strangers and unknown messages are not found; whom it is hidden from, learns nothing.
pub async fn what_is_not_there_is_not_changed(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let nowhere = house.place(crate::id::RoomId::from_uuid(uuid::Uuid::from_u128(7)));
    room.says("ann", "hello").await;
    room.says("ben", "hi").await;
    room.removes("ben").await;
    let both = |change: &dyn Fn(bool) -> Change| [change(true), change(false)];
    let change = |place: Place<'_>, actor: Actor, seq: u64, edit: bool| {
        if edit {
            place.edit(actor, seq, "x")
        } else {
            place.delete(actor, seq)
        }
    };
    let mut changes: Vec<Change> = Vec::new();
    for seq in [0, 3, 99] {
        changes.extend(both(&|edit| change(room, by("ann"), seq, edit)));
        changes.extend(both(&|edit| change(room, Actor::Service, seq, edit)));
    }
    for who in ["zoe", "ben"] {
        changes.extend(both(&|edit| change(room, by(who), 2, edit)));
    }
    changes.extend(both(&|edit| change(nowhere, by("ann"), 1, edit)));
    changes.extend(both(&|edit| change(nowhere, Actor::Service, 1, edit)));
    for one in changes {
        assert_eq!(house.refuses(one).await, Rejection::NotFound);
    }
}

/// Whoever only observes now no longer changes what they wrote as a member.
pub async fn observers_change_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "hello").await;
    room.admits("ann", Role::Observer).await;
    for change in [room.edit(by("ann"), 1, "x"), room.delete(by("ann"), 1)] {
        assert_eq!(house.refuses(change).await, Rejection::Forbidden);
    }
}

/// In a locked room participants change nothing either.
pub async fn a_locked_room_stays_as_it_is(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "hello").await;
    for action in [RoomAction::Lock { at: None }, RoomAction::Archive] {
        room.acts(action).await;
        for change in [room.edit(by("ann"), 1, "x"), room.delete(by("ann"), 1)] {
            let refused = room.stays_as_it_was(house.refuses(change)).await;
            assert_eq!(refused, Rejection::RoomLocked);
        }
    }
}

/// What was sent before a moment is no longer changed, by whomever; what was sent at
/// it is.
pub async fn a_message_is_changed_in_its_time(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    for _ in 0..2 {
        room.says("ann", "hello").await;
    }
    let sent = room.message(1).await.sent_at;
    let late = Timestamp::from_millis(sent.as_millis() + 1);
    for by in [by("ann"), Actor::Service] {
        for change in changes_of(room, &by, 1, late) {
            let refused = room.stays_as_it_was(house.refuses(change)).await;
            assert_eq!(refused, Rejection::TooLate);
        }
    }
    for change in changes_of(room, &by("ann"), 1, sent) {
        house.does(change).await;
    }
    for change in changes_of(room, &Actor::Service, 2, sent) {
        house.does(change).await;
    }
}

/// That it is too late is the last that is looked at: before it, whose it is, whether
/// it is deleted, whether anything would change, and whether the room is open.
pub async fn what_comes_too_late_is_looked_at_last(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    for _ in 0..2 {
        room.says("ann", "hello").await;
    }
    let late = house.in_ticks(1);
    let ann = by("ann");
    for change in changes_of(room, &by("zoe"), 1, late) {
        assert_eq!(house.refuses(change).await, Rejection::NotFound);
    }
    for change in changes_of(room, &by("ben"), 1, late) {
        assert_eq!(house.refuses(change).await, Rejection::Forbidden);
    }
    room.edits(ann.clone(), 1, "late").await;
    let [edit, delete] = changes_of(room, &ann, 1, late);
    is_silent(&house.does(edit).await);
    assert_eq!(house.refuses(delete).await, Rejection::TooLate);
    room.deletes(ann.clone(), 1).await;
    let [edit, delete] = changes_of(room, &ann, 1, late);
    let refused = house.refuses(edit).await;
    assert!(matches!(refused, Rejection::Conflict { .. }), "{refused:?}");
    is_silent(&house.does(delete).await);
    room.locks().await;
    for change in changes_of(room, &ann, 2, late) {
        assert_eq!(house.refuses(change).await, Rejection::RoomLocked);
    }
}

/// An edit to "late" and a delete, of a message that must not be older.
fn changes_of(room: Place<'_>, by: &Actor, seq: u64, oldest: Timestamp) -> [Change; 2] {
    let (room, seq) = (room.id, Seq::new(seq));
    let sent_after = Some(oldest);
    [
        Change::Edit {
            room,
            seq,
            by: by.clone(),
            body: text("late"),
            sent_after,
        },
        Change::Delete {
            room,
            seq,
            by: by.clone(),
            sent_after,
        },
    ]
}
