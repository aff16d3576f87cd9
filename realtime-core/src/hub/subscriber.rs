//! Who listens: one open connection, and the rooms it follows.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    id::{RoomId, SessionId, UserId},
    mailbox::Mailbox,
};

/// One open connection.
#[derive(Debug)]
pub(crate) struct Subscriber {
    /// The connection's name.
    pub(crate) session: SessionId,
    /// Whose connection it is.
    pub(crate) user: UserId,
    /// What the token said they are called.
    pub(crate) name: Option<String>,
    /// What waits for it.
    pub(crate) mailbox: std::sync::Arc<Mailbox>,
    rooms: Mutex<BTreeMap<RoomId, Ticket>>,
}

/// Names one joining of one room by one connection, so that what was started for
/// an earlier joining does not touch a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

impl Subscriber {
    /// A connection that follows nothing yet.
    pub(crate) fn new(session: SessionId, user: UserId, mailbox: std::sync::Arc<Mailbox>) -> Self {
        Self {
            session,
            user,
            name: None,
            mailbox,
            rooms: Mutex::default(),
        }
    }

    /// The same, of somebody whose token says what they are called.
    pub(crate) fn named(mut self, name: Option<String>) -> Self {
        self.name = name;
        self
    }

    /// The rooms that it follows.
    pub(crate) fn rooms(&self) -> Vec<RoomId> {
        self.lock().keys().copied().collect()
    }

    /// How many rooms it follows.
    pub(crate) fn room_count(&self) -> usize {
        self.lock().len()
    }

    /// Whether it follows a room.
    pub(crate) fn follows(&self, room: RoomId) -> bool {
        self.lock().contains_key(&room)
    }

    pub(super) fn note(&self, room: RoomId, ticket: Ticket) {
        self.lock().insert(room, ticket);
    }

    pub(super) fn forget(&self, room: RoomId, ticket: Ticket) {
        let mut rooms = self.lock();
        if rooms.get(&room) == Some(&ticket) {
            rooms.remove(&room);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RoomId, Ticket>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
