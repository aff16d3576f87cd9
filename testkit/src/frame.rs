//! WebSocket frames, as they are on the wire; nothing is checked.

/// Opcodes of RFC 6455.
pub mod opcode {
    /// The next part of a message.
    pub const CONTINUATION: u8 = 0x0;
    /// Text.
    pub const TEXT: u8 = 0x1;
    /// Bytes.
    pub const BINARY: u8 = 0x2;
    /// Goodbye.
    pub const CLOSE: u8 = 0x8;
    /// Are you there?
    pub const PING: u8 = 0x9;
    /// Yes.
    pub const PONG: u8 = 0xa;
}

const FINAL: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const SHORT: u8 = 0x7f;
const LENGTH_7: usize = 125;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;
/// Any mask does; a fixed one makes captures comparable.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as a client may send it, right or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "tests build frames of every kind"
)]
pub struct Frame {
    /// Whether it is the last of its message.
    pub is_final: bool,
    /// The three reserved bits, in their place: `0x40`, `0x20`, `0x10`.
    pub reserved: u8,
    /// The opcode, below 16.
    pub opcode: u8,
    /// Whether it is masked, as a client's must be.
    pub is_masked: bool,
    /// The length it claims; `None`: the true one.
    pub claimed: Option<u64>,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A right frame.
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            is_final: true,
            reserved: 0,
            opcode,
            is_masked: true,
            claimed: None,
            payload: payload.into(),
        }
    }

    /// A text frame.
    pub fn text(text: &str) -> Self {
        Self::new(opcode::TEXT, text)
    }

    /// A close frame.
    pub fn close(code: u16) -> Self {
        Self::new(opcode::CLOSE, code.to_be_bytes())
    }

    /// The same, not the last of its message.
    #[must_use]
    pub fn more(mut self) -> Self {
        self.is_final = false;
        self
    }

    /// The same, not masked.
    #[must_use]
    pub fn unmasked(mut self) -> Self {
        self.is_masked = false;
        self
    }

    /// The same, with reserved bits.
    #[must_use]
    pub fn reserved(mut self, bits: u8) -> Self {
        self.reserved = bits;
        self
    }

    /// The same, with a length that need not be true.
    #[must_use]
    pub fn claiming(mut self, length: u64) -> Self {
        self.claimed = Some(length);
        self
    }

    /// As it is on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let first = if self.is_final { FINAL } else { 0 } | self.reserved | (self.opcode & OPCODE);
        let mask_bit = if self.is_masked { MASKED } else { 0 };
        let length = self.claimed.unwrap_or(self.payload.len() as u64);
        let mut bytes = vec![first];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if usize::from(short) <= LENGTH_7 => bytes.push(mask_bit | short),
            (_, Ok(medium)) => {
                bytes.push(mask_bit | LENGTH_16);
                bytes.extend_from_slice(&medium.to_be_bytes());
            }
            (_, Err(_)) => {
                bytes.push(mask_bit | LENGTH_64);
                bytes.extend_from_slice(&length.to_be_bytes());
            }
        }
        if self.is_masked {
            bytes.extend_from_slice(&MASK);
            let masked = self.payload.iter().zip(MASK.iter().cycle());
            bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend_from_slice(&self.payload);
        }
        bytes
    }
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Whether it is the last of its message.
    pub is_final: bool,
    /// The opcode.
    pub opcode: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Received {
    /// Takes the first whole frame off `bytes`, if there is one.
    pub fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (header, length) = match second & SHORT {
            LENGTH_16 => (4, u64::from(u16::from_be_bytes(array(bytes, 2)?))),
            LENGTH_64 => (10, u64::from_be_bytes(array(bytes, 2)?)),
            short => (2, u64::from(short)),
        };
        let end = header + usize::try_from(length).ok()?;
        let payload = bytes.get(header..end)?.to_vec();
        bytes.drain(..end);
        Some(Self {
            is_final: first & FINAL != 0,
            opcode: first & OPCODE,
            payload,
        })
    }

    /// The payload as text, wrong bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The code of a close frame that has one.
    pub fn close_code(&self) -> Option<u16> {
        let code = array(&self.payload, 0)?;
        (self.opcode == opcode::CLOSE).then(|| u16::from_be_bytes(code))
    }
}

fn array<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_6455() {
        let masked = Frame::text("Hello").to_bytes();
        assert_eq!(
            masked,
            [
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
            ]
        );
        let mut unmasked = vec![0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x88];
        let frame = Received::take(&mut unmasked).unwrap();
        assert_eq!((frame.text().as_str(), frame.is_final), ("Hello", true));
        assert_eq!(unmasked, [0x88]);
        assert_eq!(Received::take(&mut unmasked), None);
    }

    #[test]
    fn long_frames_are_taken_whole() {
        for length in [125, 126, 65_535, 65_536] {
            let mut bytes = Frame::new(opcode::BINARY, vec![7; length])
                .unmasked()
                .to_bytes();
            let last = bytes.pop().unwrap();
            assert_eq!(Received::take(&mut bytes), None);
            bytes.push(last);
            assert_eq!(Received::take(&mut bytes).unwrap().payload.len(), length);
            assert!(bytes.is_empty());
        }
    }
}
