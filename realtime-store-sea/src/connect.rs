//! Opening the database: one connection that writes, a few that read, and what
//! each is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use realtime_core::store::StoreError;
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::{
        self, Connection,
        sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous},
    },
};

use crate::{
    dialect::Dialect,
    error::{failed, is_busy},
    limits::{
        ACQUIRE_TIMEOUT, BUSY_TIMEOUT, CHECKPOINT_BACKSTOP_PAGES, LOG_FILE_BYTES, OPEN_ATTEMPTS,
        OPEN_PAUSE, ROW_BUFFER, STATEMENT_CACHE,
    },
    options::SeaOptions,
};

/// The connections to one database.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(crate) dialect: Dialect,
    /// One connection: SQLite has one writer at a time, and it is better to queue
    /// here, in order, than to poll a lock.
    pub(crate) writer: DatabaseConnection,
    /// In write-ahead mode a reader neither waits for the writer nor holds it up.
    pub(crate) readers: DatabaseConnection,
    /// The one that copies the log into the database; none in memory.
    pub(crate) keeper: Option<DatabaseConnection>,
    /// How many connections have been the writer.
    pub(crate) writers: Arc<AtomicU64>,
}

impl Connections {
    pub(crate) async fn open(url: &str, options: &SeaOptions) -> Result<Self, StoreError> {
        let dialect = Dialect::of(url)?;
        match dialect {
            Dialect::Sqlite => Self::open_sqlite(url, options).await.map_err(failed),
        }
    }

    async fn open_sqlite(url: &str, options: &SeaOptions) -> Result<Self, DbErr> {
        let dialect = Dialect::Sqlite;
        let writers = Arc::new(AtomicU64::new(0));
        let writer = open_writer(url, options.writer_cache_kib, &writers).await?;
        if in_memory(url) {
            // Every connection would be a database of its own.
            return Ok(Self {
                dialect,
                readers: writer.clone(),
                writer,
                keeper: None,
                writers,
            });
        }
        let cache_kib = options.reader_cache_kib;
        let readers = described(url, Role::Reader, options.readers.get(), cache_kib);
        let readers = Database::connect(readers).await?;
        let keeper = described(url, Role::Keeper, 1, cache_kib);
        let keeper = Database::connect(keeper).await?;
        Ok(Self {
            dialect,
            writer,
            readers,
            keeper: Some(keeper),
            writers,
        })
    }

    /// Closes all connections once those in use are given back.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        if let Some(keeper) = &self.keeper {
            keeper.close_by_ref().await.map_err(failed)?;
        }
        self.readers.close_by_ref().await.map_err(failed)?;
        self.writer.close_by_ref().await.map_err(failed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
    Keeper,
}

fn in_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

/// Turning a new file into a write-ahead database takes a lock for which SQLite
/// does not wait by itself.
async fn open_writer(
    url: &str,
    cache_kib: u32,
    writers: &Arc<AtomicU64>,
) -> Result<DatabaseConnection, DbErr> {
    let mut options = described(url, Role::Writer, 1, cache_kib);
    let writers = writers.clone();
    options.map_sqlx_sqlite_pool_opts(move |pool| {
        let writers = writers.clone();
        pool.after_connect(move |_, _| {
            writers.fetch_add(1, Ordering::AcqRel);
            Box::pin(async { Ok(()) })
        })
    });
    let mut attempts = 1;
    loop {
        match Database::connect(options.clone()).await {
            Err(error) if is_busy(&error) && attempts < OPEN_ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            done => return done,
        }
    }
}

fn described(url: &str, role: Role, connections: u32, cache_kib: u32) -> ConnectOptions {
    let create = !url.contains("mode=");
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        // A connection that goes would take a database in memory with it.
        .idle_timeout(Option::<Duration>::None)
        .max_lifetime(Option::<Duration>::None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A file does not hang up; asking would cost a turn of the thread each time.
        .test_before_acquire(false)
        // Statements are told at trace level by sea-orm itself, without values.
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = if create {
                sqlite.create_if_missing(true)
            } else {
                sqlite
            };
            tuned(sqlite, role, cache_kib)
        })
        .map_sqlx_sqlite_before_acquire(|connection, _| Box::pin(is_clean(connection)));
    options
}

fn tuned(sqlite: SqliteConnectOptions, role: Role, cache_kib: u32) -> SqliteConnectOptions {
    let sqlite = sqlite
        // One thread uses a connection; it needs no lock.
        .serialized(false)
        .busy_timeout(BUSY_TIMEOUT)
        // The host's tables may share the file; its foreign keys are its own.
        .foreign_keys(false)
        .statement_cache_capacity(STATEMENT_CACHE)
        .row_buffer_size(ROW_BUFFER)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", format!("-{cache_kib}"))
        // A disk error under a mapped page kills the process instead of being
        // reported, and what is mapped counts as ours.
        .pragma("mmap_size", "0");
    match role {
        Role::Writer => sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("journal_size_limit", LOG_FILE_BYTES.to_string())
            .pragma("wal_autocheckpoint", CHECKPOINT_BACKSTOP_PAGES.to_string()),
        Role::Reader => sqlite.pragma("query_only", "ON"),
        Role::Keeper => sqlite.pragma("wal_autocheckpoint", "0"),
    }
}

/// Whether a connection may be handed out again. When SQLite itself has rolled back
/// a transaction (the disk was full, say), the driver's own `ROLLBACK` fails, and it
/// believes for ever that a transaction is open. Such a connection is replaced.
async fn is_clean(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // A rollback may only just be on its way to the connection's thread.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}
