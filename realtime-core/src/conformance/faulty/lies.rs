//! What a lying broker says.

use std::sync::Arc;

use rand::{RngExt, rngs::StdRng};
use uuid::Uuid;

use super::EVEN;
use crate::{
    broker::Hint,
    event::{RoomEvent, Signal, Topic, UserEvent},
    id::{RoomId, UserId},
    presence::PresenceState,
    seq::{MAX_JSON_INTEGER, Rev},
};

/// By how much a head is told too high: enough to be believed.
const NEAR: u64 = 1_000;
/// By how much the `rev` of a change is: so much that no test ever gets there and
/// mistakes the lie for the truth.
const FAR: u64 = 1_000_000_000;

/// A head that is too high or too low, of the topic of a true hint.
pub(super) fn head(hint: &Hint, random: &mut StdRng) -> Hint {
    let truth = hint.rev().unwrap_or(Rev::FIRST).get();
    let rev = match random.random_range(0..4) {
        0 => random.random_range(0..=truth),
        1 => MAX_JSON_INTEGER,
        _ => truth.saturating_add(random.random_range(1..=NEAR)),
    };
    Hint::Head {
        topic: hint.topic(),
        rev: Rev::new(rev),
    }
}

/// The same change under a number that never was; `None` if it has no number.
pub(super) fn rev(hint: &Hint, random: &mut StdRng) -> Option<Hint> {
    let rev = if random.random_bool(EVEN) {
        Rev::ZERO
    } else {
        hint.rev()?.plus(random.random_range(FAR..=FAR * 2))
    };
    match hint {
        Hint::Changed(event) => Some(Hint::Changed(Arc::new(RoomEvent {
            rev,
            after: rev.previous(),
            ..RoomEvent::clone(event)
        }))),
        Hint::User(event) => Some(Hint::User(UserEvent {
            rev,
            ..event.clone()
        })),
        Hint::Head { .. } | Hint::Signal { .. } => None,
    }
}

/// The same change with another change before it; `None` if it is none of a room.
pub(super) fn after(hint: &Hint, random: &mut StdRng) -> Option<Hint> {
    let Hint::Changed(event) = hint else {
        return None;
    };
    let earliest = event.after.is_zero() || random.random_bool(EVEN);
    let after = if earliest {
        event.rev.plus(random.random_range(0..=NEAR))
    } else {
        Rev::new(random.random_range(0..event.after.get()))
    };
    Some(Hint::Changed(Arc::new(RoomEvent {
        after,
        ..RoomEvent::clone(event)
    })))
}

/// Something like the hint, of a stream that nobody here knows.
pub(super) fn foreign(hint: &Hint, random: &mut StdRng) -> Hint {
    let room = RoomId::from_uuid(Uuid::from_u128(random.random()));
    match hint {
        Hint::Changed(event) => Hint::Changed(Arc::new(RoomEvent {
            room,
            ..RoomEvent::clone(event)
        })),
        Hint::Head { rev, .. } => Hint::Head {
            topic: Topic::Room(room),
            rev: *rev,
        },
        Hint::User(event) => Hint::User(UserEvent {
            user: nobody(random).unwrap_or_else(|| event.user.clone()),
            ..event.clone()
        }),
        Hint::Signal { signal, .. } => Hint::Signal {
            room,
            signal: signal.clone(),
        },
    }
}

/// A signal of somebody who is not in the room; `None` if it is about no room.
pub(super) fn stranger(hint: &Hint, random: &mut StdRng) -> Option<Hint> {
    let Topic::Room(room) = hint.topic() else {
        return None;
    };
    let user = nobody(random)?;
    let signal = if random.random_bool(EVEN) {
        Signal::Typing { user, active: true }
    } else {
        Signal::Presence(PresenceState {
            user,
            online: true,
            last_seen_at: None,
        })
    };
    Some(Hint::Signal { room, signal })
}

fn nobody(random: &mut StdRng) -> Option<UserId> {
    UserId::parse(&format!("nobody-{:x}", random.random::<u64>())).ok()
}
