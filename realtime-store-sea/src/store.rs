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
use tokio::sync::Mutex;

use crate::{
    checkpoint::Keeper,
    connect::{Connections, Readers},
    durability::{self, Durability},
    error::damaged,
    migration,
    options::SeaOptions,
    query::{Query, Snapshot},
    read, transaction,
    write::memory::Memory,
};

/// A [`Store`] and [`Catalog`](realtime_core::store::Catalog) in an SQL database.
///
/// One value serves any number of tasks; share it in an [`Arc`]. Several processes
/// may use one database at once.
pub struct SeaStore {
    connections: Connections,
    durability: Durability,
    ids: Arc<dyn IdGenerator>,
    keeper: Option<Keeper>,
    /// Belongs to who writes: batches wait here for each other. None, where several write
    /// at once, and nothing can be remembered.
    memory: Option<Mutex<Memory>>,
}

impl SeaStore {
    /// Opens the database, and creates or updates its tables.
    ///
    /// The URL is one of
    /// - `sqlite:///absolute/path.db`, `sqlite://relative/path.db`, `sqlite::memory:`. A
    ///   missing file is created, unless the URL says otherwise (`?mode=rw`);
    /// - `postgres://user:password@host:5432/database`, also `postgresql://`;
    /// - `mysql://user:password@host:3306/database`, also `mariadb://`.
    ///
    /// What is special in a user's name or password is written `%40` and so on. A database
    /// elsewhere is spoken to by TLS if it offers that. To insist, and to check who answers:
    /// `?sslmode=verify-full` (PostgreSQL) or `?ssl-mode=VERIFY_IDENTITY`, and for a
    /// certificate that is not publicly known `&sslrootcert=` or `&ssl-ca=` with a path.
    ///
    /// The tables' names begin with `rt_`; others in the same database are left alone. On
    /// PostgreSQL they are made in the first schema of the `search_path`.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be opened or written now;
    /// [`StoreError::Damaged`] if it is not one, not one of ours, or behind and
    /// [not to be changed](SeaOptions::migrate). No error repeats the URL.
    pub async fn connect(url: &str, options: SeaOptions) -> Result<Self, StoreError> {
        let (connections, migrator) = Connections::open(url, &options).await?;
        let migrated = migration::run(&migrator, &*options.ids, options.migrate).await;
        migrator.close().await;
        migrated?;
        let durability = durability::read(&connections).await?;
        let keeper = connections.keeper.clone().map(|keeper| {
            let writer = connections.writer.clone();
            Keeper::start(keeper, writer, options.checkpoint_pages)
        });
        let remembers = connections.dialect.others_wrote().is_some();
        Ok(Self {
            connections,
            durability,
            ids: options.ids,
            keeper,
            memory: remembers.then(Mutex::default),
        })
    }

    /// How many batches this store commits side by side: the number of lanes to give to
    /// `Realtime::builder().lanes()`. More would wait for each other; with fewer some
    /// connections are never used.
    pub fn lanes(&self) -> usize {
        usize::try_from(self.connections.lanes).unwrap_or(1)
    }

    /// Declares that this database was restored from a backup, or is a copy that goes its
    /// own way: what clients and other servers know of it may be ahead of what it holds.
    /// From now on it has a new [`Incarnation`], by which they notice and start afresh.
    ///
    /// # Errors
    /// As [`Store::commit`]; it may be repeated.
    ///
    /// # Cancel safety
    /// As [`Store::commit`].
    pub async fn declare_restored(&self) -> Result<Incarnation, StoreError> {
        let dialect = self.connections.dialect;
        let open = transaction::begin(&self.connections).await?;
        match migration::renew_incarnation(&open, &*self.ids).await {
            Ok(new) => {
                transaction::commit(open, dialect).await?;
                Ok(new)
            }
            Err(error) => {
                transaction::abandon(open, dialect).await;
                Err(error)
            }
        }
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
    pub(crate) const fn query(&self) -> Query<'_, Readers> {
        Query {
            db: &self.connections.readers,
            dialect: self.connections.dialect,
        }
    }

    /// For questions of several statements.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::take(&self.connections).await
    }

    pub(crate) const fn connections(&self) -> &Connections {
        &self.connections
    }

    pub(crate) const fn memory(&self) -> Option<&Mutex<Memory>> {
        self.memory.as_ref()
    }

    pub(crate) fn ids(&self) -> &dyn IdGenerator {
        &*self.ids
    }

    /// Says that something was committed.
    pub(crate) fn tell_keeper(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.committed();
        }
    }

    #[cfg(test)]
    pub(crate) const fn connections_mut(&mut self) -> &mut Connections {
        &mut self.connections
    }
}

impl fmt::Debug for SeaStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password, and the pools say nothing of use.
        f.debug_struct("SeaStore")
            .field("dialect", &self.connections.dialect)
            .field("durability", &self.durability)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SeaStore {
    /// Read anew each time: a database can be [declared](SeaStore::declare_restored)
    /// restored while servers use it.
    async fn incarnation(&self) -> Result<Incarnation, StoreError> {
        migration::incarnation(&self.query())
            .await?
            .ok_or_else(|| damaged("the database has lost its incarnation"))
    }

    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.commit_batch(now, changes).await
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
