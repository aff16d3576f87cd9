//! A client that sends what it is told to, byte by byte.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    PATIENCE,
    frame::{Frame, Received, opcode},
};

/// The key of RFC 6455's example, and what a server must make of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const READ: usize = 64 * 1024;

/// A connection to a server, before or after it became a WebSocket.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// The head of an HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Some(Self { status, headers })
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// With a close frame; `None`: one without a code.
    Code(Option<u16>),
    /// Closed without a close frame.
    Eof,
    /// Reset, or otherwise broken.
    Broken,
}

/// The request of a right upgrade; `extra` are whole header lines.
pub fn upgrade_request(path: &str, address: SocketAddr, extra: &[&str]) -> String {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    for line in extra {
        request.push_str(line);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

impl Client {
    /// Connects, and sends nothing.
    ///
    /// # Errors
    /// The server does not listen.
    pub async fn dial(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Connects and becomes a WebSocket.
    ///
    /// # Errors
    /// The server does not listen, or refuses.
    pub async fn open(address: SocketAddr, path: &str, extra: &[&str]) -> io::Result<Self> {
        let mut client = Self::dial(address).await?;
        client
            .send_raw(upgrade_request(path, address, extra).as_bytes())
            .await?;
        let head = client.head().await?;
        if head.status == 101 && head.header("sec-websocket-accept") == Some(ACCEPT) {
            Ok(client)
        } else {
            Err(io::Error::other(format!("not upgraded: {head:?}")))
        }
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection is broken, or takes nothing for too long.
    pub async fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        in_time("sending", self.stream.write_all(bytes)).await
    }

    /// Sends bytes until all are taken, or none for `patience`; tells how many were.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn send_until_stuck(
        &mut self,
        bytes: &[u8],
        patience: Duration,
    ) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match timeout(patience, self.stream.write(&bytes[sent..])).await {
                Ok(written) => sent += written?,
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.send_raw(&frame.to_bytes()).await
    }

    /// Sends a JSON object as a text frame.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn say(&mut self, object: &Value) -> io::Result<()> {
        self.send(&Frame::text(&object.to_string())).await
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn shut(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// The head of the next HTTP answer.
    ///
    /// # Errors
    /// The connection ends first, or too much time passes.
    pub async fn head(&mut self) -> io::Result<Head> {
        let reading = async {
            loop {
                let end = self.unread.windows(4).position(|four| four == b"\r\n\r\n");
                if let Some(end) = end {
                    let head = String::from_utf8_lossy(&self.unread[..end]).into_owned();
                    self.unread.drain(..end + 4);
                    return Head::parse(&head)
                        .ok_or_else(|| io::Error::other(format!("no HTTP: {head:?}")));
                }
                self.fill().await?;
            }
        };
        in_time("an HTTP answer", reading).await
    }

    /// Everything up to the end of the connection.
    ///
    /// # Errors
    /// The connection breaks, or does not end in time.
    pub async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let reading = async {
            loop {
                match self.fill().await {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                        return Ok(std::mem::take(&mut self.unread));
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        in_time("the end of the connection", reading).await
    }

    /// The next frame.
    ///
    /// # Errors
    /// The connection ends first, or too much time passes.
    pub async fn frame(&mut self) -> io::Result<Received> {
        self.frame_within(PATIENCE).await
    }

    /// The next frame, with a patience of one's own.
    ///
    /// # Errors
    /// The connection ends first, or too much time passes.
    pub async fn frame_within(&mut self, patience: Duration) -> io::Result<Received> {
        let reading = async {
            loop {
                if let Some(frame) = Received::take(&mut self.unread) {
                    return Ok(frame);
                }
                self.fill().await?;
            }
        };
        within(patience, "a frame", reading).await
    }

    /// The JSON objects of the next text frame; pings and pongs are passed over.
    ///
    /// # Errors
    /// Another frame, or none; or text that is no JSON.
    pub async fn objects(&mut self) -> io::Result<Vec<Value>> {
        loop {
            let frame = self.frame().await?;
            match frame.opcode {
                opcode::TEXT => {
                    let text = frame.text();
                    let lines = text.split('\n').map(serde_json::from_str);
                    return lines.collect::<Result<_, _>>().map_err(io::Error::other);
                }
                opcode::PING | opcode::PONG => {}
                _ => return Err(io::Error::other(format!("an unexpected frame: {frame:?}"))),
            }
        }
    }

    /// Reads on until the connection ends, and says how.
    ///
    /// # Errors
    /// It does not end in time.
    pub async fn end(&mut self) -> io::Result<End> {
        let reading = async {
            loop {
                match Received::take(&mut self.unread) {
                    Some(frame) if frame.opcode == opcode::CLOSE => {
                        return Ok(End::Code(frame.close_code()));
                    }
                    Some(_) => {}
                    None => match self.fill().await {
                        Ok(()) => {}
                        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                            return Ok(End::Eof);
                        }
                        Err(_) => return Ok(End::Broken),
                    },
                }
            }
        };
        in_time("the end of the connection", reading).await
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; READ];
        match self.stream.read(&mut buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            read => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(())
            }
        }
    }
}

async fn in_time<T>(what: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    within(PATIENCE, what, work).await
}

async fn within<T>(
    patience: Duration,
    what: &str,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    timeout(patience, work).await.unwrap_or_else(|_| {
        Err(io::Error::new(
            ErrorKind::TimedOut,
            format!("no {what} in time"),
        ))
    })
}
