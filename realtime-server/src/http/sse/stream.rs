//! The body of the answer: lines of the mailbox as they come, until the connection is
//! closed.
//!
//! hyper asks for more only when the socket has taken what came before, so a slow
//! reader's lines wait in the mailbox, with its ladder. One that takes nothing at all
//! is cut by the socket's own time-out, see `server.rs`.

use std::{
    convert::Infallible,
    fmt::Write,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use realtime_core::{
    Connection,
    metrics::{Metrics, close_code},
    protocol::{CloseCode, Line},
};
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep_until};

use super::tracker::{Meaning, Tracker};
use crate::{
    admission::Place,
    http::{EVENTS_AT_ONCE, EVENTS_RETRY_MS},
};

/// The label of this transport in the metrics.
const TRANSPORT: &str = "sse";
/// A connection that ended without a word (RFC 6455 §7.4.1).
const VANISHED: u16 = 1006;

#[derive(Serialize)]
struct Close {
    code: u16,
    reason: &'static str,
}

/// One client's stream.
#[derive(Debug)]
pub(super) struct Events {
    /// Until the last event has been told.
    connection: Option<Connection>,
    tracker: Tracker,
    metrics: Metrics,
    alarm: Pin<Box<Sleep>>,
    has_begun: bool,
    code: u16,
    _place: Place,
}

impl Events {
    pub(super) fn new(
        connection: Connection,
        tracker: Tracker,
        metrics: Metrics,
        place: Place,
    ) -> Self {
        metrics.connections.of(TRANSPORT).inc();
        Self {
            connection: Some(connection),
            tracker,
            metrics,
            alarm: Box::pin(sleep_until(Instant::now())),
            has_begun: false,
            code: VANISHED,
            _place: place,
        }
    }

    /// Does what is due. The client has no voice: as long as the socket takes what is
    /// written, it lives.
    fn tick(&self, now: Instant) {
        let Some(connection) = &self.connection else {
            return;
        };
        let is_due = connection.deadline().is_some_and(|at| at <= now.into_std());
        if is_due {
            connection.heard();
            connection.tick();
        }
    }

    fn tell(&mut self, lines: &[Line]) -> Bytes {
        let mut text = String::new();
        if !self.has_begun {
            self.has_begun = true;
            retry(&mut text, EVENTS_RETRY_MS);
        }
        for line in lines {
            match self.tracker.note(line) {
                Meaning::Ping => {
                    text.push_str(": ping\n");
                    if let Some(id) = self.tracker.pending() {
                        field(&mut text, "id", &id);
                    }
                    text.push('\n');
                    continue;
                }
                Meaning::Drain(min_ms, max_ms) => retry(&mut text, (min_ms, max_ms)),
                Meaning::Welcome(resets) if !resets.is_empty() => {
                    // The position only after the resets: before them it would lie.
                    self.event(&mut text, line, false);
                    let last = resets.len() - 1;
                    for (place, reset) in resets.iter().enumerate() {
                        self.event(&mut text, reset, place == last);
                    }
                    continue;
                }
                Meaning::Welcome(_) | Meaning::Event => {}
            }
            self.event(&mut text, line, true);
        }
        text.into()
    }

    fn event(&mut self, text: &mut String, line: &Line, with_position: bool) {
        let id = if with_position {
            self.tracker.due()
        } else {
            None
        };
        if let Some(id) = id {
            field(text, "id", &id);
        }
        field(text, "data", line);
        text.push('\n');
    }

    fn close(&mut self, code: CloseCode) -> Bytes {
        self.connection = None;
        self.code = code.number();
        let close = Close {
            code: code.number(),
            reason: code.reason(),
        };
        let mut text = String::new();
        field(&mut text, "event", "close");
        // Our own struct of a number and a word always encodes.
        let data = serde_json::to_string(&close).unwrap_or_default();
        field(&mut text, "data", &data);
        text.push('\n');
        text.into()
    }
}

fn field(text: &mut String, name: &str, value: &str) {
    for part in [name, ": ", value, "\n"] {
        text.push_str(part);
    }
}

/// When to open the stream again once it is lost: somewhere in a range.
fn retry(text: &mut String, (min, max): (u64, u64)) {
    let pause = rand::random_range(min..=max.max(min));
    // Writing to a string does not fail.
    let _ = writeln!(text, "retry: {pause}");
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let mut lines = Vec::new();
        loop {
            this.tick(Instant::now());
            let Some(connection) = &this.connection else {
                return Poll::Ready(None);
            };
            match connection.poll_lines(cx, EVENTS_AT_ONCE, &mut lines) {
                Poll::Ready(None) => {
                    let bytes = this.tell(&lines);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Poll::Ready(Some(code)) => {
                    let bytes = this.close(code);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Poll::Pending => {}
            }
            let Some(deadline) = connection.deadline().map(Instant::from_std) else {
                return Poll::Pending;
            };
            if this.alarm.deadline() != deadline {
                this.alarm.as_mut().reset(deadline);
            }
            ready!(this.alarm.as_mut().poll(cx));
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.metrics.connections.of(TRANSPORT).dec();
        self.metrics
            .connections_closed
            .of(close_code(self.code))
            .inc();
    }
}
