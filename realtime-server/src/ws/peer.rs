//! What a WebSocket connection is connected to.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use realtime_core::protocol::CloseCode;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Outgoing;

/// Work for a peer that the connection's task drives; boxed, so that an idle
/// connection holds none of it.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A whole message of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 6455 has these two")]
pub enum Inbound {
    /// Text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

/// What stands behind a WebSocket connection: it is given messages, and asked for
/// frames. The connection's task alone calls it.
pub trait Peer: Send + 'static {
    /// Whether binary messages are taken; if not, one closes the connection with 1003.
    const BINARY: bool;

    /// Handles one message. The next one is read only when this is done: that is the
    /// back pressure. Dropped before its end when the connection ends first.
    fn receive(&self, message: Inbound) -> Work;

    /// Adds frames that wait, about `room` bytes of them; `Ready(None)` when at least
    /// one was added. `Ready(Some(code))`: nothing more will come, close with this code.
    fn poll_frames(
        &self,
        cx: &mut Context<'_>,
        room: usize,
        frames: &mut Outgoing,
    ) -> Poll<Option<CloseCode>>;

    /// Something whole has come from the client: a message, a ping or a pong.
    fn heard(&self);

    /// When [`tick`](Self::tick) wants to be called. Asked after every step, so it
    /// must be cheap.
    fn deadline(&self) -> Option<Instant>;

    /// The deadline has come.
    fn tick(&self);

    /// The connection ended with this close code: the client's, ours, or 1006 when it
    /// broke without one. What [`receive`](Self::receive) gave has been dropped.
    fn finish(self, code: u16) -> Work;
}
