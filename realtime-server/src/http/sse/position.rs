//! A resume position: what a client holds of which rooms, in its own hands.
//!
//! It leads only into rooms of who shows it, so it need not be secret; a forged one
//! gives its forger nothing but resets.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use realtime_core::{
    id::{Incarnation, RoomId},
    seq::{MAX_JSON_INTEGER, Rev},
};
use uuid::Uuid;

use crate::http::POSITION_ROOMS;

const VERSION: u8 = 1;
/// Marks a position that names all rooms of its client.
const WHOLE: u8 = 1;
const UUID_BYTES: usize = 16;
/// Bytes of a `rev` at most: seven bits each.
const REV_BYTES: u32 = 8;

/// What a client holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The life of the database from which it holds it.
    pub(super) incarnation: Option<Incarnation>,
    /// Of which rooms, up to where.
    pub(super) rooms: Vec<(RoomId, Rev)>,
    /// Whether there were no other rooms.
    pub(super) is_whole: bool,
}

impl Position {
    /// As text, for an event's `id`.
    pub(super) fn encode(&self) -> String {
        let incarnation = self.incarnation.map_or(Uuid::nil(), |life| life.as_uuid());
        let mut bytes = vec![VERSION, if self.is_whole { WHOLE } else { 0 }];
        bytes.extend_from_slice(incarnation.as_bytes());
        for (room, rev) in &self.rooms {
            bytes.extend_from_slice(room.as_uuid().as_bytes());
            put_number(rev.get(), &mut bytes);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What [`encode`](Self::encode) wrote.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let ([version, flags], rest) = bytes.split_first_chunk::<2>()?;
        let (incarnation, mut rest) = rest.split_first_chunk::<UUID_BYTES>()?;
        if *version != VERSION || *flags > WHOLE {
            return None;
        }
        let mut rooms = Vec::new();
        while !rest.is_empty() {
            let (room, after) = rest.split_first_chunk::<UUID_BYTES>()?;
            let (rev, after) = take_number(after)?;
            rest = after;
            rooms.push((RoomId::from_uuid(Uuid::from_bytes(*room)), Rev::new(rev)));
            if rooms.len() > POSITION_ROOMS {
                return None;
            }
        }
        Some(Self {
            incarnation: Some(Incarnation::from_uuid(Uuid::from_bytes(*incarnation))),
            rooms,
            is_whole: *flags == WHOLE,
        })
    }
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn put_number(mut number: u64, bytes: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn take_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (place, byte) in (0..REV_BYTES).zip(bytes) {
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let rest = bytes.get(usize::try_from(place).ok()? + 1..)?;
            return (number <= MAX_JSON_INTEGER).then_some((number, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn a_position_comes_back_as_it_went(
            life: u128,
            rooms in vec((any::<u128>(), 0_u64..=MAX_JSON_INTEGER), 0..POSITION_ROOMS),
            is_whole: bool,
        ) {
            let rooms = rooms
                .into_iter()
                .map(|(room, rev)| (RoomId::from_uuid(Uuid::from_u128(room)), Rev::new(rev)))
                .collect();
            let incarnation = Some(Incarnation::from_uuid(Uuid::from_u128(life)));
            let position = Position { incarnation, rooms, is_whole };
            prop_assert_eq!(Position::decode(&position.encode()), Some(position));
        }

        #[test]
        fn nothing_that_is_shown_breaks_it(bytes in vec(any::<u8>(), 0..200)) {
            let _ = Position::decode(&URL_SAFE_NO_PAD.encode(bytes));
        }

        #[test]
        fn a_text_that_is_no_position_holds_nothing(text in ".{0,40}") {
            prop_assume!(URL_SAFE_NO_PAD.decode(&text).is_err());
            prop_assert_eq!(Position::decode(&text), None);
        }
    }

    #[test]
    fn the_largest_position_fits_into_a_head() {
        let room = RoomId::from_uuid(Uuid::max());
        let position = Position {
            incarnation: None,
            rooms: vec![(room, Rev::new(1_000_000_000)); POSITION_ROOMS],
            is_whole: false,
        };
        assert!(position.encode().len() < crate::http::HEAD_BYTES * 3 / 4);
        let more = Position {
            rooms: vec![(room, Rev::FIRST); POSITION_ROOMS + 1],
            ..position
        };
        assert_eq!(Position::decode(&more.encode()), None);
    }
}
