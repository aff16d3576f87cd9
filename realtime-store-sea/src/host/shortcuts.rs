//! Short ways for what hosts usually do.

use std::sync::Arc;

use realtime_core::{
    change::{Actor, Answer, Change, Draft, History, NewParticipant, NewRoom, RoomAction},
    id::{ClientId, RoomId, UserId},
    message::{Body, Message, MessageKind},
    participant::Participant,
    room::{Metadata, Room},
    store::StoreError,
    time::Timestamp,
};
use sea_orm::ConnectionTrait;

use super::{HostError, HostTransaction};
use crate::error::damaged;

/// A room that was asked for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OpenedRoom {
    /// The room as it stands in this transaction.
    pub room: Room,
    /// Whether it did not exist before.
    pub created: bool,
}

/// Each is one change, and answers as the [`Change`] of its name does.
///
/// # Errors
/// [`HostError::Rejected`] if the change is refused: it is not in the transaction, which can
/// go on. Every other error: as [`apply`](HostTransaction::apply).
///
/// # Cancel safety
/// As [`apply`](HostTransaction::apply).
impl<C: ConnectionTrait> HostTransaction<'_, C> {
    /// Opens a room, or answers with the one that the subject or key has already. Two
    /// hosts that open the same subject at once get one room: the second waits until the
    /// first has committed or rolled back.
    ///
    /// # Errors
    /// As every short way.
    pub async fn open(&mut self, new: NewRoom) -> Result<OpenedRoom, HostError> {
        let answer = self.change(Change::Open(new)).await?;
        let Answer::Room { room, created } = answer else {
            return Err(mismatch(&answer));
        };
        Ok(OpenedRoom {
            room: *room,
            created,
        })
    }

    /// Takes the right to write from the participants: now, or from a time on.
    ///
    /// # Errors
    /// As every short way.
    pub async fn lock(&mut self, room: RoomId, at: Option<Timestamp>) -> Result<Room, HostError> {
        self.act(room, RoomAction::Lock { at }).await
    }

    /// Lets participants write again.
    ///
    /// # Errors
    /// As every short way.
    pub async fn reopen(&mut self, room: RoomId) -> Result<Room, HostError> {
        self.act(room, RoomAction::Reopen).await
    }

    /// Locks a room, and takes it out of the usual lists.
    ///
    /// # Errors
    /// As every short way.
    pub async fn archive(&mut self, room: RoomId) -> Result<Room, HostError> {
        self.act(room, RoomAction::Archive).await
    }

    async fn act(&mut self, room: RoomId, action: RoomAction) -> Result<Room, HostError> {
        let answer = self.change(Change::Act { room, action }).await?;
        let Answer::Room { room, .. } = answer else {
            return Err(mismatch(&answer));
        };
        Ok(*room)
    }

    /// Posts a message of the platform. The host chooses the `client_id`: the same again,
    /// in this transaction or a later one, is the same message, and answers as the first.
    ///
    /// # Errors
    /// As every short way.
    pub async fn announce(
        &mut self,
        room: RoomId,
        client_id: ClientId,
        body: Body,
        metadata: Option<Metadata>,
    ) -> Result<Arc<Message>, HostError> {
        let draft = Draft {
            room,
            from: Actor::Service,
            client_id,
            body,
            kind: MessageKind::System,
            reply_to: None,
            metadata,
        };
        let answer = self.change(Change::Send(draft)).await?;
        let Answer::Message { message, .. } = answer else {
            return Err(mismatch(&answer));
        };
        Ok(message)
    }

    /// Puts somebody into a room, or into another role.
    ///
    /// # Errors
    /// As every short way.
    pub async fn admit(
        &mut self,
        room: RoomId,
        participant: NewParticipant,
        history: History,
    ) -> Result<Participant, HostError> {
        let change = Change::Admit {
            room,
            participant,
            history,
        };
        self.change_participant(change).await
    }

    /// Takes somebody out of a room. With `keeps_history` they go on reading what was said
    /// up to now.
    ///
    /// # Errors
    /// As every short way.
    pub async fn remove(
        &mut self,
        room: RoomId,
        user: UserId,
        keeps_history: bool,
    ) -> Result<Participant, HostError> {
        let change = Change::Remove {
            room,
            user,
            keeps_history,
        };
        self.change_participant(change).await
    }

    /// Hands a room over from one to another, and answers with who came.
    ///
    /// # Errors
    /// As every short way.
    pub async fn replace(
        &mut self,
        room: RoomId,
        leaves: UserId,
        comes: NewParticipant,
        history: History,
    ) -> Result<Participant, HostError> {
        let change = Change::Replace {
            room,
            leaves,
            comes,
            history,
        };
        self.change_participant(change).await
    }

    async fn change_participant(&mut self, change: Change) -> Result<Participant, HostError> {
        let answer = self.change(change).await?;
        let Answer::Participant { participant, .. } = answer else {
            return Err(mismatch(&answer));
        };
        Ok(*participant)
    }

    async fn change(&mut self, change: Change) -> Result<Answer, HostError> {
        let mut outcomes = self.apply(&[change]).await?;
        let outcome = outcomes.pop().ok_or_else(unanswered)?;
        Ok(outcome?.answer)
    }
}

fn unanswered() -> StoreError {
    damaged("a change without an answer")
}

fn mismatch(answer: &Answer) -> HostError {
    tracing::error!(?answer, "the answer is of the wrong kind");
    damaged("an answer of the wrong kind").into()
}
