//! Ids and hints to play with.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    broker::Hint,
    event::{Receipt, RoomChange, RoomEvent, Signal, Topic, UserEvent},
    id::{RoomId, SessionId, UserId},
    presence::PresenceState,
    seq::{Rev, Seq},
    time::Timestamp,
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Different in every run, so that a suite can run twice against one backend.
pub(super) fn room() -> RoomId {
    RoomId::from_uuid(Uuid::now_v7())
}

pub(super) fn session() -> SessionId {
    SessionId::from_uuid(Uuid::now_v7())
}

/// Different in every run, as [`room`].
pub(super) fn user() -> UserId {
    #[expect(clippy::expect_used, reason = "a UUID is a user id")]
    UserId::parse(&Uuid::now_v7().to_string()).expect("a UUID is a user id")
}

pub(super) fn head(topic: &Topic, rev: u64) -> Hint {
    Hint::Head {
        topic: topic.clone(),
        rev: Rev::new(rev),
    }
}

pub(super) fn changed(room: RoomId, rev: u64) -> Hint {
    Hint::Changed(Arc::new(RoomEvent {
        room,
        rev: Rev::new(rev),
        after: Rev::new(rev).previous(),
        change: RoomChange::Receipt(Receipt {
            user: user(),
            delivered_seq: Seq::new(rev),
            read_seq: Seq::FIRST,
        }),
    }))
}

pub(super) fn joined(user: UserId, rev: u64) -> Hint {
    Hint::User(UserEvent {
        user,
        rev: Rev::new(rev),
        room: room(),
    })
}

pub(super) fn typing(room: RoomId) -> Hint {
    Hint::Signal {
        room,
        signal: Signal::Typing {
            user: user(),
            active: true,
        },
    }
}

pub(super) fn presence(room: RoomId) -> Hint {
    Hint::Signal {
        room,
        signal: Signal::Presence(PresenceState {
            user: user(),
            online: false,
            last_seen_at: Some(NOW),
        }),
    }
}
