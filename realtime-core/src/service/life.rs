//! The later life of what was said: what is given up, erased, handed out. The
//! platform's, as opening rooms is.

use super::{Realtime, mismatch, rooms::room};
use crate::{
    change::{Answer, Change, Legacy, Once},
    error::Error,
    id::{RoomId, UserId},
    limits::EDITIONS_PAGE,
    protocol::CloseCode,
    room::Room,
    seq::{Rev, Seq},
    store::{Edition, ExportCursor, ExportPage},
};

/// Which messages of a room are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "hosts build it")]
pub enum Keep {
    /// This one, and what came after it.
    From(Seq),
    /// So many of the newest.
    Newest(u64),
}

impl Realtime {
    /// Gives up the oldest messages of a room, for everybody at once; their rows are
    /// removed soon after. What was given up before does not come back. Answers with the
    /// room.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn retain(&self, id: RoomId, keep: Keep) -> Result<Room, Error> {
        let from = match keep {
            Keep::From(seq) => seq,
            Keep::Newest(count) => {
                let found = self.inner().backend.room(id).await?;
                let last = found.ok_or(Error::NOT_FOUND)?.last_seq.next();
                Seq::new(last.get().saturating_sub(count))
            }
        };
        let committed = self.commit(Change::Retain { room: id, from }).await?;
        self.inner().upkeep.wake();
        Ok(room(committed)?.0)
    }

    /// Erases a person: nobody finds them any more, and nothing says who they were. Their
    /// connections to this server are closed with 4504; other servers put them out within
    /// one sweep. What becomes of their messages is seen to in the background, room by
    /// room, each of which is then told by `reset`. Who comes under the same id later is
    /// somebody else.
    ///
    /// # Errors
    /// Not found, for who was never in a room; as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send); connections may stay open until the next sweep.
    pub async fn erase(&self, user: &UserId, messages: Legacy) -> Result<(), Error> {
        self.erase_for(user, messages, None).await.map(|_| ())
    }

    /// The same, because an event of the host's says so: a repeat of the event erases
    /// nobody, whoever has come under the id since. Answers whether it was a repeat.
    ///
    /// # Errors
    /// As [`send`](Self::send); nobody need be known.
    ///
    /// # Cancel safety
    /// As [`erase`](Self::erase).
    pub async fn erase_once(
        &self,
        user: &UserId,
        messages: Legacy,
        event: Once,
    ) -> Result<bool, Error> {
        self.erase_for(user, messages, Some(event)).await
    }

    async fn erase_for(
        &self,
        user: &UserId,
        messages: Legacy,
        once: Option<Once>,
    ) -> Result<bool, Error> {
        let change = Change::Erase {
            user: user.clone(),
            messages,
            once,
        };
        let committed = self.commit(change).await?;
        self.inner().upkeep.wake();
        match committed.answer {
            Answer::Erased { duplicate } => {
                if !duplicate {
                    for present in self.inner().people.connections(user) {
                        present.subscriber.mailbox.close(CloseCode::Kicked);
                    }
                }
                Ok(duplicate)
            }
            other @ (Answer::Message { .. }
            | Answer::Pointers { .. }
            | Answer::Room { .. }
            | Answer::Participant { .. }
            | Answer::Event { .. }) => Err(mismatch(&other)),
        }
    }

    /// What a message said before, oldest first, after a `rev`; `limit` is clamped to
    /// 1-100. For the platform alone: who deletes a message wants it gone.
    ///
    /// # Errors
    /// Not found, for a room that does not exist; [`Error::Busy`] without a store.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn editions(
        &self,
        room: RoomId,
        seq: Seq,
        after: Rev,
        limit: u32,
    ) -> Result<Vec<Edition>, Error> {
        let backend = &self.inner().backend;
        backend.room(room).await?.ok_or(Error::NOT_FOUND)?;
        let limit = limit.clamp(1, EDITIONS_PAGE.0);
        Ok(backend.editions(room, seq, after, limit).await?)
    }

    /// A part of everything that is known of a person; `None` for somebody unknown.
    ///
    /// # Errors
    /// [`Error::Busy`] without a store.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn export(
        &self,
        user: &UserId,
        after: Option<ExportCursor>,
    ) -> Result<Option<ExportPage>, Error> {
        Ok(self.inner().backend.export(user, after).await?)
    }
}
