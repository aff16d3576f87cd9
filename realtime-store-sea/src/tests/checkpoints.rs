//! The write-ahead log stays short.

use super::fixture::{Fixture, commit, group, open, send};
use crate::{
    SeaOptions,
    checkpoint::{Keeper, round},
};

/// Bytes of a page.
const PAGE: u64 = 4096;

#[tokio::test]
async fn a_round_copies_the_log_and_lets_it_start_over() {
    let fixture = Fixture::new().await;
    let connections = fixture.connections();
    let keeper = connections.keeper.as_ref().unwrap();
    let room = open(&fixture.store, group(["ann"])).await;
    commit(&fixture.store, &[send(room, "ann", "1")])
        .await
        .unwrap();
    let idle = round(keeper, &connections.writer, u32::MAX).await.unwrap();
    assert!(idle.waiting() > 0, "below the mark nothing is done");
    let done = round(keeper, &connections.writer, 1).await.unwrap();
    assert_eq!(done.waiting(), 0);
    commit(&fixture.store, &[send(room, "ann", "2")])
        .await
        .unwrap();
    let after = round(keeper, &connections.writer, u32::MAX).await.unwrap();
    assert!(after.log < done.log, "{after:?} began anew after {done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_grow_with_what_is_written() {
    const MARK: u32 = 64;
    const BATCHES: u32 = 200;
    let fixture = Fixture::with(SeaOptions {
        checkpoint_pages: MARK,
        ..SeaOptions::default()
    })
    .await;
    let connections = fixture.connections();
    let keeper = connections.keeper.as_ref().unwrap();
    let room = open(&fixture.store, group(["ann"])).await;
    let mut longest = 0;
    for batch in 0..BATCHES {
        let sends: Vec<_> = (0..64)
            .map(|n| send(room, "ann", &format!("{batch}-{n}")))
            .collect();
        commit(&fixture.store, &sends).await.unwrap();
        // What the keeper does in its own time, at times that the test can count on.
        let log = round(keeper, &connections.writer, MARK).await.unwrap();
        longest = longest.max(log.log);
    }
    let bound = u64::from(MARK) * 4;
    assert!(u64::try_from(longest).unwrap() < bound, "{longest} pages");
    assert!(
        fixture.log_bytes() < bound * PAGE,
        "{} bytes",
        fixture.log_bytes()
    );
}

#[tokio::test]
async fn a_reader_that_stays_does_not_hold_up_the_writer() {
    let fixture = Fixture::new().await;
    let connections = fixture.connections();
    let keeper = connections.keeper.as_ref().unwrap();
    let room = open(&fixture.store, group(["ann"])).await;
    let snapshot = fixture.store.snapshot().await.unwrap();
    let before = crate::read::changes::room_row(&snapshot.query(), room)
        .await
        .unwrap()
        .unwrap();
    for n in 0..10 {
        commit(&fixture.store, &[send(room, "ann", &n.to_string())])
            .await
            .unwrap();
        round(keeper, &connections.writer, 1).await.unwrap();
    }
    let still = crate::read::changes::room_row(&snapshot.query(), room)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(before, still);
}

#[tokio::test]
async fn the_keeper_ends_with_its_store() {
    let fixture = Fixture::new().await;
    assert!(fixture.store.is_kept());
    let connections = fixture.connections().clone();
    let keeper = Keeper::start(connections.keeper.unwrap(), connections.writer, 1);
    let task = keeper.ending();
    assert!(!task.is_finished());
    drop(keeper);
    while !task.is_finished() {
        tokio::task::yield_now().await;
    }
}
