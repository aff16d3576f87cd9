//! How many messages a second are stored and acknowledged: through the use case, the
//! group commit and the store, with nobody listening.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot do its work must stop"
)]

#[path = "support/backends.rs"]
mod backends;
#[path = "support/drafts.rs"]
mod drafts;
#[path = "support/rooms.rs"]
mod rooms;

use std::{
    cell::{Cell, LazyCell},
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use futures::future::join_all;
use realtime_core::{
    Limits, Realtime,
    id::{RoomId, UserId},
};
use tokio::{runtime::Runtime, task::JoinSet};

use self::backends::{Backend, Kind};

/// People who send at once, each waiting for one answer before the next message.
const SENDERS: [usize; 3] = [1, 8, 64];
/// Rooms that they send to: in one, every message waits for a number of the same row.
const ROOMS: [usize; 2] = [64, 1];
/// Samples below which a ratio says nothing: a smoke run has one message.
const ENOUGH: Duration = Duration::from_millis(500);
/// A page of the write-ahead log with its header.
const LOG_PAGE: usize = 4_096 + 24;

/// Whether messages that wait share a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grouping {
    On,
    Off,
}

impl Grouping {
    fn limits(self) -> Limits {
        let limits = Limits::default();
        let commit_batch = match self {
            Self::On => limits.commit_batch,
            Self::Off => 1,
        };
        Limits {
            commit_batch,
            ..limits
        }
    }
}

/// People and rooms over one store.
struct Scene<'a> {
    runtime: &'a Runtime,
    backend: Backend,
    realtime: Realtime,
    senders: Vec<UserId>,
    rooms: Vec<RoomId>,
    turn: Cell<u64>,
}

impl<'a> Scene<'a> {
    fn open(runtime: &'a Runtime, course: &Course) -> Self {
        let senders = rooms::users(course.senders);
        let (backend, realtime, rooms) = runtime.block_on(async {
            let backend = Backend::open(course.store).await;
            let builder = Realtime::builder(backend.shared()).limits(course.grouping.limits());
            let realtime = builder.start().await.expect("the store answers");
            let opening = (0..course.rooms).map(|_| rooms::open(&realtime, &senders));
            let rooms = join_all(opening).await;
            (backend, realtime, rooms)
        });
        Self {
            runtime,
            backend,
            realtime,
            senders,
            rooms,
            turn: Cell::new(0),
        }
    }

    /// Everybody sends so many messages; how long until the last is acknowledged.
    fn append(&self, each: u64) -> Duration {
        let turns = self.turn.get()..self.turn.get() + each;
        self.turn.set(turns.end);
        let mut sending = JoinSet::new();
        let started = Instant::now();
        for (index, sender) in self.senders.iter().enumerate() {
            // Nobody is in the same room as another at the same turn, if there are enough.
            let mut rooms = self.rooms.clone();
            rooms.rotate_left(index % self.rooms.len());
            let send = send(self.realtime.clone(), rooms, sender.clone(), turns.clone());
            sending.spawn_on(send, self.runtime.handle());
        }
        self.runtime.block_on(sending.join_all());
        started.elapsed()
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        self.runtime.block_on(async {
            self.realtime.shutdown().await;
            self.backend.close().await;
        });
    }
}

async fn send(realtime: Realtime, rooms: Vec<RoomId>, sender: UserId, turns: std::ops::Range<u64>) {
    for (turn, room) in turns.zip(rooms.iter().cycle()) {
        let sent = realtime.send(drafts::draft(*room, &sender, turn)).await;
        assert!(!sent.expect("the store takes it").duplicate);
    }
}

/// What is measured, and what came out.
struct Course {
    store: Kind,
    grouping: Grouping,
    rooms: usize,
    senders: usize,
    appended: Cell<u64>,
    took: Cell<Duration>,
}

impl Course {
    fn new(store: Kind, grouping: Grouping, rooms: usize, senders: usize) -> Self {
        Self {
            store,
            grouping,
            rooms,
            senders,
            appended: Cell::default(),
            took: Cell::default(),
        }
    }

    fn id(&self) -> BenchmarkId {
        let grouping = match self.grouping {
            Grouping::On => "",
            Grouping::Off => "_one_by_one",
        };
        let rooms = match self.rooms {
            1 => "1_room".to_owned(),
            more => format!("{more}_rooms"),
        };
        let store = self.store.name();
        BenchmarkId::new(format!("{store}{grouping}/{rooms}"), self.senders)
    }

    fn measure(&self, criterion: &mut Criterion, runtime: &Runtime) {
        let scene = LazyCell::new(|| Scene::open(runtime, self));
        let mut group = criterion.benchmark_group("store_append");
        group.sampling_mode(SamplingMode::Flat);
        group.throughput(Throughput::Elements(self.senders as u64));
        group.bench_function(self.id(), |bencher| {
            bencher.iter_custom(|each| {
                let took = scene.append(each);
                let appended = each * self.senders as u64;
                self.appended.set(self.appended.get() + appended);
                self.took.set(self.took.get() + took);
                took
            });
        });
    }

    /// Acknowledged messages a second, over all samples.
    fn rate(&self) -> Option<f64> {
        let took = self.took.get();
        (took >= ENOUGH).then(|| self.appended.get() as f64 / took.as_secs_f64())
    }
}

fn append(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("the process takes a runtime");
    for rooms in ROOMS {
        for senders in SENDERS {
            Course::new(Kind::Memory, Grouping::On, rooms, senders).measure(criterion, &runtime);
        }
    }
    // What is compared is measured one after the other: machines have moods.
    for rooms in ROOMS {
        for senders in SENDERS {
            let [on, off] = [Grouping::On, Grouping::Off].map(|grouping| {
                let course = Course::new(Kind::Sqlite, grouping, rooms, senders);
                course.measure(criterion, &runtime);
                course
            });
            tell_gain(&on, &off);
        }
    }
}

#[expect(clippy::print_stdout, reason = "criterion tells no ratios")]
fn tell_gain(on: &Course, off: &Course) {
    if let (Some(with), Some(without)) = (on.rate(), off.rate()) {
        println!(
            "group commit, {} rooms, {} senders: {with:.0}/s with, {without:.0}/s without: {:.1} x\n",
            on.rooms,
            on.senders,
            with / without,
        );
    }
}

/// What one commit costs the disk at the least: without a group commit, nobody stores
/// more messages a second than this.
fn disk(criterion: &mut Criterion) {
    let directory = backends::directory();
    let open = || File::create(directory.path().join("log")).expect("the disk takes a file");
    let log = LazyCell::new(open);
    criterion.bench_function("store_append/disk/append_and_sync", |bencher| {
        bencher.iter(|| {
            (&*log)
                .write_all(&[0; LOG_PAGE])
                .expect("the disk takes a page");
            log.sync_data().expect("the disk keeps a page");
        });
    });
}

criterion_group!(
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    targets = disk, append
);
criterion_main!(benches);
