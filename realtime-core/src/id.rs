//! Identifiers, each a type of its own: a room can never be passed for a user.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::limits::{CLIENT_ID_CHARS, EVENT_ID_CHARS, USER_ID_CHARS};

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("must not be empty")]
    Empty,
    /// The text has more characters than the identifier may have.
    #[error("must have at most {max} characters")]
    TooLong {
        /// How many characters are allowed.
        max: usize,
    },
    /// A character that this identifier does not allow.
    #[error("has a character that is not allowed")]
    BadCharacter,
    /// The text is not a UUID.
    #[error("is not a UUID")]
    NotUuid,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// All zeros, which is never given.
            pub const NIL: Self = Self(Uuid::nil());

            /// Wraps a UUID that came from the store.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                // Only the hyphenated form: one id must have one spelling.
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Err(IdError::NotUuid);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| IdError::NotUuid)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut buffer = Uuid::encode_buffer();
                serializer.serialize_str(self.0.hyphenated().encode_lower(&mut buffer))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

uuid_id! {
    /// A room. UUIDv7, given by the server.
    RoomId
}
uuid_id! {
    /// A message, over all rooms. UUIDv7, given by the server.
    MessageId
}
uuid_id! {
    /// One connection of one device, for as long as it is open.
    SessionId
}
uuid_id! {
    /// The life of a database: it changes when the database was restored from a
    /// backup, and every client then starts afresh.
    Incarnation
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// [`IdError`] names the rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                if text.is_empty() {
                    return Err(IdError::Empty);
                }
                if text.chars().count() > $max {
                    return Err(IdError::TooLong { max: $max });
                }
                if !text.chars().all($allowed) {
                    return Err(IdError::BadCharacter);
                }
                Ok(Self(text.into()))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(de::Error::custom)
            }
        }
    };
}

text_id! {
    /// A user, by the host's own id: 1-64 characters, no control characters.
    UserId, USER_ID_CHARS, |c| !c.is_control()
}
text_id! {
    /// The sender's name for one message: the same `ClientId` of the same sender
    /// in the same room is one message, for ever. 1-64 of `A-Za-z0-9._:-`.
    ClientId, CLIENT_ID_CHARS, |c| c.is_ascii_alphanumeric() || "._:-".contains(c)
}
text_id! {
    /// The host's name for one of its events or requests, which makes a repeat
    /// harmless: 1-128 characters, no control characters.
    EventId, EVENT_ID_CHARS, |c| !c.is_control()
}

/// Where new identifiers come from; a seam, so that tests see the same ids.
pub trait IdGenerator: Send + Sync + fmt::Debug {
    /// A new UUID, of which no two are equal; version 7 in production, because
    /// neighbours in time are then neighbours in an index.
    fn uuid(&self) -> Uuid;
}

/// UUIDv7 from the system's clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidV7;

impl IdGenerator for UuidV7 {
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_id_has_one_spelling() {
        let id: RoomId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(id.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(
            "01890a5dac96774bbcceb302099a8057".parse::<RoomId>(),
            Err(IdError::NotUuid)
        );
        assert_eq!("../../etc/passwd".parse::<RoomId>(), Err(IdError::NotUuid));
    }

    #[test]
    fn a_user_id_is_short_and_printable() {
        assert!(UserId::parse("42").is_ok());
        assert_eq!(UserId::parse(""), Err(IdError::Empty));
        assert_eq!(UserId::parse("a\0b"), Err(IdError::BadCharacter));
        assert_eq!(
            UserId::parse(&"é".repeat(65)),
            Err(IdError::TooLong { max: 64 })
        );
        assert!(UserId::parse(&"é".repeat(64)).is_ok());
    }

    #[test]
    fn a_client_id_keeps_to_its_alphabet() {
        assert!(ClientId::parse("a-Z0.9_:x").is_ok());
        assert_eq!(ClientId::parse("a b"), Err(IdError::BadCharacter));
        assert_eq!(ClientId::parse("a/../b"), Err(IdError::BadCharacter));
    }
}
