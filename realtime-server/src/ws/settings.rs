//! Every limit of a WebSocket connection, and the one place that hands them to the
//! library. What tungstenite itself would allow is unsafe for a server: 64 MiB
//! messages, buffers of 128 KiB for each connection, and frames without number.

use std::time::Duration;

use realtime_core::limits::Limits;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Bytes read from a socket at a time. Held only while a connection reads, so this
/// is about system calls: most frames come in one, the largest in sixteen.
const READ_BUFFER: usize = 4 * 1024;
/// Bytes of control frames (pong, close) that the library may hold back. Ours takes
/// each of them at once; the library wants more than its write threshold, 0.
const LIBRARY_WRITE_BUFFER: usize = 1024;
/// Bytes that are joined before they are written: one system call for all that
/// waits, and no more than one socket's share of memory.
pub(super) const WRITE_AT_ONCE: usize = 64 * 1024;
/// Unsent bytes at which a connection is no longer read: only pongs can lift it
/// above [`WRITE_AT_ONCE`], so who neither reads nor stops pinging waits here.
pub(super) const UNREAD_AT: usize = 2 * WRITE_AT_ONCE;
/// Messages of one connection handled before other tasks have their turn.
pub(super) const MESSAGES_PER_TURN: usize = 32;
/// How long a closed connection is still read, so that the peer sees the code:
/// closing a socket with unread input makes the kernel reset it.
pub(super) const CLOSE_TIME: Duration = Duration::from_secs(2);
/// Bytes that are read and thrown away in that time.
pub(super) const CLOSE_BYTES: usize = 4 * 1024 * 1024;

/// How far above what the rations of a user allow a connection is a flood: below,
/// it is told `rate_limited`.
const FLOOD_FACTOR: u64 = 8;
/// Frames a second below which no connection is called a flood, whatever the
/// rations: a millisecond of work.
const FRAMES_PER_SECOND: u64 = 500;
/// The same for what may come at once; a connection that reconnects sends a lot.
const FRAME_BURST: u64 = 5_000;
/// Bytes a second below which no connection is called a flood.
const BYTES_PER_SECOND: u64 = 2 * 1024 * 1024;
/// The same for what may come at once.
const BYTE_BURST: u64 = 8 * 1024 * 1024;
/// How long one message may take to arrive: the largest one over 35 kbit/s.
const MESSAGE_TIME: Duration = Duration::from_secs(15);

/// What one connection may send. The library counts nothing of this.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "endpoints of other protocols set it"
)]
pub struct Budget {
    /// Frames a second in the long run: data, continuation and control frames alike.
    pub frames_per_second: u64,
    /// Frames at once after a pause.
    pub frame_burst: u64,
    /// Bytes a second in the long run, frame headers included.
    pub bytes_per_second: u64,
    /// Bytes at once after a pause.
    pub byte_burst: u64,
    /// How long a message may take from its first byte to its last.
    pub message_time: Duration,
}

/// The limits of a WebSocket connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "endpoints of other protocols set it"
)]
pub struct Settings {
    /// Bytes of one frame and of one message.
    pub frame_bytes: usize,
    /// JSON objects that are joined into one frame to the client.
    pub frame_objects: usize,
    /// How long a peer may take none of the bytes that wait for it.
    pub stall_timeout: Duration,
    /// What the peer may send.
    pub budget: Budget,
}

impl Settings {
    /// The limits of a server's connections.
    pub fn new(limits: &Limits) -> Self {
        Self {
            frame_bytes: limits.frame_bytes,
            frame_objects: limits.frame_objects,
            stall_timeout: limits.stall_timeout,
            budget: Budget::new(limits),
        }
    }

    /// The same limits in the library's words.
    pub(super) fn library(&self) -> WebSocketConfig {
        WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(LIBRARY_WRITE_BUFFER)
            .max_message_size(Some(self.frame_bytes))
            .max_frame_size(Some(self.frame_bytes))
            .accept_unmasked_frames(false)
    }
}

impl Budget {
    /// Far more than a user's rations allow.
    pub fn new(limits: &Limits) -> Self {
        let flood = |messages: u32, commands: u32| {
            FLOOD_FACTOR.saturating_mul(u64::from(messages) + u64::from(commands))
        };
        let message_bytes = u64::try_from(limits.body_bytes.saturating_add(limits.metadata_bytes))
            .unwrap_or(u64::MAX);
        let steady = flood(limits.messages_per_second, limits.commands_per_second);
        let burst = flood(limits.message_burst, limits.command_burst);
        Self {
            frames_per_second: steady.max(FRAMES_PER_SECOND),
            frame_burst: burst.max(FRAME_BURST),
            bytes_per_second: steady.saturating_mul(message_bytes).max(BYTES_PER_SECOND),
            byte_burst: burst.saturating_mul(message_bytes).max(BYTE_BURST),
            message_time: MESSAGE_TIME,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketContext};

    use super::*;

    #[test]
    fn every_limit_reaches_the_library() {
        let limits = Limits {
            frame_bytes: 12_345,
            ..Limits::default()
        };
        let settings = Settings::new(&limits);
        let context = WebSocketContext::new(Role::Server, Some(settings.library()));
        let WebSocketConfig {
            read_buffer_size,
            write_buffer_size,
            max_write_buffer_size,
            max_message_size,
            max_frame_size,
            accept_unmasked_frames,
            ..
        } = *context.get_config();
        assert_eq!(max_message_size, Some(12_345));
        assert_eq!(max_frame_size, Some(12_345));
        assert_eq!(read_buffer_size, 4_096);
        assert_eq!(write_buffer_size, 0);
        assert_eq!(max_write_buffer_size, 1_024);
        assert!(!accept_unmasked_frames);
    }

    #[test]
    fn the_budget_is_far_above_the_rations() {
        let modest = Budget::new(&Limits::default());
        assert_eq!(modest.frames_per_second, 500);
        assert_eq!(modest.frame_burst, 5_000);
        let generous = Budget::new(&Limits {
            messages_per_second: 100_000,
            message_burst: 100_000,
            ..Limits::default()
        });
        assert!(generous.frames_per_second >= 800_000);
        assert!(generous.byte_burst >= 100_000 * 8_192);
    }
}
