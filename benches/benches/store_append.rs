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
    os::unix::fs::FileExt,
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
/// Pairs of samples below which a ratio says nothing: a smoke run has one.
const ENOUGH: usize = 5;
/// A sample shorter than this is more noise than ratio.
const LONG: Duration = Duration::from_millis(10);
/// A page of the write-ahead log, and how many are written before the first is again.
const LOG: (usize, u64) = (4_096, 1_024);

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
    fn open(runtime: &'a Runtime, course: Course) -> Self {
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

/// What is measured.
#[derive(Debug, Clone, Copy)]
struct Course {
    store: Kind,
    grouping: Grouping,
    rooms: usize,
    senders: usize,
}

impl Course {
    fn id(self) -> BenchmarkId {
        let grouping = match self.grouping {
            Grouping::On => "",
            Grouping::Off => "_one_by_one",
        };
        let store = self.store.name();
        BenchmarkId::new(format!("{store}{grouping}/{}", self.place()), self.senders)
    }

    fn place(self) -> &'static str {
        if self.rooms == 1 {
            "one_room"
        } else {
            "many_rooms"
        }
    }

    fn measure(self, criterion: &mut Criterion, mut append: impl FnMut(u64) -> Duration) {
        let mut group = criterion.benchmark_group("store_append");
        group.sampling_mode(SamplingMode::Flat);
        group.throughput(Throughput::Elements(self.senders as u64));
        group.bench_function(self.id(), |bencher| bencher.iter_custom(&mut append));
    }
}

fn append(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("the process takes a runtime");
    for store in [Kind::Memory, Kind::Sqlite] {
        for rooms in ROOMS {
            for senders in SENDERS {
                let course = Course {
                    store,
                    grouping: Grouping::On,
                    rooms,
                    senders,
                };
                let scene = LazyCell::new(|| Scene::open(&runtime, course));
                course.measure(criterion, |each| scene.append(each));
            }
        }
    }
}

/// The same without a group commit. Disks have moods that last for seconds: each sample
/// is taken with and without it, one right after the other, and compared with its twin.
fn append_one_by_one(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("the process takes a runtime");
    for rooms in ROOMS {
        for senders in SENDERS {
            let [on, off] = [Grouping::On, Grouping::Off].map(|grouping| Course {
                store: Kind::Sqlite,
                grouping,
                rooms,
                senders,
            });
            let scenes = LazyCell::new(|| [on, off].map(|course| Scene::open(&runtime, course)));
            let mut ratios = Vec::new();
            off.measure(criterion, |each| {
                let [with, without] = scenes.each_ref().map(|scene| scene.append(each));
                if without >= LONG {
                    ratios.push(without.as_secs_f64() / with.as_secs_f64());
                }
                without
            });
            tell_gain(off, ratios);
        }
    }
}

#[expect(clippy::print_stdout, reason = "criterion tells no ratios")]
fn tell_gain(course: Course, mut ratios: Vec<f64>) {
    if ratios.len() < ENOUGH {
        return;
    }
    ratios.sort_by(f64::total_cmp);
    let at = |quarter| ratios[(ratios.len() - 1) * quarter / 4];
    println!(
        "group commit, {}, {} at once: {:.1} times as many messages a second \
         (middle half of {} pairs: {:.1} to {:.1})\n",
        course.place(),
        course.senders,
        at(2),
        ratios.len(),
        at(1),
        at(3),
    );
}

/// What a commit costs the disk at the least: one page of a log that has its size.
fn disk(criterion: &mut Criterion) {
    let (page, pages) = (vec![0x5a; LOG.0], LOG.1);
    let directory = backends::directory();
    let log = LazyCell::new(|| {
        let mut log = File::create(directory.path().join("log")).expect("the disk takes a file");
        for _ in 0..pages {
            log.write_all(&page).expect("the disk takes a page");
        }
        log.sync_all().expect("the disk keeps a file");
        log
    });
    let mut next = 0;
    criterion.bench_function("store_append/disk/write_and_sync", |bencher| {
        bencher.iter(|| {
            let written = log.write_all_at(&page, next % pages * page.len() as u64);
            written.expect("the disk takes a page");
            log.sync_data().expect("the disk keeps a page");
            next += 1;
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
    targets = disk, append, append_one_by_one
);
criterion_main!(benches);
