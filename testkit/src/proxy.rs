//! A link that breaks when told to: a TCP proxy to put in front of a database, a Redis
//! or a server.
//!
//! Each direction passes, holds, delays or slows down what goes through, and can be
//! changed at any time, for connections that are open too. Connections are cut by a
//! reset, all at once or [where certain bytes pass by](Proxy::cut_at): the way to lose
//! exactly the `COMMIT`, or exactly its answer.

mod link;

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::PATIENCE;
use link::link;

/// How a PostgreSQL driver says `COMMIT`: a simple query.
pub const POSTGRES_COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// How a MariaDB driver says `COMMIT`: the first packet of a command, a text query.
pub const MARIADB_COMMIT: &[u8] = b"\x07\0\0\0\x03COMMIT";

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a link has two directions")]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What becomes of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// They pass.
    Pass,
    /// They are held, as by a network that has gone, until the flow changes. Nothing is
    /// lost, as TCP would send it again.
    Hold,
    /// They arrive so much later.
    Delay(Duration),
    /// They pass at so many bytes a second.
    Rate(u32),
}

/// On which side of the bytes a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "they arrive or they do not")]
pub enum Cut {
    /// The bytes do not arrive.
    Before,
    /// The bytes arrive, and the server has answered; the answer does not arrive.
    BeforeAnswer,
}

/// A listener on 127.0.0.1 that forwards to one server. Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    up: watch::Sender<Flow>,
    down: watch::Sender<Flow>,
    /// Counts the cuts: a connection lives until it changes.
    cuts: watch::Sender<u64>,
    refuses: AtomicBool,
    connections: AtomicUsize,
    traps: Mutex<VecDeque<Armed>>,
}

/// Where a connection is to be cut.
#[derive(Debug)]
struct Armed {
    bytes: Vec<u8>,
    cut: Cut,
    sprung: oneshot::Sender<()>,
}

/// Waits for the cut that was [ordered](Proxy::cut_at).
#[derive(Debug)]
pub struct Trap(oneshot::Receiver<()>);

impl Trap {
    /// Waits until the bytes have come by and the connection is cut.
    ///
    /// # Errors
    /// They do not come within [`PATIENCE`], or the proxy ends before.
    pub async fn sprung(self) -> io::Result<()> {
        timeout(PATIENCE, self.0)
            .await
            .map_err(io::Error::other)?
            .map_err(io::Error::other)
    }

    /// Whether that has happened.
    pub fn has_sprung(&mut self) -> bool {
        self.0.try_recv().is_ok()
    }
}

impl Proxy {
    /// Starts a proxy that passes everything.
    ///
    /// # Errors
    /// It cannot listen.
    pub async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            up: watch::Sender::new(Flow::Pass),
            down: watch::Sender::new(Flow::Pass),
            cuts: watch::Sender::new(0),
            refuses: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            traps: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// The same for a server on a port of 127.0.0.1.
    ///
    /// # Errors
    /// As [`to`](Self::to).
    pub async fn to_port(port: u16) -> io::Result<Self> {
        Self::to((Ipv4Addr::LOCALHOST, port).into()).await
    }

    /// Where clients connect to.
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The port of [`addr`](Self::addr).
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections that are open through this.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// What becomes of bytes in one direction from now on.
    pub fn set(&self, direction: Direction, flow: Flow) {
        match direction {
            Direction::Up => self.shared.up.send_replace(flow),
            Direction::Down => self.shared.down.send_replace(flow),
        };
    }

    /// The same in both.
    pub fn set_both(&self, flow: Flow) {
        self.set(Direction::Up, flow);
        self.set(Direction::Down, flow);
    }

    /// Resets all connections that are open, at both ends.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Whether new connections are reset at once; those that are open stay.
    pub fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Release);
    }

    /// Cuts the one connection on which a client sends `bytes` next, once. Of several
    /// traps for the same bytes each is sprung by another passage, in order.
    pub fn cut_at(&self, bytes: &[u8], cut: Cut) -> Trap {
        assert!(!bytes.is_empty(), "nothing passes by always");
        let (sprung, trap) = oneshot::channel();
        self.shared.traps().push_back(Armed {
            bytes: bytes.to_owned(),
            cut,
            sprung,
        });
        Trap(trap)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Shared {
    fn traps(&self) -> MutexGuard<'_, VecDeque<Armed>> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn flow(&self, direction: Direction) -> &watch::Sender<Flow> {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// Bytes of the past that may belong to what a trap waits for.
    fn longest_trap(&self) -> usize {
        let traps = self.traps();
        traps.iter().map(|trap| trap.bytes.len()).max().unwrap_or(0)
    }

    /// The trap that is sprung by `new`, where `seen` ends with `new`.
    fn springs(&self, seen: &[u8], new: usize) -> Option<Armed> {
        let mut traps = self.traps();
        let found = traps.iter().position(|trap| {
            // A passage that ended before was before the trap.
            let from = (seen.len() - new).saturating_sub(trap.bytes.len() - 1);
            let mut places = seen[from..].windows(trap.bytes.len());
            places.any(|place| place == trap.bytes)
        });
        traps.remove(found?)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let cuts = shared.cuts.subscribe();
        tokio::spawn(async move {
            if shared.refuses.load(Ordering::Acquire) {
                client.set_zero_linger().ok();
                return;
            }
            match TcpStream::connect(shared.server).await {
                Ok(server) => {
                    shared.connections.fetch_add(1, Ordering::AcqRel);
                    link(client, server, &shared, cuts).await;
                    shared.connections.fetch_sub(1, Ordering::AcqRel);
                }
                Err(_) => {
                    client.set_zero_linger().ok();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
