//! Messages are stored, by whom and where it is allowed.

use serde_json::json;

use super::fixture::*;
use crate::{
    change::{Actor, Change, Draft, Rejection, RoomAction},
    event::RoomChange,
    message::{MessageKind, Sender},
    participant::Role,
    seq::{Rev, Seq},
    store::SharedBackend,
};

/// A message is stored as it was sent, numbered, and told once.
pub async fn a_message_is_stored_and_told(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = Draft {
        metadata: Some(metadata(&json!({"mood": "fine"}))),
        ..room.named_draft(by_named("ann", "Ann"), "m-1", "Good morning")
    };
    let committed = house.does(Change::Send(draft.clone())).await;
    let (message, duplicate) = message_in(&committed);
    assert!(!duplicate);
    assert_eq!((message.room, message.seq), (room.id, Seq::FIRST));
    assert_eq!(message.rev, Rev::new(2));
    let name = Some("Ann".to_owned());
    let id = user("ann");
    assert_eq!(message.sender, Sender::User { id, name });
    assert_eq!(message.client_id, Some(client_id("m-1")));
    assert_eq!(message.kind, MessageKind::Text);
    assert_eq!(message.body.as_deref(), Some("Good morning"));
    assert_eq!(message.metadata, draft.metadata);
    assert_eq!(message.reply_to, None);
    assert_eq!(message.sent_at, house.now());
    assert_eq!((message.edited_at, message.deleted_at), (None, None));

    let event = the_event(&committed);
    assert_eq!((event.room, event.rev), (room.id, Rev::new(2)));
    assert_eq!(event.change, RoomChange::Message(Box::new(message.clone())));
    assert_eq!(committed.users, [], "nobody came or went");
    assert_eq!(room.messages().await, [message]);
    let row = room.row().await;
    assert_eq!((row.last_seq, row.rev), (Seq::FIRST, Rev::new(2)));
    assert_eq!(row.meta_rev, Rev::FIRST, "the room itself did not change");
    assert_eq!(row.last_message_at, Some(house.now()));
}

/// Ids of messages are told apart over all rooms.
pub async fn every_message_has_an_id_of_its_own(store: SharedBackend) {
    let house = House::new(store);
    let (one, two) = (house.group(&["ann"]).await, house.group(&["ann"]).await);
    one.says_often("ann", 20).await;
    two.says_often("ann", 20).await;
    let mut ids: Vec<_> = one.messages().await.iter().map(|one| one.id).collect();
    ids.extend(two.messages().await.iter().map(|one| one.id));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 40);
}

/// No such room, or one in which the sender is not, or not any more.
pub async fn strangers_do_not_find_the_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let elsewhere = house.group(&["zoe"]).await;
    let nowhere = house.place(crate::id::RoomId::from_uuid(uuid::Uuid::from_u128(7)));
    assert_eq!(
        room.refuses(room.draft(by("zoe"), "hi")).await,
        Rejection::NotFound
    );
    assert_eq!(
        nowhere.refuses(nowhere.draft(by("ann"), "hi")).await,
        Rejection::NotFound
    );
    assert_eq!(
        nowhere.refuses(nowhere.draft(Actor::Service, "hi")).await,
        Rejection::NotFound
    );
    room.removes("ben").await;
    assert_eq!(
        room.refuses(room.draft(by("ben"), "hi")).await,
        Rejection::NotFound
    );
    room.admits("ben", Role::Member).await;
    room.says("ben", "I am back").await;
    assert_eq!(elsewhere.messages().await, []);
}

/// Observers read only; owners and members write.
pub async fn observers_do_not_send(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.admits("olga", Role::Observer).await;
    room.admits("otto", Role::Owner).await;
    let refused = room.refuses(room.draft(by("olga"), "psst")).await;
    assert_eq!(refused, Rejection::Forbidden);
    room.says("otto", "mine").await;
    room.locks().await;
    let refused = room.refuses(room.draft(by("olga"), "psst")).await;
    assert_eq!(refused, Rejection::Forbidden, "the role is checked first");
}

