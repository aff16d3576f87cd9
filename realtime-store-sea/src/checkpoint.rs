//! The keeper: copies the write-ahead log into the database, so that the log stays
//! short and no commit has to.
//!
//! Left to SQLite, the commit that fills the log copies all of it before it
//! answers. The keeper does that on a connection of its own while commits go on.
//! But commits go on: the log can only be started over when all of it is copied
//! and nobody appends. So the keeper then borrows the writing connection, copies
//! the little that was added meanwhile, and the next commit starts the log over.

use realtime_core::store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinHandle,
};

use std::sync::Arc;

use crate::{
    dialect::Dialect,
    error::{damaged, failed},
    limits::CHECKPOINT_PAUSE,
};

/// The keeper's task. Dropping it ends the task; a log that nobody keeps is copied
/// by the commits themselves once it reaches the backstop.
#[derive(Debug)]
pub(crate) struct Keeper {
    committed: Arc<Notify>,
    task: JoinHandle<()>,
    /// Closed when this is dropped.
    _stop: oneshot::Sender<()>,
}

impl Keeper {
    pub(crate) fn start(
        keeper: DatabaseConnection,
        writer: DatabaseConnection,
        pages: u32,
    ) -> Self {
        let committed = Arc::new(Notify::new());
        let (stop, stopped) = oneshot::channel();
        let rounds = rounds(keeper, writer, pages, committed.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = stopped => {}
                () = rounds => {}
            }
        });
        Self {
            committed,
            task,
            _stop: stop,
        }
    }

    /// Says that the log has grown.
    pub(crate) fn committed(&self) {
        self.committed.notify_one();
    }

    #[cfg(test)]
    pub(crate) fn ending(&self) -> tokio::task::AbortHandle {
        self.task.abort_handle()
    }

    /// Whether the task still runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

/// Looks at the log whenever there was a commit, but not at each.
async fn rounds(
    keeper: DatabaseConnection,
    writer: DatabaseConnection,
    pages: u32,
    committed: Arc<Notify>,
) {
    loop {
        committed.notified().await;
        tokio::time::sleep(CHECKPOINT_PAUSE).await;
        if let Err(error) = round(&keeper, &writer, pages).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the write-ahead log was not copied"
            );
        }
    }
}

/// One look, and what it calls for.
pub(crate) async fn round(
    keeper: &DatabaseConnection,
    writer: &DatabaseConnection,
    pages: u32,
) -> Result<Log, StoreError> {
    let log = checkpoint(keeper, "NOOP").await?;
    if log.waiting() < i64::from(pages) {
        return Ok(log);
    }
    checkpoint(keeper, "PASSIVE").await?;
    checkpoint(writer, "PASSIVE").await
}

/// The state of the log, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Log {
    /// In the log.
    pub(crate) log: i64,
    /// Of these, copied into the database.
    pub(crate) checkpointed: i64,
}

impl Log {
    pub(crate) const fn waiting(self) -> i64 {
        self.log.saturating_sub(self.checkpointed)
    }
}

async fn checkpoint(db: &DatabaseConnection, mode: &str) -> Result<Log, StoreError> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let row = db
        .query_one_raw(Dialect::Sqlite.statement(&sql, []))
        .await
        .map_err(failed)?
        .ok_or_else(|| damaged("SQLite does not tell the state of its log"))?;
    Log::from_query_result(&row, "").map_err(failed)
}
