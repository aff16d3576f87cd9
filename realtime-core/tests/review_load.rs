//! What a slow reader, a hostile client, a store or broker that hangs, and a shutdown
//! in the middle of it may cost.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;
#[path = "review/gate.rs"]
mod gate;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{Client, room, server, store, user, wide};
use futures::stream::BoxStream;
use gate::Gate;
use realtime_core::{
    Limits, Opening, Realtime,
    broker::{Broker, BrokerError, BrokerEvent, BrokerHealth, Hint},
    event::Topic,
    id::RoomId,
    ports::{AuthError, Authenticator, Identity},
};
use serde_json::{Value, json};

const SWEEPS: Duration = Duration::from_secs(11);

/// Fills rooms, and answers with them.
async fn busy_rooms(server: &Realtime, rooms: usize, messages: usize, bytes: usize) -> Vec<RoomId> {
    let body = "x".repeat(bytes);
    let mut busy = Vec::new();
    for _ in 0..rooms {
        busy.push(room(server, &["ann", "ben"]).await);
    }
    let mut ben = Client::of(server, "ben").await;
    for room in &busy {
        for message in 0..messages {
            ben.send(*room, &message.to_string(), &body).await;
        }
    }
    busy
}

fn held(rooms: &[RoomId]) -> Value {
    let rooms: BTreeMap<String, u64> = rooms.iter().map(|room| (room.to_string(), 1)).collect();
    json!({"rooms": rooms})
}

/// Reads all, slowly, and answers with the most that waited at once and the messages.
async fn reads_slowly(client: &mut Client, messages: usize) -> (usize, Vec<(String, u64)>) {
    let (mut most, mut heard) = (0, Vec::new());
    while heard.len() < messages {
        tokio::time::sleep(Duration::from_millis(50)).await;
        most = most.max(client.connection.waiting_bytes());
        let mut lines = Vec::new();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = client
            .connection
            .poll_lines(&mut context, 256 * 1024, &mut lines);
        for line in lines {
            let line: Value = serde_json::from_str(&line).unwrap();
            assert!(line.get("reset").is_none());
            if let Some(message) = line.get("message") {
                heard.push((
                    message["room"].as_str().unwrap().to_owned(),
                    message["seq"].as_u64().unwrap(),
                ));
            }
        }
    }
    (most, heard)
}

