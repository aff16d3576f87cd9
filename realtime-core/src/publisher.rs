//! Tells the other servers. What the broker does not take is kept, the newest of
//! each topic only, and repeated; what does not fit is left to the sweep.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    broker::{Broker, Hint},
    event::Topic,
    limits::PUBLISH_BACKLOG,
    metrics::Metrics,
    seq::Rev,
};

/// How long the broker may take for one batch.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(2);
/// Pauses between attempts while the broker takes nothing.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Hands hints to the broker, in the background.
#[derive(Debug)]
pub(crate) struct Publisher {
    broker: Arc<dyn Broker>,
    metrics: Metrics,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// As they came.
    fresh: Vec<Hint>,
    /// Topics whose hints were not taken, and how far they are.
    missed: HashMap<Topic, Rev>,
}

impl Publisher {
    pub(crate) fn new(broker: Arc<dyn Broker>, metrics: Metrics) -> Self {
        Self {
            broker,
            metrics,
            waiting: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    /// Takes a hint. Never waits.
    pub(crate) fn publish(&self, hint: Hint) {
        let mut waiting = self.waiting();
        if waiting.fresh.len() < PUBLISH_BACKLOG {
            waiting.fresh.push(hint);
        } else {
            waiting.miss([hint]);
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Publishes what comes, until it is dropped.
    pub(crate) async fn run(&self) {
        let mut pause = PAUSES.0;
        loop {
            let batch = self.take();
            if batch.is_empty() {
                self.arrived.notified().await;
                continue;
            }
            let published =
                tokio::time::timeout(PUBLISH_TIMEOUT, self.broker.publish(&batch)).await;
            if matches!(published, Ok(Ok(()))) {
                pause = PAUSES.0;
                continue;
            }
            tracing::debug!(hints = batch.len(), "the broker did not take hints");
            self.metrics.publish_failures.inc();
            self.waiting().miss(batch);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn take(&self) -> Vec<Hint> {
        let mut waiting = self.waiting();
        let mut batch = std::mem::take(&mut waiting.fresh);
        let missed = waiting
            .missed
            .drain()
            .map(|(topic, rev)| Hint::Head { topic, rev });
        batch.extend(missed);
        batch
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn miss(&mut self, hints: impl IntoIterator<Item = Hint>) {
        for hint in hints {
            // A signal matters only now.
            let Some(rev) = hint.rev() else { continue };
            let topic = hint.topic();
            if let Some(known) = self.missed.get_mut(&topic) {
                *known = (*known).max(rev);
            } else if self.missed.len() < PUBLISH_BACKLOG {
                self.missed.insert(topic, rev);
            }
        }
    }
}
