//! Putting a [`Realtime`] together.

use std::sync::Arc;

use super::{Inner, Realtime};
use crate::{
    broker::{Broker, Hint},
    change::{Answer, Committed},
    committer::Committer,
    hub::Hub,
    limits::Limits,
    memory::{MemoryBroker, MemoryPresence, MemoryQuota},
    metrics::Metrics,
    people::People,
    ports::{Presence, Quota},
    publisher::Publisher,
    search::Search,
    store::{SharedBackend, StoreError},
    supervise::Tasks,
    sweeper::Sweeper,
    time::{Clock, SystemClock},
};

/// How long a session lasts without being touched: three sweeps of presence.
const PRESENCE_EXPIRY: std::time::Duration = std::time::Duration::from_secs(60);

/// Puts a [`Realtime`] together. Only the store must be given; the rest defaults to
/// what one process needs.
#[derive(Debug)]
pub struct Builder {
    backend: SharedBackend,
    broker: Option<Arc<dyn Broker>>,
    presence: Option<Arc<dyn Presence>>,
    quota: Option<Arc<dyn Quota>>,
    search: Option<Arc<dyn Search>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    metrics: Metrics,
    lanes: usize,
}

impl Builder {
    pub(super) fn new(backend: SharedBackend) -> Self {
        Self {
            backend,
            broker: None,
            presence: None,
            quota: None,
            search: None,
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
            metrics: Metrics::default(),
            lanes: 1,
        }
    }

    /// Carries hints between servers. Default: none, this is the only server.
    #[must_use]
    pub fn broker(mut self, broker: Arc<dyn Broker>) -> Self {
        self.broker = Some(broker);
        self
    }

    /// Keeps who is online. Default: in memory.
    #[must_use]
    pub fn presence(mut self, presence: Arc<dyn Presence>) -> Self {
        self.presence = Some(presence);
        self
    }

    /// Rations what users do. Default: in memory, by the limits.
    #[must_use]
    pub fn quota(mut self, quota: Arc<dyn Quota>) -> Self {
        self.quota = Some(quota);
        self
    }

    /// Finds messages by their words; usually the same store. Default: nothing is
    /// searched, and [`Realtime::search`] is refused.
    #[must_use]
    pub fn search(mut self, search: Arc<dyn Search>) -> Self {
        self.search = Some(search);
        self
    }

    /// Where wall time comes from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// What is allowed. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where to count. Default: counted, but told to no registry.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// How many transactions may run side by side. Default 1, which is what SQLite
    /// can do; databases with row locks take a few more.
    #[must_use]
    pub fn lanes(mut self, lanes: usize) -> Self {
        self.lanes = lanes;
        self
    }

    /// Those that were given, or what one process needs.
    fn ports(&self) -> (Arc<dyn Broker>, Arc<dyn Presence>, Arc<dyn Quota>) {
        let limits = &self.limits;
        let broker = self.broker.clone();
        let presence = self.presence.clone();
        let quota = self.quota.clone();
        (
            broker.unwrap_or_else(|| Arc::new(MemoryBroker::default())),
            presence.unwrap_or_else(|| {
                Arc::new(MemoryPresence::new(limits.presence_grace, PRESENCE_EXPIRY))
            }),
            quota.unwrap_or_else(|| Arc::new(MemoryQuota::new(limits.into()))),
        )
    }

    /// Starts it: reads the incarnation and starts the background tasks. Needs a
    /// running tokio runtime.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    ///
    /// # Cancel safety
    /// Cancel safe: before it returns nothing was started.
    pub async fn start(self) -> Result<Realtime, StoreError> {
        let incarnation = self.backend.incarnation().await?;
        let (broker, presence, quota) = self.ports();
        let Self {
            backend,
            clock,
            limits,
            metrics,
            lanes,
            ..
        } = self;
        let hub = Arc::new(Hub::new(
            backend.clone(),
            broker.clone(),
            clock.clone(),
            limits.clone(),
            metrics.clone(),
        ));
        let people = Arc::new(People::default());
        let publisher = Arc::new(Publisher::new(broker.clone(), metrics.clone()));
        let sweeper = Sweeper::default();
        let news = super::news::News::new(&hub, &people, &publisher, &metrics, &sweeper);
        let indexing = Arc::new(super::indexing::Indexing::new(self.search, metrics.clone()));
        let noted = indexing.clone();
        let committer = Arc::new(Committer::new(
            backend.clone(),
            clock.clone(),
            limits.clone(),
            metrics.clone(),
            lanes,
            Arc::new(move |committed: &Committed| {
                news.tell(committed);
                noted.note(&committed.events);
            }),
        ));
        let tasks = Tasks::new(metrics.clone());
        let inner = Inner {
            backend,
            broker,
            presence,
            quota,
            clock,
            limits,
            metrics,
            incarnation: std::sync::Mutex::new(incarnation),
            hub,
            committer,
            indexing,
            people,
            publisher,
            sweeper,
            upkeep: super::upkeep::Upkeep::default(),
            tasks,
            runtime: tokio::runtime::Handle::current(),
        };
        let realtime = Realtime::from_inner(Arc::new(inner));
        realtime.start_tasks();
        Ok(realtime)
    }
}

impl Realtime {
    fn start_tasks(&self) {
        let inner = self.inner();
        for lane in 0..inner.committer.lanes() {
            let committer = inner.committer.clone();
            inner.tasks.supervise("committer", move || {
                let committer = committer.clone();
                async move { committer.run(lane).await }
            });
        }
        let publisher = inner.publisher.clone();
        inner.tasks.supervise("publisher", move || {
            let publisher = publisher.clone();
            async move { publisher.run().await }
        });
        self.supervise("listener", Self::listen_to_broker);
        self.supervise("sweeper", Self::sweep_for_ever);
        self.supervise("news", Self::follow_users);
        self.supervise("presence", Self::follow_presence);
        self.supervise("upkeep", Self::keep_up);
        self.supervise("recheck", Self::recheck_rooms);
        self.supervise("search", Self::index_for_ever);
    }

    fn supervise<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &'static str,
        run: impl Fn(Self) -> F + Send + 'static,
    ) {
        let realtime = self.for_task();
        self.inner()
            .tasks
            .supervise(name, move || run(realtime.for_task()));
    }
}

/// What other servers should hear of a change.
pub(super) fn hints(committed: &Committed) -> impl Iterator<Item = Hint> + '_ {
    let changes = committed
        .events
        .iter()
        .map(|event| Hint::Changed(Arc::new(event.clone())));
    changes.chain(
        committed
            .users
            .iter()
            .map(|event| Hint::User(event.clone())),
    )
}

/// Whether an answer is one that was given before.
pub(crate) const fn is_duplicate(answer: &Answer) -> bool {
    match answer {
        Answer::Message { duplicate, .. }
        | Answer::Event { duplicate, .. }
        | Answer::Erased { duplicate } => *duplicate,
        Answer::Pointers { .. } | Answer::Room { .. } | Answer::Participant { .. } => false,
    }
}
