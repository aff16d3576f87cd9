//! All client connections on one thread, driven by readiness.
//!
//! One receive buffer serves every socket and frames are visited in it, so a
//! delivery costs no allocation. What a run does with them is its [`Scenario`].

mod handshakes;

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::{Events, Poll, Token};
use serde_json::Value;

use crate::connection::{CloseReason, Connection, Stage, upgrade_request};
use crate::failure::Failure;
use crate::frame::{Frame, Opcode, encode};
use crate::latency::histogram;
use crate::limits::{
    EVENTS, HANDSHAKE_TIMEOUT, POLL_RESOLUTION, READ_BUFFER_BYTES, READS_PER_EVENT,
};
use crate::rng::SplitMix;

/// The longest the loop sleeps when nothing is due.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// The number of a `connect` command; sends count from the next one on.
pub(crate) const CONNECT_ID: u32 = 1;

/// What a run does with its connections. Connections are named by their index.
pub(crate) trait Scenario {
    /// When [`on_due`](Self::on_due) wants to be called next.
    fn next_due(&self) -> Option<Instant>;
    /// It is `now`, and something is due.
    fn on_due(&mut self, wire: &mut Wire, now: Instant);
    /// The server let `id` in and answered its `connect` with `answer`.
    fn on_open(&mut self, wire: &mut Wire, id: usize, answer: &Value, now: Instant);
    /// `id` got an object other than a ping; `now` is when it was read.
    fn on_object(&mut self, wire: &mut Wire, id: usize, object: &[u8], now: Instant);
    /// `id` was closed, and not by this scenario.
    fn on_close(&mut self, wire: &mut Wire, id: usize, reason: &CloseReason, now: Instant);
    /// Whether the run is over.
    fn is_done(&self) -> bool;
}

/// How the wire treats the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WireOptions {
    /// Handshakes under way at a time.
    pub(crate) parallel_connects: usize,
    /// Whether waits below a millisecond are spun, for exact send times.
    pub(crate) spin: bool,
    /// Where the random numbers start.
    pub(crate) seed: u64,
}

/// What the wire counted.
#[derive(Debug)]
pub(crate) struct WireStats {
    /// From `connect(2)` to the answer of the `connect` command.
    pub(crate) connect: Histogram<u64>,
    /// Reads that returned bytes.
    pub(crate) reads: u64,
    /// Bytes that they returned.
    pub(crate) bytes: u64,
    /// Application and protocol pings that were answered.
    pub(crate) pings: u64,
    /// Time spent on events and sends, without waiting and spinning.
    pub(crate) busy: Duration,
}

/// All connections of a run.
#[derive(Debug)]
pub(crate) struct Wire {
    poll: Poll,
    target: SocketAddr,
    upgrade: Vec<u8>,
    options: WireOptions,
    connections: Vec<Connection>,
    waiting: VecDeque<usize>,
    /// Handshakes in the order in which they began.
    handshakes: VecDeque<(Instant, usize)>,
    opening: usize,
    dirty: Vec<usize>,
    /// Sockets that may hold more than was read in their turn.
    unread: Vec<usize>,
    closed: Vec<(usize, CloseReason)>,
    buffer: Vec<u8>,
    rng: SplitMix,
    stats: WireStats,
}

impl Wire {
    /// Room for `count` connections to `target`; none is opened.
    ///
    /// # Errors
    /// When the operating system gives no poll handle.
    pub(crate) fn new(
        target: SocketAddr,
        authority: &str,
        count: usize,
        options: WireOptions,
    ) -> Result<Self, Failure> {
        let now = Instant::now();
        Ok(Self {
            poll: Poll::new().map_err(Failure::io("epoll"))?,
            target,
            upgrade: upgrade_request(authority).into_bytes(),
            options,
            connections: (0..count).map(|_| Connection::new(now)).collect(),
            waiting: VecDeque::new(),
            handshakes: VecDeque::new(),
            opening: 0,
            dirty: Vec::new(),
            unread: Vec::new(),
            closed: Vec::new(),
            buffer: vec![0; READ_BUFFER_BYTES],
            rng: SplitMix::new(options.seed),
            stats: WireStats {
                connect: histogram()?,
                reads: 0,
                bytes: 0,
                pings: 0,
                busy: Duration::ZERO,
            },
        })
    }

    /// How many connections there are, open or not.
    pub(crate) const fn len(&self) -> usize {
        self.connections.len()
    }

