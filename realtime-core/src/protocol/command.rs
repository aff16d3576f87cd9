//! What a client may say.

use std::collections::BTreeMap;

use serde::{
    Deserialize,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::ErrorCode;
use crate::{
    id::{ClientId, IdError, Incarnation, RoomId, UserId},
    message::{Body, MessageKind},
    room::Metadata,
    seq::{Rev, Seq},
};

/// A command with the number under which it wants to be answered.
#[derive(Debug, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the protocol's envelope is these two"
)]
pub struct Request {
    /// Where the answer goes; without one there is none.
    pub id: Option<u32>,
    /// What is asked.
    pub command: Command,
}

/// What went wrong, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "every transport builds it")]
pub struct WireError {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Which field is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When to try again, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl WireError {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            retry_after_ms: None,
        }
    }

    /// The same, about a field.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident = $word:literal ($body:ty);)*) => {
        /// A command with its body.
        #[derive(Debug, PartialEq)]
        #[expect(clippy::exhaustive_enums, reason = "a session must decide what a new command does")]
        pub enum Command {
            $($(#[$doc])* $variant($body),)*
        }

        impl Command {
            /// Every command's word.
            pub const WORDS: &[&str] = &[$($word,)*];

            /// The word on the wire.
            pub const fn word(&self) -> &'static str {
                match self { $(Self::$variant(_) => $word,)* }
            }

            fn read(word: &str, body: &str) -> Result<Self, WireError> {
                match word {
                    $($word => read_body::<$body>(body).map(Self::$variant),)*
                    _ => Err(unknown(word)),
                }
            }
        }
    };
}

commands! {
    /// Says who the client is and what it holds; the first command.
    Connect = "connect" (Box<Connect>);
    /// Brings a new token.
    Refresh = "refresh" (Refresh);
    /// Listens to rooms.
    Subscribe = "subscribe" (SubscribeTo);
    /// Stops listening.
    Unsubscribe = "unsubscribe" (Unsubscribe);
    /// Sends a message.
    Send = "send" (Box<Send>);
    /// Changes a message's text.
    Edit = "edit" (Edit);
    /// Deletes a message.
    Delete = "delete" (SeqIn);
    /// Reads a page of messages.
    History = "history" (HistoryOf);
    /// Reads what changed.
    Changes = "changes" (ChangesOf);
    /// Moves the read pointer.
    Read = "read" (Mark);
    /// Moves the delivered pointer.
    Delivered = "delivered" (Mark);
    /// Tells that the user is typing.
    Typing = "typing" (Typing);
    /// Asks who is online.
    Presence = "presence" (PresenceOf);
    /// Reads the feed.
    Notifications = "notifications" (NotificationsOf);
    /// Marks the feed.
    NotificationsRead = "notifications_read" (NotificationsRead);
    /// Reads the preferences.
    Preferences = "preferences" (Preferences);
    /// Answers a ping.
    Pong = "pong" (Pong);
}

/// See [`Command::Connect`].
#[derive(Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Connect {
    /// Who; may be left out when the upgrade request carried it.
    pub token: Option<String>,
    /// The rooms that the client holds, and at which `rev`.
    #[serde(default)]
    pub rooms: BTreeMap<RoomId, Rev>,
    /// The `rev` at which it holds its notifications.
    pub notifications: Option<Rev>,
    /// The life of the database from which it holds them; nil stands for a text that
    /// no life of a database ever had.
    #[serde(default, deserialize_with = "any_life")]
    pub incarnation: Option<Incarnation>,
    /// Whether to listen to all rooms or only to those listed.
    #[serde(default)]
    pub subscribe: Subscribe,
}

/// A client that held rooms of another server altogether must be told to start afresh,
/// not that its word is malformed: incarnations are opaque to it.
fn any_life<'de, D: de::Deserializer<'de>>(from: D) -> Result<Option<Incarnation>, D::Error> {
    let text = Option::<std::borrow::Cow<'de, str>>::deserialize(from)?;
    Ok(text.map(|text| text.parse().unwrap_or(Incarnation::NIL)))
}

