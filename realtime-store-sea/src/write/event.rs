//! The host's events: open, who comes and goes, say, lock; all of it once, or nothing.

use realtime_core::{
    change::{Actor, Answer, Committed, DomainEvent, Rejection},
    event::RoomEvent,
    id::RoomId,
    message::MessageKind,
    seq::Seq,
    store::Outcome,
};

use super::{
    Ruling,
    ledger::{EventRow, Fate, Ledger},
    message::Accepted,
    room::act_on,
    unchanged,
};

impl Ledger<'_> {
    pub(super) fn apply_event(&mut self, event: &DomainEvent) -> Outcome {
        if let Some(first) = self.events.get(&event.id) {
            if first.fingerprint != event.fingerprint {
                return Err(Rejection::KeyReused);
            }
            return self.event_repeated(first);
        }
        let (room, mut events, mut users) = match self.subjects.get(&event.subject) {
            Some(room) => (*room, Vec::new(), Vec::new()),
            None => {
                let new = event.open.as_ref().ok_or(Rejection::NotFound)?;
                let created = self.create(new, Some(&event.subject))?;
                (created.room, vec![created.event], created.users)
            }
        };
        let created = !events.is_empty();
        for roster in &event.roster {
            if let Some(committed) = self.enrol(room, roster) {
                events.extend(committed.events);
                users.extend(committed.users);
            }
        }
        let seq = self.announce(room, event, &mut events)?;
        if let Some(action) = event.action {
            let now = self.now;
            events.extend(self.touch_room(room, |room| act_on(room, action, now))?);
        }
        let row = EventRow {
            fingerprint: event.fingerprint,
            room,
            seq,
            fate: Fate::New,
        };
        self.events.insert(event.id.clone(), row);
        let answer = Answer::Event {
            room: Box::new(self.room(room)?.clone()),
            created,
            seq,
            duplicate: false,
        };
        Ok(Committed {
            answer,
            events,
            users,
        })
    }

    /// Posts the message of an event, if it has one.
    fn announce(
        &mut self,
        room: RoomId,
        event: &DomainEvent,
        events: &mut Vec<RoomEvent>,
    ) -> Ruling<Option<Seq>> {
        let Some(message) = &event.message else {
            return Ok(None);
        };
        let accepted = Accepted {
            from: &Actor::Service,
            client_id: None,
            fingerprint: None,
            body: &message.body,
            kind: MessageKind::System,
            reply_to: None,
            metadata: message.metadata.as_ref(),
        };
        let (message, event) = self.post(room, &accepted)?;
        events.push(event);
        Ok(Some(message.seq))
    }

    fn event_repeated(&self, first: &EventRow) -> Outcome {
        Ok(unchanged(Answer::Event {
            room: Box::new(self.room(first.room)?.clone()),
            created: false,
            seq: first.seq,
            duplicate: true,
        }))
    }
}
