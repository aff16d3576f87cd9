//! SQLite: one connection that writes, a few that read, one that keeps the log short.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr,
    sqlx::{
        self, Connection,
        sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous},
    },
};

use super::{Connections, Migrator, Readers, Role};
use crate::{
    dialect::{Dialect, columns::Schema},
    error::is_busy,
    limits::{
        ACQUIRE_TIMEOUT, BUSY_TIMEOUT, CHECKPOINT_BACKSTOP_PAGES, LOG_FILE_BYTES, OPEN_ATTEMPTS,
        OPEN_PAUSE, ROW_BUFFER, STATEMENT_CACHE,
    },
    options::SeaOptions,
};

pub(super) async fn open(url: &str, options: &SeaOptions) -> Result<Connections, DbErr> {
    let writers = Arc::new(AtomicU64::new(0));
    let writer = open_writer(url, options.writer_cache_kib, &writers).await?;
    let connections = Connections {
        dialect: Dialect::Sqlite,
        readers: Readers::new(writer.clone(), 0),
        writer,
        keeper: None,
        writers,
        lanes: 1,
        most: options.readers.get(),
    };
    if in_memory(url) {
        // Every connection would be a database of its own.
        return Ok(connections);
    }
    let cache_kib = options.reader_cache_kib;
    let readers = described(url, Role::Reader, options.readers.get(), cache_kib);
    let keeper = described(url, Role::Keeper, 1, cache_kib);
    Ok(Connections {
        readers: Readers::new(Database::connect(readers).await?, 0),
        keeper: Some(Database::connect(keeper).await?),
        ..connections
    })
}

/// Who only `looks` gets a connection that cannot write.
pub(super) async fn migrator(
    url: &str,
    options: &SeaOptions,
    looks: bool,
) -> Result<Migrator, DbErr> {
    let db = if looks {
        let reader = described(url, Role::Reader, 1, options.reader_cache_kib);
        Database::connect(reader).await?
    } else {
        open_writer(url, options.writer_cache_kib, &Arc::default()).await?
    };
    Ok(Migrator::of_its_own(db, Schema::new(Dialect::Sqlite)))
}

/// Whether there is a file.
pub(super) fn exists(url: &str) -> bool {
    let options = url.parse::<SqliteConnectOptions>();
    !in_memory(url) && options.is_ok_and(|options| options.get_filename().exists())
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
        Role::Writer | Role::Migrator => sqlite
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
