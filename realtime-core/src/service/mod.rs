//! The use cases, a file for each noun, and the handle that everyone clones.

mod builder;
mod handover;
mod indexing;
mod life;
mod members;
mod messages;
mod news;
mod online;
mod reading;
mod recheck;
mod rooms;
mod search;
mod upkeep;
mod visible;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::sync::DropGuard;

#[cfg(test)]
pub(crate) use self::builder::is_duplicate;
pub(crate) use self::rooms::is_name;
pub use self::{
    builder::Builder,
    life::Keep,
    messages::{Marked, Sent},
    rooms::{Applied, Opened, RoomSeen},
};
use crate::{
    broker::{Broker, Hint},
    change::{Answer, Change, Committed},
    committer::Committer,
    error::Error,
    event::{Signal, Topic},
    hub::Hub,
    id::{Incarnation, RoomId, UserId},
    limits::Limits,
    metrics::Metrics,
    people::People,
    ports::{Action, Presence, Quota},
    protocol::{self, CloseCode},
    publisher::Publisher,
    store::SharedBackend,
    supervise::Tasks,
    time::{Clock, Timestamp},
};

/// Connections that are told of a drain at once, and the pause between such slices:
/// ten thousand clients must not all come back in the same moment.
const DRAIN_SLICE: (usize, Duration) = (500, Duration::from_millis(50));
/// How long a drain waits in all for commands that are under way, so that what is stored
/// is also answered: less than a commit may take, for a store that is down must not
/// keep a server from stopping.
const DRAIN_ANSWERS: Duration = Duration::from_secs(5);
/// How long a shutdown waits for what is under way.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);
/// How long the store may take to say that it is there.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// A running Realtime: clone it freely, all clones are one.
#[derive(Debug, Clone)]
pub struct Realtime {
    inner: Arc<Inner>,
    /// Stops the background tasks when the last handle is dropped. The tasks' own
    /// handles have none, or they would keep themselves alive.
    _stop: Option<Arc<DropGuard>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) backend: SharedBackend,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) presence: Arc<dyn Presence>,
    pub(crate) quota: Arc<dyn Quota>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    incarnation: Mutex<Incarnation>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) indexing: Arc<indexing::Indexing>,
    pub(crate) people: Arc<People>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) sweeper: crate::sweeper::Sweeper,
    pub(crate) upkeep: upkeep::Upkeep,
    pub(crate) tasks: Tasks,
    /// Where a host's own threads start what is to be done.
    pub(crate) runtime: tokio::runtime::Handle,
}

/// Whether everything works at present.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether the store answers. Without it nothing can be served.
    pub store: bool,
    /// Whether hints reach other servers. Without it delivery between servers takes
    /// up to one sweep.
    pub broker: bool,
    /// Changes that wait for a transaction.
    pub commit_queue: usize,
}

impl Realtime {
    /// Starts to put one together, over a store.
    pub fn builder(backend: SharedBackend) -> Builder {
        Builder::new(backend)
    }

    pub(crate) fn from_inner(inner: Arc<Inner>) -> Self {
        let stop = Some(Arc::new(inner.tasks.stop_guard()));
        Self { inner, _stop: stop }
    }

    pub(crate) fn for_task(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            _stop: None,
        }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// What is counted and measured.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// The present moment, by the clock that was given.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Which life of the database this is. Another one, within a sweep, once it was
    /// declared restored.
    pub fn incarnation(&self) -> Incarnation {
        self.inner.incarnation()
    }

    /// Takes a token of a user's ration.
    ///
    /// # Errors
    /// [`Error::TooFast`] tells when the same would be allowed.
    ///
    /// # Cancel safety
    /// A token may have been taken.
    pub async fn spend(&self, user: &UserId, action: Action) -> Result<(), Error> {
        self.inner
            .quota
            .take(user, action)
            .await
            .map_err(|too_fast| {
                self.inner.metrics.rejects.of("rate_limited").inc();
                too_fast.into()
            })
    }