    /// What was counted so far.
    pub(crate) const fn stats(&self) -> &WireStats {
        &self.stats
    }

    /// The source of random numbers.
    pub(crate) const fn rng(&mut self) -> &mut SplitMix {
        &mut self.rng
    }

    /// Whether `id` is connected and let in.
    pub(crate) fn is_open(&self, id: usize) -> bool {
        self.connections[id].stage == Stage::Open
    }

    /// Opens `id` when it is its turn; `hello` is its `connect` command.
    pub(crate) fn open(&mut self, id: usize, hello: String) {
        let connection = &mut self.connections[id];
        connection.hello = hello;
        connection.stage = Stage::Waiting;
        self.waiting.push_back(id);
    }

    /// Drops the TCP connection of `id` without a close frame; see
    /// [`Connection::hang_up`].
    pub(crate) fn hang_up(&mut self, id: usize, abort: bool) {
        match self.connections[id].stage {
            Stage::Closed | Stage::Open => {}
            Stage::Waiting => self.waiting.retain(|waiting| *waiting != id),
            Stage::Connecting | Stage::Upgrading | Stage::Authenticating => self.opening -= 1,
        }
        self.connections[id].hang_up(abort);
    }

    /// Queues a text frame; it is written before the loop reads on.
    pub(crate) fn send(&mut self, id: usize, text: &[u8]) {
        self.queue(id, Opcode::Text, text);
    }

