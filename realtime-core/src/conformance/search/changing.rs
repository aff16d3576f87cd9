//! What was changed, given up or erased.

use super::{
    Rig,
    fixture::{House, asking},
};
use crate::{change::Legacy, message::Sender, seq::Seq};

/// Its new words lead to it, its old ones nowhere, before and after it was indexed.
pub async fn an_edited_text_is_found_and_no_other(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    let seq = house.says(room, "ann", "the secret is blue").await;
    house.indexes().await;
    house.edits(room, "ann", seq, "the answer is green").await;
    assert!(house.finds("ann", "blue").await.is_empty());
    house.indexes().await;
    assert!(house.finds("ann", "blue").await.is_empty());
    assert_eq!(
        house.finds("ann", "green answer").await,
        ["the answer is green"]
    );
    house.edits(room, "ann", seq, "blue again").await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "blue").await, ["blue again"]);
}

/// At once, and for ever.
pub async fn what_is_deleted_is_not_found(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    let first = house.says(room, "ann", "first key").await;
    let second = house.says(room, "ann", "second key").await;
    house.indexes().await;
    house.deletes(room, "ann", first).await;
    assert_eq!(house.finds("ann", "key").await, ["second key"]);
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await, ["second key"]);
    house.deletes(room, "ann", second).await;
    assert!(house.finds("ann", "key").await.is_empty());
}

/// Below the first message that is kept nothing is found, its rows still there or not.
pub async fn what_is_given_up_is_not_found(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    for number in 1..=6 {
        house.says(room, "ann", &format!("key {number}")).await;
    }
    house.indexes().await;
    house.retains(room, Seq::new(4)).await;
    let kept = ["key 6", "key 5", "key 4"];
    assert_eq!(house.finds("ann", "key").await, kept);
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await, kept);
    house.tidies().await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await, kept);
    house.says(room, "ann", "key 7").await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await.len(), 4);
}

/// Once it is tidied away; what others said is found as before.
pub async fn what_an_erased_person_said_is_gone(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    house.says(room, "ben", "key of ben").await;
    house.says(room, "ann", "key of ann").await;
    house.indexes().await;
    house.erases("ben", Legacy::Tombstone).await;
    house.tidies().await;
    assert_eq!(house.finds("ann", "key").await, ["key of ann"]);
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await, ["key of ann"]);
    house.says(room, "ann", "another key").await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await.len(), 2);
}

/// The other side keeps its half, without a name.
pub async fn what_an_erased_person_said_and_was_kept_is_found(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    house.says(room, "ben", "key of ben").await;
    house.erases("ben", Legacy::Keep).await;
    for _ in 0..2 {
        house.indexes().await;
        let hits = house.all("ann", &asking("key")).await;
        assert_eq!(hits.len(), 1);
        assert_eq!(hits[0].message.sender, Sender::Erased);
        assert_eq!(hits[0].message.client_id, None);
        house.tidies().await;
    }
}

/// At once; and somebody else under the same id finds their own.
pub async fn an_erased_person_finds_nothing(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    house.says(room, "ann", "the key").await;
    house.indexes().await;
    house.erases("ben", Legacy::Keep).await;
    assert!(house.finds("ben", "key").await.is_empty());
    let new = house.opens(&["ann", "ben"]).await;
    house.says(new, "ann", "new key").await;
    house.tidies().await;
    house.indexes().await;
    assert_eq!(house.finds("ben", "key").await, ["new key"]);
}

/// Everything changes, nothing is indexed: whatever is found is as it is now.
pub async fn an_index_that_is_behind_shows_nothing_it_should_not(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann", "ben"]).await;
    for number in 1..=8 {
        house.says(room, "ann", &format!("key {number}")).await;
    }
    house.indexes().await;
    house.edits(room, "ann", Seq::new(2), "lock 2").await;
    house.edits(room, "ann", Seq::new(3), "key three").await;
    house.deletes(room, "ann", Seq::new(4)).await;
    house.retains(room, Seq::new(2)).await;
    house.removes(room, "ben", true).await;
    house.says(room, "ann", "key 9").await;
    let found = house.finds("ben", "key").await;
    assert_eq!(found, ["key 8", "key 7", "key 6", "key 5", "key three"]);
    assert!(house.finds("ben", "9").await.is_empty());
}
