//! The bytes that leave: frames from the server are written here, not through the
//! library, because its buffer would never be given back, and a connection that is
//! idle must not keep what it once needed.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use realtime_core::protocol::{CloseCode, Line};
use tokio::io::AsyncWrite;

/// First byte of a whole frame: final, and an opcode.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
/// The largest length that the second byte itself can say.
const LENGTH_7: usize = 125;
/// In the second byte: the length follows in two bytes, in eight bytes.
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;
/// Bytes of a frame header at most; a server does not mask.
const HEADER: usize = 10;
/// Bytes of a close frame's payload: a code and a short reason.
const CLOSE_PAYLOAD: usize = 2;

/// Frames that wait to be written. Empty, it holds no memory.
#[derive(Debug, Default)]
pub struct Outgoing {
    buffer: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    /// Adds a text frame.
    pub fn text(&mut self, text: &str) {
        self.frame(TEXT, text.as_bytes());
    }

    /// Adds a binary frame.
    pub fn binary(&mut self, bytes: &[u8]) {
        self.frame(BINARY, bytes);
    }

    /// Adds lines, joined by line breaks into as few text frames as `max_objects`
    /// lines and `max_bytes` in each allow. A line above `max_bytes` has a frame of
    /// its own.
    pub fn lines(&mut self, lines: &[Line], max_objects: usize, max_bytes: usize) {
        let mut rest = lines;
        while !rest.is_empty() {
            let (count, bytes) = fitting(rest, max_objects, max_bytes);
            let (frame, others) = rest.split_at(count);
            self.joined(frame, bytes);
            rest = others;
        }
    }

    /// Adds the frame that says goodbye.
    pub(super) fn close(&mut self, code: CloseCode) {
        let mut payload = Vec::with_capacity(CLOSE_PAYLOAD + code.reason().len());
        payload.extend_from_slice(&code.number().to_be_bytes());
        payload.extend_from_slice(code.reason().as_bytes());
        self.frame(CLOSE, &payload);
    }

    /// Adds bytes that are frames already: the library's pongs and close frames.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes wait.
    pub fn waiting(&self) -> usize {
        self.buffer.len() - self.sent
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// Writes some of what waits; tells how much.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(socket).poll_write(cx, &self.buffer[self.sent..]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.sent += written;
        if self.is_empty() {
            *self = Self::default();
        }
        Poll::Ready(Ok(written))
    }

    /// Forgets what was sent, once it is as much as what waits: a reader that never
    /// quite keeps up must not make the buffer grow, nor each byte be moved often.
    fn compact(&mut self) {
        if self.sent > self.waiting() {
            self.buffer.drain(..self.sent);
            self.sent = 0;
        }
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        self.header(first, payload.len());
        self.buffer.extend_from_slice(payload);
    }

    fn joined(&mut self, lines: &[Line], bytes: usize) {
        self.header(TEXT, bytes);
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                self.buffer.push(b'\n');
            }
            self.buffer.extend_from_slice(line.as_bytes());
        }
    }

    fn header(&mut self, first: u8, length: usize) {
        self.compact();
        self.buffer.reserve(HEADER + length);
        self.buffer.push(first);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if length <= LENGTH_7 => self.buffer.push(short),
            (_, Ok(medium)) => {
                self.buffer.push(LENGTH_IN_2);
                self.buffer.extend_from_slice(&medium.to_be_bytes());
            }
            (_, Err(_)) => {
                self.buffer.push(LENGTH_IN_8);
                self.buffer
                    .extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
    }
}

/// How many lines from the first on fit into one frame, and its length. At least one.
fn fitting(lines: &[Line], max_objects: usize, max_bytes: usize) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    for line in lines {
        let with_line = bytes + line.len() + usize::from(count > 0);
        if count > 0 && (count >= max_objects || with_line > max_bytes) {
            break;
        }
        count += 1;
        bytes = with_line;
    }
    (count, bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::{
        Message,
        protocol::{Role, WebSocket},
    };

    use super::*;

    /// What a peer reads out of the buffer, with the library.
    fn read_back(outgoing: &Outgoing) -> Vec<Message> {
        let stream = Cursor::new(outgoing.buffer.clone());
        let mut peer = WebSocket::from_raw_socket(stream, Role::Client, None);
        std::iter::from_fn(|| peer.read().ok()).collect()
    }

    fn lines(texts: &[&str]) -> Vec<Line> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    #[test]
    fn lines_are_joined_up_to_both_limits() {
        let mut outgoing = Outgoing::default();
        outgoing.lines(&lines(&["a", "b", "c"]), 2, 100);
        outgoing.lines(&lines(&["1234", "5", "67"]), 32, 6);
        outgoing.lines(&lines(&["longer than all", "x"]), 32, 6);
        let texts = ["a\nb", "c", "1234\n5", "67", "longer than all", "x"];
        assert_eq!(read_back(&outgoing), texts.map(Message::text));
    }

    #[test]
    fn the_close_frame_says_code_and_reason() {
        let mut outgoing = Outgoing::default();
        outgoing.close(CloseCode::SlowConsumer);
        let [Message::Close(Some(frame))] = &read_back(&outgoing)[..] else {
            panic!("one close frame");
        };
        assert_eq!(u16::from(frame.code), 4_002);
        assert_eq!(frame.reason.as_str(), "slow_consumer");
    }

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut outgoing = Outgoing::default();
        outgoing.text(&"x".repeat(50_000));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut socket = Vec::new();
        while !outgoing.is_empty() {
            assert!(outgoing.poll_write(&mut socket, &mut cx).is_ready());
        }
        assert_eq!(outgoing.buffer.capacity(), 0);
    }

    #[test]
    fn what_was_sent_is_forgotten_though_something_always_waits() {
        /// Takes a hundred bytes at a time.
        struct Slow;
        impl AsyncWrite for Slow {
            fn poll_write(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Ok(bytes.len().min(100)))
            }
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        let mut outgoing = Outgoing::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        outgoing.text(&"first".repeat(30));
        for _ in 0..10_000 {
            outgoing.text(&"z".repeat(98));
            assert!(outgoing.poll_write(&mut Slow, &mut cx).is_ready());
        }
        assert!(!outgoing.is_empty());
        assert!(
            outgoing.buffer.capacity() < 2_000,
            "{}",
            outgoing.buffer.capacity()
        );
    }

    proptest! {
        #[test]
        fn every_length_is_read_back(length in prop_oneof![0..300_usize, 65_000..66_000_usize]) {
            let mut outgoing = Outgoing::default();
            let payload = "y".repeat(length);
            outgoing.text(&payload);
            outgoing.binary(payload.as_bytes());
            let expected = [Message::text(payload.clone()), Message::binary(payload)];
            prop_assert_eq!(read_back(&outgoing), expected);
        }

        #[test]
        fn no_line_is_lost_or_moved(
            texts in prop::collection::vec("[a-z]{0,40}", 0..60),
            max_objects in 1..10_usize,
            max_bytes in 1..100_usize,
        ) {
            let lines: Vec<Line> = texts.iter().map(|text| text.as_str().into()).collect();
            let mut outgoing = Outgoing::default();
            outgoing.lines(&lines, max_objects, max_bytes);
            let mut found = Vec::new();
            for message in read_back(&outgoing) {
                let text = message.into_text().unwrap();
                let objects: Vec<String> = text.split('\n').map(ToOwned::to_owned).collect();
                prop_assert!(objects.len() <= max_objects);
                prop_assert!(text.len() <= max_bytes || objects.len() == 1);
                found.extend(objects);
            }
            prop_assert_eq!(found, texts);
        }
    }
}
