//! Bringing what was committed into the search index, after it was committed: sending
//! never waits for it. Under load the index lags behind, and a metric tells how far.
//!
//! Rooms in which something was said on this server wait in a queue. What this server
//! does not hear of, because another one died, or because a host's own transaction was
//! not handed over, is found by looking at all rooms, part by part, again and again.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep, sleep_until},
};

use super::Realtime;
use crate::{
    event::{RoomChange, RoomEvent},
    id::RoomId,
    metrics::Metrics,
    search::Search,
    store::StoreError,
};

/// How long what was said waits for what is said next, so that it goes into the index
/// together: a transaction more for each message would double what a message costs.
const GATHER: Duration = Duration::from_millis(200);
/// The pause between two steps while more waits, at least.
const LEAST_PAUSE: Duration = Duration::from_millis(20);
/// The pause between two steps, in steps: where one connection writes, the index takes
/// a fifth of it at most.
const PAUSE_STEPS: u32 = 4;
/// The pause after the store failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// The pause between two looks at a part of all rooms.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// Rooms in one step: one statement of each kind.
const STEP_ROOMS: usize = 64;
/// Rooms that wait at most; what does not fit is found by looking at all rooms.
const QUEUE_ROOMS: usize = 10_000;

/// Searches at once: half of the connections that a store reads with by default, so that
/// the other reads always find one.
const SEATS: usize = 2;

/// The rooms that wait for the index, and who fills it.
#[derive(Debug)]
pub(crate) struct Indexing {
    search: Option<Arc<dyn Search>>,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Who searches holds a seat.
    pub(super) seats: Semaphore,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Queue {
    rooms: VecDeque<(RoomId, Instant)>,
    known: HashSet<RoomId>,
    /// Whether something did not fit.
    overflowed: bool,
}

impl Indexing {
    pub(super) fn new(search: Option<Arc<dyn Search>>, metrics: Metrics) -> Self {
        Self {
            search,
            queue: Mutex::default(),
            wake: Notify::new(),
            seats: Semaphore::new(SEATS),
            metrics,
        }
    }

    pub(super) fn search(&self) -> Option<&Arc<dyn Search>> {
        self.search.as_ref()
    }

    /// Notes what was committed. Called between two transactions: it must not wait.
    pub(super) fn note(&self, events: &[RoomEvent]) {
        if self.search.is_none() {
            return;
        }
        let rooms = events.iter().filter(|event| is_searched(event));
        let mut rooms = rooms.map(|event| event.room).peekable();
        if rooms.peek().is_some() {
            self.wait_for(rooms);
            self.wake.notify_one();
        }
    }

    /// Notes a room of which a host says that it changed something.
    pub(super) fn note_room(&self, room: RoomId) {
        if self.search.is_some() {
            self.wait_for(std::iter::once(room));
            self.wake.notify_one();
        }
    }

    fn wait_for(&self, rooms: impl Iterator<Item = RoomId>) {
        let (mut queue, now) = (self.queue(), Instant::now());
        for room in rooms {
            if queue.rooms.len() >= QUEUE_ROOMS {
                queue.overflowed = true;
                break;
            }
            if queue.known.insert(room) {
                queue.rooms.push_back((room, now));
            }
        }
    }

    /// Takes those that have waited longest.
    fn next_step(&self) -> Vec<(RoomId, Instant)> {
        let mut queue = self.queue();
        let count = queue.rooms.len().min(STEP_ROOMS);
        let step: Vec<_> = queue.rooms.drain(..count).collect();
        for (room, _) in &step {
            queue.known.remove(room);
        }
        step
    }

    /// Puts rooms back that are not done: at the end, so that others have their turn.
    fn put_back(&self, rooms: impl Iterator<Item = (RoomId, Instant)>) {
        let mut queue = self.queue();
        for (room, since) in rooms {
            if queue.known.insert(room) {
                queue.rooms.push_back((room, since));
            }
        }
    }

    fn take_overflow(&self) -> bool {
        std::mem::take(&mut self.queue().overflowed)
    }

