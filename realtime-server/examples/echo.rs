//! An echo through the same handshake, limits, loop and close codes as the chat: what
//! the public WebSocket conformance cases run against.
//!
//! Run `cargo run -p realtime-server --example echo`; it prints its address. Every
//! text and binary message comes back.

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    future::ready,
    io::Write,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Response;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use realtime_core::{Limits, protocol::CloseCode};
use realtime_server::ws::{Budget, Handshake, Inbound, Origins, Outgoing, Peer, Settings, Work};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// The largest message of the conformance cases.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// Sends back what it receives.
#[derive(Debug, Default)]
struct Echo {
    waiting: RefCell<VecDeque<Inbound>>,
}

impl Peer for Echo {
    const BINARY: bool = true;

    fn receive(&self, message: Inbound) -> Work {
        self.waiting.borrow_mut().push_back(message);
        Box::pin(ready(()))
    }

    fn poll_frames(
        &self,
        _: &mut Context<'_>,
        _room: usize,
        frames: &mut Outgoing,
    ) -> Poll<Option<CloseCode>> {
        match self.waiting.borrow_mut().pop_front() {
            Some(Inbound::Text(text)) => frames.text(&text),
            Some(Inbound::Binary(bytes)) => frames.binary(&bytes),
            // Nobody to be woken by: only a message can change it.
            None => return Poll::Pending,
        }
        Poll::Ready(None)
    }

    fn heard(&self) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn tick(&self) {}

    fn finish(self, _code: u16) -> Work {
        Box::pin(ready(()))
    }
}

/// The chat's limits, but for sizes: the cases send millions of bytes and fragments.
fn settings() -> Settings {
    Settings {
        frame_bytes: MESSAGE_BYTES,
        budget: Budget {
            frames_per_second: 1_000_000,
            frame_burst: 10_000_000,
            bytes_per_second: 1 << 30,
            byte_burst: 1 << 32,
            message_time: Duration::from_secs(60),
        },
        ..Settings::new(&Limits::default())
    }
}

fn answer(
    mut request: Request<Incoming>,
    settings: &Arc<Settings>,
    tasks: &TaskTracker,
) -> Response<String> {
    match Handshake::check(&mut request, &Origins::Any, "echo") {
        Ok(handshake) => {
            let response = handshake.accept(Arc::clone(settings), tasks, Echo::default);
            response.map(|()| String::new())
        }
        Err(refusal) => {
            let mut response = Response::new(refusal.to_string());
            *response.status_mut() = refusal.status();
            response.headers_mut().extend(refusal.header());
            response
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(
        std::io::stdout(),
        "listening on ws://{}/",
        listener.local_addr()?
    )?;
    let (settings, tasks) = (Arc::new(settings()), TaskTracker::new());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (settings, tasks) = (Arc::clone(&settings), tasks.clone());
        let service = service_fn(move |request| {
            ready(Ok::<_, Infallible>(answer(request, &settings, &tasks)))
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}