/// What a connection listens to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these two")]
pub enum Subscribe {
    /// Every room of the user, those to come included.
    #[default]
    All,
    /// Only those listed in `connect` and `subscribe`.
    Listed,
}

/// See [`Command::Refresh`].
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Refresh {
    /// The new token, of the same user.
    pub token: String,
}

/// See [`Command::Subscribe`].
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct SubscribeTo {
    /// Which rooms.
    pub rooms: Vec<RoomAt>,
}

/// A room's id as a client gave it. Ids are opaque to clients, so that what cannot be
/// one is a room that does not exist, and no reason to refuse the others of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a text is an id, or it is not")]
pub enum NamedRoom {
    /// It may exist.
    Id(RoomId),
    /// It cannot exist.
    Nowhere(Box<str>),
}

impl<'de> Deserialize<'de> for NamedRoom {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(match text.parse() {
            Ok(id) => Self::Id(id),
            Err(_) => Self::Nowhere(text.chars().take(TOLD_BACK_CHARS).collect()),
        })
    }
}

/// A room, and the `rev` at which the client holds it.
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct RoomAt {
    /// Which room.
    pub room: NamedRoom,
    /// The `rev`; without one, the room is followed from its head.
    pub rev: Option<Rev>,
}

/// See [`Command::Unsubscribe`].
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Unsubscribe {
    /// Which rooms.
    pub rooms: Vec<NamedRoom>,
}

/// See [`Command::Send`]. Also the body of the REST call, where `room` is in the path.
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Send<R = RoomId> {
    /// Where.
    pub room: R,
    /// The sender's name for the message.
    pub client_id: ClientId,
    /// What it says.
    pub body: Body,
    /// What kind.
    #[serde(default)]
    pub kind: MessageKind,
    /// The message it answers.
    pub reply_to: Option<Seq>,
    /// The sender's own data.
    pub metadata: Option<Metadata>,
}

/// See [`Command::Edit`].
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Edit {
    /// Where.
    pub room: RoomId,
    /// Which.
    pub seq: Seq,
    /// What it says now.
    pub body: Body,
}

/// A message of a room.
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct SeqIn {
    /// Where.
    pub room: RoomId,
    /// Which.
    pub seq: Seq,
}

/// See [`Command::Read`] and [`Command::Delivered`].
pub type Mark = SeqIn;

/// See [`Command::History`].
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct HistoryOf {
    /// Where.
    pub room: RoomId,
    /// Those before this message.
    pub before: Option<Seq>,
    /// Those after this message.
    pub after: Option<Seq>,
    /// Those around this message.
    pub around: Option<Seq>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// See [`Command::Changes`].
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ChangesOf {
    /// Where.
    pub room: RoomId,
    /// What the client holds.
    pub after_rev: Rev,
    /// How many revisions at most.
    pub limit: Option<u32>,
}

/// See [`Command::Typing`].
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Typing {
    /// Where.
    pub room: RoomId,
    /// Whether the user is.
    pub active: bool,
}

/// See [`Command::Presence`].
#[derive(Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct PresenceOf {
    /// Whom.
    pub users: Vec<UserId>,
}

/// See [`Command::Notifications`].
#[derive(Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct NotificationsOf {
    /// How many at most.
    pub limit: Option<u32>,
}

/// See [`Command::NotificationsRead`].
#[derive(Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct NotificationsRead {
    /// Only as seen.
    #[serde(default)]
    pub seen_only: bool,
}

/// See [`Command::Preferences`].
#[derive(Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Preferences {
    /// What to change.
    pub set: Option<Metadata>,
}

/// See [`Command::Pong`].
#[derive(Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Pong {}

