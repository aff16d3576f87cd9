//! One client connection: its socket, how far its handshake is, what waits to
//! be written.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use crate::frame::{FrameError, FrameReader};
use crate::limits::MAX_HEAD_BYTES;

/// The key of RFC 6455's own example: a load generator gains nothing from a
/// random one, and the server's answer is known in advance.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const SUBPROTOCOL: &str = "rt.v1.json";

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is no socket.
    Closed,
    /// It waits for its turn to connect.
    Waiting,
    /// TCP is connecting.
    Connecting,
    /// The upgrade request is out.
    Upgrading,
    /// The `connect` command is out.
    Authenticating,
    /// Commands and pushes flow.
    Open,
}

impl Stage {
    /// Whether the server has not let the client in yet.
    pub(crate) const fn is_handshake(self) -> bool {
        match self {
            Self::Closed | Self::Waiting | Self::Open => false,
            Self::Connecting | Self::Upgrading | Self::Authenticating => true,
        }
    }
}

/// Why a connection ended without the generator wanting it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CloseReason {
    /// The server's close frame, with its code.
    #[error("closed by the server with code {0:?}")]
    Code(Option<u16>),
    /// The server closed TCP without a close frame.
    #[error("TCP closed without a close frame")]
    End,
    /// The socket failed.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// The server's frames are broken.
    #[error("framing: {0}")]
    Frame(#[from] FrameError),
    /// The server did not let the client in.
    #[error("handshake: {0}")]
    Handshake(String),
    /// The handshake took too long.
    #[error("the handshake took longer than {0:?}")]
    Timeout(Duration),
}

/// One client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stage: Stage,
    pub(crate) stream: Option<TcpStream>,
    pub(crate) reader: FrameReader,
    /// When TCP began to connect.
    pub(crate) started: Instant,
    /// The `connect` command, sent after the upgrade.
    pub(crate) hello: String,
    /// Whether it stands in the list of those with something to write.
    pub(crate) is_dirty: bool,
    /// What waits to be written, from `written` on.
    pub(crate) out: Vec<u8>,
    written: usize,
    /// The HTTP response as far as it has come.
    head: Vec<u8>,
}

impl Connection {
    /// A connection that was never opened.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            stage: Stage::Closed,
            stream: None,
            reader: FrameReader::default(),
            started: now,
            hello: String::new(),
            is_dirty: false,
            out: Vec::new(),
            written: 0,
            head: Vec::new(),
        }
    }

    /// Starts to connect.
    ///
    /// # Errors
    /// When the operating system refuses at once (no port, no descriptor).
    pub(crate) fn dial(&mut self, target: SocketAddr, now: Instant) -> io::Result<&mut TcpStream> {
        self.reset();
        let stream = TcpStream::connect(target)?;
        self.started = now;
        self.stage = Stage::Connecting;
        Ok(self.stream.insert(stream))
    }

    /// Whether TCP is connected by now.
    ///
    /// # Errors
    /// When it failed.
    pub(crate) fn is_connected(&self) -> io::Result<bool> {
        let Some(stream) = &self.stream else {
            return Ok(false);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => {
                // A send must not wait for the ack of the one before.
                stream.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes bytes of the HTTP response; what follows its head, once it is whole.
    ///
    /// # Errors
    /// When the response does not upgrade to the protocol.
    pub(crate) fn take_head(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, CloseReason> {
        self.head.extend_from_slice(bytes);
        let Some(end) = memchr::memmem::find(&self.head, b"\r\n\r\n") else {
            if self.head.len() > MAX_HEAD_BYTES {
                return Err(CloseReason::Handshake(
                    "an endless response head".to_owned(),
                ));
            }
            return Ok(None);
        };
        let rest = self.head.split_off(end + 4);
        let head = std::mem::take(&mut self.head);
        check_upgrade(&String::from_utf8_lossy(&head))?;
        Ok(Some(rest))
    }

    /// Writes what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// When the socket failed.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        while self.written < self.out.len() {
            match stream.write(&self.out[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }

    /// Closes TCP without a word. With `abort` the peer sees a reset, else the
    /// end of the stream.
    pub(crate) fn hang_up(&mut self, abort: bool) {
        if let Some(stream) = &self.stream
            && abort
        {
            // Without it the socket closes gently, which is a valid drop too.
            drop(socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)));
        }
        self.reset();
    }

    fn reset(&mut self) {
        self.stage = Stage::Closed;
        self.stream = None;
        self.reader.clear();
        self.out.clear();
        self.written = 0;
        self.head.clear();
    }
}

/// The upgrade request for `/ws/`.
pub(crate) fn upgrade_request(authority: &str) -> String {
    format!(
        "GET /ws/ HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
}

fn check_upgrade(head: &str) -> Result<(), CloseReason> {
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or("");
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    let has = |name: &str, expected: &str| {
        headers
            .iter()
            .any(|(key, value)| key.eq_ignore_ascii_case(name) && value.trim() == expected)
    };
    if !status.starts_with("HTTP/1.1 101") {
        return Err(CloseReason::Handshake(format!(
            "the server answered {status:?}"
        )));
    }
    if !has("sec-websocket-accept", ACCEPT) {
        return Err(CloseReason::Handshake(
            "a wrong Sec-WebSocket-Accept".to_owned(),
        ));
    }
    if !has("sec-websocket-protocol", SUBPROTOCOL) {
        return Err(CloseReason::Handshake(format!(
            "the server did not agree on {SUBPROTOCOL}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
        connection: upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        sec-websocket-protocol: rt.v1.json\r\n\r\n";

    #[test]
    fn a_response_may_come_in_pieces_with_frames_behind_it() {
        let bytes = format!("{RESPONSE}frames");
        for cut in 0..RESPONSE.len() {
            let mut connection = Connection::new(Instant::now());
            let (head, tail) = bytes.as_bytes().split_at(cut);
            assert_eq!(connection.take_head(head).unwrap(), None, "cut at {cut}");
            assert_eq!(connection.take_head(tail).unwrap().unwrap(), b"frames");
        }
    }

    #[test]
    fn a_response_that_does_not_upgrade_is_refused() {
        for response in [
            RESPONSE.replace("101", "400"),
            RESPONSE.replace("s3pP", "S3pP"),
            RESPONSE.replace("rt.v1", "rt.v9"),
            "x".repeat(MAX_HEAD_BYTES + 1),
        ] {
            let mut connection = Connection::new(Instant::now());
            assert!(
                connection.take_head(response.as_bytes()).is_err(),
                "{response:.60}"
            );
        }
    }
}
