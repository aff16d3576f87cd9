//! Who listens: one open connection, and the rooms it follows.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    /// Held by the one catch-up that may read at a time: what many rooms have to tell
    /// must not fill the mailbox at once.
    pub(super) turn: tokio::sync::Mutex<()>,
    rooms: Mutex<Rooms>,
}

#[derive(Debug, Default)]
struct Rooms {
    followed: BTreeMap<RoomId, Ticket>,
    /// Those that the client itself stopped listening to.
    declined: BTreeSet<RoomId>,
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
            turn: tokio::sync::Mutex::default(),
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
        self.lock().followed.keys().copied().collect()
    }

    /// The rooms that it follows, and by which joining.
    pub(crate) fn tickets(&self) -> Vec<(RoomId, Ticket)> {
        let rooms = self.lock();
        rooms
            .followed
            .iter()
            .map(|(room, at)| (*room, *at))
            .collect()
    }

    /// How many rooms it follows.
    pub(crate) fn room_count(&self) -> usize {
        self.lock().followed.len()
    }

    /// Whether it follows a room.
    pub(crate) fn follows(&self, room: RoomId) -> bool {
        self.lock().followed.contains_key(&room)
    }

    /// Whether it would be told of a room in which its user is.
    pub(crate) fn lacks(&self, room: RoomId) -> bool {
        let rooms = self.lock();
        !rooms.followed.contains_key(&room) && !rooms.declined.contains(&room)
    }

    /// Its client wants to hear no more of a room that it follows; of `most` rooms
    /// this is remembered.
    pub(crate) fn decline(&self, room: RoomId, most: usize) {
        let mut rooms = self.lock();
        if rooms.followed.contains_key(&room) && rooms.declined.len() < most {
            rooms.declined.insert(room);
        }
    }

    /// Its user was put into a room anew.
    pub(crate) fn reconsider(&self, room: RoomId) {
        self.lock().declined.remove(&room);
    }

    pub(super) fn note(&self, room: RoomId, ticket: Ticket) {
        let mut rooms = self.lock();
        rooms.followed.insert(room, ticket);
        rooms.declined.remove(&room);
    }

    pub(super) fn forget(&self, room: RoomId, ticket: Ticket) {
        let mut rooms = self.lock();
        if rooms.followed.get(&room) == Some(&ticket) {
            rooms.followed.remove(&room);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
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
