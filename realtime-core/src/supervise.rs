//! Every background task has an owner that notices when it dies.

use std::{future::Future, time::Duration};

use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::metrics::Metrics;

/// The pause before a task that died is started again: long enough that one which
/// dies at once does not take a core.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// The background tasks of one [`Realtime`](crate::Realtime).
#[derive(Debug, Clone)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    metrics: Metrics,
}

impl Tasks {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            metrics,
        }
    }

    /// Runs a task that should never end, and starts it again when it does.
    pub(crate) fn supervise<F>(&self, name: &'static str, start: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, metrics) = (self.stop.clone(), self.metrics.clone());
        self.tracker.spawn(async move {
            loop {
                let mut task = tokio::spawn(start());
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {
                        task.abort();
                        return;
                    }
                    ended = &mut task => match ended {
                        Ok(()) => tracing::error!(task = name, "a task ended; starting it again"),
                        Err(error) => tracing::error!(task = name, %error, "a task died; starting it again"),
                    }
                }
                metrics.task_restarts.of(name).inc();
                tokio::time::sleep(RESTART_PAUSE).await;
            }
        });
    }

    /// Runs something that ends by itself; a shutdown waits for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(work);
    }

    /// Ends the supervised tasks when it is dropped.
    pub(crate) fn stop_guard(&self) -> DropGuard {
        self.stop.clone().drop_guard()
    }

    /// Ends the supervised tasks.
    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }

    /// Ends the supervised tasks and waits for all.
    pub(crate) async fn stop(&self) {
        self.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
