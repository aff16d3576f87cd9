//! The database in memory: plain rows under one lock, obviously serial and atomic.
//!
//! Every change is checked in full before the first row is touched, so that what is
//! refused leaves no trace. It keeps everything until it is dropped.

mod commit;
mod lists;
mod members;
mod messages;
mod reads;
mod rooms;
mod rows;
mod search;
mod upkeep;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::{commit::Commit, rows::Rows};
use crate::{
    change::Change,
    event::Topic,
    id::{IdGenerator, Incarnation, RoomId, UserId, UuidV7},
    participant::Participant,
    room::{Room, Subject},
    seq::{Rev, Seq},
    store::{
        Aged, Catalog, ChangeSet, Edition, ExportCursor, ExportPage, HistoryPage, Outcome,
        RoomQuery, RoomView, Store, StoreError, Tidied, Unread, UnreadTotals, Upkeep, Window,
    },
    time::Timestamp,
};

/// A [`Store`], [`Catalog`] and [`Upkeep`] that forgets everything when it is dropped: the
/// reference of the contract, for tests, examples and single servers that may forget.
///
/// Its methods never wait: dropping their futures is always safe.
#[derive(Debug)]
pub struct MemoryStore {
    incarnation: Mutex<Incarnation>,
    ids: Arc<dyn IdGenerator>,
    rows: Mutex<Rows>,
}

impl MemoryStore {
    /// An empty database whose rooms, messages and incarnation get ids from `ids`.
    pub fn new(ids: Arc<dyn IdGenerator>) -> Self {
        Self {
            incarnation: Mutex::new(Incarnation::from_uuid(ids.uuid())),
            ids,
            rows: Mutex::default(),
        }
    }

    /// Says that the data is of another time, as after a restore from a backup.
    pub fn declare_restored(&self) -> Incarnation {
        let new = Incarnation::from_uuid(self.ids.uuid());
        let mut incarnation = self
            .incarnation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *incarnation = new;
        new
    }

    fn rows(&self) -> Result<MutexGuard<'_, Rows>, StoreError> {
        self.rows
            .lock()
            .map_err(|_| StoreError::Damaged("a change broke off half way".into()))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Arc::new(UuidV7))
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn incarnation(&self) -> Result<Incarnation, StoreError> {
        let incarnation = self.incarnation.lock();
        Ok(*incarnation.unwrap_or_else(PoisonError::into_inner))
    }

    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        let mut rows = self.rows()?;
        let mut commit = Commit::new(&mut rows, &*self.ids, now);
        Ok(changes.iter().map(|change| commit.apply(change)).collect())
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError> {
        let rows = self.rows()?;
        Ok(topics.iter().map(|topic| rows.head(topic)).collect())
    }

    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError> {
        Ok(self.rows()?.changes(room, after, limit))
    }

    async fn history(
        &self,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, StoreError> {
        Ok(self.rows()?.history(room, window, limit))
    }

    async fn participant(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Participant>, StoreError> {
        Ok(self.rows()?.participant(room, user))
    }

    async fn memberships(
        &self,
        user: &UserId,
        limit: u32,
    ) -> Result<(Vec<RoomId>, Rev), StoreError> {
        Ok(self.rows()?.memberships(user, limit))
    }
}

#[async_trait]
impl Catalog for MemoryStore {
    async fn room(&self, room: RoomId) -> Result<Option<Room>, StoreError> {
        Ok(self.rows()?.room(room))
    }

    async fn room_of(&self, subject: &Subject) -> Result<Option<Room>, StoreError> {
        Ok(self.rows()?.room_of(subject))
    }

    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError> {
        Ok(self.rows()?.rooms(user, query))
    }

    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError> {
        Ok(self.rows()?.views(user, rooms))
    }

    async fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, StoreError> {
        Ok(self.rows()?.participants(room, after, limit))
    }

    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError> {
        Ok(self.rows()?.unread(room, user))
    }

    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError> {
        Ok(self.rows()?.unread_totals(user))
    }

    async fn acquaintances(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, StoreError> {
        Ok(self.rows()?.acquaintances(user, others))
    }

    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError> {
        self.rows()?.saw(users, at);
        Ok(())
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        Ok(self.rows()?.last_seen(users))
    }
}

#[async_trait]
impl Upkeep for MemoryStore {
    async fn editions(
        &self,
        room: RoomId,
        seq: Seq,
        after: Rev,
        limit: u32,
    ) -> Result<Vec<Edition>, StoreError> {
        Ok(self.rows()?.editions(room, seq, after, limit))
    }

    async fn aged(
        &self,
        horizon: Timestamp,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Aged>, StoreError> {
        Ok(self.rows()?.aged(horizon, after, limit))
    }

    async fn tidy(&self, now: Timestamp) -> Result<Tidied, StoreError> {
        Ok(self.rows()?.tidy(now))
    }

    async fn export(
        &self,
        user: &UserId,
        after: Option<ExportCursor>,
    ) -> Result<Option<ExportPage>, StoreError> {
        Ok(self.rows()?.export(user, after))
    }
}
