//! The database is killed with -9, all of it, again and again, while many write.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use realtime_core::{change::Change, id::RoomId, store::StoreError};
use realtime_store_sea::SeaStore;
use realtime_testkit::database::{Console, Database, Options, Product};
use tokio::{
    sync::watch,
    task::{JoinSet, block_in_place},
    time::timeout,
};

use super::support::{commit, connect, is_dense, open, say, stored, text_of};

/// Who write at once, each alone in a room, and all in another.
const WRITERS: usize = 8;
/// How often the database is killed at least; until one of them made an outcome
/// unknown, at most so often.
const KILLS: u64 = 4;
const MOST_KILLS: u64 = 40;
/// Messages that must be answered between two kills.
const ANSWERS: u64 = 200;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the writers share.
struct Load {
    store: SeaStore,
    hall: RoomId,
    up: watch::Sender<bool>,
    answered: watch::Sender<u64>,
    stop: AtomicBool,
    /// Kills so far, those under way included.
    kills: AtomicU64,
    /// Batches that were under way when the database was killed, and failed.
    hit: AtomicU64,
    indeterminate: AtomicU64,
}

/// The answers to one writer, in order: what it is called, its `seq`, whether it was
/// said in the hall.
type Answered = Vec<(String, u64, bool)>;

pub(crate) async fn what_was_answered_survives_kills_under_load(product: Product) {
    let mut server = Database::start(product, Options::default());
    let database = server.fresh();
    commits_take_time(&server, &database);
    let store = connect(&server.url(&database)).await;
    let people: Vec<String> = (0..WRITERS).map(|n| format!("writer-{n}")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let hall = open(&store, "hall", &people).await;
    let load = Arc::new(Load {
        store,
        hall,
        up: watch::Sender::new(true),
        answered: watch::Sender::new(0),
        stop: AtomicBool::new(false),
        kills: AtomicU64::new(0),
        hit: AtomicU64::new(0),
        indeterminate: AtomicU64::new(0),
    });
    let mut writers = JoinSet::new();
    for writer in &people {
        let room = open(&load.store, writer, &[writer]).await;
        writers.spawn(write(Arc::clone(&load), room, (*writer).to_owned()));
    }
    for kills in 1.. {
        load.answers(&mut writers).await;
        load.up.send_replace(false);
        load.kills.store(kills, Ordering::SeqCst);
        block_in_place(|| {
            server.kill();
            server.restart();
        });
        load.up.send_replace(true);
        let unknown = load.indeterminate.load(Ordering::SeqCst);
        if kills >= KILLS && unknown > 0 {
            break;
        }
        assert!(kills < MOST_KILLS, "void: no outcome was ever unknown");
    }
    load.answers(&mut writers).await;
    load.stop.store(true, Ordering::SeqCst);
    let answered = writers.join_all().await;
    load.tell(product);
    load.store.close().await.unwrap();
    block_in_place(|| is_stored(&mut server.console(&database), &answered));
}

/// On a fast disk a kill seldom meets a commit. PostgreSQL can be told to wait a little
/// between the statement and the sync, as a slow disk does.
fn commits_take_time(server: &Database, database: &str) {
    match server.product() {
        Product::Postgres => {
            let mut console = server.console(database);
            for setting in ["commit_siblings = 0", "commit_delay = 50000"] {
                console.run(&format!("ALTER DATABASE {database} SET {setting}"));
            }
        }
        Product::MariaDb => {}
    }
}

impl Load {
    /// Waits until the writers have been answered some more.
    async fn answers(&self, writers: &mut JoinSet<Answered>) {
        let mut answered = self.answered.subscribe();
        let enough = *answered.borrow() + ANSWERS;
        let waited = timeout(PATIENCE, answered.wait_for(|count| *count >= enough)).await;
        // A writer ends only by a failure, which says more than ours.
        if let Some(Err(failed)) = writers.try_join_next() {
            std::panic::resume_unwind(failed.into_panic());
        }
        assert!(waited.is_ok(), "void: too little was answered");
    }

    fn tell(&self, product: Product) {
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let (kills, hit) = (read(&self.kills), read(&self.hit));
        println!(
            "{product}: {kills} kills hit {hit} batches, {} of them indeterminate; {} answers",
            read(&self.indeterminate),
            *self.answered.borrow()
        );
        assert!(hit >= kills, "void: kills hit nothing under way");
    }

    /// Has a batch stored, however often that takes.
    async fn settle(&self, names: &[String], changes: &[Change]) -> Vec<u64> {
        let mut unknown = false;
        loop {
            let kills = self.kills.load(Ordering::SeqCst);
            match commit(&self.store, changes).await {
                Ok(outcomes) => {
                    let outcomes = outcomes.into_iter().map(stored);
                    let seqs = outcomes.zip(names).map(|((seq, duplicate), name)| {
                        assert!(unknown || !duplicate, "{name}: was said not to be stored");
                        seq
                    });
                    return seqs.collect();
                }
                Err(StoreError::Indeterminate(_)) => {
                    unknown = true;
                    self.indeterminate.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
            if self.kills.load(Ordering::SeqCst) > kills {
                self.hit.fetch_add(1, Ordering::SeqCst);
            }
            let mut up = self.up.subscribe();
            up.wait_for(|up| *up).await.unwrap();
        }
    }
}

async fn write(load: Arc<Load>, own: RoomId, writer: String) -> Answered {
    let mut answered = Answered::new();
    for batch in 0.. {
        if load.stop.load(Ordering::SeqCst) {
            break;
        }
        // Every other time, two in the hall, where the writers wait for each other.
        let names: Vec<String> = (0..3).map(|n| format!("{writer}-{batch}-{n}")).collect();
        let first = if batch % 2 == 0 { load.hall } else { own };
        let rooms = [first, own, first];
        let changes: Vec<Change> = names
            .iter()
            .zip(rooms)
            .map(|(name, room)| say(room, &writer, name))
            .collect();
        let seqs = load.settle(&names, &changes).await;
        load.answered
            .send_modify(|count| *count += seqs.len() as u64);
        let said = names.into_iter().zip(seqs).zip(rooms);
        answered.extend(said.map(|((name, seq), room)| (name, seq, room == load.hall)));
    }
    answered
}

/// Every answer is true, and nothing else is stored.
fn is_stored(console: &mut Console, answered: &[Answered]) {
    is_dense(console);
    let rows = console.run("SELECT client_id, seq, body FROM rt_message");
    let mut found = BTreeMap::new();
    for row in rows.lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let seq: u64 = columns[1].parse().unwrap();
        let before = found.insert(columns[0], (seq, columns[2]));
        assert!(before.is_none(), "stored twice: {row}");
    }
    for writer in answered {
        let in_hall = writer.iter().filter(|(.., in_hall)| *in_hall);
        let seqs: Vec<u64> = in_hall.map(|(_, seq, _)| *seq).collect();
        assert!(seqs.is_sorted(), "what was sent later comes later");
        for (name, seq, _) in writer {
            let (stored, body) = found.remove(name.as_str()).unwrap_or_else(|| {
                panic!("{name} was answered, and is lost");
            });
            assert_eq!((stored, body), (*seq, text_of(name).as_str()), "{name}");
        }
    }
    assert!(found.is_empty(), "nobody was told of {found:?}");
}
