//! Reading what is stored. Every read goes through [`Realtime::access`], whatever the
//! transport: a rule that holds on one surface holds on all.

use super::{Realtime, visible};
use crate::{
    change::Actor,
    error::Error,
    id::{RoomId, UserId},
    limits::{CHANGES_PAGE, HISTORY_PAGE, PARTICIPANTS_PAGE, ROOMS_PAGE},
    participant::{Participant, Visible},
    seq::Rev,
    store::{ChangeSet, HistoryPage, RoomQuery, RoomView, UnreadTotals, Window},
};

/// What somebody may see of a room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    pub(crate) visible: Visible,
    /// Who has left it knows of no later change.
    until: Option<Rev>,
}

impl Access {
    const ALL: Self = Self {
        visible: Visible::ALL,
        until: None,
    };

    fn of(me: &Participant) -> Option<Self> {
        Some(Self {
            visible: me.visible()?,
            until: Some(me.member_rev).filter(|_| !me.is_active()),
        })
    }

    /// What only those may see who are in the room.
    fn of_who_is_in(self) -> Result<Visible, Error> {
        match self.until {
            None => Ok(self.visible),
            Some(_) => Err(Error::NOT_FOUND),
        }
    }
}

impl Realtime {
    /// What somebody may see of a room: participants, those who have left it what was
    /// said while they were there, the platform everything. Anybody else learns no more
    /// than that of a room which does not exist.
    pub(crate) async fn access(&self, by: &Actor, room: RoomId) -> Result<Access, Error> {
        let backend = &self.inner().backend;
        match by {
            Actor::User { id, .. } => {
                let me = backend.participant(room, id).await?;
                me.as_ref().and_then(Access::of).ok_or(Error::NOT_FOUND)
            }
            Actor::Service => {
                backend.room(room).await?.ok_or(Error::NOT_FOUND)?;
                Ok(Access::ALL)
            }
        }
    }

    /// A page of a room's messages; `limit` is clamped to 1-200. Who sees only a part of
    /// the room is told of this part as if it were all there is; a position outside of it
    /// counts as its end.
    ///
    /// # Errors
    /// Not found, for rooms of which `by` may see nothing; [`Error::Busy`] without a store.
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
        let access = self.access(by, room).await?;
        let limit = limit.clamp(1, HISTORY_PAGE.0);
        let backend = &self.inner().backend;
        let visible = access.visible;
        if visible == Visible::ALL {
            return Ok(backend.history(room, window, limit).await?);
        }
        let window = visible::clipped(window, visible);
        let mut page = visible::cut(backend.history(room, window, limit).await?, visible);
        page.rev = access.until.map_or(page.rev, |until| until.min(page.rev));
        if let (true, Some(beside)) = (page.messages.is_empty(), visible::beside(window)) {
            let next = backend.history(room, beside, 1).await?;
            visible::complete(&mut page, window, &next, visible);
        }
        Ok(page)
    }

    /// What changed in a room after a `rev`; `limit` is clamped to 1-500. Without the
    /// messages that `by` may not see.
    ///
    /// # Errors
    /// Not found, for rooms that `by` is not in; [`Error::Busy`] without a store.
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
        let from = self.access(by, room).await?.of_who_is_in()?.from;
        let limit = limit.clamp(1, CHANGES_PAGE.0);
        let mut set = self.inner().backend.changes(room, after, limit).await?;
        set.messages.retain(|message| message.seq >= from);
        if let Some(room) = &mut set.room {
            room.first_seq = room.first_seq.max(from);
        }
        Ok(set)
    }

    /// A page of a room's active participants, by user id.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
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
        self.access(by, room).await?.of_who_is_in()?;
        let limit = limit.clamp(1, PARTICIPANTS_PAGE.0);
        Ok(self
            .inner()
            .backend
            .participants(room, after, limit)
            .await?)
    }

    /// A page of the rooms that a user is in, or has left.
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
