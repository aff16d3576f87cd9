//! Every number of this crate, with its unit and its reason.

use std::time::Duration;

/// Rows in one statement. A batch of the default size is one statement of each
/// kind; a statement of 512 rows of 15 values stays far below the 32,766 values
/// that SQLite binds at most (PostgreSQL: 65,535).
pub(crate) const STATEMENT_ROWS: usize = 512;
/// Prepared statements that a connection keeps: about ten kinds come in ten sizes
/// (1, 2, 4 … 512 rows), the rest in one.
pub(crate) const STATEMENT_CACHE: usize = 256;
/// Rows that the driver hands over before it waits for us: a whole page, so that
/// reading one never parks the database's thread.
pub(crate) const ROW_BUFFER: usize = 512;
/// How long a statement waits for another process's lock before it is refused.
/// Longer than a checkpoint on a slow disk, shorter than a sender's patience.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause between two attempts to open a file that another process is just
/// turning into a database.
pub(crate) const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// Such attempts: together as long as [`BUSY_TIMEOUT`].
pub(crate) const OPEN_ATTEMPTS: u32 = 250;
/// Reading connections by default; each is a thread and a page cache.
pub(crate) const READERS: u32 = 4;
/// KiB of pages that the writing connection caches. The inner pages of every table
/// and the leaves of a few hundred busy rooms fit; what falls out is still in the
/// kernel's cache. Not more, because SQLite looks through the whole cache at the end
/// of nearly every transaction: with 32 MiB that was 5 % of all.
pub(crate) const WRITER_CACHE_KIB: u32 = 8 * 1024;
/// KiB of pages that each reading connection caches.
pub(crate) const READER_CACHE_KIB: u32 = 8 * 1024;
/// Pages in the write-ahead log from which on the keeper copies them into the
/// database: 32 MiB. Hot pages are rewritten by every batch, so a longer log is
/// less work in all, but more to replay after a crash.
pub(crate) const CHECKPOINT_PAGES: u32 = 8 * 1024;
/// How often the keeper looks at the log while there are commits.
pub(crate) const CHECKPOINT_PAUSE: Duration = Duration::from_millis(100);
/// Pages in the log from which on the commit itself copies them: 128 MiB. Reached
/// only if the keeper cannot keep up or is gone.
pub(crate) const CHECKPOINT_BACKSTOP_PAGES: u32 = 32 * 1024;
/// Bytes to which the log's file is cut once it was copied.
pub(crate) const LOG_FILE_BYTES: u32 = 64 * 1024 * 1024;
/// Rooms that the writing connection remembers. A row is well under 1 KiB, unless the
/// host attaches much to it (4 KiB by default at most).
pub(crate) const REMEMBERED_ROOMS: usize = 4 * 1024;
/// Participants, and users, that it remembers: a few hundred bytes each.
pub(crate) const REMEMBERED_SEATS: usize = 16 * 1024;
