//! Every number of the generator, with its unit and its reason.

use std::time::Duration;

/// Bytes read from a socket in one call: large enough that one read takes all
/// that a saturated server has queued, small enough to stay in the L2 cache.
pub(crate) const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Reads from one socket before the others get their turn.
pub(crate) const READS_PER_EVENT: usize = 4;

/// Events taken from the kernel in one call.
pub(crate) const EVENTS: usize = 256;

/// Longest server frame accepted, in bytes. The protocol allows 64 KiB for
/// text; the rest is room for a long `connect` answer, not a licence.
pub(crate) const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// Longest HTTP response head accepted, in bytes.
pub(crate) const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Longest HTTP response body accepted, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// How long a connection may take from `connect(2)` to its `connect` answer.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long one REST call may take.
pub(crate) const REST_TIMEOUT: Duration = Duration::from_secs(60);

/// The finest wait the kernel offers through epoll; below it the loop spins.
pub(crate) const POLL_RESOLUTION: Duration = Duration::from_millis(1);

/// How often a draining run looks whether everything has arrived.
pub(crate) const DRAIN_TICK: Duration = Duration::from_millis(20);

/// How long a run still listens after the last expected delivery, so that a
/// late duplicate is seen.
pub(crate) const SETTLE: Duration = Duration::from_millis(300);

/// Pause before a refused closed-loop send is repeated when the server names none.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause that a server may ask of a closed-loop sender: a run has
/// an end, and a mistaken answer must not outlast it.
pub(crate) const MAX_RETRY_PAUSE: Duration = Duration::from_secs(5);

/// Latencies are recorded between these bounds, in nanoseconds; what is longer
/// counts as the upper bound.
pub(crate) const HISTOGRAM_NANOS: (u64, u64) = (1, 600_000_000_000);

/// Significant decimal digits of a recorded latency.
pub(crate) const HISTOGRAM_DIGITS: u8 = 3;

/// Examples of violations kept for the report.
pub(crate) const EXAMPLES: usize = 20;

/// Messages in a room beyond those that the generator sent (system messages)
/// that are believed before a `seq` counts as wrong.
pub(crate) const FOREIGN_MESSAGES: u64 = 1_000;

/// Validity of a minted token: longer than any run.
pub(crate) const TOKEN_VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// Clock ticks a second in `/proc/PID/stat`; fixed at 100 for user space on Linux.
pub(crate) const TICKS_PER_SECOND: u64 = 100;

/// Share of a core above which the generator itself may be the limit.
pub(crate) const SATURATED: f64 = 0.9;
