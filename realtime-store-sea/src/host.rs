//! Rooms in a transaction of the host's own: they change with the host's rows, or not at
//! all.
//!
//! The changes are the same as those of [`Store::commit`](realtime_core::store::Store::commit),
//! by the same code and rules; only the transaction is the host's, begun and committed by
//! the host, on a connection of the host's, to the database in which our tables are. See
//! [`HostTransaction`].

mod checks;
mod savepoint;
mod shortcuts;

use realtime_core::{
    change::{Change, Rejection},
    handover::Handover,
    store::{Outcome, StoreError},
    time::{Clock, SystemClock, Timestamp},
};
use sea_orm::{ConnectionTrait, IsolationLevel, TransactionOptions};

pub use self::shortcuts::OpenedRoom;
use crate::{
    SeaStore,
    dialect::Dialect,
    error::{damaged, is_poison, is_taken},
    limits::HOST_ATTEMPTS,
    write::{self, Ledger, Reads, memory::Memory},
};

/// Why something could not be done in a host's transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The change was refused; it would be again. The transaction goes on without it, if
    /// the host wants.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The database failed. Nothing of the call is in the transaction; see
    /// [`HostTransaction::is_over`] for whether there still is one. Roll back, and if it
    /// [is transient](Self::is_transient) begin all of it anew.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The connection is not in a transaction. It would have been a change that nothing
    /// can take back together with the host's.
    #[error("the connection is not in a transaction")]
    NoTransaction,
    /// The database has ended the transaction, after an earlier failure. Roll back, and
    /// begin all of it anew.
    #[error("the database has ended the transaction")]
    Over,
}

impl HostError {
    /// Whether the same transaction, from its beginning on, may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Over => true,
            Self::Rejected(_) | Self::NoTransaction => false,
        }
    }
}

impl From<HostError> for realtime_core::Error {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Rejected(rejection) => rejection.into(),
            HostError::Store(error) => error.into(),
            HostError::Over => StoreError::Unavailable(Box::new(error)).into(),
            HostError::NoTransaction => Self::Internal(Box::new(error)),
        }
    }
}

impl SeaStore {
    /// Changes rooms inside a transaction of the host's own; see [`HostTransaction`].
    ///
    /// `transaction` is a [`sea_orm::DatabaseTransaction`], or anything else that runs all
    /// its statements in one transaction, of the database that this store was opened with.
    /// Nothing is asked of it before the first change.
    pub fn within<'a, C: ConnectionTrait>(&'a self, transaction: &'a C) -> HostTransaction<'a, C> {
        HostTransaction {
            store: self,
            db: transaction,
            dialect: self.connections().dialect,
            at: None,
            stage: Stage::Fresh,
            handover: Handover::default(),
        }
    }

    /// How a transaction is best begun in which rooms will be changed, for
    /// `begin_with_options` of SeaORM. On SQLite `IMMEDIATE`: one that begins by reading
    /// cannot go on to write once another has written. Elsewhere `READ COMMITTED`: MariaDB
    /// and MySQL otherwise lock what is not there, and others then wait for it or are
    /// taken back.
    pub fn transaction_options(&self) -> TransactionOptions {
        let dialect = self.connections().dialect;
        let isolation_level = match dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres | Dialect::MySql => Some(IsolationLevel::ReadCommitted),
        };
        TransactionOptions {
            isolation_level,
            ..dialect.to_write()
        }
    }
}

