//! Every number of the HTTP side, with its unit and its reason.

use std::time::Duration;

/// Bytes of a request's head; more is answered with 431. Browsers send 1 to 2 KiB,
/// tokens add up to 8.
pub(crate) const HEAD_BYTES: usize = 16 * 1024;
/// Headers of a request; more is answered with 431. The library's own limit, which
/// it holds without allocating.
pub(crate) const HEADERS: usize = 100;
/// Bytes that one connection buffers of a request; as large as a head.
pub(crate) const BUFFER_BYTES: usize = HEAD_BYTES;
/// Connections that have not become WebSockets: requests under way and silence
/// between them. Above it nothing is accepted until one ends.
pub(crate) const HTTP_CONNECTIONS: usize = 4_096;
/// Connections that the kernel holds for us while we accept: all clients of a server
/// come back at once after a restart.
pub(crate) const BACKLOG: u32 = 4_096;
/// How long accepting rests when the process has no file descriptor left.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests under way may take once the server stops.
pub(crate) const FINISH_REQUESTS: Duration = Duration::from_secs(5);
/// How long clients have to take their farewell, and the core to finish.
pub(crate) const FAREWELL: Duration = Duration::from_secs(3);
/// When to come back to a server that has no place left.
pub(crate) const FULL_RETRY: Duration = Duration::from_secs(5);
/// Characters of a request's name that a client or proxy may choose: a UUID and some.
pub(crate) const REQUEST_ID_CHARS: usize = 64;
/// How long the body of a request may take: the largest one over 280 kbit/s.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);
/// How long a request may take from its head to its answer: a slow body and a store
/// that is at its own limit, one after the other, and some.
pub(crate) const REQUEST_TIME: Duration = Duration::from_secs(60);
/// How long a refused body is still read, so that its sender sees the answer: closing
/// a socket with unread input makes the kernel reset it.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(2);
/// Bytes that are read and thrown away in that time.
pub(crate) const DRAIN_BYTES: usize = 4 * 1024 * 1024;
/// Characters of a decoding error that are told back: it may quote the request.
pub(crate) const DETAIL_CHARS: usize = 200;
/// Bytes of server-sent events that are handed to the socket at a time.
pub(crate) const EVENTS_AT_ONCE: usize = 16 * 1024;
/// Rooms that a resume position names at most. 18 to 20 bytes each, in base64 about
/// 10 KiB: it comes back in a header, and heads have 16 KiB.
pub(crate) const POSITION_ROOMS: usize = 400;
/// With at most this many rooms every event carries its position …
pub(crate) const POSITION_ROOMS_ALWAYS: usize = 16;
/// … with more, one event in so many does: repeats are allowed, holes are not.
pub(crate) const POSITION_EVERY: u32 = 16;
/// The range of the pause after which a browser opens a lost event stream again;
/// spread, because all of them are lost at once.
pub(crate) const EVENTS_RETRY_MS: (u64, u64) = (500, 5_000);
/// How long a browser may remember the answer to a preflight.
pub(crate) const PREFLIGHT_AGE: Duration = Duration::from_secs(600);
/// How long a browser may use the page's files without asking: a new server brings
/// new ones.
pub(crate) const PAGE_AGE: Duration = Duration::from_secs(0);
/// Connections to the listener for metrics at once: a few scrapers and probes.
pub(crate) const OPERATOR_CONNECTIONS: usize = 32;
/// How long such a connection may be silent; scrapers come every 10 to 60 s.
pub(crate) const OPERATOR_SILENCE: Duration = Duration::from_secs(90);
/// Exports under way at once: each holds a page of the store in memory, up to 40 MiB if
/// every message in it was as long as it may be.
pub(crate) const EXPORTS: usize = 8;
/// Bytes of an export that are handed to the socket at a time.
pub(crate) const EXPORT_PART: usize = 64 * 1024;
/// When to come back for an export when there is no place for it.
pub(crate) const EXPORT_PAUSE: Duration = Duration::from_secs(5);