    fn tell(&self, under_way: Option<Instant>) {
        let queue = self.queue();
        let oldest = queue.rooms.iter().map(|(_, since)| *since).min();
        let waited = under_way.into_iter().chain(oldest).min();
        let lag = waited.map_or(Duration::ZERO, |since| since.elapsed());
        self.metrics.search_lag_seconds.set(lag.as_secs_f64());
        let rooms = i64::try_from(queue.rooms.len()).unwrap_or(i64::MAX);
        self.metrics.search_queue.set(rooms);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step; answers how long it took, or `None` if nothing waits.
    async fn step(&self, search: &dyn Search) -> Result<Option<Duration>, StoreError> {
        let step = self.next_step();
        let Some(oldest) = step.iter().map(|(_, since)| *since).min() else {
            self.tell(None);
            return Ok(None);
        };
        self.tell(Some(oldest));
        let rooms: Vec<RoomId> = step.iter().map(|(room, _)| *room).collect();
        let started = Instant::now();
        match search.index(&rooms).await {
            Ok(indexed) => {
                self.metrics.search_indexed.inc_by(indexed.messages);
                let rest: HashSet<RoomId> = indexed.rest.into_iter().collect();
                self.put_back(step.into_iter().filter(|(room, _)| rest.contains(room)));
                Ok(Some(started.elapsed()))
            }
            Err(error) if !error.is_transient() && step.len() > 1 => {
                self.each_alone(search, step).await;
                Ok(Some(started.elapsed()))
            }
            // One room that cannot be read must not keep the others waiting for ever: it
            // is left until all rooms are looked at again.
            Err(error) if !error.is_transient() => Err(error),
            Err(error) => {
                self.put_back(step.into_iter());
                Err(error)
            }
        }
    }

    /// Finds out which room of a step cannot be read.
    async fn each_alone(&self, search: &dyn Search, step: Vec<(RoomId, Instant)>) {
        for (room, since) in step {
            match search.index(&[room]).await {
                Ok(indexed) => {
                    self.metrics.search_indexed.inc_by(indexed.messages);
                    self.put_back(indexed.rest.into_iter().map(|room| (room, since)));
                }
                Err(error) => {
                    tracing::error!(%error, %room, "a room cannot be searched");
                    self.metrics.errors.of("search").inc();
                }
            }
        }
    }
}

/// Whether the index must know of a change. Receipts are most of all changes.
fn is_searched(event: &RoomEvent) -> bool {
    match &event.change {
        RoomChange::Message(_) | RoomChange::Room(_) | RoomChange::Reset => true,
        RoomChange::Receipt(_) | RoomChange::Participant(_) => false,
    }
}

impl Realtime {
    /// Keeps the index up to date.
    pub(super) async fn index_for_ever(self) {
        let indexing = &self.inner().indexing;
        let Some(search) = indexing.search().cloned() else {
            return std::future::pending().await;
        };
        let mut look = Look::default();
        loop {
            let done = match indexing.step(&*search).await {
                Ok(None) if look.is_due() => look.on(indexing, &*search).await.map(|()| None),
                done => done,
            };
            match done {
                Ok(Some(took)) => sleep(took.saturating_mul(PAUSE_STEPS).max(LEAST_PAUSE)).await,
                Ok(None) if indexing.queue().rooms.is_empty() => {
                    tokio::select! {
                        () = indexing.wake.notified() => sleep(GATHER).await,
                        () = sleep_until(look.due) => {}
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "the search index could not be filled");
                    self.inner().metrics.errors.of("search").inc();
                    sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }
}

/// How far all rooms were looked at.
#[derive(Debug)]
struct Look {
    after: Option<RoomId>,
    /// Whether it goes on almost at once: at first, and after something did not fit.
    hurries: bool,
    due: Instant,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            after: None,
            hurries: true,
            due: Instant::now(),
        }
    }
}

impl Look {
    fn is_due(&self) -> bool {
        self.due <= Instant::now()
    }

    /// Looks at the next part.
    async fn on(&mut self, indexing: &Indexing, search: &dyn Search) -> Result<(), StoreError> {
        let behind = search.behind(self.after).await?;
        indexing.wait_for(behind.rooms.into_iter());
        self.after = behind.next;
        self.hurries = (self.hurries && self.after.is_some()) || indexing.take_overflow();
        self.due = Instant::now()
            + if self.hurries {
                LEAST_PAUSE
            } else {
                LOOK_PAUSE
            };
        Ok(())
    }
}
