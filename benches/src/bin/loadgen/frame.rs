//! WebSocket frames from the client's side (RFC 6455): masked out, unmasked in.
//!
//! [`FrameReader`] hands out payloads as slices of the receive buffer; only a
//! frame that a read has cut in two is copied, once.

use crate::limits::MAX_FRAME_BYTES;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
const MAX_CONTROL_BYTES: usize = 125;

/// What kind of frame this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    /// The next part of a fragmented message.
    Continuation,
    /// JSON objects.
    Text,
    /// The peer says goodbye.
    Close,
    /// The peer asks for a pong.
    Ping,
    /// The peer answers a ping.
    Pong,
}

impl Opcode {
    fn parse(first: u8) -> Result<Self, FrameError> {
        match first & 0x0f {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xa => Ok(Self::Pong),
            other => Err(FrameError::Opcode(other)),
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    const fn is_control(self) -> bool {
        match self {
            Self::Continuation | Self::Text => false,
            Self::Close | Self::Ping | Self::Pong => true,
        }
    }
}

/// One whole message or control frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// One or more JSON objects separated by `\n`.
    Text(&'a [u8]),
    /// Must be answered by a pong with the same payload.
    Ping(&'a [u8]),
    /// An answer to a ping.
    Pong,
    /// The close code, if the server gave one.
    Close(Option<u16>),
}

/// The server broke the framing rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// Only clients mask.
    #[error("a masked frame from the server")]
    Masked,
    /// No extension was negotiated.
    #[error("a reserved bit is set")]
    Reserved,
    /// Binary frames and unknown opcodes.
    #[error("opcode {0:#x} is not part of the protocol")]
    Opcode(u8),
    /// A length that has a shorter form, or is above [`MAX_FRAME_BYTES`].
    #[error("frame length {0} is too long or written too long")]
    Length(u64),
    /// Control frames are short and whole.
    #[error("a control frame is fragmented or above 125 bytes")]
    Control,
    /// A continuation without a start, or a start inside a fragmented message.
    #[error("fragments out of order")]
    Fragments,
}

#[derive(Debug, Clone, Copy)]
struct Header {
    fin: bool,
    opcode: Opcode,
    /// Bytes before the payload.
    head: usize,
    /// Bytes of head and payload.
    total: usize,
}

enum Measured {
    /// At least so many bytes are needed to know more.
    Need(usize),
    Whole(Header),
}

fn measure(bytes: &[u8]) -> Result<Measured, FrameError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(Measured::Need(2));
    };
    if first & RESERVED != 0 {
        return Err(FrameError::Reserved);
    }
    if second & MASKED != 0 {
        return Err(FrameError::Masked);
    }
    let opcode = Opcode::parse(*first)?;
    let (head, length) = match (*second, rest) {
        (LENGTH_16, [a, b, ..]) => (4, extended(u64::from(u16::from_be_bytes([*a, *b])), 126)?),
        (LENGTH_16, _) => return Ok(Measured::Need(4)),
        (LENGTH_64, [a, b, c, d, e, f, g, h, ..]) => {
            let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (10, extended(length, 1 << 16)?)
        }
        (LENGTH_64, _) => return Ok(Measured::Need(10)),
        (short, _) => (2, usize::from(short)),
    };
    let fin = first & FIN != 0;
    if opcode.is_control() && (!fin || length > MAX_CONTROL_BYTES) {
        return Err(FrameError::Control);
    }
    let total = head + length;
    if bytes.len() < total {
        return Ok(Measured::Need(total));
    }
    Ok(Measured::Whole(Header { fin, opcode, head, total }))
}

fn extended(length: u64, least: u64) -> Result<usize, FrameError> {
    match usize::try_from(length) {
        Ok(bytes) if length >= least && bytes <= MAX_FRAME_BYTES => Ok(bytes),
        Ok(_) | Err(_) => Err(FrameError::Length(length)),
    }
}

