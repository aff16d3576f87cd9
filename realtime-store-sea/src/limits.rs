//! Every number of this crate, with its unit and its reason.

use std::time::Duration;

/// Rows in one statement. A batch of the default size is one statement of each
/// kind; a statement of 512 rows of 15 values stays far below the 32,766 values
/// that SQLite binds at most (PostgreSQL: 65,535).
pub(crate) const STATEMENT_ROWS: usize = 512;
/// Rows in one statement where a parameter is a whole column (PostgreSQL): a room of ten
/// thousand is opened by one, and what a statement holds in memory stays bounded.
pub(crate) const COLUMN_ROWS: usize = 16 * 1024;
/// Bytes of texts from which on a statement takes no more rows: a quarter of what
/// MariaDB accepts in one packet by default (16 MiB). A row more is 1 MiB at most.
pub(crate) const STATEMENT_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of texts that a statement to MariaDB or MySQL has at most. No message comes near:
/// only a single row, which cannot be spread over statements, can be larger.
pub(crate) const PACKET_BYTES: usize = 8 * 1024 * 1024;
/// Rooms whose unread messages are counted by one statement, where each is a query of its
/// own in it.
pub(crate) const UNREAD_ROOMS: usize = 64;
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
/// How long a caller waits for a connection to a database elsewhere, made anew or given
/// back by others: less than who sent a message waits for its answer, so that they are told
/// that nothing was done.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two attempts to open a file that another process is just
/// turning into a database.
pub(crate) const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// Such attempts: together as long as [`BUSY_TIMEOUT`].
pub(crate) const OPEN_ATTEMPTS: u32 = 250;
/// How long a server that starts waits for another one that changes the schema: an index
/// on a large table takes its time.
pub(crate) const MIGRATION_PATIENCE: Duration = Duration::from_secs(600);
/// How long a change of the schema waits for a table that others use: everybody who comes
/// later waits behind it.
pub(crate) const SCHEMA_LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a statement waits for a row that another transaction holds, before it is
/// refused. Rooms are held for one commit.
pub(crate) const ROW_LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a statement may run, as the database counts. Our longest, the opening of a
/// room of ten thousand, takes a second.
pub(crate) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long we wait for a database that no longer answers, by our own clock: longer than
/// it would let a statement run, so that usually it is the one to say so.
pub(crate) const SILENCE_TIMEOUT: Duration = Duration::from_secs(12);
/// A pooled connection that was idle for longer is asked whether it still lives before it
/// is used: that costs a round trip, and who restarted a database waited as long.
pub(crate) const PING_IDLE: Duration = Duration::from_secs(1);
/// A connection is replaced after this time, so that none keeps a plan, a server behind a
/// balancer, or memory for ever.
pub(crate) const CONNECTION_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A connection that is not needed for this long is closed.
pub(crate) const CONNECTION_IDLE: Duration = Duration::from_secs(10 * 60);
/// Writing connections by default, on databases where several write at once. One commits
/// what waited while another waits for its disk; more than the disk's queue is long only
/// wait for each other.
pub(crate) const WRITERS: u32 = 4;
/// How often a batch is begun anew because another transaction was in its way.
pub(crate) const RACE_ATTEMPTS: u32 = 10;
/// How long it may go on being begun anew: less than who sent it waits.
pub(crate) const RACE_PATIENCE: Duration = Duration::from_secs(6);
/// How often a change in a host's transaction is tried, because another transaction has
/// just brought the same user, subject, event or message: each time it is another one.
pub(crate) const HOST_ATTEMPTS: u32 = 5;
/// Pause before a batch is begun anew for the first time; doubled each time, and shortened
/// at random by up to half, so that the two do not meet again.
pub(crate) const RACE_PAUSE: Duration = Duration::from_millis(4);
/// The longest such pause.
pub(crate) const RACE_PAUSE_MAX: Duration = Duration::from_millis(250);
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
/// Messages of one slot of the search index. A power of two, and never another one: the
/// numbers of entries are made of it. Larger ones make common words expensive, whose
/// entries in a slot are all looked at; smaller ones rare words, which are looked for in
/// every slot: a room of 100,000 messages has 391 of them.
pub(crate) const SLOT_SEQS: i64 = 256;
/// Bytes of a term of the search index, without its slot. With it, it stays below the 84
/// of which MariaDB takes words at most.
pub(crate) const TERM_BYTES: usize = 60;
/// Messages that one transaction brings into the search index: some 20 ms in which, on
/// SQLite, nobody else writes.
pub(crate) const INDEX_MESSAGES: usize = 250;
/// Rooms of which one statement asks whether the search index lacks something.
pub(crate) const BEHIND_ROOMS: usize = 1_000;
/// Slots that a search asks first, and how many times as many then: what is looked for
/// is mostly in the newest ones.
pub(crate) const FIRST_SLOTS: usize = 4;
pub(crate) const SLOT_GROWTH: usize = 3;
/// Slots that one page of a search asks, about: a few hundred milliseconds. Of 1,000 rooms
/// each has two.
pub(crate) const MOST_SLOTS: usize = 2_048;
/// Messages that a search reads at a time, at first; twice as many where they did not
/// match, because the index does not know which word follows which.
pub(crate) const CANDIDATES: usize = 32;
/// Messages that one page of a search reads, about.
pub(crate) const MOST_CANDIDATES: usize = 2_048;
/// Rooms at whose first message one statement looks, to find those that have grown old: a
/// millisecond, for each is looked up by itself.
pub(crate) const AGED_ROOMS: i64 = 50;
