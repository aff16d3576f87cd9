//! A client of ours behind a WebSocket.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use realtime_core::{
    Connection,
    metrics::{Metrics, close_code},
    protocol::CloseCode,
};

use super::{Inbound, Outgoing, Peer, Settings, Work};
use crate::admission::Place;

/// The label of this transport in the metrics.
const TRANSPORT: &str = "ws";
/// The code with which a client says goodbye; it is offline at once then.
const NORMAL: u16 = CloseCode::Normal.number();

/// A connection to the core, with its place among the connections of this server.
#[derive(Debug)]
pub(crate) struct Chat {
    connection: Arc<Connection>,
    settings: Arc<Settings>,
    open: Open,
}

/// Counts as one of the open connections, however it ends.
#[derive(Debug)]
struct Open {
    metrics: Metrics,
    _place: Place,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.connections.of(TRANSPORT).dec();
    }
}

impl Chat {
    pub(crate) fn new(
        connection: Connection,
        settings: Arc<Settings>,
        metrics: Metrics,
        place: Place,
    ) -> Self {
        metrics.connections.of(TRANSPORT).inc();
        Self {
            connection: Arc::new(connection),
            settings,
            open: Open {
                metrics,
                _place: place,
            },
        }
    }
}

impl Peer for Chat {
    const BINARY: bool = false;

    fn receive(&self, message: Inbound) -> Work {
        let connection = Arc::clone(&self.connection);
        Box::pin(async move {
            match message {
                Inbound::Text(text) => connection.receive(text.as_str()).await,
                Inbound::Binary(_) => connection.close(CloseCode::UnsupportedData),
            }
        })
    }

    fn poll_frames(
        &self,
        cx: &mut Context<'_>,
        room: usize,
        frames: &mut Outgoing,
    ) -> Poll<Option<CloseCode>> {
        let mut lines = Vec::new();
        if let Some(code) = ready!(self.connection.poll_lines(cx, room, &mut lines)) {
            return Poll::Ready(Some(code));
        }
        let Settings {
            frame_objects,
            frame_bytes,
            ..
        } = *self.settings;
        frames.lines(&lines, frame_objects, frame_bytes);
        Poll::Ready(None)
    }

    fn heard(&self) {
        self.connection.heard();
    }

    fn deadline(&self) -> Option<Instant> {
        self.connection.deadline()
    }

    fn tick(&self) {
        self.connection.tick();
    }

    fn finish(self, code: u16) -> Work {
        self.open
            .metrics
            .connections_closed
            .of(close_code(code))
            .inc();
        Box::pin(async move {
            // Nobody else holds it: what was being received has been dropped.
            if let Some(connection) = Arc::into_inner(self.connection) {
                connection.finish(code == NORMAL).await;
            }
            drop(self.open);
        })
    }
}
