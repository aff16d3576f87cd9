//! P3, P4 and P5 while the broker does everything wrong: three servers over one store,
//! each behind a broker that drops, doubles, delays, reorders, lags, lies and hangs;
//! readers that come and go, and readers that are slow.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use common::{Client, member, room, store, wide};
use proptest::prelude::*;
use realtime_core::{
    Limits, Realtime,
    change::History,
    conformance::faulty::{FaultPlan, FaultyBroker},
    id::RoomId,
    memory::MemoryBroker,
    store::SharedBackend,
};
use serde_json::{Value, json};

const SERVERS: usize = 3;
const READERS: usize = 4;
/// Messages that were said before the last reader came, who sees none of them.
const BEFORE: u64 = 12;

struct Cluster {
    servers: Vec<Realtime>,
    brokers: Vec<Arc<FaultyBroker>>,
}

impl Cluster {
    async fn start(store: SharedBackend, plan: FaultPlan, seed: u64) -> Self {
        let limits = Limits {
            queue_bytes_soft: 4_000,
            queue_bytes_hard: 20_000,
            commit_batch: 7,
            ..wide()
        };
        let bus = MemoryBroker::default();
        let mut cluster = Self {
            servers: Vec::new(),
            brokers: Vec::new(),
        };
        for n in 0..SERVERS {
            let broker = Arc::new(FaultyBroker::new(
                Arc::new(bus.join()),
                plan.clone(),
                seed + n as u64,
            ));
            let server = Realtime::builder(store.clone())
                .broker(broker.clone())
                .limits(limits.clone())
                .start()
                .await
                .unwrap();
            cluster.servers.push(server);
            cluster.brokers.push(broker);
        }
        cluster
    }

    fn injected(&self) -> u64 {
        self.brokers
            .iter()
            .map(|broker| broker.injected().total())
            .sum()
    }
}

/// What one reader holds, checked at every push.
struct Reader {
    client: Option<Client>,
    name: &'static str,
    room: RoomId,
    held: u64,
    seen: BTreeSet<u64>,
    /// The first message that they may see.
    from: u64,
}

impl Reader {
    fn new(name: &'static str, room: RoomId) -> Self {
        Self {
            client: None,
            name,
            room,
            held: 1,
            seen: BTreeSet::new(),
            from: 1,
        }
    }

    /// Somebody who came when the room was at `rev`, and sees what was said after `seq`.
    fn newcomer(name: &'static str, room: RoomId, rev: u64, seq: u64) -> Self {
        Self {
            held: rev,
            from: seq + 1,
            ..Self::new(name, room)
        }
    }

    async fn connect(&mut self, server: &Realtime) {
        let rooms = json!({"rooms": {self.room.to_string(): self.held}});
        self.client = Some(Client::connect(server, self.name, rooms).await.0);
    }

    fn read(&mut self) {
        let Some(client) = &mut self.client else {
            return;
        };
        for line in client.waiting() {
            let Some((word, push)) = line.as_object().and_then(|line| line.iter().next()) else {
                continue;
            };
            assert_ne!(word, "reset");
            if ["message", "receipt", "participant", "room"].contains(&word.as_str()) {
                let seq = push["seq"].as_u64().unwrap_or(u64::MAX);
                assert!(seq >= self.from, "{} is told of message {seq}", self.name);
                take(push, &mut self.held, &mut self.seen);
            }
        }
    }
}

/// One durable push: it must follow on what is held.
fn take(push: &Value, held: &mut u64, seen: &mut BTreeSet<u64>) {
    let rev = push["rev"].as_u64().unwrap();
    let after = push["after_rev"].as_u64().unwrap_or(rev - 1);
    assert!(rev > *held, "rev {rev} again, or late: {held} is held");
    assert_eq!(after, *held, "a hole before rev {rev}");
    *held = rev;
    if let Some(seq) = push["seq"].as_u64() {
        assert!(
            seen.insert(seq) || push["change"] != "sent",
            "message {seq} twice"
        );
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send { server: usize },
    Edit { server: usize, seq: u64 },
    Mark { server: usize },
    Read { reader: usize },
    Reconnect { reader: usize, server: usize },
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..SERVERS).prop_map(|server| Step::Send { server }),
        2 => (0..SERVERS, 1_u64..40).prop_map(|(server, seq)| Step::Edit { server, seq }),
        2 => (0..SERVERS).prop_map(|server| Step::Mark { server }),
        4 => (0..READERS).prop_map(|reader| Step::Read { reader }),
        1 => (0..READERS, 0..SERVERS).prop_map(|(reader, server)| Step::Reconnect { reader, server }),
        3 => (1_u64..400).prop_map(|millis| Step::Wait { millis }),
    ]
}

struct World {
    cluster: Cluster,
    room: RoomId,
    writers: Vec<Client>,
    readers: Vec<Reader>,
    sent: u64,
}

