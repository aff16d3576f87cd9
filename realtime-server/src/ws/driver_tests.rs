//! The loop over an in-memory pipe, with the clock paused.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant as StdInstant},
};

use bytes::BytesMut;
use futures::{FutureExt, task::AtomicWaker};
use proptest::prelude::*;
use realtime_core::Limits;
use realtime_testkit::frame::{Frame, Received, opcode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpStream,
    sync::Semaphore,
    task::JoinHandle,
};

use super::*;
use crate::ws::{Budget, Chat};

/// What a test sees of its peer, and says to it.
#[derive(Debug)]
struct Desk {
    received: Mutex<Vec<Inbound>>,
    waiting: Mutex<VecDeque<String>>,
    closing: Mutex<Option<CloseCode>>,
    waker: AtomicWaker,
    /// A permit for each message that may be handled to its end.
    permits: Semaphore,
    deadline: Mutex<Option<StdInstant>>,
    ticks: Semaphore,
    finished: Mutex<Option<u16>>,
    handling: AtomicUsize,
    echoes: bool,
}

/// A message being handled.
struct Handling(Arc<Desk>);

impl Drop for Handling {
    fn drop(&mut self) {
        self.0.handling.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Desk {
    fn new(permits: usize, echoes: bool) -> Arc<Self> {
        Arc::new(Self {
            received: Mutex::default(),
            waiting: Mutex::default(),
            closing: Mutex::default(),
            waker: AtomicWaker::new(),
            permits: Semaphore::new(permits),
            deadline: Mutex::default(),
            ticks: Semaphore::new(0),
            finished: Mutex::default(),
            handling: AtomicUsize::new(0),
            echoes,
        })
    }

    fn say(&self, line: impl Into<String>) {
        self.waiting.lock().unwrap().push_back(line.into());
        self.waker.wake();
    }

    fn close(&self, code: CloseCode) {
        *self.closing.lock().unwrap() = Some(code);
        self.waker.wake();
    }

    fn received(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    fn finished(&self) -> Option<u16> {
        *self.finished.lock().unwrap()
    }
}

#[derive(Debug)]
struct TestPeer(Arc<Desk>);

impl Peer for TestPeer {
    const BINARY: bool = true;

    fn receive(&self, message: Inbound) -> Work {
        let desk = Arc::clone(&self.0);
        desk.received.lock().unwrap().push(message.clone());
        let before = desk.handling.fetch_add(1, Ordering::Relaxed);
        assert_eq!(before, 0, "two messages at once");
        let handling = Handling(desk);
        Box::pin(async move {
            let desk = &handling.0;
            desk.permits.acquire().await.unwrap().forget();
            if let (true, Inbound::Text(text)) = (desk.echoes, message) {
                desk.say(text.as_str());
            }
        })
    }

    fn poll_frames(
        &self,
        cx: &mut Context<'_>,
        _room: usize,
        frames: &mut Outgoing,
    ) -> Poll<Option<CloseCode>> {
        self.0.waker.register(cx.waker());
        if let Some(line) = self.0.waiting.lock().unwrap().pop_front() {
            frames.text(&line);
            return Poll::Ready(None);
        }
        match *self.0.closing.lock().unwrap() {
            Some(code) => Poll::Ready(Some(code)),
            None => Poll::Pending,
        }
    }

    fn heard(&self) {}

    fn deadline(&self) -> Option<StdInstant> {
        *self.0.deadline.lock().unwrap()
    }

    fn tick(&self) {
        *self.0.deadline.lock().unwrap() = None;
        self.0.ticks.add_permits(1);
    }

    fn finish(self, code: u16) -> Work {
        let handled = self.0.handling.load(Ordering::Relaxed);
        assert_eq!(handled, 0, "finished while a message is handled");
        Box::pin(async move {
            let mut finished = self
                .0
                .finished
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            assert_eq!(finished.replace(code), None, "finished twice");
        })
    }
}

const BIG: usize = 1 << 20;

/// The client's end of a pipe whose other end a driver runs.
struct Client {
    pipe: DuplexStream,
    unread: Vec<u8>,
    desk: Arc<Desk>,
    driver: JoinHandle<()>,
}

impl Client {
    fn start(desk: &Arc<Desk>, pipe_bytes: usize) -> Self {
        Self::with(desk, pipe_bytes, Settings::new(&Limits::default()), b"")
    }

    fn with(desk: &Arc<Desk>, pipe_bytes: usize, settings: Settings, leftover: &[u8]) -> Self {
        let (pipe, server) = duplex(pipe_bytes);
        let peer = TestPeer(Arc::clone(desk));
        let driver = tokio::spawn(drive(server, leftover, peer, Arc::new(settings)));
        Self {
            pipe,
            unread: Vec::new(),
            desk: Arc::clone(desk),
            driver,
        }
    }

    async fn send(&mut self, frame: &Frame) {
        self.pipe.write_all(&frame.to_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> io::Result<Received> {
        loop {
            if let Some(frame) = Received::take(&mut self.unread) {
                return Ok(frame);
            }
            let mut buffer = BytesMut::with_capacity(BIG);
            if self.pipe.read_buf(&mut buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.unread.extend_from_slice(&buffer);
        }
    }

    async fn text(&mut self) -> String {
        let frame = self.next().await.unwrap();
        assert_eq!(frame.opcode, opcode::TEXT, "{frame:?}");
        frame.text()
    }

    /// Reads up to the close frame; then the driver must end, and tell its peer why.
    async fn closed_with(mut self, code: u16) {
        let told = loop {
            let frame = self.next().await.unwrap();
            if frame.opcode == opcode::CLOSE {
                break frame.close_code();
            }
        };
        assert_eq!(told, Some(code));
        drop(self.pipe);
        self.driver.await.unwrap();
        assert_eq!(self.desk.finished(), Some(code));
    }
}

#[test]
fn a_connection_is_one_small_future() {
    /// The size of what a function would give, without calling it.
    fn size_of_result<A, C, D, R>(_: impl Fn(A, &'static [u8], C, D) -> R) -> usize {
        size_of::<R>()
    }
    let size = size_of_result(drive::<TcpStream, Chat>);
    assert!(size <= 512, "{size} bytes");
}

#[tokio::test(start_paused = true)]
async fn the_next_message_is_read_when_the_last_is_handled_and_lines_still_leave() {
    let desk = Desk::new(0, false);
    let mut client = Client::start(&desk, BIG);
    client.send(&Frame::text("one")).await;
    client.send(&Frame::text("two")).await;
    desk.say("meanwhile");
    assert_eq!(client.text().await, "meanwhile");
    assert_eq!(desk.received(), 1);
    desk.permits.add_permits(1);
    desk.say("and then");
    assert_eq!(client.text().await, "and then");
    assert_eq!(desk.received(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_waits_leaves_before_the_close_frame() {
    let desk = Desk::new(0, false);
    let mut client = Client::start(&desk, BIG);
    desk.say("last words");
    desk.close(CloseCode::Drain);
    assert_eq!(client.text().await, "last words");
    client.closed_with(4_200).await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_closed_after_the_stall_timeout() {
    let desk = Desk::new(0, false);
    let client = Client::start(&desk, 1_024);
    let began = Instant::now();
    desk.say("x".repeat(10_000));
    while desk.finished().is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let stalled = began.elapsed();
    assert!(stalled >= Duration::from_secs(10), "{stalled:?}");
    assert!(stalled < Duration::from_secs(11), "{stalled:?}");
    client.closed_with(4_002).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_takes_a_little_is_not_closed() {
    let desk = Desk::new(0, false);
    let mut client = Client::start(&desk, 1_024);
    desk.say("x".repeat(10_000));
    let mut taken = [0; 1_000];
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_secs(9)).await;
        client.pipe.read_exact(&mut taken).await.unwrap();
    }
    assert_eq!(desk.finished(), None);
}

#[tokio::test(start_paused = true)]
async fn while_the_socket_is_full_lines_wait_in_the_peer() {
    let desk = Desk::new(0, false);
    let mut client = Client::start(&desk, 1_024);
    desk.say("x".repeat(10_000));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..100 {
        desk.say("y".repeat(10_000));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(desk.waiting.lock().unwrap().len(), 100);
    for _ in 0..101 {
        client.text().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_takes_too_long_is_a_flood() {
    let desk = Desk::new(0, false);
    let mut client = Client::start(&desk, BIG);
    let began = Instant::now();
    for byte in Frame::text(&"slow".repeat(100)).to_bytes() {
        if client.pipe.write_all(&[byte]).await.is_err() || desk.finished().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(
        began.elapsed() <= Duration::from_secs(17),
        "{:?}",
        began.elapsed()
    );
    client.closed_with(4_003).await;
    assert_eq!(desk.received(), 0);
}

#[tokio::test(start_paused = true)]
async fn endless_empty_frames_are_a_flood() {
    let kinds = [
        (
            Frame::new(opcode::TEXT, "").more(),
            Frame::new(opcode::CONTINUATION, "").more(),
        ),
        (Frame::new(opcode::PONG, ""), Frame::new(opcode::PONG, "")),
        (Frame::new(opcode::PING, "p"), Frame::new(opcode::PING, "p")),
    ];
    for (first, then) in kinds {
        let desk = Desk::new(0, false);
        let mut client = Client::start(&desk, BIG);
        client.send(&first).await;
        let many = then.to_bytes().repeat(6_000);
        client.pipe.write_all(&many).await.unwrap();
        client.closed_with(4_003).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_peer_is_called_at_its_deadline() {
    let desk = Desk::new(0, false);
    let later = Instant::now() + Duration::from_secs(25);
    *desk.deadline.lock().unwrap() = Some(later.into_std());
    let _client = Client::start(&desk, BIG);
    desk.ticks.acquire().await.unwrap().forget();
    assert_eq!(Instant::now().saturating_duration_since(later).as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_goodbye_repeats_its_code() {
    for code in [1_000, 1_001, 4_999] {
        let desk = Desk::new(0, false);
        let mut client = Client::start(&desk, BIG);
        client.send(&Frame::close(code)).await;
        client.closed_with(code).await;
    }
}

#[tokio::test(start_paused = true)]
async fn answers_leave_before_the_answer_to_a_goodbye() {
    let desk = Desk::new(1, true);
    let mut client = Client::start(&desk, BIG);
    client.send(&Frame::text("a last question")).await;
    client.send(&Frame::close(1_000)).await;
    assert_eq!(client.text().await, "a last question");
    client.closed_with(1_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_is_finished_as_broken() {
    let desk = Desk::new(0, false);
    let client = Client::start(&desk, BIG);
    drop(client.pipe);
    client.driver.await.unwrap();
    assert_eq!(desk.finished(), Some(1_006));
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_read_for_two_seconds_and_no_longer() {
    let desk = Desk::new(0, false);
    let mut client = Client::start(&desk, BIG);
    client.send(&Frame::text("unmasked").unmasked()).await;
    let frame = client.next().await.unwrap();
    assert_eq!(frame.close_code(), Some(1_002));
    let began = Instant::now();
    // It neither answers nor closes, but goes on.
    while client.pipe.write_all(b"more").await.is_ok() && !client.driver.is_finished() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (least, most) = (Duration::from_millis(1_900), Duration::from_millis(2_200));
    assert!(
        (least..most).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_not_read_without_end() {
    let desk = Desk::new(0, false);
    let mut client = Client::start(&desk, BIG);
    client.send(&Frame::text("unmasked").unmasked()).await;
    let began = Instant::now();
    let mut sent = 0;
    while client.pipe.write_all(&[0; 65_536]).await.is_ok() {
        sent += 65_536;
    }
    assert!(sent < 6 * BIG, "{sent}");
    assert_eq!(began.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_the_request_are_the_first_of_the_socket() {
    let desk = Desk::new(2, true);
    let bytes = Frame::text("early").to_bytes();
    let (first, rest) = bytes.split_at(4);
    let mut client = Client::with(&desk, BIG, Settings::new(&Limits::default()), first);
    client.pipe.write_all(rest).await.unwrap();
    assert_eq!(client.text().await, "early");
    client.send(&Frame::text("late")).await;
    assert_eq!(client.text().await, "late");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_no_buffers() {
    let desk = Desk::new(100, true);
    let settings = Arc::new(Settings::new(&Limits::default()));
    let (mut client, server) = duplex(BIG);
    let peer = TestPeer(Arc::clone(&desk));
    let mut driver = Driver::new(server, b"", peer, settings, Instant::now());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let frame = Frame::text(&"large".repeat(10_000)).to_bytes();
    let (half, rest) = frame.split_at(30_000);
    client.write_all(half).await.unwrap();
    assert!(driver.poll_open(&mut cx).is_pending());
    assert!(driver.library.is_some());
    client.write_all(rest).await.unwrap();
    assert!(driver.poll_open(&mut cx).is_pending());
    assert_eq!(desk.received(), 1);
    assert!(driver.library.is_none());
    assert!(driver.work.is_none());
    assert!(driver.outgoing.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_pings_and_does_not_read_is_not_read_from() {
    let desk = Desk::new(0, false);
    let settings = Arc::new(Settings::new(&Limits::default()));
    let (mut client, server) = duplex(1_024);
    let peer = TestPeer(Arc::clone(&desk));
    let mut driver = Driver::new(server, b"", peer, settings, Instant::now());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let ping = Frame::new(opcode::PING, [7; 125]).to_bytes();
    let pings = 4_000;
    for _ in 0..pings {
        let _ = client.write(&ping).now_or_never();
        assert!(driver.poll_open(&mut cx).is_pending());
        // A task may do only so much before it yields.
        tokio::task::yield_now().await;
    }
    let waiting = driver.outgoing.waiting();
    assert!(pings * 125 > 3 * UNREAD_AT);
    assert!(
        (UNREAD_AT..UNREAD_AT + 1_024).contains(&waiting),
        "{waiting} bytes wait"
    );
}

fn messages() -> impl Strategy<Value = Vec<(String, usize)>> {
    let text = prop_oneof![".{0,40}", "[a-z]{900,1100}", "[a-z]{20000,30000}"];
    prop::collection::vec((text, 1..4_usize), 1..12)
}

/// A message in so many frames, with a ping between them.
fn fragmented(text: &str, parts: usize) -> Vec<u8> {
    let size = (text.len() / parts).max(1);
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
    let last = pieces.len().saturating_sub(1);
    let mut bytes = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let opcode = if index == 0 {
            opcode::TEXT
        } else {
            opcode::CONTINUATION
        };
        let frame = Frame::new(opcode, *piece);
        let frame = if index == last { frame } else { frame.more() };
        bytes.extend(frame.to_bytes());
        bytes.extend(Frame::new(opcode::PING, "?").to_bytes());
    }
    if pieces.is_empty() {
        bytes.extend(Frame::text("").to_bytes());
    }
    bytes
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_it_panic_or_hang(bytes: Vec<u8>, begins_well: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let desk = Desk::new(1_000, true);
            let mut client = Client::start(&desk, BIG);
            if begins_well {
                client.send(&Frame::text("well begun").more()).await;
            }
            // It may have been closed for what was sent already.
            let _ = client.pipe.write_all(&bytes).await;
            drop(client.pipe);
            client.driver.await.unwrap();
            assert!(desk.finished().is_some());
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_message_comes_back_in_order_however_the_stream_is_cut(
        messages in messages(),
        cuts in prop::collection::vec(1..5_000_usize, 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let desk = Desk::new(messages.len(), true);
            let settings = Settings {
                budget: Budget { message_time: Duration::from_secs(3_600), ..Budget::new(&Limits::default()) },
                ..Settings::new(&Limits::default())
            };
            let mut client = Client::with(&desk, BIG, settings, b"");
            let stream: Vec<u8> = messages.iter().flat_map(|(text, parts)| fragmented(text, *parts)).collect();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                client.pipe.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
                rest = tail;
            }
            for (text, _) in &messages {
                let found = loop {
                    let frame = client.next().await.unwrap();
                    if frame.opcode == opcode::TEXT {
                        break frame.text();
                    }
                    assert_eq!(frame.opcode, opcode::PONG);
                };
                assert_eq!(&found, text);
            }
        });
    }
}
