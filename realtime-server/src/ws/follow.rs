//! Where a stream of bytes stands between WebSocket frames.

/// The bit of a frame's first byte that says it is the last of its message.
const FINAL: u8 = 0x80;
/// The bits of the first byte that hold the opcode.
const OPCODE: u8 = 0x0f;
/// Opcodes from here on are control frames, which may stand inside a message.
const CONTROL: u8 = 0x8;
/// The bit of the second byte that says a mask follows.
const MASKED: u8 = 0x80;
/// The bits of the second byte that hold the length or how it is written.
const SHORT_LENGTH: u8 = 0x7f;
/// Length as two bytes.
const LENGTH_16: u8 = 126;
/// Length as eight bytes.
const LENGTH_64: u8 = 127;
/// Bytes of a mask.
const MASK_BYTES: u8 = 4;

/// Follows the frame headers of a stream, however it is cut into pieces. It checks
/// nothing: what is not WebSocket at all is found out by the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Follower {
    place: Place,
    /// Whether a message has begun whose last frame has not come.
    in_message: bool,
    masked: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    First,
    Second,
    Length {
        left: u8,
        read: u64,
    },
    Mask {
        left: u8,
        payload: u64,
    },
    Payload {
        left: u64,
    },
}

impl Follower {
    /// Goes on over the next bytes and tells how many frames began in them.
    pub(super) fn advance(&mut self, mut bytes: &[u8]) -> u64 {
        let mut frames = 0;
        while let [byte, rest @ ..] = bytes {
            if let Place::Payload { left } = self.place {
                bytes = self.skip(left, bytes);
                continue;
            }
            frames += u64::from(self.place == Place::First);
            self.header(*byte);
            bytes = rest;
        }
        frames
    }

    /// Whether no frame is half read and no message half sent.
    pub(super) fn is_between_messages(&self) -> bool {
        self.place == Place::First && !self.in_message
    }

    fn skip<'b>(&mut self, left: u64, bytes: &'b [u8]) -> &'b [u8] {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.place = payload(left.saturating_sub(here as u64));
        &bytes[here..]
    }

    fn header(&mut self, byte: u8) {
        self.place = match self.place {
            Place::First => self.first(byte),
            Place::Second => self.second(byte),
            Place::Length { left, read } => {
                let read = (read << u8::BITS) | u64::from(byte);
                if left > 1 {
                    Place::Length {
                        left: left - 1,
                        read,
                    }
                } else {
                    self.after_length(read)
                }
            }
            Place::Mask { left, payload } if left > 1 => Place::Mask {
                left: left - 1,
                payload,
            },
            Place::Mask { payload: left, .. } | Place::Payload { left } => payload(left),
        };
    }

    fn first(&mut self, byte: u8) -> Place {
        if byte & OPCODE < CONTROL {
            self.in_message = byte & FINAL == 0;
        }
        Place::Second
    }

    fn second(&mut self, byte: u8) -> Place {
        self.masked = byte & MASKED != 0;
        match byte & SHORT_LENGTH {
            LENGTH_16 => Place::Length { left: 2, read: 0 },
            LENGTH_64 => Place::Length { left: 8, read: 0 },
            short => self.after_length(u64::from(short)),
        }
    }

    fn after_length(&self, length: u64) -> Place {
        if self.masked {
            Place::Mask {
                left: MASK_BYTES,
                payload: length,
            }
        } else {
            payload(length)
        }
    }
}

fn payload(left: u64) -> Place {
    if left == 0 {
        Place::First
    } else {
        Place::Payload { left }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame, FrameHeader,
        coding::{Control, Data, OpCode},
    };

    use super::*;

    /// What the library's own parser finds in a whole stream: how many frames begin,
    /// and whether the end lies between messages.
    fn reference(stream: &[u8]) -> (u64, bool) {
        let (mut frames, mut at, mut open) = (0, 0, false);
        while at < stream.len() {
            frames += 1;
            let mut cursor = Cursor::new(&stream[at..]);
            let parsed = FrameHeader::parse(&mut cursor).unwrap();
            let is_control = stream[at] & 0x08 != 0;
            if !is_control {
                open = stream[at] & 0x80 == 0;
            }
            let Some((_, length)) = parsed else {
                return (frames, false);
            };
            at += usize::try_from(cursor.position() + length).unwrap();
        }
        (frames, at == stream.len() && !open)
    }

    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
        let opcode = prop_oneof![
            Just(OpCode::Data(Data::Continue)),
            Just(OpCode::Data(Data::Text)),
            Just(OpCode::Data(Data::Binary)),
            Just(OpCode::Control(Control::Ping)),
            Just(OpCode::Control(Control::Pong)),
            Just(OpCode::Control(Control::Close)),
        ];
        let length = prop_oneof![0..8_usize, 120..130_usize, 65_530..65_540_usize];
        let mask = proptest::option::of(any::<[u8; 4]>());
        (opcode, any::<bool>(), mask, length).prop_map(|(opcode, is_final, mask, length)| {
            let header = FrameHeader {
                is_final,
                opcode,
                mask,
                ..FrameHeader::default()
            };
            let mut bytes = Vec::new();
            Frame::from_payload(header, vec![0x5a; length].into())
                .format(&mut bytes)
                .unwrap();
            bytes
        })
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_library_however_the_stream_is_cut(
            frames in prop::collection::vec(any_frame(), 0..6),
            pieces in prop::collection::vec(1..9_000_usize, 1..40),
            cut_off in 0..20_usize,
        ) {
            let mut stream = frames.concat();
            stream.truncate(stream.len().saturating_sub(cut_off));
            let mut follower = Follower::default();
            let (mut counted, mut rest) = (0, stream.as_slice());
            for piece in pieces.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (head, tail) = rest.split_at((*piece).min(rest.len()));
                counted += follower.advance(head);
                rest = tail;
            }
            prop_assert_eq!((counted, follower.is_between_messages()), reference(&stream));
        }

        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>) {
            let mut follower = Follower::default();
            let whole = follower.advance(&bytes);
            let mut again = Follower::default();
            let single: u64 = bytes.iter().map(|byte| again.advance(&[*byte])).sum();
            prop_assert_eq!((whole, follower), (single, again));
        }
    }
}
