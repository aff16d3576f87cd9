//! Who listens: one open connection, and the rooms it follows.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

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
    pub(crate) mailbox: Arc<Mailbox>,
    /// The permits of the commands that it may have under way.
    commands: Option<Arc<Semaphore>>,
    rooms: Mutex<BTreeMap<RoomId, Ticket>>,
}

/// Names one joining of one room by one connection, so that what was started for
/// an earlier joining does not touch a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(pub(crate) u64);

impl Subscriber {
    /// A connection that follows nothing yet.
    pub(crate) fn new(session: SessionId, user: UserId, mailbox: Arc<Mailbox>) -> Self {
        Self {
            session,
            user,
            name: None,
            mailbox,
            commands: None,
            rooms: Mutex::default(),
        }
    }

    /// The same, of somebody whose token says what they are called.
    pub(crate) fn named(mut self, name: Option<String>) -> Self {
        self.name = name;
        self
    }

    /// The same, whose commands are counted by these permits.
    pub(crate) fn counting(mut self, commands: Arc<Semaphore>) -> Self {
        self.commands = Some(commands);
        self
    }

    /// Waits until no change that it asked for is without an answer, and lets no more
    /// begin. `all` is the number of its permits.
    ///
    /// # Cancel safety
    /// Cancel safe: commands then go on beginning.
    pub(crate) async fn settle(&self, all: u32) {
        let Some(commands) = &self.commands else {
            return;
        };
        if let Ok(permits) = commands.acquire_many(all).await {
            permits.forget();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn settling_waits_for_what_is_under_way_and_lets_nothing_more_begin() {
        let id = uuid::Uuid::from_u128(1);
        let user = UserId::parse("ann").unwrap();
        let commands = Arc::new(Semaphore::new(2));
        let subscriber = Subscriber::new(
            SessionId::from_uuid(id),
            user,
            Arc::new(Mailbox::new(10, 20)),
        )
        .counting(commands.clone());
        let under_way = commands.try_acquire().unwrap();
        let mut settled = std::pin::pin!(subscriber.settle(2));
        assert!(futures::poll!(settled.as_mut()).is_pending());
        drop(under_way);
        settled.await;
        assert_eq!(commands.available_permits(), 0);
    }
}
