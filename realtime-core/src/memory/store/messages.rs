//! Messages: sent, edited, deleted.

use std::sync::Arc;

use super::{
    commit::{Commit, changed, require_writer, unchanged},
    rows::{MessageRow, RoomRows, event},
};
use crate::{
    change::{Actor, Answer, Committed, Draft, NewIds, Rejection},
    event::{RoomChange, RoomEvent},
    id::{ClientId, RoomId},
    message::{Body, Message, MessageKind, Sender},
    participant::{Participant, Visible},
    room::Metadata,
    seq::Seq,
    store::{Edition, Outcome},
    time::Timestamp,
};

/// A message that was accepted and has no number yet.
pub(super) struct Accepted<'a> {
    pub(super) from: &'a Actor,
    pub(super) client_id: Option<&'a ClientId>,
    pub(super) fingerprint: Option<i64>,
    pub(super) body: &'a Body,
    pub(super) kind: MessageKind,
    pub(super) reply_to: Option<Seq>,
    pub(super) metadata: Option<&'a Metadata>,
}

impl Commit<'_> {
    pub(super) fn send(&mut self, draft: &Draft) -> Outcome {
        let rows = self.rows.require(draft.room)?;
        let actor = rows.actor(&draft.from)?;
        let fingerprint = draft.fingerprint();
        if let Some(first) = rows.sent_as(draft) {
            if first.fingerprint != Some(fingerprint) {
                return Err(Rejection::ClientIdReused);
            }
            return Ok(self.message_unchanged(&first.message));
        }
        require_writer(actor)?;
        if actor.is_some() && draft.kind == MessageKind::System {
            return Err(Rejection::Forbidden);
        }
        self.require_open(rows, &draft.from)?;
        rows.require_message(actor, draft.reply_to)?;
        let accepted = Accepted {
            from: &draft.from,
            client_id: Some(&draft.client_id),
            fingerprint: Some(fingerprint),
            body: &draft.body,
            kind: draft.kind,
            reply_to: draft.reply_to,
            metadata: draft.metadata.as_ref(),
        };
        let (message, event) = self.post(draft.room, &accepted)?;
        Ok(message_changed(message, event))
    }

    /// Numbers and stores a message.
    pub(super) fn post(
        &mut self,
        room: RoomId,
        accepted: &Accepted<'_>,
    ) -> Result<(Message, RoomEvent), Rejection> {
        let id = self.ids.message();
        let now = self.now;
        let rows = self.rows.require_mut(room)?;
        let message = Message {
            room,
            seq: rows.room.last_seq.next(),
            rev: rows.next_rev(),
            id,
            sender: sender(accepted.from),
            client_id: accepted.client_id.cloned(),
            kind: accepted.kind,
            body: Some(accepted.body.as_str().to_owned()),
            metadata: accepted.metadata.cloned(),
            reply_to: accepted.reply_to,
            sent_at: now,
            edited_at: None,
            deleted_at: None,
        };
        rows.room.last_seq = message.seq;
        rows.room.last_message_at = Some(now);
        if let Some(client_id) = accepted.client_id {
            let name = (accepted.from.user_id().cloned(), client_id.clone());
            rows.by_client_id.insert(name, message.seq);
        }
        rows.move_sender(&message);
        rows.put_message(MessageRow {
            message: message.clone(),
            fingerprint: accepted.fingerprint,
            editions: Vec::new(),
        });
        Ok(self.told(&message, accepted.from))
    }

    pub(super) fn edit(
        &mut self,
        room: RoomId,
        seq: Seq,
        by: &Actor,
        body: &Body,
        sent_after: Option<Timestamp>,
    ) -> Outcome {
        let rows = self.rows.require(room)?;
        let actor = rows.actor(by)?;
        let message = &rows.message(actor, seq)?.message;
        require_own(actor, message)?;
        if actor.is_some() && message.kind != MessageKind::Text {
            return Err(Rejection::Forbidden);
        }
        let Some(text) = &message.body else {
            return Err(Rejection::Conflict {
                reason: "the message was deleted",
            });
        };
        if text == body.as_str() {
            return Ok(self.message_unchanged(message));
        }
        self.require_open(rows, by)?;
        require_in_time(message, sent_after)?;
        let edited_at = Some(self.now);
        self.rewrite(room, seq, by, |message| {
            message.body = Some(body.as_str().to_owned());
            message.edited_at = edited_at;
        })
    }

    pub(super) fn delete(
        &mut self,
        room: RoomId,
        seq: Seq,
        by: &Actor,
        sent_after: Option<Timestamp>,
    ) -> Outcome {
        let rows = self.rows.require(room)?;
        let actor = rows.actor(by)?;
        let message = &rows.message(actor, seq)?.message;
        require_own(actor, message)?;
        if message.deleted_at.is_some() {
            return Ok(self.message_unchanged(message));
        }
        self.require_open(rows, by)?;
        require_in_time(message, sent_after)?;
        let deleted_at = Some(self.now);
        self.rewrite(room, seq, by, |message| {
            message.body = None;
            message.metadata = None;
            message.deleted_at = deleted_at;
        })
    }

    fn rewrite(
        &mut self,
        room: RoomId,
        seq: Seq,
        by: &Actor,
        change: impl FnOnce(&mut Message),
    ) -> Outcome {
        let now = self.now;
        let rows = self.rows.require_mut(room)?;
        let before = rows.message(None, seq)?;
        let (mut message, fingerprint) = (before.message.clone(), before.fingerprint);
        let mut editions = before.editions.clone();
        editions.extend(edition(&message, now));
        message.rev = rows.next_rev();
        change(&mut message);
        rows.put_message(MessageRow {
            message: message.clone(),
            fingerprint,
            editions,
        });
        let (message, event) = self.told(&message, by);
        Ok(message_changed(message, event))
    }

    /// The message as it is told, after the actor's name was remembered.
    fn told(&mut self, message: &Message, by: &Actor) -> (Message, RoomEvent) {
        if let Actor::User { id, name } = by {
            self.rows.rename(id, name.as_ref());
        }
        let message = self.rows.named_message(message);
        let change = RoomChange::Message(Box::new(message.clone()));
        let event = event(message.room, message.rev, change);
        (message, event)
    }

    fn message_unchanged(&self, message: &Message) -> Committed {
        unchanged(Answer::Message {
            message: Arc::new(self.rows.named_message(message)),
            duplicate: true,
        })
    }
}

