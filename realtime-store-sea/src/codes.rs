//! What the columns hold for our enums and numbers, and back. A code that no
//! version of ours wrote is damage, not a default.

use realtime_core::{
    change::Legacy,
    message::MessageKind,
    participant::{ParticipantState, Role},
    room::{RoomKind, RoomState},
    seq::{Rev, Seq},
    store::StoreError,
};

use crate::error::damaged;

/// An enum that is stored as a small integer.
pub(crate) trait Code: Copy + Sized {
    /// What it is called in an error.
    const WHAT: &'static str;
    /// The stored form; never changes, old rows hold it.
    fn code(self) -> i16;
    /// The value of a code.
    fn known(code: i16) -> Option<Self>;

    /// Reads a stored code.
    fn decode(code: i16) -> Result<Self, StoreError> {
        Self::known(code).ok_or_else(|| damaged(format!("{} {code} is unknown", Self::WHAT)))
    }
}

macro_rules! codes {
    ($type:ident, $what:literal, $($variant:ident = $code:literal),+) => {
        impl Code for $type {
            const WHAT: &'static str = $what;

            fn code(self) -> i16 {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            fn known(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

codes!(RoomKind, "room kind", Direct = 0, Group = 1);
codes!(RoomState, "room state", Open = 0, Locked = 1, Archived = 2);
codes!(Role, "role", Member = 0, Owner = 1, Observer = 2);
codes!(
    ParticipantState,
    "participant state",
    Active = 0,
    Left = 1,
    Removed = 2
);
codes!(Legacy, "legacy", Keep = 0, Tombstone = 1);
codes!(MessageKind, "message kind", Text = 0, System = 1);

/// A position as databases store it. What does not fit stands after everything.
pub(crate) fn stored(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// A stored position.
pub(crate) fn position(stored: i64) -> Result<u64, StoreError> {
    u64::try_from(stored).map_err(|_| damaged(format!("position {stored} is negative")))
}

/// A stored `seq`.
pub(crate) fn seq(stored: i64) -> Result<Seq, StoreError> {
    position(stored).map(Seq::new)
}

/// A stored `rev`.
pub(crate) fn rev(stored: i64) -> Result<Rev, StoreError> {
    position(stored).map(Rev::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_is_damage() {
        assert!(matches!(Role::decode(2), Ok(Role::Observer)));
        assert!(matches!(Role::decode(3), Err(StoreError::Damaged(_))));
        assert!(matches!(Role::decode(-1), Err(StoreError::Damaged(_))));
        assert!(matches!(seq(-1), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_position_beyond_the_end_stays_there() {
        assert_eq!(stored(u64::MAX), i64::MAX);
        assert_eq!(stored(7), 7);
    }
}