    /// Drives `scenario` to its end.
    ///
    /// # Errors
    /// When the operating system fails; a lost connection is the scenario's matter.
    pub(crate) fn run(&mut self, scenario: &mut impl Scenario) -> Result<(), Failure> {
        let mut events = Events::with_capacity(EVENTS);
        self.after(scenario, Instant::now());
        while !scenario.is_done() {
            let wait = self.wait(scenario.next_due());
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(Failure::io("epoll")(error));
                }
                Ok(()) | Err(_) => {}
            }
            let woke = Instant::now();
            let has_work = !events.is_empty() || !self.unread.is_empty() || is_due(scenario, woke);
            self.turn(scenario, &events);
            if has_work {
                self.stats.busy += woke.elapsed();
            }
        }
        Ok(())
    }

    /// Handles what one poll found; what falls due meanwhile does not wait for its end.
    fn turn(&mut self, scenario: &mut impl Scenario, events: &Events) {
        for id in std::mem::take(&mut self.unread) {
            self.read(scenario, id, true);
            self.after(scenario, Instant::now());
        }
        for event in events {
            self.on_event(scenario, event);
            self.after(scenario, Instant::now());
        }
        self.after(scenario, Instant::now());
    }

    fn wait(&self, due: Option<Instant>) -> Duration {
        if !self.unread.is_empty() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let handshake = self
            .handshakes
            .front()
            .map(|(started, _)| *started + HANDSHAKE_TIMEOUT);
        let wait = [due, handshake]
            .into_iter()
            .flatten()
            .min()
            .map_or(IDLE_WAIT, |due| {
                due.saturating_duration_since(now).min(IDLE_WAIT)
            });
        if self.options.spin && wait < POLL_RESOLUTION {
            return Duration::ZERO;
        }
        if self.options.spin {
            // epoll would round up and wake too late.
            return Duration::from_millis(wait.as_millis() as u64);
        }
        wait
    }

    /// What may have become due by whatever was just done.
    fn after(&mut self, scenario: &mut impl Scenario, now: Instant) {
        if is_due(scenario, now) {
            scenario.on_due(self, now);
        }
        self.expire_handshakes(now);
        self.start_waiting(now);
        while let Some(id) = self.dirty.pop() {
            self.connections[id].is_dirty = false;
            if let Err(error) = self.connections[id].flush() {
                self.fail(id, error.into());
            }
        }
        while let Some((id, reason)) = self.closed.pop() {
            scenario.on_close(self, id, &reason, now);
        }
    }

    fn fail(&mut self, id: usize, reason: CloseReason) {
        if self.connections[id].stage == Stage::Closed {
            return;
        }
        self.hang_up(id, false);
        self.closed.push((id, reason));
    }

    fn on_event(&mut self, scenario: &mut impl Scenario, event: &Event) {
        let Token(id) = event.token();
        if event.is_writable() {
            let done = match self.connections[id].stage {
                Stage::Closed | Stage::Waiting => Ok(()),
                Stage::Connecting => self.connected(id),
                Stage::Upgrading | Stage::Authenticating | Stage::Open => {
                    self.connections[id].flush()
                }
            };
            if let Err(error) = done {
                self.fail(id, error.into());
            }
        }
        if event.is_readable() {
            self.read(scenario, id, event.is_read_closed());
        }
    }

    /// Reads what `id` has. A short read means that the socket is empty and
    /// will be announced again, except behind the end of the stream.
    fn read(&mut self, scenario: &mut impl Scenario, id: usize, to_the_end: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut has_more = true;
        for _ in 0..READS_PER_EVENT {
            let Some(stream) = &mut self.connections[id].stream else {
                has_more = false;
                break;
            };
            match stream.read(&mut buffer) {
                Ok(0) => self.fail(id, CloseReason::End),
                Ok(count) => {
                    self.stats.reads += 1;
                    self.stats.bytes += count as u64;
                    self.on_bytes(scenario, id, &buffer[..count], Instant::now());
                    has_more = count == buffer.len() || to_the_end;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => has_more = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::NotConnected => has_more = false,
                Err(error) => self.fail(id, error.into()),
            }
            if !has_more {
                break;
            }
        }
        if has_more && self.connections[id].stream.is_some() {
            self.unread.push(id);
        }
        self.buffer = buffer;
    }

    fn on_bytes(&mut self, scenario: &mut impl Scenario, id: usize, bytes: &[u8], now: Instant) {
        if self.connections[id].stage != Stage::Upgrading {
            self.on_frames(scenario, id, bytes, now);
            return;
        }
        match self.connections[id].take_head(bytes) {
            Ok(None) => {}
            Ok(Some(rest)) => {
                self.connections[id].stage = Stage::Authenticating;
                let hello = std::mem::take(&mut self.connections[id].hello);
                self.queue(id, Opcode::Text, hello.as_bytes());
                self.on_frames(scenario, id, &rest, now);
            }
            Err(reason) => self.fail(id, reason),
        }
    }

    fn on_frames(&mut self, scenario: &mut impl Scenario, id: usize, bytes: &[u8], now: Instant) {
        let mut reader = std::mem::take(&mut self.connections[id].reader);
        let fed = reader.feed(bytes, |frame| self.on_frame(scenario, id, &frame, now));
        match fed {
            // Closed while the frames were visited: the rest is of no interest.
            Ok(()) if self.connections[id].stream.is_none() => {}
            Ok(()) => self.connections[id].reader = reader,
            Err(error) => self.fail(id, error.into()),
        }
    }

    fn on_frame(
        &mut self,
        scenario: &mut impl Scenario,
        id: usize,
        frame: &Frame<'_>,
        now: Instant,
    ) {
        if self.connections[id].stream.is_none() {
            return;
        }
        match frame {
            Frame::Text(text) => {
                let mut rest = *text;
                while let Some(end) = memchr::memchr(b'\n', rest) {
                    self.on_object(scenario, id, &rest[..end], now);
                    rest = &rest[end + 1..];
                }
                self.on_object(scenario, id, rest, now);
            }
            Frame::Ping(payload) => {
                self.stats.pings += 1;
                self.queue(id, Opcode::Pong, payload);
            }
            Frame::Pong => {}
            Frame::Close(code) => self.fail(id, CloseReason::Code(*code)),
        }
    }

    fn on_object(&mut self, scenario: &mut impl Scenario, id: usize, object: &[u8], now: Instant) {
        if object.is_empty() {
            return;
        }
        if object.starts_with(b"{\"ping\"") {
            self.stats.pings += 1;
            self.queue(id, Opcode::Text, b"{\"pong\":{}}");
            return;
        }
        if self.connections[id].stage == Stage::Authenticating
            && let Some(answer) = handshakes::connect_answer(object)
        {
            self.let_in(scenario, id, answer, now);
            return;
        }
        scenario.on_object(self, id, object, now);
    }

    fn queue(&mut self, id: usize, opcode: Opcode, payload: &[u8]) {
        let mask = self.rng.mask();
        let connection = &mut self.connections[id];
        if connection.stream.is_none() {
            return;
        }
        encode(&mut connection.out, opcode, payload, mask);
        if !std::mem::replace(&mut connection.is_dirty, true) {
            self.dirty.push(id);
        }
    }
}

fn is_due(scenario: &impl Scenario, now: Instant) -> bool {
    scenario.next_due().is_some_and(|due| due <= now)
}
