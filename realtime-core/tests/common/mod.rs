//! People who talk to each other over in-process connections.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test code, of which each test binary uses some"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use realtime_core::{
    Connection, Limits, Opening, Realtime,
    change::{NewParticipant, NewRoom},
    id::{RoomId, UserId},
    memory::MemoryStore,
    participant::Role,
    room::RoomKind,
    store::SharedBackend,
    time::{Clock, Timestamp},
};
use serde_json::{Value, json};

pub fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub fn store() -> SharedBackend {
    Arc::new(MemoryStore::default())
}

/// Limits that are in nobody's way.
pub fn wide() -> Limits {
    Limits {
        messages_per_second: 1_000_000,
        message_burst: 1_000_000,
        commands_per_second: 1_000_000,
        command_burst: 1_000_000,
        ..Limits::default()
    }
}

pub async fn server(store: SharedBackend, limits: Limits) -> Realtime {
    Realtime::builder(store)
        .limits(limits)
        .start()
        .await
        .unwrap()
}

pub fn member(name: &str) -> NewParticipant {
    NewParticipant {
        user: user(name),
        role: Role::Member,
        name: None,
    }
}

pub fn group(people: &[&str]) -> NewRoom {
    NewRoom {
        kind: RoomKind::Group,
        subject: None,
        key: None,
        title: None,
        metadata: None,
        participants: people.iter().map(|name| member(name)).collect(),
    }
}

pub async fn room(server: &Realtime, people: &[&str]) -> RoomId {
    server.open(group(people)).await.unwrap().room.id
}

/// Wall time that only the test moves.
#[derive(Debug, Default)]
pub struct Watch(AtomicI64);

impl Watch {
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now.as_millis())))
    }

    pub fn tick(&self, span: Duration) {
        let millis = i64::try_from(span.as_millis()).unwrap();
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// How a connection ends, once what waits was taken.
pub async fn close_code(connection: &Connection) -> u16 {
    loop {
        let mut lines = Vec::new();
        let end = std::future::poll_fn(|cx| connection.poll_lines(cx, 1_000, &mut lines));
        let end = tokio::time::timeout(Duration::from_secs(120), end).await;
        if let Some(code) = end.expect("the connection is not closing") {
            return code.number();
        }
    }
}

/// Somebody with a connection.
pub struct Client {
    pub connection: Connection,
    next_id: u32,
}

impl Client {
    /// Opens a connection and hears the answer to `connect`.
    pub async fn connect(server: &Realtime, name: &str, connect: Value) -> (Self, Value) {
        let connection = server.accept(Opening::of(user(name)));
        let mut client = Self {
            connection,
            next_id: 0,
        };
        let welcome = client.ask("connect", connect).await;
        (client, welcome)
    }

    pub async fn of(server: &Realtime, name: &str) -> Self {
        Self::connect(server, name, json!({})).await.0
    }

    /// Says something without waiting for the answer.
    pub async fn tell(&mut self, command: &str, body: Value) -> u32 {
        self.next_id += 1;
        let id = self.next_id;
        self.connection
            .receive(&json!({"id": id, command: body}).to_string())
            .await;
        id
    }

    /// Says something and hears until the answer comes; pushes before it are lost.
    pub async fn ask(&mut self, command: &str, body: Value) -> Value {
        let id = self.tell(command, body).await;
        loop {
            let line = self.hear().await;
            if line["id"] == id {
                return line.get("ok").or(line.get("error")).cloned().unwrap();
            }
        }
    }

    pub async fn send(&mut self, room: RoomId, client_id: &str, body: &str) -> Value {
        self.ask(
            "send",
            json!({"room": room, "client_id": client_id, "body": body}),
        )
        .await
    }

    /// The next line, whatever it is.
    pub async fn hear(&mut self) -> Value {
        let line = self
            .connection
            .next_line()
            .await
            .expect("the connection is closing");
        serde_json::from_str(&line).unwrap()
    }

    /// The next push of this word; others before it are lost.
    pub async fn hear_push(&mut self, word: &str) -> Value {
        loop {
            if let Some(push) = self.hear().await.get(word) {
                return push.clone();
            }
        }
    }

    /// Everything that waits at this moment.
    pub fn waiting(&mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        let _ = self
            .connection
            .poll_lines(&mut context, usize::MAX, &mut lines);
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Messages until the one with this `seq`, as `(seq, rev)`.
    pub async fn hear_until(&mut self, seq: u64) -> Vec<(u64, u64)> {
        let mut heard = Vec::new();
        loop {
            let message = self.hear_push("message").await;
            let at = (
                message["seq"].as_u64().unwrap(),
                message["rev"].as_u64().unwrap(),
            );
            heard.push(at);
            if at.0 == seq {
                return heard;
            }
        }
    }
}
