//! How every connection ends: the close frame is written, then what the peer still
//! sends is read and thrown away for a while. A socket that is closed with unread
//! input is reset by the kernel, and a reset destroys the close frame on its way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use realtime_core::protocol::CloseCode;
use tokio::{io::ReadBuf, time::Instant};
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

use super::{
    Outgoing,
    meter::Meter,
    settings::{CLOSE_BYTES, CLOSE_TIME},
    socket::Socket,
};

/// Bytes thrown away at a time; on the stack.
const SCRATCH: usize = 4 * 1024;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The socket is gone; there is nobody to tell.
    Gone,
    /// The client said goodbye, and the answer waits to be written.
    Goodbye {
        /// What it said.
        code: u16,
    },
    /// We say goodbye.
    Close(CloseCode),
}

/// What RFC 6455 calls a connection that broke without a close frame.
const BROKEN: u16 = 1006;

impl Ending {
    /// The close code that counts.
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Gone => BROKEN,
            Self::Goodbye { code } => code,
            Self::Close(code) => code.number(),
        }
    }

    /// What an error of the library means for the connection.
    pub(super) fn of(error: &Error, meter: &Meter) -> Self {
        match error {
            Error::Io(_) if meter.is_over() => Self::Close(CloseCode::Flood),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => Self::Gone,
            Error::Protocol(_) => Self::Close(CloseCode::ProtocolError),
            Error::Utf8(_) => Self::Close(CloseCode::InvalidData),
            Error::Capacity(_) => Self::Close(CloseCode::TooBig),
            Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::AttackAttempt
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => Self::Close(CloseCode::ServerError),
        }
    }
}

/// A connection that is being closed.
#[derive(Debug)]
pub(super) struct Closing {
    /// Until when the peer is read; `None`: no longer.
    pub(super) deadline: Option<Instant>,
    bytes_left: usize,
    is_shut: bool,
}

impl Closing {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            deadline: Some(now + CLOSE_TIME),
            bytes_left: CLOSE_BYTES,
            is_shut: false,
        }
    }

    /// Ready when the socket may be dropped: the peer has closed its side too, or has
    /// sent too much. The caller ends it earlier by taking the deadline.
    pub(super) fn poll<S: Socket>(
        &mut self,
        socket: &mut S,
        outgoing: &mut Outgoing,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.deadline.is_none() || self.say(socket, outgoing, cx).is_err() {
            return Poll::Ready(());
        }
        self.poll_drain(socket, cx)
    }

    /// Writes what waits, then closes our side. Does not wait.
    fn say<S: Socket>(
        &mut self,
        socket: &mut S,
        outgoing: &mut Outgoing,
        cx: &mut Context<'_>,
    ) -> std::io::Result<()> {
        while !outgoing.is_empty() {
            if let Poll::Ready(written) = outgoing.poll_write(socket, cx) {
                written?;
            } else {
                return Ok(());
            }
        }
        if !self.is_shut
            && let Poll::Ready(shut) = Pin::new(&mut *socket).poll_shutdown(cx)
        {
            shut?;
            self.is_shut = true;
        }
        Ok(())
    }

    fn poll_drain<S: Socket>(&mut self, socket: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; SCRATCH];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            let Poll::Ready(read) = Pin::new(&mut *socket).poll_read(cx, &mut buffer) else {
                return Poll::Pending;
            };
            let count = buffer.filled().len();
            if read.is_err() || count == 0 || count >= self.bytes_left {
                return Poll::Ready(());
            }
            self.bytes_left -= count;
        }
    }
}
