//! Group commit: while one transaction is under way, arriving changes wait; when it
//! ends, all that wait go into the next one. No timer: an idle system commits at
//! once, a busy one shares the fsync among many.
//!
//! Changes of one room always take the same lane, so they are committed in the order
//! in which they came. A lane tells the hub before it starts its next transaction.

use std::{
    collections::VecDeque,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle};

use crate::{
    change::{Change, Committed},
    error::Error,
    limits::Limits,
    metrics::Metrics,
    store::{Outcome, Store, StoreError},
    time::Clock,
};

/// When to come back after the queue was full: a few transactions later.
const FULL_PAUSE: Duration = Duration::from_millis(250);

/// Who waits for a change.
pub(crate) type Reply = Box<dyn FnOnce(Result<Committed, Error>) + Send>;

/// Hears of everything that was committed, in order.
pub(crate) type Listener = Arc<dyn Fn(&Committed) + Send + Sync>;

/// Takes changes and commits them in groups.
pub(crate) struct Committer {
    lanes: Box<[Arc<Lane>]>,
    hasher: RandomState,
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    metrics: Metrics,
    listener: Listener,
    /// Changes that wait or are under way, over all lanes.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Lane {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    /// Whether nothing more is taken.
    closed: bool,
}

struct Pending {
    change: Change,
    reply: Option<Reply>,
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer")
            .field("lanes", &self.lanes.len())
            .finish_non_exhaustive()
    }
}

impl Committer {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        limits: Limits,
        metrics: Metrics,
        lanes: usize,
        listener: Listener,
    ) -> Self {
        let waiting = AtomicUsize::new(0);
        Self {
            lanes: (0..lanes.max(1)).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
            shared: Arc::new(Shared {
                store,
                clock,
                limits,
                metrics,
                listener,
                waiting,
            }),
        }
    }

    /// Takes a change; `reply` is called once, after the transaction or when there
    /// will be none. Never waits.
    pub(crate) fn submit(&self, change: Change, reply: Reply) {
        let shared = &self.shared;
        if shared.waiting.fetch_add(1, Ordering::Relaxed) >= shared.limits.commit_queue {
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
            return shared.turn_away(reply);
        }
        shared.metrics.commit_queue.inc();
        let lane = self.lane_of(&change);
        let pending = Pending {
            change,
            reply: Some(reply),
        };
        match lane.put(pending) {
            None => lane.arrived.notify_one(),
            Some(refused) => shared.drop_waiting(refused),
        }
    }

    /// Takes no more changes from now on; they are told `busy`.
    pub(crate) fn close(&self) {
        for lane in &self.lanes {
            lane.queue().closed = true;
        }
    }

    /// Tells those that still wait that nothing was done.
    pub(crate) fn refuse_waiting(&self) {
        for lane in &self.lanes {
            self.shared.refuse_waiting(lane);
        }
    }

    /// Takes a change and waits for its outcome.
    ///
    /// # Cancel safety
    /// The change is committed or not, whether or not anybody waits.
    pub(crate) async fn commit(&self, change: Change) -> Result<Committed, Error> {
        let (tell, told) = tokio::sync::oneshot::channel();
        self.submit(
            change,
            Box::new(move |result| {
                // Who asked may have gone; the change stands all the same.
                let _ = tell.send(result);
            }),
        );
        told.await.unwrap_or(Err(Error::Timeout))
    }

    /// How many lanes there are; each needs one [`run`](Self::run).
    pub(crate) fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// How many changes wait or are under way.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Commits what arrives in one lane, until it is dropped. May be called again
    /// after that: what waits in the lane is kept.
    pub(crate) async fn run(&self, lane: usize) {
        let Some(lane) = self.lanes.get(lane) else {
            return;
        };
        loop {
            let batch = lane.take(self.shared.limits.commit_batch);
            if batch.is_empty() {
                lane.arrived.notified().await;
                continue;
            }
            self.shared.commit(batch, lane).await;
        }
    }

    fn lane_of(&self, change: &Change) -> &Lane {
        // What has no room yet is rare, and ordered by the store itself.
        let hash = change.room().map_or(0, |room| self.hasher.hash_one(room));
        // The remainder is below the number of lanes.
        &self.lanes[usize::try_from(hash % self.lanes.len() as u64).unwrap_or(0)]
    }
}

impl Lane {
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives back what is not taken.
    fn put(&self, pending: Pending) -> Option<Pending> {
        let mut queue = self.queue();
        if queue.closed {
            return Some(pending);
        }
        queue.pending.push_back(pending);
        None
    }

