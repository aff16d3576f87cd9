//! The hub: for every room that somebody on this server listens to, everything in
//! `rev` order, each once, none missing.
//!
//! Changes come from the committer (of this server) and as hints from the broker (of
//! the others). What is next is handed out; what is early waits a moment for what is
//! missing; what stays missing is read from the store, one read at a time for a room,
//! however many listen. A listener that joins, or that fell behind, reads from the
//! store by itself until it meets what the hub has in memory.

mod catch_up;
mod doubt;
mod hearing;
mod listener;
mod repair;
mod subscriber;
mod topic;

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::listener::Standing;
pub(crate) use self::subscriber::Subscriber;
pub(crate) use self::subscriber::Ticket;
use self::{
    listener::{Behind, Position},
    topic::{Accepted, GoLive, Hearing, Topic},
};
use crate::{
    broker::Broker,
    event::{RoomEvent, Signal},
    id::RoomId,
    limits::{CATCH_UP_READS, Limits},
    metrics::Metrics,
    participant::Role,
    protocol::{self, Encoded},
    seq::Rev,
    store::Store,
    time::Clock,
};

/// Shards of the room table: enough that two cores rarely meet.
const SHARDS: usize = 32;

type Shard = Mutex<HashMap<RoomId, Arc<Cell>>>;

/// Everything in order to everybody who listens on this server.
#[derive(Debug)]
pub(crate) struct Hub {
    shards: Box<[Shard]>,
    hasher: RandomState,
    tickets: AtomicU64,
    /// Rooms of which it is in doubt who may listen.
    doubtful: Mutex<HashSet<RoomId>>,
    doubted: Notify,
    /// Rooms that were forgotten, whose hints need no longer be heard.
    unused: Mutex<HashSet<RoomId>>,
    store: Arc<dyn Store>,
    broker: Arc<dyn Broker>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    metrics: Metrics,
    reads: Semaphore,
    /// Subscribing (shared) must not overtake unsubscribing (alone) of the same room.
    broker_order: tokio::sync::RwLock<()>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Cell {
    room: RoomId,
    topic: Mutex<Topic>,
}

impl Cell {
    fn lock(&self) -> MutexGuard<'_, Topic> {
        self.topic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rooms that are kept, so that nothing can be missed between a look at the store and
/// [`Hub::join`].
#[derive(Debug)]
pub(crate) struct Prepared {
    hub: Arc<Hub>,
    cells: HashMap<RoomId, Arc<Cell>>,
}

impl Drop for Prepared {
    fn drop(&mut self) {
        for cell in self.cells.values() {
            cell.lock().joining -= 1;
            self.hub.collect(cell);
        }
    }
}

/// How a connection joins a room.
#[derive(Debug)]
pub(crate) struct Join<'a> {
    pub(crate) subscriber: &'a Arc<Subscriber>,
    pub(crate) standing: Standing,
    /// What the connection holds; `None` follows from `seen` on.
    pub(crate) held: Option<Rev>,
    /// The room's head, read after the hub was [prepared](Hub::prepare).
    pub(crate) seen: Rev,
}

impl Hub {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        broker: Arc<dyn Broker>,
        clock: Arc<dyn Clock>,
        limits: Limits,
        metrics: Metrics,
    ) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            tickets: AtomicU64::new(0),
            doubtful: Mutex::default(),
            doubted: Notify::new(),
            unused: Mutex::default(),
            store,
            broker,
            clock,
            limits,
            metrics,
            reads: Semaphore::new(CATCH_UP_READS),
            broker_order: tokio::sync::RwLock::new(()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Takes a change that is committed, as it was committed. Answers for how many
    /// listeners.
    pub(crate) fn offer(self: &Arc<Self>, event: &RoomEvent) -> u64 {
        let Some(cell) = self.cell(event.room) else {
            return 0;
        };
        let encoded = Arc::new(Encoded::new(event, self.clock.now()));
        let mut behind = Vec::new();
        let mut topic = cell.lock();
        let resets = encoded.is_reset();
        let listeners = match topic.accept(encoded, cell.room, &mut behind) {
            Accepted::Done => topic.listener_count() as u64,
            Accepted::Early => {
                self.repair_soon(&cell, &mut topic);
                0
            }
        };
        let idle = topic.is_idle();
        self.note_doubt(&cell, &mut topic);
        drop(topic);
        self.metrics.deliveries.inc_by(listeners);
        if resets {
            self.metrics.resets.inc_by(listeners);
        }
        self.metrics.slow_readers.inc_by(behind.len() as u64);
        self.start_catching_up(&cell, behind);
        // The change may have taken the last listener out.
        if idle {
            self.collect(&cell);
        }
        listeners
    }

    /// Somebody says that a room has come to `rev`.
    pub(crate) fn doubt(self: &Arc<Self>, room: RoomId, rev: Rev) {
        let Some(cell) = self.cell(room) else { return };
        let mut topic = cell.lock();
        topic.claim(rev);
        if topic.is_behind() {
            self.repair_soon(&cell, &mut topic);
        }
    }

    /// As [`doubt`](Self::doubt), from somebody who will not tell what changed: the
    /// store is read without waiting for it.
    pub(crate) fn look(self: &Arc<Self>, room: RoomId, rev: Rev) {
        let Some(cell) = self.cell(room) else { return };
        let mut topic = cell.lock();
        topic.claim(rev);
        if topic.is_behind() {
            self.repair_now(&cell, &mut topic);
        }
    }

    /// Tells everybody in a room but the user it is about.
    pub(crate) fn signal(&self, room: RoomId, signal: &Signal) {
        let Some(cell) = self.cell(room) else { return };
        let about = match signal {
            Signal::Typing { user, .. } => user,
            Signal::Presence(state) => &state.user,
        };
        let dropped = cell.lock().signal(&protocol::signal(room, signal), about);
        self.metrics.dropped_signals.inc_by(dropped);
    }

    /// Every room that is listened to, and up to where it was handed out.
    pub(crate) fn heads(&self) -> Vec<(RoomId, Rev)> {
        let cells = self.cells();
        cells
            .iter()
            .filter_map(|cell| Some((cell.room, cell.lock().head()?)))
            .collect()
    }

    /// How many rooms are listened to, and by how many listeners in all.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let cells = self.cells();
        (
            cells.len(),
            cells.iter().map(|cell| cell.lock().listener_count()).sum(),
        )
    }

