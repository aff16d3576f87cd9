//! What a host may choose about the store.

use std::{num::NonZeroU32, sync::Arc};

use realtime_core::id::{IdGenerator, UuidV7};

use crate::limits::{CHECKPOINT_PAGES, READER_CACHE_KIB, READERS, WRITER_CACHE_KIB};

/// How a [`SeaStore`](crate::SeaStore) uses its database. The defaults suit a server
/// with a few cores and an ordinary disk.
#[derive(Debug, Clone)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built with `..SeaOptions::default()` by hosts"
)]
pub struct SeaOptions {
    /// Connections that read, each a thread and a page cache of its own. Default 4.
    /// A database in memory has one connection for everything.
    pub readers: NonZeroU32,
    /// KiB of pages that the writing connection caches. Default 8 MiB.
    pub writer_cache_kib: u32,
    /// KiB of pages that each reading connection caches. Default 8 MiB.
    pub reader_cache_kib: u32,
    /// Pages (of 4 KiB) in the write-ahead log from which on they are copied into
    /// the database in the background. Default 8,192: 32 MiB.
    pub checkpoint_pages: u32,
    /// Where the ids of new rooms and messages come from. Default: UUIDv7.
    pub ids: Arc<dyn IdGenerator>,
}

impl Default for SeaOptions {
    fn default() -> Self {
        Self {
            readers: NonZeroU32::new(READERS).unwrap_or(NonZeroU32::MIN),
            writer_cache_kib: WRITER_CACHE_KIB,
            reader_cache_kib: READER_CACHE_KIB,
            checkpoint_pages: CHECKPOINT_PAGES,
            ids: Arc::new(UuidV7),
        }
    }
}
