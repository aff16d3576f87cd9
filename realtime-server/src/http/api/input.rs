//! What bodies have in common.

use realtime_core::{
    change::NewParticipant,
    id::UserId,
    participant::Role,
    room::{Metadata, RoomKind},
};
use serde::{Deserialize, Deserializer, de::IntoDeserializer};

/// How many people a direct room is for.
const PAIR: usize = 2;

/// What booking platforms call the two sides of a job, both of which read and write.
const SIDES: [&str; 2] = ["client", "cleaner"];

/// A role, by our word or by the platform's for a side of the job.
pub(super) fn role<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
    let word = String::deserialize(from)?;
    if SIDES.contains(&word.as_str()) {
        return Ok(Role::Member);
    }
    Role::deserialize(word.into_deserializer())
}

/// Somebody to be put into a room.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    #[serde(default, deserialize_with = "role")]
    pub(crate) role: Role,
    pub(crate) name: Option<String>,
}

impl From<Person> for NewParticipant {
    fn from(person: Person) -> Self {
        let Person { user, role, name } = person;
        Self { user, role, name }
    }
}

/// A room to be opened.
#[derive(Debug, Deserialize)]
pub(super) struct RoomInput {
    pub(super) kind: Option<RoomKind>,
    pub(super) participants: Vec<Person>,
    pub(super) title: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

impl crate::http::body::Input for RoomInput {}

/// The kind that was asked for, or the one that fits so many people.
pub(super) fn kind_for(asked: Option<RoomKind>, people: usize) -> RoomKind {
    asked.unwrap_or(if people == PAIR {
        RoomKind::Direct
    } else {
        RoomKind::Group
    })
}

/// A field that is there, `null` included: tells "remove" from "leave".
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}
