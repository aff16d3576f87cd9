//! One connection, one task, one loop.
//!
//! Reading and writing are polled together. A message is handled to its end before
//! the next is read, while lines still leave; what waits is joined and written with
//! one system call. An idle connection holds neither a read nor a write buffer, nor
//! the library's state: it is made when the socket becomes readable and dropped when
//! all that was read were whole messages.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use realtime_core::protocol::CloseCode;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{Role, WebSocketContext, frame::coding::CloseCode as PeerCode},
};

use super::{
    Inbound, Outgoing, Peer, Settings, Work,
    closing::{Closing, Ending},
    meter::Meter,
    settings::{MESSAGES_PER_TURN, UNREAD_AT, WRITE_AT_ONCE},
    socket::{Socket, Tap},
};

/// Runs a connection until both sides have closed it. `leftover` is what was read
/// behind the upgrade request.
///
/// # Cancel safety
/// Dropping it drops the socket, without a close frame and without
/// [`Peer::finish`].
pub(super) fn drive<S: Socket, P: Peer>(
    socket: S,
    leftover: &[u8],
    peer: P,
    settings: Arc<Settings>,
) -> impl Future<Output = ()> + Send + use<S, P> {
    let now = Instant::now();
    let mut driver = Driver::new(socket, leftover, peer, settings, now);
    // Captured, not passed: an `async fn` would hold its arguments and its variables.
    async move {
        let mut alarm = pin!(sleep_until(driver.next_alarm().unwrap_or(now)));
        poll_fn(|cx| driver.poll(cx, alarm.as_mut())).await;
    }
}

struct Driver<S, P> {
    socket: S,
    /// Until the connection is closing.
    peer: Option<P>,
    settings: Arc<Settings>,
    /// The library's state, while bytes of the peer are being read.
    library: Option<Box<WebSocketContext>>,
    meter: Meter,
    outgoing: Outgoing,
    /// A message being handled; while closing, the peer's farewell.
    work: Option<Work>,
    /// When the waiting bytes count as taken by nobody, unless some are.
    stall: Option<Instant>,
    closing: Option<Closing>,
}

/// Why the input rests.
enum Rest {
    /// The socket has nothing, or the last message is still being handled.
    Waiting,
    /// Too much waits to be written.
    Unread,
}

