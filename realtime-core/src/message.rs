//! A message, and what one must be to be accepted.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    id::{ClientId, MessageId, RoomId, UserId},
    room::Metadata,
    seq::{Rev, Seq},
    time::Timestamp,
};

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these three")]
pub enum Sender {
    /// A person.
    User {
        /// Who.
        id: UserId,
        /// What they are called, when the host told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The platform.
    System,
    /// Somebody who was erased: no id leads to them any more.
    Erased,
}

impl Sender {
    /// The person, unless it was the platform, or somebody who was erased.
    pub const fn user(&self) -> Option<&UserId> {
        match self {
            Self::User { id, .. } => Some(id),
            Self::System | Self::Erased => None,
        }
    }
}

/// What kind of message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these two")]
pub enum MessageKind {
    /// Plain text of a person.
    #[default]
    Text,
    /// Told by the platform; only a service may send it. Does not count as unread.
    System,
}

/// The text of a message: not empty, within the limit, no NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(String);

/// Why a text is not a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Nothing visible: empty, blanks, or only characters that show nothing.
    #[error("must not be empty")]
    Empty,
    /// More bytes of UTF-8 than allowed.
    #[error("must have at most {max} bytes")]
    TooLong {
        /// How many bytes are allowed.
        max: usize,
    },
    /// U+0000, which databases and terminals choke on.
    #[error("must not contain the character U+0000")]
    Nul,
}

impl Body {
    /// Checks a text. Its length is measured in bytes of UTF-8, the one unit that
    /// every language and database agrees on.
    ///
    /// # Errors
    /// [`BodyError`] names the rule that the text breaks.
    pub fn parse(text: String, max_bytes: usize) -> Result<Self, BodyError> {
        if text.len() > max_bytes {
            return Err(BodyError::TooLong { max: max_bytes });
        }
        if text.contains('\0') {
            return Err(BodyError::Nul);
        }
        if text.chars().all(shows_nothing) {
            return Err(BodyError::Empty);
        }
        Ok(Self(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, taken out.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// White space, control characters, and the zero-width and direction marks with
/// which an empty message can pretend not to be one.
fn shows_nothing(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}'
        )
}

/// A message as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it from their rows")]
pub struct Message {
    /// Which room.
    pub room: RoomId,
    /// Its place in the room.
    pub seq: Seq,
    /// The change that last touched it.
    pub rev: Rev,
    /// Its name over all rooms.
    pub id: MessageId,
    /// Who said it.
    pub sender: Sender,
    /// The sender's own name for it; told to nobody else.
    pub client_id: Option<ClientId>,
    /// What kind of message.
    pub kind: MessageKind,
    /// What it says; `None` once deleted.
    pub body: Option<String>,
    /// The sender's or the platform's own data.
    pub metadata: Option<Metadata>,
    /// The message it answers.
    pub reply_to: Option<Seq>,
    /// When it was stored; for display, not for order.
    pub sent_at: Timestamp,
    /// When its text last changed.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted; what remains is a tombstone.
    pub deleted_at: Option<Timestamp>,
}

/// What last happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these three")]
pub enum MessageChange {
    /// It is as it was sent.
    Sent,
    /// Its text was changed.
    Edited,
    /// It was deleted.
    Deleted,
}

impl Message {
    /// What last happened to it.
    pub const fn change(&self) -> MessageChange {
        if self.deleted_at.is_some() {
            MessageChange::Deleted
        } else if self.edited_at.is_some() {
            MessageChange::Edited
        } else {
            MessageChange::Sent
        }
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Body {
    /// Checks everything but the length, which is the reader's to know.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?, usize::MAX).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Body, BodyError> {
        Body::parse(text.to_owned(), 8)
    }

    #[test]
    fn a_body_says_something() {
        assert!(parse("hi").is_ok());
        assert_eq!(parse(""), Err(BodyError::Empty));
        assert_eq!(parse(" \n\t"), Err(BodyError::Empty));
        assert_eq!(parse("\u{200B}\u{202E}"), Err(BodyError::Empty));
        assert_eq!(parse("a\0"), Err(BodyError::Nul));
    }

    #[test]
    fn a_body_is_measured_in_bytes() {
        assert!(parse("éééé").is_ok());
        assert_eq!(parse("ééééé"), Err(BodyError::TooLong { max: 8 }));
    }
}