/// Changes of rooms inside a transaction that the host has begun and will commit.
///
/// ```no_run
/// # use realtime_core::{Realtime, change::NewRoom, id::ClientId, message::Body};
/// # use realtime_store_sea::SeaStore;
/// # use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};
/// # async fn accept(
/// #     db: &DatabaseConnection, store: &SeaStore, realtime: &Realtime, room: NewRoom, says: Body,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let tx = db.begin_with_options(store.transaction_options()).await?;
/// tx.execute_unprepared("UPDATE job SET state = 'accepted' WHERE id = 7421").await?;
///
/// let mut rooms = store.within(&tx);
/// let room = rooms.open(room).await?.room.id;
/// rooms.announce(room, ClientId::parse("job-7421-accepted")?, says, None).await?;
/// let handover = rooms.finish();
///
/// tx.commit().await?;
/// realtime.deliver(&handover);
/// # Ok(())
/// # }
/// ```
///
/// # What holds
/// - **All or nothing.** What was changed here is committed and rolled back with the host's
///   own rows. Nobody is told before: a [`Handover`] is what the host gives to
///   [`Realtime::deliver`](realtime_core::Realtime::deliver) after its commit. Without that
///   the sweep delivers.
/// - **A call that fails leaves nothing behind.** Each call stands behind a `SAVEPOINT`, to
///   which it goes back if it fails. So the host's transaction can go on, on PostgreSQL too,
///   unless the database itself has [ended](Self::is_over) it.
/// - **A refusal is not a failure**: the host decides whether its transaction goes on.
/// - **The numbers stay dense**, however many servers and hosts write at once: a rolled back
///   change gives its numbers back.
///
/// # What to know
/// - **Keep the transaction short.** On PostgreSQL, MariaDB and MySQL the rows of the rooms
///   that were changed are locked until the host commits, and so are those of people who
///   joined or left; messages to these rooms wait, and are refused as `busy` after 5 s. On
///   SQLite all writers wait for each other. Do not wait for anything but the database.
/// - **Order.** Change the host's own rows first, rooms last, always in this order, and
///   several rooms in one [`apply`](Self::apply), which locks them in the order of their
///   ids. Otherwise two transactions can wait for each other. The database then takes one
///   back, which is told as `Unavailable`, and the host begins its whole transaction anew:
///   it alone knows how.
/// - **SQLite**: begin `IMMEDIATE`, as by [`SeaStore::transaction_options`], or change rooms
///   before anything is read. A transaction that read first may be `Unavailable` with
///   `SQLITE_BUSY_SNAPSHOT`.
/// - **Isolation.** Every level is right. Above `READ COMMITTED` more is `Unavailable`.
/// - **Not checked here** are the limits that the host sets for its clients: bytes of bodies
///   and metadata, and the number of participants.
/// - The store's own connections are told how long to wait for locks and statements. The
///   host's connection keeps to what the host told it.
///
/// # Cancel safety
/// Not cancel safe: a call that was dropped before it answered may have done the half of its
/// work. Roll the transaction back, by dropping it. (Should the host go on instead, the next
/// call first takes that half back; on MariaDB and MySQL, whose driver is then out of step,
/// every later call is [`Over`](HostError::Over).)
#[must_use = "its `finish` is what is to be delivered after the commit"]
pub struct HostTransaction<'a, C> {
    store: &'a SeaStore,
    db: &'a C,
    dialect: Dialect,
    at: Option<Timestamp>,
    stage: Stage,
    handover: Handover,
}

/// How far a host's transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is known of it yet.
    Fresh,
    /// Nothing of ours is under way.
    Ready,
    /// There is a savepoint, and perhaps the half of a change after it.
    Unsettled,
    /// There is no transaction any more.
    Over,
}

impl<C> std::fmt::Debug for HostTransaction<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostTransaction")
            .field("stage", &self.stage)
            .field("handover", &self.handover)
            .finish_non_exhaustive()
    }
}

