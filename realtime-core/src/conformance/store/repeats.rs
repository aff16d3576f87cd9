//! The same `client_id` of the same sender in the same room is one message, for ever.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;

use super::fixture::*;
use crate::{
    change::{Actor, Change, Draft, Rejection, RoomAction},
    message::MessageKind,
    participant::Role,
    seq::{Rev, Seq},
    store::SharedBackend,
};

/// A repeat burns no number and is answered with the stored message.
pub async fn a_repeat_gets_the_first_answer(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = room.named_draft(by("ann"), "same", "hello");
    let first = room.sends(draft.clone()).await;
    room.says("ben", "hi").await;
    let repeat = house.does(Change::Send(draft));
    let committed = room.stays_as_it_was(repeat).await;
    assert_eq!(message_in(&committed), (first, true));
    is_silent(&committed);
    assert_eq!(room.says("ann", "next").await.seq, Seq::new(3));
    room.is_dense().await;
}

/// Earlier in the same batch counts like stored already.
pub async fn a_repeat_inside_its_batch_is_found(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = Change::Send(room.named_draft(by("ann"), "same", "hello"));
    let between = Change::Send(room.draft(by("ben"), "hi"));
    let other = Change::Send(room.named_draft(by("ann"), "same", "something else"));
    let batch = [draft.clone(), between, draft.clone(), other, draft];
    let outcomes = house.commits(&batch).await;
    let (first, duplicate) = message_in(outcomes[0].as_ref().unwrap());
    assert!(!duplicate);
    for index in [2, 4] {
        let repeat = outcomes[index].as_ref().unwrap();
        assert_eq!(message_in(repeat), (first.clone(), true));
        is_silent(repeat);
    }
    assert_eq!(outcomes[3], Err(Rejection::ClientIdReused));
    assert_eq!(seqs(&room.messages().await), [1, 2]);
    room.is_dense().await;
}

/// The message as it is now: edited, or a tombstone.
pub async fn a_repeat_tells_the_message_as_it_is_now(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let draft = room.named_draft(by("ann"), "same", "helo");
    room.sends(draft.clone()).await;
    room.edits(by("ann"), 1, "hello").await;
    let (message, duplicate) = message_in(&house.does(Change::Send(draft.clone())).await);
    assert!(duplicate);
    assert_eq!(message.body.as_deref(), Some("hello"));
    assert_eq!(message.rev, Rev::new(3));
    room.deletes(by("ann"), 1).await;
    let (message, duplicate) = message_in(&house.does(Change::Send(draft)).await);
    assert!(duplicate && message.deleted_at.is_some() && message.body.is_none());
    let edited = room.named_draft(by("ann"), "same", "hello");
    let refused = room.refuses(edited).await;
    assert_eq!(refused, Rejection::ClientIdReused, "as it was asked for");
}

/// A repeat is answered even where the first could not be sent any more.
pub async fn a_repeat_is_answered_in_a_locked_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let draft = room.named_draft(by("ann"), "same", "hello");
    let first = room.sends(draft.clone()).await;
    for action in [RoomAction::Lock { at: None }, RoomAction::Archive] {
        room.acts(action).await;
        let committed = house.does(Change::Send(draft.clone())).await;
        assert_eq!(message_in(&committed), (first.clone(), true));
    }
    let reused = room.named_draft(by("ann"), "same", "hello?");
    assert_eq!(room.refuses(reused).await, Rejection::ClientIdReused);
    room.admits("ann", Role::Observer).await;
    let committed = house.does(Change::Send(draft.clone())).await;
    assert_eq!(message_in(&committed), (first, true), "an observer now");
    room.removes("ann").await;
    assert_eq!(room.refuses(draft).await, Rejection::NotFound);
}

/// Under the same `client_id`, anything else is refused: body, kind, reply, metadata.
pub async fn a_client_id_is_not_reused(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says("ann", "before").await;
    let asked = Draft {
        reply_to: Some(Seq::FIRST),
        metadata: Some(metadata(&json!({"a": 1}))),
        ..room.named_draft(by("ann"), "same", "hello")
    };
    room.sends(asked.clone()).await;
    let others = [
        Draft {
            body: text("hello "),
            ..asked.clone()
        },
        Draft {
            kind: MessageKind::System,
            ..asked.clone()
        },
        Draft {
            reply_to: None,
            ..asked.clone()
        },
        Draft {
            metadata: Some(metadata(&json!({"a": 2}))),
            ..asked.clone()
        },
        Draft {
            metadata: None,
            ..asked.clone()
        },
    ];
    for other in others {
        let refused = room.stays_as_it_was(room.refuses(other)).await;
        assert_eq!(refused, Rejection::ClientIdReused);
    }
    let (_, duplicate) = message_in(&house.does(Change::Send(asked)).await);
    assert!(duplicate);
}

/// Another sender, or another room, is another message.
pub async fn a_client_id_belongs_to_its_sender_and_room(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    let other = house.group(&["ann"]).await;
    for draft in [
        room.named_draft(by("ann"), "same", "hello"),
        room.named_draft(by("ben"), "same", "hello"),
        room.named_draft(Actor::Service, "same", "hello"),
        other.named_draft(by("ann"), "same", "hello"),
        room.named_draft(by("ann"), "Same", "hello"),
    ] {
        room.sends(draft).await;
    }
    assert_eq!(seqs(&room.messages().await), [1, 2, 3, 4]);
    assert_eq!(seqs(&other.messages().await), [1]);
}

/// The platform counts as one sender.
pub async fn the_platform_is_one_sender(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let draft = room.named_draft(Actor::Service, "same", "hello");
    let first = room.sends(draft.clone()).await;
    let committed = house.does(Change::Send(draft)).await;
    assert_eq!(message_in(&committed), (first, true));
    let other = room.named_draft(Actor::Service, "same", "bye");
    assert_eq!(room.refuses(other).await, Rejection::ClientIdReused);
}

/// What was refused may be asked again under its `client_id`.
pub async fn a_refused_client_id_is_not_used_up(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    let draft = room.named_draft(by("ben"), "same", "hello");
    assert_eq!(room.refuses(draft.clone()).await, Rejection::NotFound);
    room.admits("ben", Role::Member).await;
    assert_eq!(room.sends(draft).await.seq, Seq::FIRST);
}

/// However many ask for the same message at once, it is stored once.
pub async fn concurrent_repeats_are_one_message(store: SharedBackend) {
    let house = Arc::new(House::new(store));
    let room = house.group(&["ann", "ben"]).await.id;
    for round in 0..4 {
        let askers = (0..16).map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move {
                let place = house.place(room);
                let draft = place.named_draft(by("ann"), &format!("m{round}"), "once");
                message_in(&house.does(Change::Send(draft)).await)
            })
        });
        let told: Vec<_> = join_all(askers)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(told.iter().filter(|(_, duplicate)| !duplicate).count(), 1);
        assert!(told.iter().all(|(message, _)| *message == told[0].0));
    }
    assert_eq!(seqs(&house.place(room).messages().await), [1, 2, 3, 4]);
}
