//! Who is in a room, in which role, and how far they have read.

use serde::{Deserialize, Serialize};

use crate::{
    id::{RoomId, UserId},
    seq::{Rev, Seq},
    time::Timestamp,
};

/// What a participant may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "every caller must decide what a new role may do"
)]
pub enum Role {
    /// Reads and writes.
    #[default]
    Member,
    /// Reads and writes; the host may show it differently.
    Owner,
    /// Reads only, and sends no receipts or typing.
    Observer,
}

impl Role {
    /// Whether this role may send messages.
    pub const fn may_write(self) -> bool {
        match self {
            Self::Member | Self::Owner => true,
            Self::Observer => false,
        }
    }
}

/// Whether a participant is in the room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "membership decides access: no caller may guess"
)]
pub enum ParticipantState {
    /// In the room.
    #[default]
    Active,
    /// Left on their own.
    Left,
    /// Was removed.
    Removed,
}

/// One person in one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it from their rows")]
pub struct Participant {
    /// Which room.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// What they are called.
    pub name: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Whether they are in the room.
    pub state: ParticipantState,
    /// Up to which message their devices have received. Never behind `read_seq`.
    pub delivered_seq: Seq,
    /// Up to which message they have read.
    pub read_seq: Seq,
    /// Until when this room makes no noise for them.
    pub muted_until: Option<Timestamp>,
    /// The newest change of this row: membership or receipt.
    pub rev: Rev,
    /// The newest change of the membership alone; a catch-up tells by it whether
    /// to push `participant` or only `receipt`.
    pub member_rev: Rev,
    /// When they joined.
    pub joined_at: Timestamp,
}

impl Participant {
    /// Whether they are in the room.
    pub fn is_active(&self) -> bool {
        self.state == ParticipantState::Active
    }
}