    /// The role in which a connection listens to a room.
    pub(crate) fn role_of(&self, room: RoomId, subscriber: &Subscriber) -> Option<Role> {
        self.cell(room)?.lock().role_of(subscriber)
    }

    /// From when this returns, nothing that is committed on this server in these rooms
    /// can be missed. The broker is asked only for what is [joined](Self::hear_joined):
    /// a client may ask for rooms that are none of its business.
    pub(crate) fn prepare(self: &Arc<Self>, rooms: &[RoomId]) -> Prepared {
        let mut prepared = Prepared {
            hub: self.clone(),
            cells: HashMap::with_capacity(rooms.len()),
        };
        for room in rooms {
            if !prepared.cells.contains_key(room) {
                prepared.cells.insert(*room, self.hold(*room));
            }
        }
        prepared
    }

    /// Looks a room up, or starts it, and keeps it from being collected.
    fn hold(&self, room: RoomId) -> Arc<Cell> {
        let mut shard = lock(self.shard(room));
        let cell = shard.entry(room).or_insert_with(|| {
            Arc::new(Cell {
                room,
                topic: Mutex::default(),
            })
        });
        cell.lock().joining += 1;
        cell.clone()
    }

    /// Lets a connection listen to a prepared room: everything after what it holds,
    /// or a `reset` if that is too much.
    pub(crate) fn join(self: &Arc<Self>, prepared: &Prepared, room: RoomId, join: &Join<'_>) {
        let Some(cell) = prepared.cells.get(&room) else {
            return;
        };
        let ticket = self.ticket();
        let mut behind = Vec::new();
        let mut topic = cell.lock();
        topic.start_at(join.seen, room, &mut behind);
        topic.add(join.subscriber.clone(), ticket, join.standing, join.seen);
        join.subscriber.note(room, ticket);
        // Who has gone meanwhile has left all rooms, and will not leave this one.
        if join.subscriber.mailbox.is_closed() {
            topic.remove(join.subscriber, room);
            drop(topic);
            return self.start_catching_up(cell, behind);
        }
        let at = Position::at(self.starting_point(room, join));
        if topic.go_live(ticket, at, room) == GoLive::NotYet {
            behind.push(Behind {
                subscriber: join.subscriber.clone(),
                ticket,
                at,
            });
        }
        if topic.is_behind() {
            self.repair_soon(cell, &mut topic);
        }
        self.note_doubt(cell, &mut topic);
        drop(topic);
        self.start_catching_up(cell, behind);
    }

    fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    fn starting_point(&self, room: RoomId, join: &Join<'_>) -> Rev {
        let Some(held) = join.held else {
            return join.seen;
        };
        let missed = join.seen.since(held);
        if held <= join.seen && missed <= self.limits.catch_up {
            return held;
        }
        join.subscriber
            .mailbox
            .insist(&protocol::reset(room, join.seen));
        self.metrics.resets.inc();
        join.seen
    }

    /// Stops listening.
    pub(crate) fn leave(&self, room: RoomId, subscriber: &Subscriber) {
        let Some(cell) = self.cell(room) else { return };
        cell.lock().remove(subscriber, room);
        self.collect(&cell);
    }

    /// Ends one joining of a room, if it still stands, and tells its connection.
    /// Answers whether it did.
    pub(crate) fn expel(&self, room: RoomId, ticket: Ticket) -> bool {
        let Some(cell) = self.cell(room) else {
            return false;
        };
        let expelled = cell.lock().expel(ticket, room);
        self.collect(&cell);
        expelled
    }

    /// Ends everything that a connection listens to.
    pub(crate) fn leave_all(&self, subscriber: &Subscriber) {
        for room in subscriber.rooms() {
            self.leave(room, subscriber);
        }
    }

    /// Forgets a room to which nobody listens any longer.
    fn collect(&self, cell: &Arc<Cell>) {
        let mut shard = lock(self.shard(cell.room));
        let mut topic = cell.lock();
        if !topic.is_idle() || topic.closed {
            return;
        }
        topic.closed = true;
        shard.remove(&cell.room);
        if topic.hearing != Hearing::Unasked {
            lock(&self.unused).insert(cell.room);
        }
    }

    fn observe_read(&self, what: &'static str, started: tokio::time::Instant) {
        self.metrics.hub_store_reads.inc();
        self.metrics
            .store_read_seconds
            .of(what)
            .observe(started.elapsed());
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }

    /// Ends the tasks of the hub: a reader that stalls, or a store that is away, would
    /// keep them for ever.
    pub(crate) async fn settle(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn cells(&self) -> Vec<Arc<Cell>> {
        let mut cells = Vec::new();
        for shard in &self.shards {
            cells.extend(lock(shard).values().cloned());
        }
        cells
    }

    fn shard(&self, room: RoomId) -> &Shard {
        let hash = self.hasher.hash_one(room);
        // The remainder is below the number of shards.
        &self.shards[usize::try_from(hash % self.shards.len() as u64).unwrap_or(0)]
    }

    fn cell(&self, room: RoomId) -> Option<Arc<Cell>> {
        lock(self.shard(room)).get(&room).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
