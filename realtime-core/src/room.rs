//! A room: where participants talk, usually about one thing of the host's.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::RoomId,
    limits::SUBJECT_CHARS,
    seq::{Rev, Seq},
    time::Timestamp,
};

/// How many people a room is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a third kind would be another protocol"
)]
pub enum RoomKind {
    /// Two people.
    #[default]
    Direct,
    /// Any number of people.
    Group,
}

/// What may happen in a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "every caller must decide what a new state allows"
)]
pub enum RoomState {
    /// Participants read and write.
    #[default]
    Open,
    /// Participants read; only the platform writes.
    Locked,
    /// As locked, and out of the default list.
    Archived,
}

/// The thing of the host's that a room is about, for example `job` `7421`. There
/// is at most one room for a subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a subject is these two words")]
pub struct Subject {
    /// What kind of thing: `job`.
    #[serde(rename = "type", deserialize_with = "subject_word")]
    pub kind: String,
    /// Which one, in the host's words.
    #[serde(deserialize_with = "subject_word")]
    pub id: String,
}

impl Subject {
    /// Checks both words: 1-64 characters, no control characters.
    ///
    /// # Errors
    /// The [`IdError`](crate::id::IdError) of the first word that breaks the rule.
    pub fn parse(kind: &str, id: &str) -> Result<Self, crate::id::IdError> {
        check_subject_word(kind)?;
        check_subject_word(id)?;
        Ok(Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
        })
    }
}

fn check_subject_word(word: &str) -> Result<(), crate::id::IdError> {
    use crate::id::IdError;
    if word.is_empty() {
        return Err(IdError::Empty);
    }
    if word.chars().count() > SUBJECT_CHARS {
        return Err(IdError::TooLong { max: SUBJECT_CHARS });
    }
    if word.chars().any(char::is_control) {
        return Err(IdError::BadCharacter);
    }
    Ok(())
}

fn subject_word<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let word = String::deserialize(deserializer)?;
    check_subject_word(&word).map_err(serde::de::Error::custom)?;
    Ok(word)
}

/// A JSON object that the host attaches and this library only keeps.
pub type Metadata = Map<String, Value>;

/// A room as it stands in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it from their rows")]
pub struct Room {
    /// Which room.
    pub id: RoomId,
    /// How many people it is for.
    pub kind: RoomKind,
    /// What it is about, if it was opened for something.
    pub subject: Option<Subject>,
    /// What it is called.
    pub title: Option<String>,
    /// The stored state; see [`Room::state_at`] for the one that counts.
    pub state: RoomState,
    /// When an open room becomes a locked one. Checked when writing, so that no
    /// timer is needed and no timer can be late.
    pub locks_at: Option<Timestamp>,
    /// The first message that is still kept; raised by retention. From 1.
    pub first_seq: Seq,
    /// The newest message.
    pub last_seq: Seq,
    /// The newest durable change: the room's head.
    pub rev: Rev,
    /// The change that last touched the room itself rather than a message or a
    /// participant.
    pub meta_rev: Rev,
    /// How many participants are active.
    pub participant_count: u32,
    /// When the newest message was sent; for sorting lists, not for order.
    pub last_message_at: Option<Timestamp>,
    /// The host's own data.
    pub metadata: Option<Metadata>,
    /// When the room was opened.
    pub created_at: Timestamp,
}

impl Room {
    /// The state that counts at `now`: an open room whose `locks_at` has come is locked.
    pub fn state_at(&self, now: Timestamp) -> RoomState {
        match self.state {
            RoomState::Open if self.locks_at.is_some_and(|at| at <= now) => RoomState::Locked,
            RoomState::Open | RoomState::Locked | RoomState::Archived => self.state,
        }
    }

    /// Whether receipts and presence are shown in a room of this size.
    pub const fn is_small(&self) -> bool {
        self.participant_count <= crate::limits::SMALL_ROOM
    }
}