    /// Whether everything works at present. Asks the store.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn health(&self) -> Health {
        // About a room that is not: a store need not be asked about nothing.
        let nowhere = [Topic::Room(RoomId::from_uuid(uuid::Uuid::nil()))];
        let asked = tokio::time::timeout(HEALTH_TIMEOUT, self.inner.backend.heads(&nowhere)).await;
        Health {
            store: matches!(asked, Ok(Ok(_))),
            broker: self.inner.broker.health().up,
            commit_queue: self.inner.committer.waiting(),
        }
    }

    /// Tells every connection that this server is going away, and when to come back:
    /// at a random moment from `min` to `max`. Each is then closed with 4200, once the
    /// changes that it asked for are answered, which is waited for at most 5 s in all.
    ///
    /// # Cancel safety
    /// Not cancel safe: some connections may not have been told.
    pub async fn drain(&self, min: Duration, max: Duration) {
        #[derive(serde::Serialize)]
        struct Drain {
            min_ms: u64,
            max_ms: u64,
        }
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let farewell = protocol::push(
            "drain",
            &Drain {
                min_ms: millis(min),
                max_ms: millis(max),
            },
        );
        let patience = tokio::time::Instant::now() + DRAIN_ANSWERS;
        let commands = u32::try_from(self.inner.limits.commands_in_flight()).unwrap_or(u32::MAX);
        for slice in self.inner.people.everyone().chunks(DRAIN_SLICE.0) {
            for subscriber in slice {
                subscriber.mailbox.insist(&farewell);
            }
            let answered = slice.iter().map(|subscriber| subscriber.settle(commands));
            let answered = futures::future::join_all(answered);
            // Whoever is not answered in time repeats the command elsewhere.
            let _ = tokio::time::timeout_at(patience, answered).await;
            for subscriber in slice {
                subscriber.mailbox.close(CloseCode::Drain);
            }
            tokio::time::sleep(DRAIN_SLICE.1).await;
        }
    }

    /// Stops the background tasks, after what is under way, for which it waits at most
    /// 5 s. Changes that come later are told `busy`.
    ///
    /// # Cancel safety
    /// Not cancel safe; call it once, at the end.
    pub async fn shutdown(&self) {
        let committer = &self.inner.committer;
        committer.close();
        let finished = async {
            while committer.waiting() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.inner.tasks.stop().await;
        };
        // A store or broker that hangs must not keep the process.
        if tokio::time::timeout(SHUTDOWN_PATIENCE, finished)
            .await
            .is_err()
        {
            tracing::warn!(changes = committer.waiting(), "not all could be finished");
        }
        self.inner.tasks.cancel();
        committer.refuse_waiting();
        self.inner.hub.settle().await;
    }

    pub(crate) async fn commit(&self, change: Change) -> Result<Committed, Error> {
        self.inner
            .committer
            .commit(change)
            .await
            .inspect_err(|error| self.count(error))
    }

    pub(crate) fn count(&self, error: &Error) {
        self.inner.metrics.rejects.of(error.code().as_str()).inc();
    }
}

impl Inner {
    /// Which life of the database this is.
    pub(crate) fn incarnation(&self) -> Incarnation {
        *self
            .incarnation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Another life of the database begins.
    fn begin_life(&self, life: Incarnation) {
        *self
            .incarnation
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = life;
    }

    /// Brings the gauges up to date that would cost too much to keep exact.
    pub(crate) fn count_listeners(&self) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (topics, listeners) = self.hub.counts();
        let bytes = self
            .people
            .everyone()
            .iter()
            .map(|one| one.mailbox.bytes())
            .sum();
        self.metrics.topics.set(gauge(topics));
        self.metrics.listeners.set(gauge(listeners));
        self.metrics.queue_bytes.set(gauge(bytes));
    }

    /// Tells everybody in a room, here and on other servers, if they happen to listen.
    pub(crate) fn signal(&self, room: RoomId, signal: Signal) {
        self.hub.signal(room, &signal);
        self.publisher.publish(Hint::Signal { room, signal });
    }
}

/// A store that answers one change with the answer of another.
pub(crate) fn mismatch(answer: &Answer) -> Error {
    tracing::error!(?answer, "the store gave an answer of the wrong kind");
    Error::Internal("the store gave an answer of the wrong kind".into())
}
