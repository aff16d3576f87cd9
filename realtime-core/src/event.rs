//! Durable changes on their way to the people who should see them.

use serde::{Deserialize, Serialize};

use crate::{
    id::{RoomId, UserId},
    message::Message,
    participant::Participant,
    room::Room,
    seq::{Rev, Seq},
};

/// A stream of durable changes that someone can listen to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "brokers and stores must decide what a new stream is"
)]
pub enum Topic {
    /// What happens in a room.
    Room(RoomId),
    /// What happens to a user: today, the rooms they are in.
    User(UserId),
}

/// One durable change of a room, or the newest state of something that changed
/// several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct RoomEvent {
    /// Which room.
    pub room: RoomId,
    /// The number of this change.
    pub rev: Rev,
    /// The change before it in this telling. Usually `rev - 1`; less when what lay
    /// between was superseded by later state and need not be told.
    pub after: Rev,
    /// What changed.
    pub change: RoomChange,
}

/// What changed in a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "every consumer must decide what a new change means"
)]
pub enum RoomChange {
    /// A message was sent, edited or deleted.
    Message(Box<Message>),
    /// Somebody's pointers moved forward. Absolute, never "+1".
    Receipt(Receipt),
    /// Somebody joined, left, was removed, or has another role.
    Participant(Box<Participant>),
    /// The room itself changed, or was opened.
    Room(Box<Room>),
    /// So much changed at once that whoever holds anything of the room must load it
    /// anew: somebody was erased from it.
    Reset,
}

/// How far somebody has received and read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Receipt {
    /// Who.
    pub user: UserId,
    /// Up to which message their devices have received.
    pub delivered_seq: Seq,
    /// Up to which message they have read.
    pub read_seq: Seq,
}

/// A durable change of what a user takes part in: the room is to be looked at anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct UserEvent {
    /// Whose stream.
    pub user: UserId,
    /// The number of this change in the user's stream.
    pub rev: Rev,
    /// The room that they joined or left.
    pub room: RoomId,
}

/// Something that matters only now and is stored nowhere; may be dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "every consumer must decide what a new signal means"
)]
pub enum Signal {
    /// Somebody is typing, or stopped.
    Typing {
        /// Who.
        user: UserId,
        /// Whether they are.
        active: bool,
    },
    /// Somebody came online or went offline.
    Presence(crate::presence::PresenceState),
}
