//! One connection through the proxy.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout_at},
};

use super::{Cut, Direction, Flow, Shared};

/// What is read at once.
const CHUNK: usize = 16 * 1024;
/// Chunks that are under way in one direction; with them a delay does not become a rate.
const CHUNKS: usize = 64;
/// What a slow link passes at once.
const SLICE: usize = 256;

/// Bytes on their way, and when they came.
struct Chunk {
    came: Instant,
    bytes: Vec<u8>,
}

/// What both directions of one connection know.
struct Link<'a> {
    shared: &'a Shared,
    /// The next answer is to be lost, and who is told then.
    answer_is_lost: Mutex<Option<oneshot::Sender<()>>>,
}

/// Why a connection ends by a reset.
enum Reset {
    /// A socket broke, or everything was cut.
    Broken,
    /// A trap; whoever set it is told when the sockets are closed.
    Trap(oneshot::Sender<()>),
}

impl From<io::Error> for Reset {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Forwards until both ends have closed, or one has broken, or it is cut.
pub(super) async fn link(
    mut client: TcpStream,
    mut server: TcpStream,
    shared: &Shared,
    mut cuts: watch::Receiver<u64>,
) {
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let link = Link {
        shared,
        answer_is_lost: Mutex::default(),
    };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let both = async {
        tokio::try_join!(
            link.forward(Direction::Up, from_client, to_server),
            link.forward(Direction::Down, from_server, to_client),
        )
    };
    let ended = tokio::select! {
        ended = both => ended.map(|_| ()),
        _ = cuts.changed() => Err(Reset::Broken),
    };
    if let Err(reset) = ended {
        client.set_zero_linger().ok();
        server.set_zero_linger().ok();
        drop((client, server));
        match reset {
            Reset::Trap(sprung) => {
                sprung.send(()).ok();
            }
            Reset::Broken => {}
        }
    }
}

impl Link<'_> {
    async fn forward(
        &self,
        direction: Direction,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<(), Reset> {
        let (sender, mut queue) = mpsc::channel::<Chunk>(CHUNKS);
        let reading = async move {
            loop {
                let mut bytes = Vec::with_capacity(CHUNK);
                if from.read_buf(&mut bytes).await? == 0 {
                    return Ok(());
                }
                let came = Instant::now();
                if sender.send(Chunk { came, bytes }).await.is_err() {
                    return Ok(());
                }
            }
        };
        let writing = async {
            let mut flow = self.shared.flow(direction).subscribe();
            let mut seen = Vec::new();
            while let Some(chunk) = queue.recv().await {
                due(&mut flow, chunk.came).await;
                match direction {
                    Direction::Up => self.look(&mut seen, &chunk.bytes)?,
                    Direction::Down => self.lose_answer()?,
                }
                pass(&mut flow, &mut to, &chunk.bytes).await?;
            }
            to.shutdown().await?;
            Ok(())
        };
        tokio::try_join!(reading, writing).map(|_| ())
    }

    /// Looks for what a trap waits for.
    fn look(&self, seen: &mut Vec<u8>, new: &[u8]) -> Result<(), Reset> {
        seen.extend_from_slice(new);
        let armed = self.shared.springs(seen, new.len());
        let keep = self.shared.longest_trap();
        seen.drain(..seen.len().saturating_sub(keep));
        match armed {
            None => Ok(()),
            Some(armed) => match armed.cut {
                Cut::Before => Err(Reset::Trap(armed.sprung)),
                Cut::BeforeAnswer => {
                    *self.answer() = Some(armed.sprung);
                    Ok(())
                }
            },
        }
    }

    fn lose_answer(&self) -> Result<(), Reset> {
        match self.answer().take() {
            None => Ok(()),
            Some(sprung) => Err(Reset::Trap(sprung)),
        }
    }

    fn answer(&self) -> std::sync::MutexGuard<'_, Option<oneshot::Sender<()>>> {
        let answer = self.answer_is_lost.lock();
        answer.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until bytes that came at `came` may go on.
async fn due(flow: &mut watch::Receiver<Flow>, came: Instant) {
    loop {
        let now = *flow.borrow_and_update();
        match now {
            Flow::Pass | Flow::Rate(_) => return,
            Flow::Hold => {
                if flow.changed().await.is_err() {
                    return;
                }
            }
            Flow::Delay(by) => {
                // A flow that changes meanwhile decides anew.
                if timeout_at(came + by, flow.changed()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Writes at the pace of the flow.
async fn pass(
    flow: &mut watch::Receiver<Flow>,
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let now = *flow.borrow_and_update();
        match now {
            Flow::Rate(rate) => {
                let (slice, later) = rest.split_at(rest.len().min(SLICE));
                let length = u32::try_from(slice.len()).unwrap_or(u32::MAX);
                sleep(Duration::from_secs(1) * length / rate.max(1)).await;
                to.write_all(slice).await?;
                rest = later;
            }
            Flow::Pass | Flow::Hold | Flow::Delay(_) => {
                to.write_all(rest).await?;
                rest = &[];
            }
        }
    }
    Ok(())
}