impl RoomRows {
    /// A message that is kept and that the actor may see.
    fn message(&self, actor: Option<&Participant>, seq: Seq) -> Result<&MessageRow, Rejection> {
        self.shows(actor, seq)
            .then(|| self.messages.get(&seq))
            .flatten()
            .ok_or(Rejection::NotFound)
    }

    fn shows(&self, actor: Option<&Participant>, seq: Seq) -> bool {
        let visible = actor.map_or(Some(Visible::ALL), Participant::visible);
        seq >= self.room.first_seq && visible.is_some_and(|visible| visible.has(seq))
    }

    fn sent_as(&self, draft: &Draft) -> Option<&MessageRow> {
        let name = (draft.from.user_id().cloned(), draft.client_id.clone());
        self.messages.get(self.by_client_id.get(&name)?)
    }

    fn require_message(
        &self,
        actor: Option<&Participant>,
        reply_to: Option<Seq>,
    ) -> Result<(), Rejection> {
        match reply_to {
            Some(seq) if self.message(actor, seq).is_err() => Err(Rejection::Invalid {
                field: "reply_to",
                reason: "there is no such message",
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Moves the sender's pointers along, if they had read all before it.
    fn move_sender(&mut self, message: &Message) {
        let small = self.room.is_small();
        let sender = message.sender.user().and_then(|user| self.active(user));
        let Some(sender) = sender.filter(|sender| message.seq.follows(sender.read_seq)) else {
            return;
        };
        let mut sender = sender.clone();
        sender.read_seq = message.seq;
        sender.delivered_seq = message.seq;
        if small {
            sender.rev = message.rev;
        }
        self.put_participant(sender);
    }
}

fn sender(from: &Actor) -> Sender {
    match from {
        Actor::User { id, .. } => Sender::User {
            id: id.clone(),
            name: None,
        },
        Actor::Service => Sender::System,
    }
}

/// Refuses who only reads, and who did not say it.
fn require_own(actor: Option<&Participant>, message: &Message) -> Result<(), Rejection> {
    require_writer(actor)?;
    match actor {
        Some(user) if message.sender.user() != Some(&user.user) => Err(Rejection::Forbidden),
        Some(_) | None => Ok(()),
    }
}

fn require_in_time(message: &Message, sent_after: Option<Timestamp>) -> Result<(), Rejection> {
    match sent_after {
        Some(after) if message.sent_at < after => Err(Rejection::TooLate),
        Some(_) | None => Ok(()),
    }
}

/// What a message says, before it is rewritten at `now`; nothing, of a tombstone.
fn edition(message: &Message, now: Timestamp) -> Option<Edition> {
    Some(Edition {
        rev: message.rev,
        body: message.body.clone()?,
        metadata: message.metadata.clone(),
        written_at: message.edited_at.unwrap_or(message.sent_at),
        replaced_at: now,
    })
}

fn message_changed(message: Message, event: RoomEvent) -> Committed {
    let answer = Answer::Message {
        message: Arc::new(message),
        duplicate: false,
    };
    changed(answer, event, Vec::new())
}
