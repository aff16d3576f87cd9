//! How the index is filled.

use std::time::Duration;

use super::{Rig, fixture::House};
use crate::{id::RoomId, seq::Seq};

/// New rooms, messages, edits, deletes; and what is done is told no more.
pub async fn what_lacks_is_told_until_it_is_indexed(rig: Rig) {
    let house = House::new(rig);
    let (room, quiet) = (house.opens(&["ann"]).await, house.opens(&["ann"]).await);
    house.says(room, "ann", "first key").await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await.len(), 1);
    house.says(room, "ann", "second key").await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await.len(), 2);
    house.edits(room, "ann", Seq::FIRST, "first lock").await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "lock").await.len(), 1);
    house.says(quiet, "ann", "third key").await;
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await.len(), 2);
    assert!(house.behind().await.is_empty());
}

/// They are neither an error nor left to be done.
pub async fn rooms_that_are_not_there_are_left_out(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    house.says(room, "ann", "the key").await;
    let nowhere = RoomId::from_uuid(uuid::Uuid::from_u128(7));
    let rooms = [nowhere, room, nowhere, room];
    let indexed = house.rig.search.index(&rooms).await.unwrap();
    assert!(indexed.rest.is_empty());
    assert_eq!(house.finds("ann", "key").await.len(), 1);
    assert!(house.rig.search.index(&[]).await.unwrap().rest.is_empty());
}

/// Each message is found once, whoever indexed it.
pub async fn many_indexers_do_no_harm(rig: Rig) {
    let house = House::new(rig);
    let mut rooms = Vec::new();
    for _ in 0..4 {
        let room = house.opens(&["ann"]).await;
        let texts = (0..300).map(|number| format!("key {number}"));
        house.says_all(room, "ann", texts).await;
        rooms.push(room);
    }
    let indexers = (0..4).map(|number| {
        let (mut rooms, search) = (rooms.clone(), house.rig.search.clone());
        rooms.rotate_left(number);
        tokio::spawn(async move {
            for _ in 0..1_000 {
                // Who is told that another was faster tries again.
                if let Ok(indexed) = search.index(&rooms).await {
                    rooms = indexed.rest;
                }
                if rooms.is_empty() {
                    return;
                }
            }
            panic!("indexing never ends");
        })
    });
    for done in futures::future::join_all(indexers).await {
        done.unwrap();
    }
    assert!(house.behind().await.is_empty());
    assert_eq!(house.finds("ann", "key").await.len(), 1_200);
}

/// Whoever goes on begins where it was.
pub async fn an_index_dropped_half_way_is_made_up_for(rig: Rig) {
    let house = House::new(rig);
    let room = house.opens(&["ann"]).await;
    for round in 0..6_u64 {
        let texts = (0..100).map(|number| format!("key {round} {number}"));
        house.says_all(room, "ann", texts).await;
        let rooms = [room];
        let patience = Duration::from_micros(round * 700);
        let _ = tokio::time::timeout(patience, house.rig.search.index(&rooms)).await;
    }
    house.indexes().await;
    assert_eq!(house.finds("ann", "key").await.len(), 600);
}
