//! What a host may choose about the store.

use std::{num::NonZeroU32, sync::Arc};

use realtime_core::id::{IdGenerator, UuidV7};

use crate::limits::{CHECKPOINT_PAGES, READER_CACHE_KIB, READERS, WRITER_CACHE_KIB, WRITERS};

/// How a [`SeaStore`](crate::SeaStore) uses its database. The defaults suit a server
/// with a few cores and an ordinary disk.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built with `..SeaOptions::default()` by hosts"
)]
pub struct SeaOptions {
    /// Connections that read. Default 4. On SQLite each is a thread and a page cache of
    /// its own, and a database in memory has one connection for everything.
    pub readers: NonZeroU32,
    /// Connections that write: how many batches are committed side by side, see
    /// [`SeaStore::lanes`](crate::SeaStore::lanes). Default 4. SQLite has one, whatever
    /// is asked for.
    pub writers: NonZeroU32,
    /// Whether the schema may be brought up to date. Default yes. If not, a schema that is
    /// behind is [`StoreError::Damaged`](realtime_core::store::StoreError::Damaged), and
    /// somebody must call [`migrate`](crate::migrate()).
    pub migrate: bool,
    /// What PostgreSQL lists our connections as, unless the URL says otherwise. Default
    /// `realtime`.
    pub application_name: String,
    /// KiB of pages that SQLite's writing connection caches. Default 8 MiB.
    pub writer_cache_kib: u32,
    /// KiB of pages that each of SQLite's reading connections caches. Default 8 MiB.
    pub reader_cache_kib: u32,
    /// Pages (of 4 KiB) in SQLite's write-ahead log from which on they are copied into
    /// the database in the background. Default 8,192: 32 MiB.
    pub checkpoint_pages: u32,
    /// Where the ids of new rooms and messages come from. Default: UUIDv7.
    pub ids: Arc<dyn IdGenerator>,
}

impl Default for SeaOptions {
    fn default() -> Self {
        Self {
            readers: NonZeroU32::new(READERS).unwrap_or(NonZeroU32::MIN),
            writers: NonZeroU32::new(WRITERS).unwrap_or(NonZeroU32::MIN),
            migrate: true,
            application_name: "realtime".to_owned(),
            writer_cache_kib: WRITER_CACHE_KIB,
            reader_cache_kib: READER_CACHE_KIB,
            checkpoint_pages: CHECKPOINT_PAGES,
            ids: Arc::new(UuidV7),
        }
    }
}
