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
    Ok(Measured::Whole(Header {
        fin,
        opcode,
        head,
        total,
    }))
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
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
}

#[cfg(test)]
mod tests;
