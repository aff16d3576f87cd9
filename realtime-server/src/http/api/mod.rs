//! The REST calls, a file for each noun. Every use case is the core's; what is here
//! reads the request and writes the answer.

mod cursor;
pub(super) mod events;
mod input;
pub(super) mod messages;
pub(super) mod participants;
pub(super) mod people;
pub(super) mod pointers;
pub(super) mod rooms;
pub(super) mod search;
pub(super) mod users;

pub(crate) use self::events::{Event, Outcome, apply as apply_event};
