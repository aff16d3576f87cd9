//! Saying something, and having read it.

use std::sync::Arc;

use super::{Realtime, mismatch};
use crate::{
    change::{Actor, Answer, Change, Committed, Draft, Pointer},
    error::Error,
    event::Receipt,
    id::{RoomId, UserId},
    message::{Body, Message, MessageKind},
    room::Metadata,
    seq::{Rev, Seq},
    store::Unread,
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

    /// Changes the text of a message of one's own.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn edit(&self, by: Actor, room: RoomId, seq: Seq, body: Body) -> Result<Sent, Error> {
        self.check_body(&body)?;
        sent(
            self.commit(Change::Edit {
                room,
                seq,
                by,
                body,
            })
            .await?,
        )
    }

    /// Leaves a tombstone where a message was.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn delete(&self, by: Actor, room: RoomId, seq: Seq) -> Result<Sent, Error> {
        sent(self.commit(Change::Delete { room, seq, by }).await?)
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

fn sent(committed: Committed) -> Result<Sent, Error> {
    match committed.answer {
        Answer::Message { message, duplicate } => Ok(Sent { message, duplicate }),
        other @ (Answer::Pointers { .. }
        | Answer::Room { .. }
        | Answer::Participant { .. }
        | Answer::Event { .. }) => Err(mismatch(&other)),
    }
}
