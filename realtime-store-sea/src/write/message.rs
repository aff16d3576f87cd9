//! Messages: sent, edited, deleted.

use std::sync::Arc;

use realtime_core::{
    change::{Actor, Answer, Committed, Draft, NewIds, Rejection},
    event::{RoomChange, RoomEvent},
    id::{ClientId, RoomId},
    message::{Body, Message, MessageKind, Sender},
    participant::{Participant, Visible},
    room::{Metadata, Room},
    seq::Seq,
    store::{Edition, Outcome},
    time::Timestamp,
};

use super::{
    Ruling, changed,
    ledger::{Fate, Ledger, MessageRow, event, require_writer},
    unchanged,
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

impl Ledger<'_> {
    pub(super) fn send(&mut self, draft: &Draft) -> Outcome {
        let actor = self.actor(draft.room, &draft.from)?;
        let fingerprint = draft.fingerprint();
        if let Some(first) = self.sent_as(draft) {
            if first.fingerprint != Some(fingerprint) {
                return Err(Rejection::ClientIdReused);
            }
            return Ok(self.message_unchanged(&first.message));
        }
        require_writer(actor)?;
        if actor.is_some() && draft.kind == MessageKind::System {
            return Err(Rejection::Forbidden);
        }
        let room = self.room(draft.room)?;
        self.require_open(room, &draft.from)?;
        require_message(room, actor, draft.reply_to)?;
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

    fn sent_as(&self, draft: &Draft) -> Option<&MessageRow> {
        let sender = self.sender_number(&draft.from)?;
        let name = (draft.room, sender, draft.client_id.clone());
        let seq = self.sent.get(&name)?;
        self.messages.get(&(draft.room, *seq))
    }

    /// Numbers and stores a message.
    pub(super) fn post(
        &mut self,
        room: RoomId,
        accepted: &Accepted<'_>,
    ) -> Ruling<(Arc<Message>, RoomEvent)> {
        let number = self
            .sender_number(accepted.from)
            .ok_or(Rejection::NotFound)?;
        let sender = self.remembered(accepted.from);
        let (id, now) = (self.ids.message(), self.now);
        let row = self.room_mut(room)?;
        let message = Arc::new(Message {
            room,
            seq: row.room.last_seq.next(),
            rev: row.advance(),
            id,
            sender,
            client_id: accepted.client_id.cloned(),
            kind: accepted.kind,
            body: Some(accepted.body.as_str().to_owned()),
            metadata: accepted.metadata.cloned(),
            reply_to: accepted.reply_to,
            sent_at: now,
            edited_at: None,
            deleted_at: None,
        });
        row.room.last_seq = message.seq;
        row.room.last_message_at = Some(now);
        self.move_sender(&message);
        if let Some(client_id) = accepted.client_id {
            let name = (room, number, client_id.clone());
            self.sent.insert(name, message.seq);
        }
        let row = MessageRow {
            message: message.clone(),
            sender: number,
            sent_rev: message.rev,
            fingerprint: accepted.fingerprint,
            fate: Fate::New,
        };
        self.messages.insert((room, message.seq), row);
        let event = message_event(&message);
        Ok((message, event))
    }

    /// The sender, after the name that their token tells was remembered.
    fn remembered(&mut self, from: &Actor) -> Sender {
        match from {
            Actor::User { id, name } => {
                self.rename(id, name.as_ref());
                Sender::User {
                    id: id.clone(),
                    name: self.users.get(id).and_then(|user| user.name.clone()),
                }
            }
            Actor::Service => Sender::System,
        }
    }

    /// Moves the sender's pointers along, if they had read all before it.
    fn move_sender(&mut self, message: &Message) {
        let Some(user) = message.sender.user() else {
            return;
        };
        let seat = self.seats.get_mut(&(message.room, user.clone()));
        let room = self.rooms.get_mut(&message.room);
        let (Some(seat), Some(room)) = (seat, room) else {
            return;
        };
        if !message.seq.follows(seat.participant.read_seq) {
            return;
        }
        seat.participant.read_seq = message.seq;
        seat.participant.delivered_seq = message.seq;
        seat.read_at = Some(self.now);
        seat.delivered_at = Some(self.now);
        seat.fate.at_least(Fate::Moved);
        if room.room.is_small() {
            seat.participant.rev = message.rev;
            room.receipt_rev = message.rev;
        }
    }

    pub(super) fn edit(
        &mut self,
        room: RoomId,
        seq: Seq,
        by: &Actor,
        body: &Body,
        sent_after: Option<Timestamp>,
    ) -> Outcome {
        let actor = self.actor(room, by)?;
        let message = self.message(room, actor, seq)?;
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
        self.require_open(self.room(room)?, by)?;
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
        let actor = self.actor(room, by)?;
        let message = self.message(room, actor, seq)?;
        require_own(actor, message)?;
        if message.deleted_at.is_some() {
            return Ok(self.message_unchanged(message));
        }
        self.require_open(self.room(room)?, by)?;
        require_in_time(message, sent_after)?;
        let deleted_at = Some(self.now);
        self.rewrite(room, seq, by, |message| {
            message.body = None;
            message.metadata = None;
            message.deleted_at = deleted_at;
        })
    }

    /// A message that is kept and that the actor may see.
    fn message(
        &self,
        room: RoomId,
        actor: Option<&Participant>,
        seq: Seq,
    ) -> Ruling<&Arc<Message>> {
        self.messages
            .get(&(room, seq))
            .filter(|_| self.room(room).is_ok_and(|room| shows(room, actor, seq)))
            .map(|row| &row.message)
            .ok_or(Rejection::NotFound)
    }

    fn rewrite(
        &mut self,
        room: RoomId,
        seq: Seq,
        by: &Actor,
        change: impl FnOnce(&mut Message),
    ) -> Outcome {
        if let Actor::User { id, name } = by {
            self.rename(id, name.as_ref());
        }
        let rev = self.room_mut(room)?.advance();
        let row = self
            .messages
            .get_mut(&(room, seq))
            .ok_or(Rejection::NotFound)?;
        if let Some(edition) = edition(&row.message, self.now) {
            self.editions.push((room, seq, edition));
        }
        let message = Arc::make_mut(&mut row.message);
        message.rev = rev;
        change(message);
        row.fate.at_least(Fate::Changed);
        let message = row.message.clone();
        let message = self.told(&message);
        let event = message_event(&message);
        Ok(message_changed(message, event))
    }

    fn message_unchanged(&self, message: &Arc<Message>) -> Committed {
        unchanged(Answer::Message {
            message: self.told(message),
            duplicate: true,
        })
    }
}

/// Refuses who only reads, and who did not say it.
fn require_own(actor: Option<&Participant>, message: &Message) -> Ruling<()> {
    require_writer(actor)?;
    match actor {
        Some(user) if message.sender.user() != Some(&user.user) => Err(Rejection::Forbidden),
        Some(_) | None => Ok(()),
    }
}

/// Whether there is a message, and the actor may see it. Numbers are dense: what lies
/// between the first kept and the newest exists.
fn shows(room: &Room, actor: Option<&Participant>, seq: Seq) -> bool {
    let visible = actor.map_or(Some(Visible::ALL), Participant::visible);
    (room.first_seq..=room.last_seq).contains(&seq)
        && visible.is_some_and(|visible| visible.has(seq))
}

fn require_message(room: &Room, actor: Option<&Participant>, reply_to: Option<Seq>) -> Ruling<()> {
    match reply_to {
        Some(seq) if !shows(room, actor, seq) => Err(Rejection::Invalid {
            field: "reply_to",
            reason: "there is no such message",
        }),
        Some(_) | None => Ok(()),
    }
}

fn require_in_time(message: &Message, sent_after: Option<Timestamp>) -> Ruling<()> {
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

fn message_event(message: &Message) -> RoomEvent {
    let change = RoomChange::Message(Box::new(message.clone()));
    event(message.room, message.rev, change)
}

fn message_changed(message: Arc<Message>, event: RoomEvent) -> Committed {
    let answer = Answer::Message {
        message,
        duplicate: false,
    };
    changed(answer, event, Vec::new())
}
