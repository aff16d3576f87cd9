//! Saying something, and having read it.

use std::{sync::Arc, time::Duration};

use super::{Realtime, mismatch, rooms::check_name};
use crate::{
    change::{Actor, Answer, Change, Committed, Draft, Pointer},
    error::Error,
    event::Receipt,
    id::{RoomId, UserId},
    message::{Body, Message, MessageKind},
    room::Metadata,
    seq::{Rev, Seq},
    store::Unread,
    time::Timestamp,
};

/// A message as it is stored.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sent {
    /// The message.
    pub message: Arc<Message>,
    /// Whether it had been stored before.
    pub duplicate: bool,
}

/// Pointers as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Marked {
    /// The pointers.
    pub receipt: Receipt,
    /// The room's head after the change.
    pub rev: Rev,
    /// What is left to read; `None` when the delivered pointer was meant.
    pub unread: Option<Unread>,
}

impl Realtime {
    /// Stores a message and delivers it. Repeating it under the same `client_id` is
    /// harmless, and answers as the first time. Takes nothing of the user's ration:
    /// see [`spend`](Self::spend).
    ///
    /// # Errors
    /// [`Error::Timeout`]: it may have been stored; repeat it. Every other error: it
    /// was not.
    ///
    /// # Cancel safety
    /// Once polled, the message is stored or not, whether or not anybody waits.
    pub async fn send(&self, draft: Draft) -> Result<Sent, Error> {
        self.check_draft(&draft)?;
        sent(self.commit(Change::Send(draft)).await?)
    }

    /// Changes the text of a message of one's own; a user's for as long as
    /// [`Limits::edit_window`](crate::Limits::edit_window) says.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn edit(&self, by: Actor, room: RoomId, seq: Seq, body: Body) -> Result<Sent, Error> {
        sent(self.commit(self.editing(by, room, seq, body)?).await?)
    }

    /// Leaves a tombstone where a message was; of a user for as long as
    /// [`Limits::delete_window`](crate::Limits::delete_window) says.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn delete(&self, by: Actor, room: RoomId, seq: Seq) -> Result<Sent, Error> {
        sent(self.commit(self.deleting(by, room, seq)?).await?)
    }

    /// An edit as it is asked of the store, within the window.
    pub(crate) fn editing(
        &self,
        by: Actor,
        room: RoomId,
        seq: Seq,
        body: Body,
    ) -> Result<Change, Error> {
        self.check_body(&body)?;
        check_actor(&by)?;
        Ok(Change::Edit {
            room,
            seq,
            sent_after: self.not_before(&by, self.limits().edit_window),
            by,
            body,
        })
    }

    /// A deletion as it is asked of the store, within the window.
    pub(crate) fn deleting(&self, by: Actor, room: RoomId, seq: Seq) -> Result<Change, Error> {
        check_actor(&by)?;
        Ok(Change::Delete {
            room,
            seq,
            sent_after: self.not_before(&by, self.limits().delete_window),
            by,
        })
    }

    /// From when on a message must have been sent for `by` to change it still.
    fn not_before(&self, by: &Actor, window: Option<Duration>) -> Option<Timestamp> {
        match by {
            Actor::User { .. } => window.map(|window| self.now().before(window)),
            Actor::Service => None,
        }
    }

    /// Moves a pointer forward.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn mark(
        &self,
        user: &UserId,
        room: RoomId,
        pointer: Pointer,
        seq: Seq,
    ) -> Result<Marked, Error> {
        let change = Change::Mark {
            room,
            user: user.clone(),
            pointer,
            seq,
        };
        let committed = self.commit(change).await?;
        self.marked(committed, user, room, pointer).await
    }

    pub(crate) async fn marked(
        &self,
        committed: Committed,
        user: &UserId,
        room: RoomId,
        pointer: Pointer,
    ) -> Result<Marked, Error> {
        let Answer::Pointers {
            receipt,
            rev,
            last_seq,
        } = committed.answer
        else {
            return Err(mismatch(&committed.answer));
        };
        let unread = match pointer {
            Pointer::Delivered => None,
            Pointer::Read if receipt.read_seq >= last_seq => Some(Unread::default()),
            Pointer::Read => Some(self.inner().backend.unread(room, user).await?),
        };
        Ok(Marked {
            receipt,
            rev,
            unread,
        })
    }

    pub(crate) fn check_draft(&self, draft: &Draft) -> Result<(), Error> {
        self.check_body(&draft.body)?;
        self.check_metadata(draft.metadata.as_ref())?;
        check_actor(&draft.from)?;
        match (&draft.from, draft.kind) {
            (Actor::User { .. }, MessageKind::System) => Err(Error::FORBIDDEN),
            (Actor::User { .. }, MessageKind::Text) | (Actor::Service, _) => Ok(()),
        }
    }

    pub(crate) fn check_body(&self, body: &Body) -> Result<(), Error> {
        let max = self.limits().body_bytes;
        if body.as_str().len() > max {
            return Err(Error::TooLarge { field: "body", max });
        }
        Ok(())
    }

    pub(crate) fn check_metadata(&self, metadata: Option<&Metadata>) -> Result<(), Error> {
        let max = self.limits().metadata_bytes;
        let Some(metadata) = metadata else {
            return Ok(());
        };
        let size = serde_json::to_string(metadata).map_or(usize::MAX, |text| text.len());
        if size > max {
            return Err(Error::TooLarge {
                field: "metadata",
                max,
            });
        }
        Ok(())
    }
}

/// What somebody is called comes with what they do.
fn check_actor(by: &Actor) -> Result<(), Error> {
    match by {
        Actor::User { name, .. } => check_name("name", name.as_deref()),
        Actor::Service => Ok(()),
    }
}

fn sent(committed: Committed) -> Result<Sent, Error> {
    match committed.answer {
        Answer::Message { message, duplicate } => Ok(Sent { message, duplicate }),
        other @ (Answer::Pointers { .. }
        | Answer::Room { .. }
        | Answer::Participant { .. }
        | Answer::Event { .. }
        | Answer::Erased { .. }) => Err(mismatch(&other)),
    }
}