/// System messages come from the platform, and say so.
pub async fn only_the_platform_sends_system_messages(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let refused = room.refuses(Draft {
        kind: MessageKind::System,
        ..room.draft(by("ann"), "I am the system")
    });
    assert_eq!(refused.await, Rejection::Forbidden);
    let message = room.announces("The job was accepted").await;
    assert_eq!(message.sender, Sender::System);
    assert_eq!(message.kind, MessageKind::System);
    let message = room.sends(room.draft(Actor::Service, "Hi")).await;
    assert_eq!(message.sender, Sender::System);
    assert_eq!(message.kind, MessageKind::Text);
    assert_eq!(seqs(&room.messages().await), [1, 2]);
}

/// Participants cannot write into a locked or archived room; the platform can.
pub async fn only_the_platform_writes_into_a_locked_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    for action in [RoomAction::Lock { at: None }, RoomAction::Archive] {
        room.acts(action).await;
        let refused = room.refuses(room.draft(by("ann"), "one more")).await;
        assert_eq!(refused, Rejection::RoomLocked);
        room.announces("This room is locked").await;
    }
    room.acts(RoomAction::Reopen).await;
    assert_eq!(room.says("ann", "again").await.seq, Seq::new(3));
    room.is_dense().await;
}

/// A room whose `locks_at` has come is locked, by the time of the commit alone.
pub async fn a_room_locks_when_its_time_comes(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let at = house.in_ticks(10);
    room.acts(RoomAction::Lock { at: Some(at) }).await;
    let sends_at = async |moment, body: &str| {
        let change = Change::Send(room.draft(by("ann"), body));
        let outcomes = house.store.commit(moment, &[change]).await.unwrap();
        outcomes[0].as_ref().map(|_| ()).map_err(Clone::clone)
    };
    let before = crate::time::Timestamp::from_millis(at.as_millis() - 1);
    assert_eq!(sends_at(before, "just in time").await, Ok(()));
    assert_eq!(sends_at(at, "late").await, Err(Rejection::RoomLocked));
    let later = house.in_ticks(20);
    assert_eq!(sends_at(later, "later").await, Err(Rejection::RoomLocked));
    room.announces("Locked").await;
    let row = room.row().await;
    assert_eq!(row.locks_at, Some(at), "no timer changed the row");
    assert_eq!(row.last_seq, Seq::new(2));
}

/// The message that is answered must exist; a tombstone does.
pub async fn a_reply_needs_its_message(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let elsewhere = house.group(&["ann"]).await;
    elsewhere.says_often("ann", 5).await;
    room.says("ann", "one").await;
    let reply = |seq| Draft {
        reply_to: Some(Seq::new(seq)),
        ..room.draft(by("ben"), "a reply")
    };
    for missing in [0, 2, 3, u64::MAX >> 1] {
        is_invalid(&room.refuses(reply(missing)).await, "reply_to");
    }
    assert_eq!(room.sends(reply(1)).await.reply_to, Some(Seq::FIRST));
    room.deletes(by("ann"), 1).await;
    assert_eq!(room.sends(reply(1)).await.reply_to, Some(Seq::FIRST));
    assert_eq!(room.message(3).await.reply_to, Some(Seq::FIRST));
    let batch = [
        Change::Send(room.draft(by("ann"), "4")),
        Change::Send(reply(4)),
    ];
    assert!(house.commits(&batch).await.iter().all(Result::is_ok));
}

/// A clock that steps back reorders nothing.
pub async fn order_does_not_follow_the_clock(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "first").await;
    let yesterday = house.in_ticks(-86_400);
    let change = [Change::Send(room.draft(by("ann"), "second"))];
    house.store.commit(yesterday, &change).await.unwrap()[0]
        .as_ref()
        .unwrap();
    let messages = room.messages().await;
    assert_eq!(seqs(&messages), [1, 2]);
    assert_eq!(messages[1].sent_at, yesterday);
    assert_eq!(messages[1].body.as_deref(), Some("second"));
}
