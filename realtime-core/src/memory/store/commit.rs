//! One transaction: each change is checked, then applied, or refused alone.

use super::rows::{RoomRows, Rows};
use crate::{
    change::{Actor, Answer, Change, Committed, Rejection},
    event::{RoomEvent, UserEvent},
    id::{IdGenerator, RoomId},
    participant::Participant,
    room::RoomState,
    store::Outcome,
    time::Timestamp,
};

/// A batch under way. Changes of messages, members and rooms are in their files.
pub(super) struct Commit<'a> {
    pub(super) rows: &'a mut Rows,
    pub(super) ids: &'a dyn IdGenerator,
    pub(super) now: Timestamp,
}

impl<'a> Commit<'a> {
    pub(super) fn new(rows: &'a mut Rows, ids: &'a dyn IdGenerator, now: Timestamp) -> Self {
        Self { rows, ids, now }
    }

    pub(super) fn apply(&mut self, change: &Change) -> Outcome {
        match change {
            Change::Send(draft) => self.send(draft),
            Change::Edit {
                room,
                seq,
                by,
                body,
                sent_after,
            } => self.edit(*room, *seq, by, body, *sent_after),
            Change::Delete {
                room,
                seq,
                by,
                sent_after,
            } => self.delete(*room, *seq, by, *sent_after),
            Change::Mark {
                room,
                user,
                pointer,
                seq,
            } => self.mark(*room, user, *pointer, *seq),
            Change::Open(new) => self.open(new),
            Change::Describe {
                room,
                title,
                metadata,
            } => self.describe(*room, title.as_ref(), metadata.as_ref()),
            Change::Act { room, action } => self.act(*room, *action),
            Change::Admit {
                room,
                participant,
                history,
            } => self.admit(*room, participant, *history),
            Change::Remove {
                room,
                user,
                keeps_history,
            } => self.remove(*room, user, *keeps_history),
            Change::Replace {
                room,
                leaves,
                comes,
                history,
            } => self.replace(*room, leaves, comes, *history),
            Change::Retain { room, from } => self.retain(*room, *from),
            Change::Erase {
                user,
                messages,
                once,
            } => self.erase(user, *messages, once.as_ref()),
            Change::Apply(event) => self.apply_event(event),
        }
    }

    /// Refuses a user in a room that is not open now.
    pub(super) fn require_open(&self, rows: &RoomRows, actor: &Actor) -> Result<(), Rejection> {
        match (actor, rows.room.state_at(self.now)) {
            (Actor::Service, _) | (Actor::User { .. }, RoomState::Open) => Ok(()),
            (Actor::User { .. }, RoomState::Locked | RoomState::Archived) => {
                Err(Rejection::RoomLocked)
            }
        }
    }

    /// The room as it stands, when nothing about it changed.
    pub(super) fn room_unchanged(&self, room: RoomId) -> Outcome {
        Ok(unchanged(Answer::Room {
            room: Box::new(self.rows.require(room)?.room.clone()),
            created: false,
        }))
    }
}

impl RoomRows {
    /// Who acts: an active participant, or nobody for the platform, which is everywhere.
    pub(super) fn actor(&self, actor: &Actor) -> Result<Option<&Participant>, Rejection> {
        match actor {
            Actor::Service => Ok(None),
            Actor::User { id, .. } => self.active(id).map(Some).ok_or(Rejection::NotFound),
        }
    }
}

/// Refuses who only reads.
pub(super) fn require_writer(actor: Option<&Participant>) -> Result<(), Rejection> {
    match actor {
        Some(participant) if !participant.role.may_write() => Err(Rejection::Forbidden),
        Some(_) | None => Ok(()),
    }
}

/// An answer without news.
pub(super) fn unchanged(answer: Answer) -> Committed {
    Committed {
        answer,
        events: Vec::new(),
        users: Vec::new(),
    }
}

/// An answer with one piece of news.
pub(super) fn changed(answer: Answer, event: RoomEvent, users: Vec<UserEvent>) -> Committed {
    Committed {
        answer,
        events: vec![event],
        users,
    }
}