/// Cuts the byte stream of one connection into frames.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// The beginning of a frame whose end has not been read yet.
    partial: Vec<u8>,
    /// The parts of a fragmented message so far.
    message: Option<Vec<u8>>,
}

impl FrameReader {
    /// Takes the next bytes of the stream and visits every frame they complete.
    ///
    /// # Errors
    /// When the server broke the framing rules; the stream is of no use then.
    pub(crate) fn feed(
        &mut self,
        mut input: &[u8],
        mut visit: impl FnMut(Frame<'_>),
    ) -> Result<(), FrameError> {
        while !self.partial.is_empty() {
            match measure(&self.partial)? {
                Measured::Need(total) => {
                    let missing = total - self.partial.len();
                    let (taken, rest) = input.split_at(missing.min(input.len()));
                    self.partial.extend_from_slice(taken);
                    input = rest;
                    if taken.len() < missing {
                        return Ok(());
                    }
                }
                Measured::Whole(header) => {
                    // Taken out for the visit, put back for its capacity.
                    let mut partial = std::mem::take(&mut self.partial);
                    self.complete(header, &partial, &mut visit)?;
                    partial.clear();
                    self.partial = partial;
                }
            }
        }
        loop {
            match measure(input)? {
                Measured::Need(_) => {
                    self.partial.extend_from_slice(input);
                    return Ok(());
                }
                Measured::Whole(header) => {
                    self.complete(header, input, &mut visit)?;
                    input = &input[header.total..];
                }
            }
        }
    }

    /// Forgets what is unfinished: the connection begins anew.
    pub(crate) fn clear(&mut self) {
        self.partial.clear();
        self.message = None;
    }

    fn complete(
        &mut self,
        header: Header,
        bytes: &[u8],
        visit: &mut impl FnMut(Frame<'_>),
    ) -> Result<(), FrameError> {
        let payload = &bytes[header.head..header.total];
        match header.opcode {
            Opcode::Text if self.message.is_some() => return Err(FrameError::Fragments),
            Opcode::Text if header.fin => visit(Frame::Text(payload)),
            Opcode::Text => self.message = Some(payload.to_vec()),
            Opcode::Continuation => self.continued(header.fin, payload, visit)?,
            Opcode::Ping => visit(Frame::Ping(payload)),
            Opcode::Pong => visit(Frame::Pong),
            Opcode::Close => visit(Frame::Close(close_code(payload))),
        }
        Ok(())
    }

    fn continued(
        &mut self,
        fin: bool,
        payload: &[u8],
        visit: &mut impl FnMut(Frame<'_>),
    ) -> Result<(), FrameError> {
        let mut message = self.message.take().ok_or(FrameError::Fragments)?;
        if message.len() + payload.len() > MAX_FRAME_BYTES {
            return Err(FrameError::Length((message.len() + payload.len()) as u64));
        }
        message.extend_from_slice(payload);
        if fin {
            visit(Frame::Text(&message));
        } else {
            self.message = Some(message);
        }
        Ok(())
    }
}

fn close_code(payload: &[u8]) -> Option<u16> {
    match payload {
        [high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        [] | [_] => None,
    }
}

/// Appends one masked client frame to `out`.
pub(crate) fn encode(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    out.push(FIN | opcode.bits());
    match u16::try_from(payload.len()) {
        Ok(length) if payload.len() < usize::from(LENGTH_16) => out.push(MASKED | length as u8),
        Ok(length) => {
            out.push(MASKED | LENGTH_16);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            out.push(MASKED | LENGTH_64);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..=125 => frame.push(short as u8),
            medium @ 126..=0xffff => {
                frame.push(LENGTH_16);
                frame.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                frame.push(LENGTH_64);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn owned(frame: &Frame<'_>) -> String {
        match frame {
            Frame::Text(text) => format!("text {} {:?}", text.len(), &text[..text.len().min(8)]),
            Frame::Ping(payload) => format!("ping {payload:?}"),
            Frame::Pong => "pong".to_owned(),
            Frame::Close(code) => format!("close {code:?}"),
        }
    }

    /// Short, medium and long frames, a ping between two fragments, a close.
    fn conversation() -> Vec<u8> {
        [
            server_frame(0x81, b"{}"),
            server_frame(0x81, &[b'm'; 300]),
            server_frame(0x01, b"first "),
            server_frame(0x89, b"now?"),
            server_frame(0x00, b"second "),
            server_frame(0x80, b"third"),
            server_frame(0x8a, b""),
            server_frame(0x81, b""),
            server_frame(0x81, &[b'l'; 70_000]),
            server_frame(0x88, &[0x0f, 0xa2]),
        ]
        .concat()
    }

    fn read(parts: &[&[u8]]) -> Vec<String> {
        let mut reader = FrameReader::default();
        let mut frames = Vec::new();
        for part in parts {
            reader.feed(part, |frame| frames.push(owned(&frame))).unwrap();
        }
        frames
    }

    #[test]
    fn a_stream_cut_at_any_byte_gives_the_same_frames() {
        let bytes = conversation();
        let whole = read(&[&bytes]);
        assert_eq!(whole.len(), 8);
        assert_eq!(whole[2], "ping [110, 111, 119, 63]");
        assert_eq!(whole[3], owned(&Frame::Text(b"first second third")));
        assert_eq!(whole[7], "close Some(4002)");
        // The long filler cannot differ between neighbouring cuts: step through it.
        let cuts = (0..700).chain((700..70_300).step_by(997)).chain(70_300..bytes.len());
        for cut in cuts {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(read(&[head, tail]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_stream_fed_byte_by_byte_gives_the_same_frames() {
        let bytes = conversation();
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single), read(&[&bytes]));
    }

    #[test]
    fn broken_frames_are_refused() {
        let cases: [(&[u8], FrameError); 8] = [
            (&[0x81, 0x80, 0, 0, 0, 0], FrameError::Masked),
            (&[0xc1, 0x00], FrameError::Reserved),
            (&[0x82, 0x00], FrameError::Opcode(2)),
            (&[0x81, 126, 0, 5], FrameError::Length(5)),
            (&[0x81, 127, 0, 0, 0, 0, 0, 0, 1, 0], FrameError::Length(256)),
            (&[0x81, 127, 0xff, 0, 0, 0, 0, 0, 0, 0], FrameError::Length(0xff << 56)),
            (&[0x09, 0x00], FrameError::Control),
            (&[0x80, 0x00], FrameError::Fragments),
        ];
        for (bytes, expected) in cases {
            let refused = FrameReader::default().feed(bytes, |_| {});
            assert_eq!(refused, Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn a_new_message_inside_a_fragmented_one_is_refused() {
        let bytes = [server_frame(0x01, b"a"), server_frame(0x81, b"b")].concat();
        assert_eq!(FrameReader::default().feed(&bytes, |_| {}), Err(FrameError::Fragments));
    }

    #[test]
    fn a_cleared_reader_starts_at_a_frame() {
        let mut reader = FrameReader::default();
        reader.feed(&[0x81, 5, b'x'], |_| {}).unwrap();
        reader.clear();
        let mut frames = Vec::new();
        reader.feed(&server_frame(0x81, b"{}"), |frame| frames.push(owned(&frame))).unwrap();
        assert_eq!(frames, [owned(&Frame::Text(b"{}"))]);
    }

    #[test]
    fn a_client_frame_is_masked_and_has_the_shortest_length() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let payload = vec![b'a'; length];
            let mask = [1, 2, 3, 4];
            let mut out = Vec::new();
            encode(&mut out, Opcode::Text, &payload, mask);
            assert_eq!(out.len(), head + 4 + length);
            assert_eq!(out[0], 0x81);
            assert_ne!(out[1] & MASKED, 0);
            assert_eq!(&out[head..head + 4], &mask);
            let unmasked: Vec<u8> =
                out[head + 4..].iter().zip(mask.iter().cycle()).map(|(b, k)| b ^ k).collect();
            assert_eq!(unmasked, payload);
        }
    }
}
