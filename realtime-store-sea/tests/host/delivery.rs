//! What a host commits reaches who is connected.

use std::{sync::Arc, time::Duration};

use realtime_core::{Connection, Limits, Opening, Realtime, protocol::Connect, store::Store};
use serde_json::Value;

use super::ground::{Ground, client_id, insert_job, job_room, says, text, user};

/// Longer than any test: no sweep comes to anybody's help.
const NEVER: Duration = Duration::from_secs(1_000_000);

struct Ann {
    connection: Connection,
}

impl Ann {
    async fn hears(&self, word: &str) -> Value {
        loop {
            let line = self.connection.next_line().await.unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if let Some(push) = line.get(word) {
                return push.clone();
            }
        }
    }
}

async fn server_and_ann(ground: &Ground, sweep: Duration) -> (Realtime, Ann) {
    let limits = Limits {
        sweep_interval: sweep,
        sweep_interval_degraded: sweep,
        ..Limits::default()
    };
    let realtime = Realtime::builder(ground.store.clone())
        .limits(limits)
        .lanes(ground.store.lanes())
        .start()
        .await
        .unwrap();
    let connection = realtime.accept(Opening::of(user("ann")));
    connection.listen(Connect::default()).await.unwrap();
    (realtime, Ann { connection })
}

pub(crate) async fn what_is_handed_over_is_delivered_at_once(ground: Ground) {
    let (realtime, ann) = server_and_ann(&ground, NEVER).await;
    let tx = ground.begin().await;
    insert_job(&tx, 1).await;
    let mut rooms = ground.store.within(&tx);
    let room = rooms
        .open(job_room("1", &["ann", "ben"]))
        .await
        .unwrap()
        .room
        .id;
    rooms
        .announce(room, client_id("1"), text("Accepted"), None)
        .await
        .unwrap();
    let handover = rooms.finish();
    tx.commit().await.unwrap();
    realtime.deliver(&handover);
    assert_eq!(ann.hears("room").await["id"], room.to_string());
    assert_eq!(ann.hears("message").await["body"], "Accepted");

    // And in a room that she listens to already.
    let tx = ground.begin().await;
    let mut rooms = ground.store.within(&tx);
    rooms
        .announce(room, client_id("2"), text("Done"), None)
        .await
        .unwrap();
    rooms.lock(room, None).await.unwrap();
    let handover = rooms.finish();
    tx.commit().await.unwrap();
    realtime.deliver(&handover);
    assert_eq!(ann.hears("message").await["body"], "Done");
    assert_eq!(ann.hears("room").await["state"], "locked");
}

pub(crate) async fn what_is_not_handed_over_is_delivered_by_the_sweep(ground: Ground) {
    let (_realtime, ann) = server_and_ann(&ground, Duration::from_millis(50)).await;
    for says in ["Accepted", "Done"] {
        let tx = ground.begin().await;
        let mut rooms = ground.store.within(&tx);
        let room = rooms
            .open(job_room("1", &["ann", "ben"]))
            .await
            .unwrap()
            .room
            .id;
        rooms
            .announce(room, client_id(says), text(says), None)
            .await
            .unwrap();
        drop(rooms.finish());
        tx.commit().await.unwrap();
        // The first time the room is new to her, found by her own stream; then known.
        assert_eq!(ann.hears("message").await["body"], says);
    }
}

pub(crate) async fn what_was_rolled_back_is_not_delivered(ground: Ground) {
    let (realtime, ann) = server_and_ann(&ground, NEVER).await;
    let known = ground.opened(job_room("1", &["ann", "ben"])).await;
    let known_head = [realtime_core::event::Topic::Room(known)];
    let tx = ground.begin().await;
    let mut rooms = ground.store.within(&tx);
    rooms
        .announce(known, client_id("1"), text("Never"), None)
        .await
        .unwrap();
    rooms.open(job_room("2", &["ann", "ben"])).await.unwrap();
    let lost = rooms.finish();
    tx.rollback().await.unwrap();
    for _ in 0..3 {
        realtime.deliver(&lost);
    }
    // Her rooms were compared with the store: she is told of the one that there is.
    assert_eq!(ann.hears("room").await["id"], known.to_string());
    assert_eq!(ground.store.heads(&known_head).await.unwrap()[0].get(), 1);

    // The same numbers, given to what is really said.
    let from_ben = [says(known, "ben", "Really")];
    let outcomes = ground.commits(&from_ben).await;
    realtime.deliver(&realtime_core::handover::Handover::of(&outcomes));
    let heard = ann.hears("message").await;
    assert_eq!(
        (heard["body"].as_str(), heard["rev"].as_u64()),
        (Some("Really"), Some(2))
    );

    let tx = ground.begin().await;
    let mut rooms = ground.store.within(&tx);
    let second = rooms
        .open(job_room("2", &["ann", "ben"]))
        .await
        .unwrap()
        .room
        .id;
    let handover = rooms.finish();
    tx.commit().await.unwrap();
    realtime.deliver(&handover);
    assert_eq!(ann.hears("room").await["id"], second.to_string());
    drop(Arc::clone(&ground.store));
}