impl<C: ConnectionTrait> HostTransaction<'_, C> {
    /// From now on changes are of this moment. Default: the machine's clock, at each call.
    pub fn at(mut self, now: Timestamp) -> Self {
        self.at = Some(now);
        self
    }

    /// Applies changes, in order, each to what the one before left: all that
    /// [`Change`] offers, each answered or refused by itself.
    ///
    /// # Errors
    /// [`HostError`], never [`Rejected`](HostError::Rejected); then none of the changes is
    /// in the transaction.
    ///
    /// # Cancel safety
    /// Not cancel safe, see [above](Self#cancel-safety).
    pub async fn apply(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, HostError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let mut refusals: Vec<_> = changes.iter().map(checks::refusal).collect();
        let outcomes = if refusals.iter().all(Option::is_none) {
            self.apply_sound(changes).await?
        } else {
            let sound = changes.iter().zip(&refusals);
            let sound = sound.filter(|(_, refusal)| refusal.is_none());
            let sound: Vec<Change> = sound.map(|(change, _)| change.clone()).collect();
            let mut done = self.apply_sound(&sound).await?.into_iter();
            refusals
                .iter_mut()
                .filter_map(|refusal| refusal.take().map(Err).or_else(|| done.next()))
                .collect()
        };
        self.handover.merge(Handover::of(&outcomes));
        Ok(outcomes)
    }

    /// Whether the database has ended the transaction: after a deadlock MariaDB and MySQL
    /// take all of it back, after a full disk SQLite does, and PostgreSQL after any failed
    /// statement of the host's own. Then roll back; what is still said on this connection
    /// may be committed statement by statement.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Ends the changes of rooms, and answers with what is to be given to
    /// [`Realtime::deliver`](realtime_core::Realtime::deliver) after the host has committed.
    /// Commits nothing, and asks nothing of the database.
    pub fn finish(self) -> Handover {
        self.handover
    }

    /// After a call that was dropped.
    async fn settle(&mut self) -> Result<(), HostError> {
        match self.dialect {
            Dialect::Sqlite | Dialect::Postgres => {
                self.go_back().await?;
                self.release_savepoint().await
            }
            // The driver may wait for an answer to what it never asked.
            Dialect::MySql => {
                self.stage = Stage::Over;
                Err(HostError::Over)
            }
        }
    }

    async fn apply_sound(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, HostError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.make_ready().await?;
        match self.apply_behind_savepoint(changes).await {
            // It was let through, but the database has the last word.
            Err(HostError::Store(error)) if changes.len() == 1 && is_poison(&error) => {
                Ok(vec![Err(checks::CANNOT_BE_STORED)])
            }
            done => done,
        }
    }

    async fn apply_behind_savepoint(
        &mut self,
        changes: &[Change],
    ) -> Result<Vec<Outcome>, HostError> {
        self.set_savepoint().await?;
        let mut reads = Reads::Locking;
        let mut attempts = 1;
        loop {
            let error = match self.attempt(reads, changes).await {
                Ok(outcomes) => {
                    self.release_savepoint().await?;
                    return Ok(outcomes);
                }
                Err(error) => error,
            };
            if self.go_back().await.is_err() {
                return Err(error.into());
            }
            // Another transaction has just brought the same user, subject, event or
            // message: now it can be seen.
            if is_taken(&error) && attempts < HOST_ATTEMPTS {
                attempts += 1;
                reads = Reads::LockingNames;
                continue;
            }
            self.release_savepoint().await?;
            return Err(savepoint::explained(error).into());
        }
    }

    async fn attempt(&self, reads: Reads, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        let now = self.at.unwrap_or_else(|| SystemClock.now());
        let ledger = Ledger::new(self.store.ids(), now).reading(reads);
        // The store's memory belongs to its own transactions; that others wrote, it is
        // told by the database.
        let memory = Memory::default();
        let applied = write::apply(self.db, self.dialect, memory, ledger, changes).await?;
        Ok(applied.outcomes)
    }

    /// What is true before every change: the connection speaks the store's language, is
    /// in a transaction, and nothing of ours is half done.
    async fn make_ready(&mut self) -> Result<(), HostError> {
        match self.stage {
            Stage::Ready => Ok(()),
            Stage::Over => Err(HostError::Over),
            Stage::Unsettled => self.settle().await,
            Stage::Fresh => {
                if Dialect::of_backend(self.db.get_database_backend()) != Some(self.dialect) {
                    let what = "the transaction is of another kind of database than the store";
                    return Err(damaged(what).into());
                }
                self.require_transaction().await?;
                self.stage = Stage::Ready;
                Ok(())
            }
        }
    }
}