fn assert_each_once(rooms: &[RoomId], messages: usize, heard: &[(String, u64)]) {
    for room in rooms {
        let name = room.to_string();
        let seqs: Vec<u64> = heard
            .iter()
            .filter(|(heard, _)| *heard == name)
            .map(|(_, seq)| *seq)
            .collect();
        assert_eq!(seqs, (1..=messages as u64).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn who_missed_much_in_many_rooms_costs_no_more_than_the_mailbox() {
    let behind = store();
    let there = server(behind.clone(), wide()).await;
    let rooms = busy_rooms(&there, 20, 100, 4_000).await;
    let here = server(behind, wide()).await;
    let (mut ann, _) = Client::connect(&here, "ann", held(&rooms)).await;
    let (most, heard) = reads_slowly(&mut ann, 20 * 100).await;
    let limits = Limits::default();
    assert!(most <= limits.queue_bytes_hard + 10_000, "{most}");
    assert_each_once(&rooms, 100, &heard);
}

#[tokio::test(start_paused = true)]
async fn who_is_a_little_behind_in_many_rooms_costs_no_more_than_the_mailbox() {
    let server = server(store(), wide()).await;
    let listening = Client::of(&server, "ben").await;
    let rooms = busy_rooms(&server, 40, 10, 2_000).await;
    let (mut cat, _) = Client::connect(&server, "ann", json!({})).await;
    for room in &rooms {
        cat.send(*room, "last", "y").await;
    }
    let (mut ann, _) = Client::connect(&server, "ann", held(&rooms)).await;
    let (most, heard) = reads_slowly(&mut ann, 40 * 11).await;
    let limits = Limits::default();
    drop(listening);
    assert!(most <= limits.queue_bytes_hard + 80_000, "{most}");
    assert_each_once(&rooms, 11, &heard);
}

/// A broker that never answers, and counts what it was asked.
#[derive(Debug, Default)]
struct Silent {
    rooms: AtomicUsize,
    answers: AtomicBool,
}

#[async_trait]
impl Broker for Silent {
    async fn publish(&self, _hints: &[Hint]) -> Result<(), BrokerError> {
        self.answer().await
    }

    async fn subscribe(&self, topics: &[Topic]) -> Result<(), BrokerError> {
        let rooms = topics
            .iter()
            .filter(|topic| matches!(topic, Topic::Room(_)));
        self.rooms.fetch_add(rooms.count(), Ordering::SeqCst);
        self.answer().await
    }

    async fn unsubscribe(&self, _topics: &[Topic]) -> Result<(), BrokerError> {
        self.answer().await
    }

    fn events(&self) -> BoxStream<'static, BrokerEvent> {
        Box::pin(futures::stream::pending())
    }

    fn health(&self) -> BrokerHealth {
        BrokerHealth {
            up: false,
            last_proof: None,
        }
    }
}

impl Silent {
    async fn answer(&self) -> Result<(), BrokerError> {
        if !self.answers.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_hangs_stops_neither_connecting_nor_the_sweep() {
    let behind = store();
    let there = server(behind.clone(), wide()).await;
    let room = room(&there, &["ann", "ben"]).await;
    let here = Realtime::builder(behind)
        .broker(Arc::new(Silent::default()))
        .limits(wide())
        .start()
        .await
        .unwrap();
    let connected = async {
        let cat = Client::of(&here, "ann").await;
        cat.connection.finish(true).await;
        tokio::time::sleep(SWEEPS).await;
        Client::of(&here, "ann").await
    };
    let mut ann = tokio::time::timeout(Duration::from_secs(20), connected)
        .await
        .expect("connected");
    let mut ben = Client::of(&there, "ben").await;
    ben.send(room, "1", "hi").await;
    tokio::time::sleep(SWEEPS).await;
    assert!(
        ann.waiting()
            .iter()
            .any(|line| line.get("message").is_some()),
        "the sweep delivers"
    );
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_did_not_answer_is_asked_again() {
    let broker = Arc::new(Silent::default());
    let server = Realtime::builder(store())
        .broker(broker.clone())
        .limits(wide())
        .start()
        .await
        .unwrap();
    let _own = room(&server, &["ann"]).await;
    let _ann = Client::of(&server, "ann").await;
    tokio::time::sleep(SWEEPS).await;
    broker.answers.store(true, Ordering::SeqCst);
    tokio::time::sleep(SWEEPS).await;
    let asked = broker.rooms.load(Ordering::SeqCst);
    assert!(asked > 1, "{asked}");
    tokio::time::sleep(SWEEPS).await;
    assert_eq!(
        broker.rooms.load(Ordering::SeqCst),
        asked,
        "once it has answered"
    );
}

#[tokio::test(start_paused = true)]
async fn asking_for_rooms_of_strangers_does_not_reach_the_broker() {
    let broker = Arc::new(Silent {
        answers: AtomicBool::new(true),
        ..Silent::default()
    });
    let server = Realtime::builder(store())
        .broker(broker.clone())
        .limits(wide())
        .start()
        .await
        .unwrap();
    let _own = room(&server, &["ann"]).await;
    let foreign = room(&server, &["ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let answer = ann
        .ask("subscribe", json!({"rooms": [{"room": foreign}]}))
        .await;
    assert_eq!(answer["refused"][0]["code"], "not_found");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(broker.rooms.load(Ordering::SeqCst), 1, "her own");
}

#[tokio::test(start_paused = true)]
async fn who_waits_behind_a_store_that_hangs_is_told() {
    let gate = Gate::before(store());
    let server = server(gate.clone(), wide()).await;
    let room = room(&server, &["ann"]).await;
    let mut ann = Client::of(&server, "ann").await;
    gate.hang_commits.store(true, Ordering::SeqCst);
    let first = json!({"room": room, "client_id": "1", "body": "1"});
    ann.tell("send", first).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let second = json!({"room": room, "client_id": "2", "body": "2"});
    let second = tokio::time::timeout(Duration::from_secs(30), ann.ask("send", second)).await;
    assert_eq!(second.expect("answered")["code"], "busy");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_though_the_store_hangs_and_a_reader_stalls() {
    let gate = Gate::before(store());
    let limits = Limits {
        queue_bytes_soft: 500,
        queue_bytes_hard: 1_000,
        ..wide()
    };
    let server = server(gate.clone(), limits).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let _stalled = Client::of(&server, "ben").await;
    for n in 0..10 {
        ann.send(room, &n.to_string(), "fills the mailbox of ben")
            .await;
    }
    gate.fail_changes.store(true, Ordering::SeqCst);
    gate.hang_commits.store(true, Ordering::SeqCst);
    ann.tell("send", json!({"room": room, "client_id": "x", "body": "x"}))
        .await;
    tokio::time::timeout(Duration::from_secs(60), server.shutdown())
        .await
        .expect("it ends");
    let late = ann.ask("send", json!({"room": room, "client_id": "y", "body": "y"}));
    let late = tokio::time::timeout(Duration::from_secs(60), late).await;
    assert!(late.expect("answered")["code"].is_string());
}

#[derive(Debug)]
struct Anybody;

#[async_trait]
impl Authenticator for Anybody {
    async fn authenticate(&self, _token: &str) -> Result<Identity, AuthError> {
        Ok(Identity::of(user("ann")))
    }
}

#[tokio::test(start_paused = true)]
async fn checking_tokens_is_rationed_too() {
    let limits = Limits {
        command_burst: 3,
        commands_per_second: 1,
        ..Limits::default()
    };
    let server = server(store(), limits).await;
    let connection = server.accept(Opening {
        authenticator: Arc::new(Anybody),
        ..Opening::of(user("ann"))
    });
    connection.receive(r#"{"id":1,"connect":{}}"#).await;
    for _ in 0..10 {
        connection
            .receive(r#"{"id":2,"refresh":{"token":"t"}}"#)
            .await;
    }
    let mut refused = 0;
    for _ in 0..11 {
        refused += usize::from(
            connection
                .next_line()
                .await
                .unwrap()
                .contains("rate_limited"),
        );
    }
    assert_eq!(refused, 7);
}

#[tokio::test(start_paused = true)]
async fn limits_of_nothing_and_of_everything_do_not_break() {
    let least = Limits {
        in_flight: 0,
        frame_objects: 0,
        commit_batch: 0,
        queue_bytes_soft: 0,
        queue_bytes_hard: 0,
        sweep_interval: Duration::ZERO,
        sweep_interval_degraded: Duration::ZERO,
        ..wide()
    };
    let most = Limits {
        in_flight: usize::MAX,
        frame_objects: usize::MAX,
        rooms: usize::MAX,
        commit_queue: usize::MAX,
        commit_batch: usize::MAX,
        connect_timeout: Duration::MAX,
        ping_interval: Duration::MAX,
        ping_timeout: Duration::MAX,
        typing_ttl: Duration::MAX,
        sweep_interval: Duration::MAX,
        sweep_interval_degraded: Duration::MAX,
        commit_timeout: Duration::MAX,
        reorder_window: Duration::MAX,
        ..wide()
    };
    for limits in [least, most] {
        let server = server(store(), limits).await;
        let room = room(&server, &["ann", "ben"]).await;
        let mut ann = Client::of(&server, "ann").await;
        let sent = tokio::time::timeout(Duration::from_secs(9), ann.send(room, "1", "hi")).await;
        assert_eq!(sent.expect("answered")["seq"], 1);
        ann.ask("typing", json!({"room": room, "active": true}))
            .await;
        assert!(ann.connection.deadline().is_some());
        ann.connection.tick();
        tokio::time::sleep(SWEEPS).await;
        let restarts = format!("{:?}", server.metrics().task_restarts);
        assert!(!restarts.contains("sweeper"), "{restarts}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_store_is_not_closed_for_an_unread_pong() {
    let gate = Gate::before(store());
    let server = server(gate.clone(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let ann = Client::connect(&server, "ann", json!({"subscribe": "listed"}))
        .await
        .0;
    gate.hold_views.store(true, Ordering::SeqCst);
    let subscribe = json!({"id": 9, "subscribe": {"rooms": [{"room": room}]}}).to_string();
    let mut handled = std::pin::pin!(ann.connection.receive(&subscribe));
    let end = tokio::time::Instant::now() + Duration::from_secs(120);
    while tokio::time::Instant::now() < end {
        let deadline = tokio::time::Instant::from_std(ann.connection.deadline().unwrap());
        tokio::select! {
            () = &mut handled => unreachable!("the store is held"),
            () = tokio::time::sleep_until(deadline) => ann.connection.tick(),
        }
        assert!(!ann.connection.is_closing());
    }
}
