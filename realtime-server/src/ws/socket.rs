//! The socket as the driver sees it, and as the library does.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll},
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Instant,
};

use super::{Outgoing, meter::Meter, settings::Budget};

/// A byte stream under a WebSocket.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Ready when a read may give something. A guess is allowed; it spares an idle
    /// connection the buffer that a read needs.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Socket for TcpStream {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }
}

/// Whatever a host's hyper server runs over.
impl Socket for TokioIo<Upgraded> {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
impl Socket for tokio::io::DuplexStream {
    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The socket during one call of the library: reads are metered, what it writes
/// waits with everything else that leaves.
pub(super) struct Tap<'a, 'c, S> {
    pub(super) socket: &'a mut S,
    pub(super) cx: &'a mut Context<'c>,
    pub(super) meter: &'a mut Meter,
    pub(super) budget: &'a Budget,
    pub(super) outgoing: &'a mut Outgoing,
}

impl<S: Socket> Read for Tap<'_, '_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut *self.socket).poll_read(self.cx, &mut buffer) {
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) => {
                let read = buffer.filled();
                self.meter
                    .record(read, Instant::now(), self.budget)
                    .map_err(io::Error::other)?;
                Ok(read.len())
            }
        }
    }
}

impl<S> Write for Tap<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.raw(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
