//! Reading what is stored. Every read goes through [`Realtime::access`], whatever the
//! transport: a rule that holds on one surface holds on all.

use super::Realtime;
use crate::{
    change::Actor,
    error::Error,
    id::{RoomId, UserId},
    limits::{CHANGES_PAGE, HISTORY_PAGE, PARTICIPANTS_PAGE, ROOMS_PAGE},
    participant::Participant,
    seq::Rev,
    store::{ChangeSet, HistoryPage, RoomQuery, RoomView, UnreadTotals, Window},
};

impl Realtime {
    /// Whether somebody may look into a room: active participants, and the platform.
    /// Anybody else learns no more than that of a room which does not exist.
    pub(crate) async fn access(&self, by: &Actor, room: RoomId) -> Result<(), Error> {
        let backend = &self.inner().backend;
        let seen = match by {
            Actor::User { id, .. } => backend
                .participant(room, id)
                .await?
                .is_some_and(|participant| participant.is_active()),
            Actor::Service => backend.room(room).await?.is_some(),
        };
        if seen { Ok(()) } else { Err(Error::NOT_FOUND) }
    }

    /// A page of a room's messages; `limit` is clamped to 1-200.
    ///
    /// # Errors
    /// Not found, for rooms that `by` is not in; [`Error::Busy`] without a store.
    ///
    /// # Cancel safety
    /// Cancel safe, as every read.
    pub async fn history(
        &self,
        by: &Actor,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, Error> {
        self.access(by, room).await?;
        let limit = limit.clamp(1, HISTORY_PAGE.0);
        Ok(self.inner().backend.history(room, window, limit).await?)
    }

    /// What changed in a room after a `rev`; `limit` is clamped to 1-500.
    ///
    /// # Errors
    /// As [`history`](Self::history).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changes(
        &self,
        by: &Actor,
        room: RoomId,
        after: Rev,
        limit: u32,
    ) -> Result<ChangeSet, Error> {
        self.access(by, room).await?;
        let limit = limit.clamp(1, CHANGES_PAGE.0);
        Ok(self.inner().backend.changes(room, after, limit).await?)
    }

    /// A page of a room's active participants, by user id.
    ///
    /// # Errors
    /// As [`history`](Self::history).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn participants(
        &self,
        by: &Actor,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, Error> {
        self.access(by, room).await?;
        let limit = limit.clamp(1, PARTICIPANTS_PAGE.0);
        Ok(self
            .inner()
            .backend
            .participants(room, after, limit)
            .await?)
    }

    /// A page of the rooms that a user is in.
    ///
    /// # Errors
    /// [`Error::Busy`] without a store.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, Error> {
        let query = RoomQuery {
            limit: query.limit.clamp(1, ROOMS_PAGE.0),
            ..query.clone()
        };
        Ok(self.inner().backend.rooms(user, &query).await?)
    }

    /// What a user has not read in all rooms.
    ///
    /// # Errors
    /// [`Error::Busy`] without a store.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn unread(&self, user: &UserId) -> Result<UnreadTotals, Error> {
        Ok(self.inner().backend.unread_totals(user).await?)
    }
}