impl<S: Socket, P: Peer> Driver<S, P> {
    fn new(socket: S, leftover: &[u8], peer: P, settings: Arc<Settings>, now: Instant) -> Self {
        let mut meter = Meter::new(now);
        // Over budget already? The next read says so.
        let library = (!leftover.is_empty()).then(|| {
            let _ = meter.record(leftover, now, &settings.budget);
            let config = Some(settings.library());
            Box::new(WebSocketContext::from_partially_read(
                leftover.to_vec(),
                Role::Server,
                config,
            ))
        });
        Self {
            socket,
            peer: Some(peer),
            settings,
            library,
            meter,
            outgoing: Outgoing::default(),
            work: None,
            stall: None,
            closing: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, mut alarm: Pin<&mut Sleep>) -> Poll<()> {
        loop {
            if self.closing.is_some() {
                if self.poll_closing(cx).is_ready() {
                    return Poll::Ready(());
                }
            } else if let Poll::Ready(ending) = self.poll_open(cx) {
                self.end(ending, cx);
                continue;
            }
            ready!(self.poll_alarm(cx, alarm.as_mut()));
            if let Some(ending) = self.on_alarm(Instant::now()) {
                self.end(ending, cx);
            }
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            let rest = match self.poll_input(cx) {
                Ok(rest) => rest,
                Err(ending) => return Poll::Ready(ending),
            };
            if let Poll::Ready(ending) = self.poll_output(cx) {
                return Poll::Ready(ending);
            }
            match rest {
                Rest::Unread if self.outgoing.waiting() < UNREAD_AT => {}
                Rest::Unread | Rest::Waiting => return Poll::Pending,
            }
        }
    }

    /// Reads and handles messages, until there are none or others should have a turn.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Result<Rest, Ending> {
        for _ in 0..MESSAGES_PER_TURN {
            if let Some(work) = &mut self.work {
                if work.as_mut().poll(cx).is_pending() {
                    return Ok(Rest::Waiting);
                }
                self.work = None;
            }
            if self.outgoing.waiting() >= UNREAD_AT {
                return Ok(Rest::Unread);
            }
            match self.poll_read(cx) {
                Poll::Pending => return Ok(Rest::Waiting),
                Poll::Ready(Ok(message)) => self.on_message(message, cx)?,
                Poll::Ready(Err(error)) => return Err(Ending::of(&error, &self.meter)),
            }
        }
        cx.waker().wake_by_ref();
        Ok(Rest::Waiting)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        if self.library.is_none() {
            ready!(self.socket.poll_readable(cx))?;
        }
        let config = self.settings.library();
        let library = self
            .library
            .get_or_insert_with(|| Box::new(WebSocketContext::new(Role::Server, Some(config))));
        let mut tap = Tap {
            socket: &mut self.socket,
            cx,
            meter: &mut self.meter,
            budget: &self.settings.budget,
            outgoing: &mut self.outgoing,
        };
        match library.read(&mut tap) {
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                // Whole messages were read, and all were taken: nothing is left in it.
                if self.meter.is_between_messages() {
                    self.library = None;
                }
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    fn on_message(&mut self, message: Message, cx: &mut Context<'_>) -> Result<(), Ending> {
        match message {
            Message::Text(text) => self.handle(Inbound::Text(text)),
            Message::Binary(bytes) if P::BINARY => self.handle(Inbound::Binary(bytes)),
            Message::Binary(_) => return Err(Ending::Close(CloseCode::UnsupportedData)),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                if let Some(peer) = &self.peer {
                    peer.heard();
                }
            }
            Message::Close(frame) => {
                self.take_frames(cx);
                self.answer_close(cx);
                let code = frame.map_or(PeerCode::Status, |frame| frame.code).into();
                return Err(Ending::Goodbye { code });
            }
        }
        Ok(())
    }

    fn handle(&mut self, message: Inbound) {
        if let Some(peer) = &self.peer {
            peer.heard();
            self.work = Some(peer.receive(message));
        }
    }

    /// Lets the library answer a close frame with one of its own.
    fn answer_close(&mut self, cx: &mut Context<'_>) {
        if let Some(library) = &mut self.library {
            let mut tap = Tap {
                socket: &mut self.socket,
                cx,
                meter: &mut self.meter,
                budget: &self.settings.budget,
                outgoing: &mut self.outgoing,
            };
            // Says `ConnectionClosed` once the answer is in `outgoing`, where nothing fails.
            let _ = library.flush(&mut tap);
        }
    }

    /// Writes what waits, until nothing does or the socket is full.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            if let Some(code) = self.take_frames(cx) {
                return Poll::Ready(Ending::Close(code));
            }
            if self.outgoing.is_empty() {
                return Poll::Pending;
            }
            match self.outgoing.poll_write(&mut self.socket, cx) {
                Poll::Ready(Ok(_)) => self.stall = None,
                Poll::Ready(Err(_)) => return Poll::Ready(Ending::Gone),
                Poll::Pending => {
                    let patience = self.settings.stall_timeout;
                    self.stall.get_or_insert_with(|| Instant::now() + patience);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes what waits in the peer, as much as is written at once; a code when
    /// nothing more will come. While the socket is full, it waits in the peer, where
    /// it is shared and rationed.
    fn take_frames(&mut self, cx: &mut Context<'_>) -> Option<CloseCode> {
        let peer = self.peer.as_ref()?;
        while self.outgoing.waiting() < WRITE_AT_ONCE && self.stall.is_none() {
            let room = WRITE_AT_ONCE - self.outgoing.waiting();
            match peer.poll_frames(cx, room, &mut self.outgoing) {
                Poll::Ready(None) => {}
                Poll::Ready(Some(code)) => return Some(code),
                Poll::Pending => return None,
            }
        }
        None
    }

    fn end(&mut self, ending: Ending, cx: &mut Context<'_>) {
        match ending {
            Ending::Goodbye { .. } => {}
            Ending::Close(code) => {
                self.take_frames(cx);
                self.outgoing.close(code);
            }
            Ending::Gone => self.outgoing = Outgoing::default(),
        }
        tracing::debug!(?ending, "a connection ends");
        self.library = None;
        self.stall = None;
        self.closing = Some(Closing::new(Instant::now()));
        // What was being handled is dropped before the peer is told to finish.
        self.work = None;
        self.work = self.peer.take().map(|peer| peer.finish(ending.code()));
    }

    fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(farewell) = &mut self.work
            && farewell.as_mut().poll(cx).is_ready()
        {
            self.work = None;
        }
        let Some(closing) = &mut self.closing else {
            return Poll::Ready(());
        };
        ready!(closing.poll(&mut self.socket, &mut self.outgoing, cx));
        if self.work.is_none() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn next_alarm(&self) -> Option<Instant> {
        if let Some(closing) = &self.closing {
            return closing.deadline;
        }
        let message = self.meter.deadline(&self.settings.budget);
        [self.peer_deadline(), message, self.stall]
            .into_iter()
            .flatten()
            .min()
    }

    fn peer_deadline(&self) -> Option<Instant> {
        self.peer.as_ref()?.deadline().map(Instant::from_std)
    }

    /// Ready when the next deadline has come. An alarm that is set too early is left
    /// as it is: deadlines move away with every message, and a timer costs more to
    /// move than to wait for once.
    fn poll_alarm(&self, cx: &mut Context<'_>, mut alarm: Pin<&mut Sleep>) -> Poll<()> {
        let Some(next) = self.next_alarm() else {
            return Poll::Pending;
        };
        if next < alarm.deadline() {
            alarm.as_mut().reset(next);
        }
        loop {
            ready!(alarm.as_mut().poll(cx));
            if next <= alarm.deadline() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(next);
        }
    }

    fn on_alarm(&mut self, now: Instant) -> Option<Ending> {
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if let Some(closing) = &mut self.closing {
            closing.deadline = None;
            return None;
        }
        if is_over(self.meter.deadline(&self.settings.budget)) {
            return Some(Ending::Close(CloseCode::Flood));
        }
        if is_over(self.stall) {
            return Some(Ending::Close(CloseCode::SlowConsumer));
        }
        if is_over(self.peer_deadline()) {
            self.peer.as_ref()?.tick();
        }
        None
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
