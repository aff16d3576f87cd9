//! Every number that protects us, in one place, with its unit and its reason.

use std::time::Duration;

/// Characters of a [`UserId`](crate::id::UserId): a UUID, an e-mail local part or a
/// database id fits, an index entry stays small.
pub const USER_ID_CHARS: usize = 64;
/// Characters of a [`ClientId`](crate::id::ClientId); a UUID has 36.
pub const CLIENT_ID_CHARS: usize = 64;
/// Characters of an [`EventId`](crate::id::EventId); room for a prefix and a UUID.
pub const EVENT_ID_CHARS: usize = 128;
/// Characters of a subject's type or id: as a user id.
pub const SUBJECT_CHARS: usize = 64;
/// Characters of a person's display name or a room's title.
pub const NAME_CHARS: usize = 200;
/// A room with more participants neither shows receipts nor presence: both cost
/// the square of the number of people.
pub const SMALL_ROOM: u32 = 100;
/// Unread messages of a room are counted up to here; more is "100+".
pub const UNREAD_CAP: u32 = 100;
/// Rows of a history page at most, and by default.
pub const HISTORY_PAGE: (u32, u32) = (200, 50);
/// Rows of a changes page at most, and by default.
pub const CHANGES_PAGE: (u32, u32) = (500, 200);
/// Rooms of a room list page at most, and by default.
pub const ROOMS_PAGE: (u32, u32) = (100, 20);
/// Earlier versions of a message of a page at most, and by default.
pub const EDITIONS_PAGE: (u32, u32) = (100, 50);
/// Messages that one step of [tidying](crate::store::Upkeep::tidy) deals with, and
/// one page of an [export](crate::store::Upkeep::export) looks at: a transaction of
/// some milliseconds, between which others have their turn.
pub const TIDY_MESSAGES: u32 = 500;
/// Messages at the beginning of a room at which one look for what is
/// [old](crate::store::Upkeep::aged) looks.
pub const AGED_MESSAGES: u32 = 500;
/// Hits of a page of a search at most, and by default: as a page of rooms.
pub const SEARCH_PAGE: (u32, u32) = (100, 20);
/// Characters of a search's question.
pub const SEARCH_TEXT_CHARS: usize = 256;
/// Words of a search's question; quoted words are one.
pub const SEARCH_WORDS: usize = 16;
/// Terms that a search asks its index for at most. They only narrow down what is looked
/// at, and more than these narrow no further.
pub const SEARCH_LOOKUPS: usize = 16;
/// Rooms in which a search without a room looks: those with the newest activity. Who
/// is in more of them names the room.
pub const SEARCH_ROOMS: u32 = 1_000;
/// Words of one message that are searched, from its beginning: bounds what one message
/// adds to an index. The default of 8 KiB holds about 1,500.
pub const SEARCH_TEXT_WORDS: usize = 4_096;
/// Places that are marked in one hit.
pub const SEARCH_MARKS: usize = 32;
/// Participants of a page at most, and by default.
pub const PARTICIPANTS_PAGE: (u32, u32) = (500, 100);
/// Users in one presence question.
pub const PRESENCE_USERS: usize = 100;
/// Events that the hub keeps of a topic, so that who comes back at once, or fell
/// behind a little, is served from memory.
pub const RECENT_EVENTS: usize = 64;
/// Bytes of such events that one topic keeps at most.
pub const RECENT_BYTES: usize = 64 * 1024;
/// Events that the hub holds back for a topic while one before them is missing;
/// what does not fit is read from the store.
pub const EARLY_EVENTS: usize = 256;
/// Rows that one listener's catch-up reads at a time: bounds what a page adds to
/// a mailbox.
pub const CATCH_UP_PAGE: u32 = 200;
/// Catch-up reads under way at once in the process; the rest queue.
pub const CATCH_UP_READS: usize = 16;
/// Rooms in which one connection may be seen typing at once.
pub const TYPING_ROOMS: usize = 16;
/// Hints that wait for a broker that does not take them; the newest of a topic
/// replaces an older one, and what does not fit is left to the sweep.
pub const PUBLISH_BACKLOG: usize = 10_000;
/// Topics in one question to the store or the broker: one statement, well below what a
/// database takes as parameters.
pub const TOPICS_BATCH: usize = 500;
/// How long the broker may take to listen to topics, or to stop; then it is asked again
/// later. The store and the sweep make up for it meanwhile.
pub const BROKER_TIMEOUT: Duration = Duration::from_secs(2);
/// Events that wait for one node on the in-process bus; beyond, all of them become
/// one gap. Half a second of a busy server; with the largest bodies about 200 MiB.
pub const BROKER_QUEUE: usize = 16_384;
/// How long a session counts as open without being touched. Touched at a third of
/// it, so that two touches may be lost.
pub const PRESENCE_EXPIRY: Duration = Duration::from_secs(60);
/// Offline users of whom the in-process presence remembers when they were last
/// seen; who has been away longest is forgotten first. About 20 MiB.
pub const PRESENCE_LAST_SEEN: usize = 100_000;
/// Ended sessions that the in-process presence remembers, so that a touch that was
/// already under way does not revive them: seconds of churn, at 1,000 a second a minute.
pub const PRESENCE_ENDED: usize = 65_536;
/// Sessions that the in-process presence handles under one lock: some 50 us.
pub const PRESENCE_CHUNK: usize = 512;
/// Users who are short of a token at once, of whom each has a bucket; beyond, users
/// share. A bucket lives until it is full again, a few seconds. About 30 MiB.
pub const QUOTA_BUCKETS: usize = 200_000;
/// Locks that the in-process buckets are spread over: many more than cores.
pub const QUOTA_SHARDS: usize = 64;
/// The wait that is told when a rate is zero and no wait would help.
pub const QUOTA_NEVER: Duration = Duration::from_secs(60 * 60);

