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
