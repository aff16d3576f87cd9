//! One message to everybody in a room, from the sender's call to each member's mailbox
//! and out of it: everything but the sockets, on one core, stored in memory.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot do its work must stop"
)]

#[path = "support/drafts.rs"]
mod drafts;
#[path = "support/rooms.rs"]
mod rooms;

use std::{
    cell::LazyCell,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use realtime_core::{
    Connection, Opening, Realtime,
    id::{RoomId, UserId},
    memory::MemoryStore,
    protocol::{Connect, Line},
};
use tokio::{
    runtime::{self, Runtime},
    sync::Notify,
    task::JoinSet,
    time::timeout,
};

/// How many people are in the room, each with one connection.
const MEMBERS: [usize; 3] = [10, 100, 1_000];
/// Messages that are sent before the first is waited for: what then waits in a mailbox
/// stays below the mark at which its owner would be sent to the store.
const BURST: u64 = 64;
/// Bytes that are taken from a mailbox at a time: what the server writes at once.
const TAKEN_AT_ONCE: usize = 64 * 1024;
/// How a message begins on the wire.
const MESSAGE: &str = r#"{"message":"#;
/// How long a sample may take before a message counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);

fn one_core() -> Runtime {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a thread takes a runtime")
}

/// A room that somebody sends to.
struct Room {
    realtime: Realtime,
    id: RoomId,
    sender: UserId,
    turn: AtomicU64,
}

impl Room {
    /// Opens a room, and a connection for everybody in it.
    async fn open(members: usize) -> (Self, Vec<Connection>) {
        let people = rooms::users(members);
        let store = Arc::new(MemoryStore::default());
        let realtime = Realtime::builder(store).start().await;
        let realtime = realtime.expect("the memory answers");
        let id = rooms::open(&realtime, &people).await;
        let listening = people.iter().map(|user| listen(&realtime, user));
        let connections = join_all(listening).await;
        let room = Self {
            realtime,
            id,
            sender: people[0].clone(),
            turn: AtomicU64::new(0),
        };
        (room, connections)
    }

    /// Sends messages without waiting for one before the next.
    async fn send(&self, messages: u64) {
        let first = self.turn.fetch_add(messages, Ordering::Relaxed);
        let drafts =
            (first..first + messages).map(|turn| drafts::draft(self.id, &self.sender, turn));
        for sent in join_all(drafts.map(|draft| self.realtime.send(draft))).await {
            assert!(!sent.expect("the memory takes it").duplicate);
        }
    }
}

async fn listen(realtime: &Realtime, user: &UserId) -> Connection {
    let connection = realtime.accept(Opening::of(user.clone()));
    let listening = connection.listen(Connect::default()).await;
    listening.expect("a member may listen");
    connection
}

/// Waits for lines, and answers how many of them are messages.
async fn hear(connection: &Connection, lines: &mut Vec<Line>) -> u64 {
    lines.clear();
    let closing = poll_fn(|cx| connection.poll_lines(cx, TAKEN_AT_ONCE, lines)).await;
    assert_eq!(closing, None, "a connection was closed");
    let messages = lines.iter().filter(|line| line.starts_with(MESSAGE));
    messages.count() as u64
}

/// Everybody's mailbox is emptied by one loop, as soon as the sender has its answer.
struct Drained {
    room: Room,
    connections: Vec<Connection>,
}

impl Drained {
    async fn open(members: usize) -> Self {
        let (room, connections) = Room::open(members).await;
        Self { room, connections }
    }

    async fn run(&self, rounds: u64, messages: u64) -> Duration {
        let mut lines = Vec::new();
        let started = Instant::now();
        for _ in 0..rounds {
            self.room.send(messages).await;
            for connection in &self.connections {
                let mut heard = 0;
                while heard < messages {
                    heard += hear(connection, &mut lines).await;
                }
                assert_eq!(heard, messages, "a message came twice");
            }
        }
        started.elapsed()
    }
}

/// Everybody has a task, which is woken when there is something for it.
struct Woken {
    room: Room,
    members: u64,
    heard: Arc<Heard>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Heard {
    missing: AtomicU64,
    all: Notify,
}

impl Woken {
    async fn open(members: usize) -> Self {
        let (room, connections) = Room::open(members).await;
        let heard = Arc::new(Heard::default());
        let follow = |connection| follow(connection, heard.clone());
        Self {
            room,
            members: members as u64,
            _tasks: connections.into_iter().map(follow).collect(),
            heard,
        }
    }

    async fn run(&self, rounds: u64) -> Duration {
        let started = Instant::now();
        for _ in 0..rounds {
            self.heard.missing.store(self.members, Ordering::Relaxed);
            self.room.send(1).await;
            self.heard.all.notified().await;
        }
        started.elapsed()
    }
}

async fn follow(connection: Connection, heard: Arc<Heard>) {
    let mut lines = Vec::new();
    loop {
        let messages = hear(&connection, &mut lines).await;
        let missing = heard.missing.fetch_sub(messages, Ordering::Relaxed);
        if missing == messages && messages > 0 {
            heard.all.notify_one();
        }
    }
}

fn in_time(runtime: &Runtime, run: impl Future<Output = Duration>) -> Duration {
    let run = async { timeout(PATIENCE, run).await };
    runtime.block_on(run).expect("a message was lost")
}

fn fanout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub_fanout/drained");
    for members in MEMBERS {
        let runtime = one_core();
        let scene = LazyCell::new(|| runtime.block_on(Drained::open(members)));
        group.throughput(Throughput::Elements(members as u64));
        group.bench_function(members.to_string(), |bencher| {
            bencher.iter_custom(|rounds| in_time(&runtime, scene.run(rounds, 1)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("hub_fanout/woken");
    for members in MEMBERS {
        let runtime = one_core();
        let scene = LazyCell::new(|| runtime.block_on(Woken::open(members)));
        group.throughput(Throughput::Elements(members as u64));
        group.bench_function(members.to_string(), |bencher| {
            bencher.iter_custom(|rounds| in_time(&runtime, scene.run(rounds)));
        });
    }
}

/// A busy room: what waits for somebody is taken together.
fn burst(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hub_fanout/burst_of_64");
    for members in MEMBERS {
        let runtime = one_core();
        let scene = LazyCell::new(|| runtime.block_on(Drained::open(members)));
        group.throughput(Throughput::Elements(BURST * members as u64));
        group.bench_function(members.to_string(), |bencher| {
            bencher.iter_custom(|rounds| in_time(&runtime, scene.run(rounds, BURST)));
        });
    }
}

criterion_group!(
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    targets = fanout, burst
);
criterion_main!(benches);