/// How many rows a page of a kind has when `asked` for so many: 0 is the default,
/// and nothing is more than the maximum.
pub const fn page_rows(asked: u32, (max, default): (u32, u32)) -> u32 {
    if asked == 0 {
        default
    } else if asked > max {
        max
    } else {
        asked
    }
}

/// What one server allows. Every field may be set by configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built with `..Limits::default()` by hosts"
)]
pub struct Limits {
    /// Bytes of one frame from a client. Default 64 KiB.
    pub frame_bytes: usize,
    /// JSON objects in one frame. Default 32.
    pub frame_objects: usize,
    /// UTF-8 bytes of a message's body. Default 8 KiB: about three pages of text.
    pub body_bytes: usize,
    /// Bytes of a message's or room's metadata as JSON. Default 4 KiB.
    pub metadata_bytes: usize,
    /// Rooms one connection may listen to. Default 1,000.
    pub rooms: usize,
    /// Connections one user may have open on one server. Default 32.
    pub connections_per_user: usize,
    /// Participants of one room. Default 20,000.
    pub participants: usize,
    /// Messages a user may send in a second, over all connections. Default 10.
    pub messages_per_second: u32,
    /// Messages a user may send at once after a pause. Default 30.
    pub message_burst: u32,
    /// Commands a user may give in a second, over all connections. Default 50.
    pub commands_per_second: u32,
    /// Commands a user may give at once after a pause. Default 200.
    pub command_burst: u32,
    /// Commands of one connection under way at once; then its socket is not read
    /// until one is answered. Default 32.
    pub in_flight: usize,
    /// Bytes that wait for one connection before `typing` and `presence` are
    /// dropped for it. Default 64 KiB.
    pub queue_bytes_soft: usize,
    /// Bytes that wait for one connection before it is switched to reading from
    /// the store. Default 256 KiB.
    pub queue_bytes_hard: usize,
    /// How long a connection with waiting bytes may take none before it is closed
    /// with 4002. Default 10 s.
    pub stall_timeout: Duration,
    /// Changes that wait for a transaction, over all lanes, before a sender is
    /// told `busy`. Default 10,000.
    pub commit_queue: usize,
    /// Changes in one transaction. Default 512: beyond that the fsync is already
    /// shared by enough, and the lock is held too long.
    pub commit_batch: usize,
    /// Revisions a client may have missed and still be given one by one; who
    /// missed more is told `reset`. Default 5,000.
    pub catch_up: u64,
    /// How long a connection may take until its `connect` was accepted. Default 10 s.
    pub connect_timeout: Duration,
    /// How often a connection is pinged. Default 25 s: common proxies drop sockets
    /// that were idle for 30.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take. Default 10 s.
    pub ping_timeout: Duration,
    /// How long before its token ends a connection is asked for a new one. Default
    /// 60 s: time for a phone that just woke up.
    pub refresh_before: Duration,
    /// How long a hint that came too early waits for the one before it, until the
    /// store is read. Default 30 ms: longer than a publish takes, shorter than a
    /// person notices.
    pub reorder_window: Duration,
    /// How often the heads of all listened topics are compared with the store.
    /// Default 5 s, jittered by a fifth.
    pub sweep_interval: Duration,
    /// The same while the broker is in doubt. Default 1 s.
    pub sweep_interval_degraded: Duration,
    /// How long a user who lost the connection still counts as online. Default 15 s.
    pub presence_grace: Duration,
    /// How long "is typing" lasts without being said again. Default 6 s.
    pub typing_ttl: Duration,
    /// How long the store may take for one batch before its senders are told that
    /// the outcome is unknown. Default 10 s.
    pub commit_timeout: Duration,
    /// How long after it was sent a user may edit a message of their own. Default
    /// `None`: always.
    pub edit_window: Option<Duration>,
    /// The same for deleting. Default `None`: always.
    pub delete_window: Option<Duration>,
    /// How long messages are kept. Default `None`: for ever.
    pub retention: Option<Duration>,
}

/// More commands under way than any connection needs, and what the arithmetic of
/// permits can take.
const MOST_IN_FLIGHT: usize = 1 << 16;

impl Limits {
    /// [`in_flight`](Self::in_flight), but at least 1: without any, a command would
    /// wait for ever.
    pub(crate) fn commands_in_flight(&self) -> usize {
        self.in_flight.clamp(1, MOST_IN_FLIGHT)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes: 64 * 1024,
            frame_objects: 32,
            body_bytes: 8 * 1024,
            metadata_bytes: 4 * 1024,
            rooms: 1_000,
            connections_per_user: 32,
            participants: 20_000,
            messages_per_second: 10,
            message_burst: 30,
            commands_per_second: 50,
            command_burst: 200,
            in_flight: 32,
            queue_bytes_soft: 64 * 1024,
            queue_bytes_hard: 256 * 1024,
            stall_timeout: Duration::from_secs(10),
            commit_queue: 10_000,
            commit_batch: 512,
            catch_up: 5_000,
            connect_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(10),
            refresh_before: Duration::from_secs(60),
            reorder_window: Duration::from_millis(30),
            sweep_interval: Duration::from_secs(5),
            sweep_interval_degraded: Duration::from_secs(1),
            presence_grace: Duration::from_secs(15),
            typing_ttl: Duration::from_secs(6),
            commit_timeout: Duration::from_secs(10),
            edit_window: None,
            delete_window: None,
            retention: None,
        }
    }
}
