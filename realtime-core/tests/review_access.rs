//! Who is let in, who is put out, and in which order they are told: at the moments
//! where two things happen at once.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;
#[path = "review/gate.rs"]
mod gate;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use common::{Client, member, room, server, store, user, wide};
use gate::Gate;
use realtime_core::{
    Limits, Opening, Realtime, Scope,
    change::History,
    id::{RoomId, SessionId, UserId},
    memory::MemoryPresence,
    ports::{PortError, Presence},
    presence::PresenceState,
    time::Timestamp,
};
use serde_json::{Value, json};

/// Long enough for everything but a sweep.
const MOMENT: Duration = Duration::from_millis(400);
/// Long enough for two sweeps.
const SWEEPS: Duration = Duration::from_secs(11);

async fn says(server: &Realtime, name: &str, room: RoomId, text: &str) {
    let mut speaker = Client::connect(server, name, json!({"subscribe": "listed"}))
        .await
        .0;
    let sent = speaker.send(room, text, text).await;
    assert!(sent["seq"].is_u64(), "{sent}");
}

fn bodies(lines: &[Value]) -> Vec<&str> {
    let bodies = lines
        .iter()
        .filter_map(|line| line["message"]["body"].as_str());
    bodies.collect()
}

fn has_push(lines: &[Value], word: &str) -> bool {
    lines.iter().any(|line| line.get(word).is_some())
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_while_subscribing_hears_no_more() {
    let gate = Gate::before(store());
    let server = server(gate.clone(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::connect(&server, "ann", json!({"subscribe": "listed"}))
        .await
        .0;
    gate.hold_next_views();
    let subscribe = json!({"id": 9, "subscribe": {"rooms": [{"room": room}]}}).to_string();
    tokio::join!(ann.connection.receive(&subscribe), async {
        gate.held().await;
        server.remove(room, &user("ann"), false).await.unwrap();
        gate.release();
    });
    tokio::time::sleep(MOMENT).await;
    says(&server, "ben", room, "secret").await;
    tokio::time::sleep(MOMENT).await;
    let heard = ann.waiting();
    assert_eq!(bodies(&heard), [""; 0], "{heard:?}");
    assert!(has_push(&heard, "unsubscribed"), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_removed_and_put_back_while_subscribing_stays() {
    let gate = Gate::before(store());
    let server = server(gate.clone(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::connect(&server, "ann", json!({"subscribe": "listed"}))
        .await
        .0;
    gate.hold_next_views();
    let subscribe = json!({"id": 9, "subscribe": {"rooms": [{"room": room}]}}).to_string();
    tokio::join!(ann.connection.receive(&subscribe), async {
        gate.held().await;
        server.remove(room, &user("ann"), false).await.unwrap();
        server
            .admit(room, member("ann"), History::All)
            .await
            .unwrap();
        gate.release();
    });
    says(&server, "ben", room, "welcome").await;
    tokio::time::sleep(MOMENT).await;
    let heard = ann.waiting();
    assert_eq!(bodies(&heard), ["welcome"], "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn who_was_removed_on_another_server_is_not_told_the_rest_by_a_catch_up() {
    let behind = store();
    let there = server(behind.clone(), wide()).await;
    let room = room(&there, &["ann", "ben"]).await;
    let gate = Gate::before(behind);
    let here = server(gate.clone(), wide()).await;
    let mut ann = Client::connect(&here, "ann", json!({"subscribe": "listed"}))
        .await
        .0;
    says(&there, "ben", room, "before").await;
    gate.hold_next_views();
    let subscribe = json!({"id": 9, "subscribe": {"rooms": [{"room": room, "rev": 1}]}});
    let subscribe = subscribe.to_string();
    tokio::join!(ann.connection.receive(&subscribe), async {
        gate.held().await;
        there.remove(room, &user("ann"), false).await.unwrap();
        says(&there, "ben", room, "secret").await;
        gate.release();
    });
    tokio::time::sleep(MOMENT).await;
    let heard = ann.waiting();
    assert_eq!(bodies(&heard), ["before"], "{heard:?}");
    assert!(has_push(&heard, "unsubscribed"), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn a_room_whose_last_listener_was_removed_is_forgotten() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let listed = json!({"subscribe": "listed", "rooms": {room.to_string(): 1}});
    let ann = Client::connect(&server, "ann", listed).await;
    tokio::time::sleep(SWEEPS).await;
    assert_eq!(server.metrics().topics.get(), 1);
    server.remove(room, &user("ann"), false).await.unwrap();
    tokio::time::sleep(SWEEPS).await;
    assert_eq!(server.metrics().topics.get(), 0);
    drop(ann);
}

#[tokio::test(start_paused = true)]
async fn who_goes_while_being_introduced_leaves_nothing_behind() {
    let gate = Gate::before(store());
    let server = server(gate.clone(), wide()).await;
    let room = room(&server, &["ben"]).await;
    let ann = Client::of(&server, "ann").await;
    gate.hold_next_views();
    server
        .admit(room, member("ann"), History::All)
        .await
        .unwrap();
    gate.held().await;
    ann.connection.finish(true).await;
    gate.release();
    tokio::time::sleep(SWEEPS).await;
    assert_eq!(server.metrics().listeners.get(), 0);
    assert_eq!(server.metrics().topics.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_could_not_be_introduced_is_introduced_by_the_sweep() {
    let gate = Gate::before(store());
    let server = server(gate.clone(), wide()).await;
    let room = room(&server, &["ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    gate.failing_views.store(1, Ordering::SeqCst);
    server
        .admit(room, member("ann"), History::All)
        .await
        .unwrap();
    tokio::time::sleep(SWEEPS).await;
    assert!(has_push(&ann.waiting(), "room"));
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_connect_comes_before_a_room_that_is_opened_meanwhile() {
    let gate = Gate::before(store());
    let server = server(gate.clone(), wide()).await;
    let _first = room(&server, &["ann", "ben"]).await;
    let connection = server.accept(Opening::of(user("ann")));
    gate.hold_next_views();
    let (_, second) = tokio::join!(connection.receive(r#"{"id":1,"connect":{}}"#), async {
        gate.held().await;
        let second = room(&server, &["ann", "ben"]).await;
        tokio::time::sleep(MOMENT).await;
        gate.release();
        second
    });
    tokio::time::sleep(MOMENT).await;
    let mut lines: Vec<Value> = Vec::new();
    let mut raw = Vec::new();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = connection.poll_lines(&mut context, usize::MAX, &mut raw);
    lines.extend(
        raw.iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()),
    );
    assert_eq!(lines[0]["id"], 1, "{lines:?}");
    let told = lines.iter().any(|line| line["room"]["id"] == json!(second));
    assert!(told, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn comparing_the_rooms_of_a_user_costs_no_read_for_each_room() {
    let behind = store();
    let there = server(behind.clone(), wide()).await;
    for _ in 0..50 {
        room(&there, &["ann", "ben"]).await;
    }
    let gate = Gate::before(behind);
    let here = server(gate.clone(), wide()).await;
    let mut ann = Client::of(&here, "ann").await;
    let _second = Client::of(&here, "ann").await;
    ann.waiting();
    room(&there, &["ann"]).await;
    tokio::time::sleep(SWEEPS).await;
    assert!(has_push(&ann.waiting(), "room"));
    let reads = gate.participant_reads.load(Ordering::SeqCst);
    assert!(reads < 10, "{reads}");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_one_connection_found_by_itself_is_told_to_the_others() {
    let behind = store();
    let there = server(behind.clone(), wide()).await;
    let here = server(behind, wide()).await;
    let mut one = Client::of(&here, "ann").await;
    let mut two = Client::of(&here, "ann").await;
    let room = room(&there, &["ann", "ben"]).await;
    one.ask("subscribe", json!({"rooms": [{"room": room}]}))
        .await;
    tokio::time::sleep(SWEEPS).await;
    assert!(has_push(&two.waiting(), "room"));
}

#[tokio::test(start_paused = true)]
async fn a_comparison_does_not_bring_back_what_was_unsubscribed() {
    let behind = store();
    let there = server(behind.clone(), wide()).await;
    let quiet = room(&there, &["ann", "ben"]).await;
    let here = server(behind, wide()).await;
    let mut ann = Client::of(&here, "ann").await;
    ann.ask("unsubscribe", json!({"rooms": [quiet]})).await;
    let other = room(&there, &["ann", "ben"]).await;
    tokio::time::sleep(SWEEPS).await;
    let told: Vec<Value> = ann
        .waiting()
        .iter()
        .filter_map(|line| line.get("room").map(|room| room["id"].clone()))
        .collect();
    assert_eq!(told, [json!(other)]);
}

#[tokio::test(start_paused = true)]
async fn who_opens_a_connection_for_a_room_they_are_not_in_is_told_so() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ben"]).await;
    let connection = server.accept(Opening {
        scope: Scope::Room(room),
        ..Opening::of(user("eve"))
    });
    connection.receive(r#"{"id":1,"connect":{}}"#).await;
    let told = connection.next_line().await.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["error"]["code"], "not_found");
}

#[tokio::test(start_paused = true)]
async fn who_connects_for_one_room_is_online_in_all() {
    let server = server(store(), Limits::default()).await;
    let _shared = room(&server, &["ann", "ben"]).await;
    let mut ben = Client::of(&server, "ben").await;
    let _ann = Client::connect(&server, "ann", json!({"subscribe": "listed"})).await;
    tokio::time::sleep(MOMENT).await;
    let heard = ben.waiting();
    let online = heard.iter().any(|line| line["presence"]["online"] == true);
    assert!(online, "{heard:?}");
}

/// A presence that forgets everything once.
#[derive(Debug)]
struct Forgetful {
    inside: Mutex<Arc<MemoryPresence>>,
}

impl Forgetful {
    fn inside(&self) -> Arc<MemoryPresence> {
        self.inside.lock().unwrap().clone()
    }

    fn forget(&self) {
        *self.inside.lock().unwrap() = fresh();
    }
}

fn fresh() -> Arc<MemoryPresence> {
    let (grace, expiry) = (Duration::from_secs(15), Duration::from_secs(60));
    Arc::new(MemoryPresence::new(grace, expiry))
}

#[async_trait::async_trait]
impl Presence for Forgetful {
    async fn touch(
        &self,
        sessions: &[(UserId, SessionId)],
        now: Timestamp,
    ) -> Result<Vec<UserId>, PortError> {
        self.inside().touch(sessions, now).await
    }

    async fn leave(
        &self,
        user: &UserId,
        session: SessionId,
        clean: bool,
        now: Timestamp,
    ) -> Result<bool, PortError> {
        self.inside().leave(user, session, clean, now).await
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<PresenceState>, PortError> {
        self.inside().expire(now).await
    }

    async fn look(&self, users: &[UserId]) -> Result<Vec<PresenceState>, PortError> {
        self.inside().look(users).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_found_online_again_by_a_touch_is_told_of() {
    let presence = Arc::new(Forgetful {
        inside: Mutex::new(fresh()),
    });
    let server = Realtime::builder(store())
        .presence(presence.clone())
        .limits(wide())
        .start()
        .await
        .unwrap();
    let _shared = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let _ben = Client::of(&server, "ben").await;
    ann.waiting();
    presence.forget();
    tokio::time::sleep(Duration::from_secs(25)).await;
    let heard = ann.waiting();
    assert!(has_push(&heard, "presence"), "{heard:?}");
}