/// Reads one JSON object. The error comes with the `id` under which to tell it.
///
/// # Errors
/// [`ErrorCode::BadRequest`] or [`ErrorCode::UnknownCommand`], with the field.
pub fn decode(text: &str) -> Result<Request, (Option<u32>, WireError)> {
    let envelope: Envelope<'_> = serde_json::from_str(text)
        .map_err(|error| (None, WireError::new(ErrorCode::BadRequest, plain(&error))))?;
    let id = match envelope.id {
        Ok(id) => id,
        Err(error) => return Err((None, error)),
    };
    let command = match envelope.command {
        Found::One(word, body) => Command::read(word, body.get()),
        Found::Two => Err(WireError::new(
            ErrorCode::BadRequest,
            "one command an object",
        )),
        Found::Unknown(word) => Err(unknown(&word)),
        Found::None => Err(WireError::new(ErrorCode::BadRequest, "no command")),
    };
    command
        .map(|command| Request { id, command })
        .map_err(|error| (id, error))
}

/// What is said of a room that is not there, whatever the reason.
const NOT_FOUND: &str = "not found";
/// What is not known is told back cut short: it is the client's, and may be anything.
const TOLD_BACK_CHARS: usize = 40;

fn unknown(word: &str) -> WireError {
    let word: String = word.chars().take(TOLD_BACK_CHARS).collect();
    WireError::new(ErrorCode::UnknownCommand, format!("no command {word:?}"))
}

fn read_body<'de, T: Deserialize<'de>>(body: &'de str) -> Result<T, WireError> {
    // The quick way first: the path of an error is only needed when there is one.
    serde_json::from_str(body).or_else(|_| read_body_with_path(body))
}

/// The same, and an error tells the field.
fn read_body_with_path<'de, T: Deserialize<'de>>(body: &'de str) -> Result<T, WireError> {
    let mut deserializer = serde_json::Deserializer::from_str(body);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let reason = plain(error.inner());
        let path = error.path().to_string();
        // The same as for every other room that is not there.
        if path == "room" && reason == IdError::NotUuid.to_string() {
            return WireError::new(ErrorCode::NotFound, NOT_FOUND);
        }
        let missing = reason
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split('`').next());
        let field = match (missing, path.as_str()) {
            (Some(field), ".") => field.to_owned(),
            (Some(field), path) => format!("{path}.{field}"),
            (None, path) => path.to_owned(),
        };
        WireError::new(ErrorCode::BadRequest, reason).at(field)
    })
}

/// The error without serde's "at line 1 column 20", which means nothing to a client.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

struct Envelope<'a> {
    id: Result<Option<u32>, WireError>,
    command: Found<'a>,
}

enum Found<'a> {
    None,
    One(&'static str, &'a RawValue),
    Two,
    Unknown(String),
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with one command")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope {
            id: Ok(None),
            command: Found::None,
        };
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == "id" {
                let raw: &RawValue = map.next_value()?;
                envelope.id = read_id(raw.get());
                continue;
            }
            let Some(word) = Command::WORDS.iter().find(|word| **word == key) else {
                map.next_value::<IgnoredAny>()?;
                if matches!(envelope.command, Found::None) {
                    envelope.command = Found::Unknown(key.into_owned());
                }
                continue;
            };
            let body: &RawValue = map.next_value()?;
            envelope.command = match envelope.command {
                Found::None | Found::Unknown(_) => Found::One(word, body),
                Found::One(..) | Found::Two => Found::Two,
            };
        }
        Ok(envelope)
    }
}

fn read_id(text: &str) -> Result<Option<u32>, WireError> {
    match serde_json::from_str::<u32>(text) {
        Ok(id) if id > 0 => Ok(Some(id)),
        Ok(_) | Err(_) => Err(WireError::new(
            ErrorCode::BadRequest,
            "must be an integer from 1 to 2^32-1",
        )
        .at("id")),
    }
}

#[cfg(test)]
mod tests;
