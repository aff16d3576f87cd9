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
    /// Left, or was replaced: goes on reading what was said while they were there.
    Left,
    /// Was removed: sees nothing any more.
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
    /// The first message that they may see; the room's first, unless they came to a
    /// room that had a life before them.
    pub visible_from: Seq,
    /// The last message that they may see, of somebody who left; `None` for who is
    /// active, and for who was removed.
    pub visible_to: Option<Seq>,
}

/// Which messages of a room somebody may see: one range, open to the future for who
/// is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a range has two ends")]
pub struct Visible {
    /// The first.
    pub from: Seq,
    /// The last; `None`: whatever comes.
    pub to: Option<Seq>,
}

impl Visible {
    /// Everything, as the platform sees it.
    pub const ALL: Self = Self {
        from: Seq::FIRST,
        to: None,
    };

    /// Whether a message may be seen.
    pub fn has(self, seq: Seq) -> bool {
        self.from <= seq && self.to.is_none_or(|to| seq <= to)
    }

    /// Whether somebody who sees this and somebody who sees `other` could ever have
    /// met.
    pub fn meets(self, other: Self) -> bool {
        let begins = |one: Self, other: Self| other.to.is_none_or(|to| one.from <= to);
        begins(self, other) && begins(other, self)
    }
}

impl Participant {
    /// Whether they are in the room.
    pub fn is_active(&self) -> bool {
        self.state == ParticipantState::Active
    }

    /// Which messages they may see; nothing, for who was removed. Who has left may see
    /// nothing else of the room than these: no changes as they happen.
    pub fn visible(&self) -> Option<Visible> {
        let from = self.visible_from;
        match (self.state, self.visible_to) {
            (ParticipantState::Active, _) => Some(Visible { from, to: None }),
            (ParticipantState::Left, Some(to)) => Some(Visible { from, to: Some(to) }),
            (ParticipantState::Left, None) | (ParticipantState::Removed, _) => None,
        }
    }
}
