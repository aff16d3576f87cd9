//! Positions in the room list and among the hits of a search, as clients carry them.
//!
//! A cursor leads only into the caller's own rooms, so it need not be secret. It is
//! checked so that a mistaken one is refused rather than taken for a position.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use realtime_core::{
    change::Fnv,
    id::RoomId,
    search::SearchCursor,
    seq::{MAX_JSON_INTEGER, Seq},
    store::RoomCursor,
    time::Timestamp,
};
use uuid::Uuid;

const VERSION: u8 = 1;
const HIT_VERSION: u8 = 2;
/// Bytes of: the version, the activity, the room, the check.
const BYTES: usize = 1 + 8 + 16 + 4;
/// Bytes of: the version, the time, the room, the number, the check.
const HIT_BYTES: usize = 1 + 8 + 16 + 8 + 4;

/// A position as text.
pub(super) fn encode(cursor: &RoomCursor) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(&cursor.activity.as_millis().to_be_bytes());
    bytes.extend_from_slice(cursor.room.as_uuid().as_bytes());
    let check = check(&bytes);
    bytes.extend_from_slice(&check);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A position that [`encode`] wrote.
pub(super) fn decode(text: &str) -> Option<RoomCursor> {
    let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (body, given) = bytes.split_last_chunk::<4>()?;
    let (version, body_rest) = body.split_first()?;
    let (activity, room) = body_rest.split_first_chunk::<8>()?;
    let millis = i64::from_be_bytes(*activity);
    if *given != check(body) || *version != VERSION {
        return None;
    }
    let activity = Timestamp::from_millis(millis);
    let room = RoomId::from_uuid(Uuid::from_slice(room).ok()?);
    (activity.as_millis() == millis).then_some(RoomCursor { activity, room })
}

/// A position among hits, as text.
pub(super) fn encode_hit(cursor: &SearchCursor) -> String {
    let mut bytes = Vec::with_capacity(HIT_BYTES);
    bytes.push(HIT_VERSION);
    bytes.extend_from_slice(&cursor.at.as_millis().to_be_bytes());
    bytes.extend_from_slice(cursor.room.as_uuid().as_bytes());
    // A position that is no message's may stand beyond all of them.
    let seq = cursor.seq.get().min(MAX_JSON_INTEGER);
    bytes.extend_from_slice(&seq.to_be_bytes());
    let check = check(&bytes);
    bytes.extend_from_slice(&check);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A position that [`encode_hit`] wrote.
pub(super) fn decode_hit(text: &str) -> Option<SearchCursor> {
    let bytes: [u8; HIT_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (body, given) = bytes.split_last_chunk::<4>()?;
    let (version, rest) = body.split_first()?;
    let (at, rest) = rest.split_first_chunk::<8>()?;
    let (room, seq) = rest.split_first_chunk::<16>()?;
    let (millis, seq) = (
        i64::from_be_bytes(*at),
        u64::from_be_bytes(seq.try_into().ok()?),
    );
    if *given != check(body) || *version != HIT_VERSION || seq > MAX_JSON_INTEGER {
        return None;
    }
    let at = Timestamp::from_millis(millis);
    (at.as_millis() == millis).then_some(SearchCursor {
        at,
        room: RoomId::from_uuid(Uuid::from_bytes(*room)),
        seq: Seq::new(seq),
    })
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let mut digest = Fnv::default();
    std::hash::Hasher::write(&mut digest, bytes);
    let [a, b, c, d, ..] = digest.finish().to_be_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(millis in 0_i64..=253_402_300_799_999, room: u128) {
            let activity = Timestamp::from_millis(millis);
            let room = RoomId::from_uuid(Uuid::from_u128(room));
            let cursor = RoomCursor { activity, room };
            prop_assert_eq!(decode(&encode(&cursor)), Some(cursor));
        }

        #[test]
        fn a_hit_comes_back_as_it_went(
            millis in 0_i64..=253_402_300_799_999,
            room: u128,
            seq in 0..=MAX_JSON_INTEGER,
        ) {
            let at = Timestamp::from_millis(millis);
            let room = RoomId::from_uuid(Uuid::from_u128(room));
            let cursor = SearchCursor { at, room, seq: Seq::new(seq) };
            let text = encode_hit(&cursor);
            prop_assert_eq!(decode_hit(&text), Some(cursor));
            prop_assert_eq!(decode(&text), None);
        }

        #[test]
        fn what_was_not_written_here_is_refused(text in ".{0,60}") {
            prop_assert_eq!(decode(&text), None);
            prop_assert_eq!(decode_hit(&text), None);
        }

        #[test]
        fn a_changed_cursor_is_refused(room: u128, place in 0_usize..38, to in "[A-Za-z0-9_-]") {
            let activity = Timestamp::from_millis(1_700_000_000_000);
            let room = RoomId::from_uuid(Uuid::from_u128(room));
            let text = encode(&RoomCursor { activity, room });
            let mut changed = text.clone();
            changed.replace_range(place..=place, &to);
            prop_assume!(changed != text);
            prop_assert_eq!(decode(&changed), None);
        }
    }
}