    fn take(&self, most: usize) -> Vec<Pending> {
        let mut queue = self.queue();
        let count = queue.pending.len().min(most.max(1));
        queue.pending.drain(..count).collect()
    }
}

/// The replies of one transaction. Whoever was not answered when this is dropped, is
/// told that the outcome is unknown.
struct Replies {
    replies: Vec<Option<Reply>>,
    shared: Arc<Shared>,
}

impl Replies {
    fn answer(&mut self, index: usize, result: Result<Committed, Error>) {
        if let Some(reply) = self.replies.get_mut(index).and_then(Option::take) {
            reply(result);
        }
    }

    fn answer_all(&mut self, error: impl Fn() -> Error) {
        for reply in self.replies.iter_mut().filter_map(Option::take) {
            reply(Err(error()));
        }
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        self.answer_all(|| Error::Timeout);
        self.shared
            .waiting
            .fetch_sub(self.replies.len(), Ordering::Relaxed);
        let answered = i64::try_from(self.replies.len()).unwrap_or(i64::MAX);
        self.shared.metrics.commit_queue.dec_by(answered);
    }
}

impl Shared {
    fn turn_away(&self, reply: Reply) {
        self.metrics.rejects.of("busy").inc();
        reply(Err(Error::Busy {
            retry_after: FULL_PAUSE,
        }));
    }

    fn drop_waiting(&self, pending: Pending) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.metrics.commit_queue.dec();
        if let Some(reply) = pending.reply {
            self.turn_away(reply);
        }
    }

    fn refuse_waiting(&self, lane: &Lane) {
        for pending in lane.take(usize::MAX) {
            self.drop_waiting(pending);
        }
    }

    async fn commit(self: &Arc<Self>, batch: Vec<Pending>, lane: &Lane) {
        let (changes, replies): (Vec<Change>, Vec<Option<Reply>>) = batch
            .into_iter()
            .map(|pending| (pending.change, pending.reply))
            .unzip();
        let mut replies = Replies {
            replies,
            shared: self.clone(),
        };
        self.metrics.commit_batch_size.observe_size(changes.len());
        let started = tokio::time::Instant::now();
        let outcome = self.commit_in_time(changes, &mut replies, lane).await;
        self.metrics.commit_seconds.observe(started.elapsed());
        match outcome {
            Ok(outcomes) => {
                self.metrics.commits.inc();
                self.tell(outcomes, &mut replies);
            }
            Err(error) => refuse(error, &mut replies),
        }
    }

    /// A transaction that takes too long is not cancelled, which could lose what it
    /// is about to store; but nobody is kept waiting for it.
    async fn commit_in_time(
        self: &Arc<Self>,
        changes: Vec<Change>,
        replies: &mut Replies,
        lane: &Lane,
    ) -> Result<Vec<Outcome>, StoreError> {
        let (store, now) = (self.store.clone(), self.clock.now());
        let mut commit: JoinHandle<_> =
            tokio::spawn(async move { Store::commit(&*store, now, &changes).await });
        let joined = match tokio::time::timeout(self.limits.commit_timeout, &mut commit).await {
            Ok(joined) => joined,
            Err(_) => {
                tracing::error!(
                    changes = replies.replies.len(),
                    "a transaction takes too long"
                );
                self.metrics.errors.of("commit_timeout").inc();
                replies.answer_all(|| Error::Timeout);
                loop {
                    // Nor is anybody for what waits behind it.
                    self.refuse_waiting(lane);
                    let joined = tokio::time::timeout(FULL_PAUSE, &mut commit).await;
                    if let Ok(joined) = joined {
                        break joined;
                    }
                }
            }
        };
        // A store that panicked may have committed.
        joined.unwrap_or_else(|panic| Err(StoreError::Indeterminate(panic.into())))
    }

    fn tell(&self, outcomes: Vec<Outcome>, replies: &mut Replies) {
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(committed) => {
                    (self.listener)(&committed);
                    replies.answer(index, Ok(committed));
                }
                Err(rejection) => replies.answer(index, Err(rejection.into())),
            }
        }
    }
}

fn refuse(error: StoreError, replies: &mut Replies) {
    // One line in the log, however many changes there were.
    let first = Error::from(error);
    let told = |error: &Error| match error {
        Error::Busy { retry_after } => Error::Busy {
            retry_after: *retry_after,
        },
        Error::Timeout => Error::Timeout,
        Error::Rejected(_)
        | Error::Invalid { .. }
        | Error::TooLarge { .. }
        | Error::TooFast(_)
        | Error::Auth(_)
        | Error::Internal(_) => Error::Internal("see the log".into()),
    };
    replies.answer_all(|| told(&first));
}

#[cfg(test)]
mod tests;