impl World {
    async fn start(plan: FaultPlan, seed: u64) -> Self {
        let cluster = Cluster::start(store(), plan, seed).await;
        let room = room(&cluster.servers[0], &["ann", "ben", "cat", "dan"]).await;
        let mut writers = Vec::new();
        for server in &cluster.servers {
            writers.push(
                Client::connect(server, "ann", json!({"subscribe": "listed"}))
                    .await
                    .0,
            );
        }
        let mut readers: Vec<Reader> = ["ben", "cat", "dan"]
            .into_iter()
            .map(|name| Reader::new(name, room))
            .collect();
        for n in 1..=BEFORE {
            writers[0].send(room, &format!("c{n}"), "before").await;
        }
        let eve = member("eve");
        let came = cluster.servers[0].admit(room, eve, History::FromNow).await;
        let rev = came.unwrap().1.get();
        readers.push(Reader::newcomer("eve", room, rev, BEFORE));
        for (reader, server) in readers.iter_mut().zip(cluster.servers.iter().cycle()) {
            reader.connect(server).await;
        }
        Self {
            cluster,
            room,
            writers,
            readers,
            sent: BEFORE,
        }
    }

    async fn take(&mut self, step: Step) {
        let room = self.room;
        match step {
            Step::Send { server } => {
                self.sent += 1;
                let name = format!("c{}", self.sent);
                let answer = self.writers[server].send(room, &name, "something").await;
                assert_eq!(answer["seq"], self.sent, "acked, dense");
            }
            Step::Edit { server, seq } => {
                let body = format!("edited {}", self.sent);
                self.writers[server]
                    .ask("edit", json!({"room": room, "seq": seq, "body": body}))
                    .await;
            }
            Step::Mark { server } => {
                let seq = self.sent;
                self.writers[server]
                    .ask("delivered", json!({"room": room, "seq": seq}))
                    .await;
            }
            Step::Read { reader } => self.readers[reader].read(),
            Step::Reconnect { reader, server } => {
                let reader = &mut self.readers[reader];
                reader.read();
                reader.connect(&self.cluster.servers[server]).await;
            }
            Step::Wait { millis } => tokio::time::sleep(Duration::from_millis(millis)).await,
        }
    }

    /// Everybody reads until all hold the head, which one sweep after the last fault
    /// must be enough for; a slow reader needs a few reads in between.
    async fn converge(&mut self) -> u64 {
        let actor = realtime_core::change::Actor::Service;
        let head = self.cluster.servers[0]
            .room(&actor, self.room)
            .await
            .unwrap()
            .rev()
            .get();
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.readers.iter_mut().for_each(Reader::read);
            let sent = self.sent;
            // What is not for a newcomer may be the newest.
            let all = |reader: &Reader| {
                let hers = reader.from > sent || reader.seen.contains(&sent);
                reader.held == head || reader.from > 1 && hers
            };
            if self.readers.iter().all(all) {
                return head;
            }
        }
        let held: Vec<u64> = self.readers.iter().map(|reader| reader.held).collect();
        panic!("the head is {head}, the readers hold {held:?}");
    }
}

async fn run(plan: FaultPlan, seed: u64, steps: Vec<Step>) -> u64 {
    let mut world = World::start(plan, seed).await;
    for step in steps {
        world.take(step).await;
    }
    // No calm: delivery goes on while the broker misbehaves.
    world.converge().await;
    for reader in &world.readers {
        let all: BTreeSet<u64> = (reader.from..=world.sent).collect();
        assert_eq!(reader.seen, all, "{} saw every message", reader.name);
    }
    world.cluster.injected()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_or_out_of_order_whatever_the_broker_does(
        seed in any::<u32>(),
        chance in 0.02_f64..0.5,
        steps in proptest::collection::vec(step(), 20..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(FaultPlan::everything(chance), u64::from(seed), steps));
    }
}

#[tokio::test(start_paused = true)]
async fn the_faults_of_these_tests_hit() {
    let steps = (0..300)
        .flat_map(|n| {
            [
                Step::Send {
                    server: n % SERVERS,
                },
                Step::Wait { millis: 20 },
            ]
        })
        .collect();
    let injected = run(FaultPlan::everything(0.3), 7, steps).await;
    assert!(injected > 100, "only {injected} faults were injected");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_cut_off_delays_and_loses_nothing() {
    let mut world = World::start(FaultPlan::default(), 1).await;
    world.cluster.brokers.iter().for_each(|broker| broker.cut());
    for n in 0..50 {
        world
            .take(Step::Send {
                server: n % SERVERS,
            })
            .await;
    }
    let started = tokio::time::Instant::now();
    world.converge().await;
    let took = started.elapsed();
    assert!(
        took <= Duration::from_millis(1_500),
        "delivery while the broker is down took {took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_is_told_is_read_at_once_and_not_at_the_next_sweep() {
    let lagging = FaultPlan {
        lag: 1.0,
        ..FaultPlan::default()
    };
    let mut world = World::start(lagging, 1).await;
    world.take(Step::Send { server: 0 }).await;
    let started = tokio::time::Instant::now();
    world.converge().await;
    let took = started.elapsed();
    assert!(took <= Duration::from_millis(500), "a gap took {took:?}");
    assert!(world.cluster.injected() > 0);
}
