//! What messages said before they were edited or deleted.

use serde_json::json;

use super::fixture::*;
use crate::{
    change::{Actor, Change, Draft},
    id::RoomId,
    limits::EDITIONS_PAGE,
    seq::{Rev, Seq},
    store::{Edition, SharedBackend},
};

/// An edit keeps what the message said before, by the `rev` that said it.
pub async fn an_edit_keeps_what_was_said(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await; // 1
    let data = metadata(&json!({"a": [1]}));
    let draft = Draft {
        metadata: Some(data.clone()),
        ..room.draft(by("ann"), "helo")
    };
    let sent = room.sends(draft).await; // 2
    assert_eq!(room.editions(1).await, []);
    room.says("ben", "what?").await; // 3
    let (edited, _) = message_in(&room.edits(by("ann"), 1, "hello").await); // 4
    let first = Edition {
        rev: Rev::new(2),
        body: "helo".to_owned(),
        metadata: Some(data.clone()),
        written_at: sent.sent_at,
        replaced_at: edited.edited_at.unwrap(),
    };
    assert_eq!(room.editions(1).await, std::slice::from_ref(&first));
    room.edits(Actor::Service, 1, "Hello").await; // 5
    let second = Edition {
        rev: Rev::new(4),
        body: "hello".to_owned(),
        metadata: Some(data),
        written_at: edited.edited_at.unwrap(),
        replaced_at: house.now(),
    };
    assert_eq!(room.editions(1).await, [first, second]);
    assert_eq!(room.editions(2).await, [], "each message has its own");
    room.is_dense().await;
}

/// A delete keeps what the message said last.
pub async fn a_delete_keeps_what_was_said(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await; // 1
    let data = metadata(&json!({"secret": true}));
    let draft = Draft {
        metadata: Some(data.clone()),
        ..room.draft(by("ann"), "oops")
    };
    let sent = room.sends(draft).await; // 2
    room.deletes(by("ann"), 1).await; // 3
    let only = Edition {
        rev: Rev::new(2),
        body: "oops".to_owned(),
        metadata: Some(data),
        written_at: sent.sent_at,
        replaced_at: house.now(),
    };
    assert_eq!(room.editions(1).await, std::slice::from_ref(&only));
    room.deletes(by("ann"), 1).await;
    assert_eq!(
        room.editions(1).await,
        [only],
        "deleting again keeps nothing"
    );
}

/// What changes nothing, and what is refused, keeps nothing.
pub async fn what_changes_nothing_keeps_nothing(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann", "ben"]).await;
    room.says("ann", "hello").await;
    room.edits(by("ann"), 1, "hello").await;
    for change in [room.edit(by("ben"), 1, "x"), room.delete(by("ben"), 1)] {
        house.refuses(change).await;
    }
    assert_eq!(room.editions(1).await, []);
    for seq in [0, 2, crate::seq::MAX_JSON_INTEGER] {
        assert_eq!(room.editions(seq).await, []);
    }
    let nowhere = house.place(RoomId::from_uuid(uuid::Uuid::from_u128(7)));
    assert_eq!(nowhere.editions(1).await, []);
}

/// Earlier versions come by `rev`, page after page.
pub async fn versions_come_page_by_page(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 2).await;
    let (most, default) = EDITIONS_PAGE;
    let edits = most + 5;
    let batch: Vec<Change> = (1..=edits)
        .map(|edit| room.edit(by("ann"), 1, &format!("edit {edit}")))
        .collect();
    for outcome in house.commits(&batch).await {
        outcome.unwrap();
    }
    let page = async |after: Rev, limit: u32| {
        let editions = house.store.editions(room.id, Seq::FIRST, after, limit);
        editions.await.unwrap()
    };
    for (limit, rows) in [(0, default), (1, 1), (most, most), (u32::MAX, most)] {
        assert_eq!(page(Rev::ZERO, limit).await.len(), rows as usize);
    }
    let mut told: Vec<Edition> = Vec::new();
    let mut after = Rev::ZERO;
    while let Some(last) = page(after, 40).await.last() {
        told.extend(page(after, 40).await);
        after = last.rev;
    }
    assert_eq!(told.len(), edits as usize);
    assert!(told.is_sorted_by_key(|one| one.rev));
    assert_eq!((told[0].rev, told[0].body.as_str()), (Rev::new(2), "0"));
    assert_eq!(
        (told[1].rev, told[1].body.as_str()),
        (Rev::new(4), "edit 1")
    );
    let last = format!("edit {}", edits - 1);
    assert_eq!(told.last().unwrap().body, last);
    // A place between two versions continues with the later one.
    assert_eq!(page(Rev::new(3), 1).await, told[1..2]);
}

/// Earlier versions go with their message.
pub async fn versions_go_with_their_message(store: SharedBackend) {
    let house = House::new(store);
    let room = house.group(&["ann"]).await;
    room.says_often("ann", 2).await;
    for seq in [1, 2] {
        room.edits(by("ann"), seq, "edited").await;
    }
    room.retains(2).await;
    for _ in 0..2 {
        assert_eq!(room.editions(1).await, []);
        assert_eq!(room.editions(2).await.len(), 1);
        house.tidies().await;
    }
}
