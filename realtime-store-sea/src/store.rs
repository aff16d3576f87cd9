//! The store itself: what delivery needs of it.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use realtime_core::{
    change::Change,
    event::Topic,
    id::{IdGenerator, Incarnation, RoomId, UserId},
    participant::Participant,
    seq::Rev,
    store::{ChangeSet, HistoryPage, Outcome, Store, StoreError, Window},
    time::Timestamp,
};
use sea_orm::DatabaseConnection;
use tokio::sync::Mutex;

use crate::{
    checkpoint::Keeper,
    connect::Connections,
    durability::{self, Durability},
    migration,
    options::SeaOptions,
    query::{Query, Snapshot},
    read, transaction,
    write::{self, Ledger, memory::Memory},
};

/// A [`Store`] and [`Catalog`](realtime_core::store::Catalog) in an SQL database.
///
/// One value serves any number of tasks; share it in an [`Arc`]. Several processes
/// may use one database at once.
pub struct SeaStore {
    connections: Connections,
    durability: Durability,
    incarnation: Incarnation,
    ids: Arc<dyn IdGenerator>,
    keeper: Option<Keeper>,
    /// Belongs to who writes: batches wait here for each other.
    memory: Mutex<Memory>,
}

impl SeaStore {
    /// Opens the database, and creates or updates its tables.
    ///
    /// The URL is `sqlite:///absolute/path.db`, `sqlite://relative/path.db` or
    /// `sqlite::memory:`. A missing file is created, unless the URL says otherwise
    /// (`?mode=rw`). The tables' names begin with `rt_`; others in the same database
    /// are left alone.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be opened or written now;
    /// [`StoreError::Damaged`] if it is not one, or not one of ours.
    pub async fn connect(url: &str, options: SeaOptions) -> Result<Self, StoreError> {
        let connections = Connections::open(url, &options).await?;
        let dialect = connections.dialect;
        let incarnation = migration::run(&connections.writer, dialect, &*options.ids).await?;
        let durability = durability::read(&connections.writer, dialect).await?;
        let keeper = connections.keeper.clone().map(|keeper| {
            let writer = connections.writer.clone();
            Keeper::start(keeper, writer, options.checkpoint_pages)
        });
        Ok(Self {
            connections,
            durability,
            incarnation,
            ids: options.ids,
            keeper,
            memory: Mutex::default(),
        })
    }

    /// What a committed change survives, as the database stated when it was opened.
    pub const fn durability(&self) -> &Durability {
        &self.durability
    }

    /// Whether the task that keeps the write-ahead log short still runs; without it
    /// commits do its work, and are slower. Always true where there is none.
    pub fn is_kept(&self) -> bool {
        self.keeper.as_ref().is_none_or(Keeper::is_running)
    }

    /// Closes the database, once what is under way has ended. Every later call is
    /// [`StoreError::Unavailable`]. Without it, the connections are closed some time
    /// after the store is dropped.
    ///
    /// # Errors
    /// As the database reports.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.connections.close().await
    }

    /// For questions of one statement.
    pub(crate) const fn query(&self) -> Query<'_, DatabaseConnection> {
        Query {
            db: &self.connections.readers,
            dialect: self.connections.dialect,
        }
    }

    /// For questions of several statements.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::take(&self.connections.readers, self.connections.dialect).await
    }

    pub(crate) const fn connections(&self) -> &Connections {
        &self.connections
    }

    #[cfg(test)]
    pub(crate) const fn connections_mut(&mut self) -> &mut Connections {
        &mut self.connections
    }
}

impl fmt::Debug for SeaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password one day, and the pools say nothing of use.
        f.debug_struct("SeaStore")
            .field("dialect", &self.connections.dialect)
            .field("incarnation", &self.incarnation)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SeaStore {
    async fn incarnation(&self) -> Result<Incarnation, StoreError> {
        Ok(self.incarnation)
    }

    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let dialect = self.connections.dialect;
        // Taken out: if this fails or is dropped, nothing is remembered.
        let mut slot = self.memory.lock().await;
        let memory = std::mem::take(&mut *slot);
        let open = transaction::begin(&self.connections).await?;
        let ledger = Ledger::new(&*self.ids, now);
        let applied = async {
            let memory = memory.at(transaction::version(&open, &self.connections).await?);
            write::apply(&open, dialect, memory, ledger, changes).await
        };
        let applied = match applied.await {
            Ok(applied) => applied,
            Err(error) => {
                transaction::abandon(open).await;
                return Err(error);
            }
        };
        if applied.wrote {
            transaction::commit(open).await?;
            if let Some(keeper) = &self.keeper {
                keeper.committed();
            }
        }
        *slot = applied.memory;
        Ok(applied.outcomes)
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError> {
        read::changes::heads(&self.query(), topics).await
    }

    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError> {
        read::changes::changes(&self.snapshot().await?, room, after, limit).await
    }

    async fn history(
        &self,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, StoreError> {
        read::history::history(&self.snapshot().await?, room, window, limit).await
    }

    async fn participant(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Participant>, StoreError> {
        read::people::participant(&self.query(), room, user).await
    }

    async fn memberships(
        &self,
        user: &UserId,
        limit: u32,
    ) -> Result<(Vec<RoomId>, Rev), StoreError> {
        read::list::memberships(&self.snapshot().await?, user, limit).await
    }
}
