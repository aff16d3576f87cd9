//! Rooms are opened, with everybody who is in them from the start.

use std::collections::HashSet;

use realtime_core::{
    change::{Answer, Committed, NewIds, NewParticipant, NewRoom, Rejection},
    event::{RoomChange, RoomEvent, UserEvent},
    id::RoomId,
    room::{Room, RoomKind, RoomState, Subject},
    seq::{Rev, Seq},
    store::Outcome,
};

use super::{
    Ruling,
    ledger::{EventRow, Fate, Ledger, RoomRow, Seat, event},
    unchanged,
};

/// How many people a direct room is opened with.
const DIRECT_PARTICIPANTS: usize = 2;

/// A room that was just opened.
pub(super) struct Created {
    pub(super) room: RoomId,
    pub(super) event: RoomEvent,
    pub(super) users: Vec<UserEvent>,
}

impl Ledger<'_> {
    pub(super) fn open(&mut self, new: &NewRoom) -> Outcome {
        let fingerprint = new.fingerprint();
        if let Some(first) = new.key.as_ref().and_then(|key| self.keys.get(key)) {
            if first.fingerprint != fingerprint {
                return Err(Rejection::KeyReused);
            }
            return self.room_found(first.room);
        }
        let subject = new.subject.as_ref();
        let known = subject.and_then(|subject| self.subjects.get(subject));
        let (room, outcome) = match known.copied() {
            Some(room) => (room, self.room_found(room)),
            None => {
                let created = self.create(new, subject)?;
                (created.room, self.room_created(created))
            }
        };
        if let Some(key) = &new.key {
            let row = EventRow {
                fingerprint,
                room,
                seq: None,
                fate: Fate::New,
            };
            self.keys.insert(key.clone(), row);
        }
        outcome
    }

    pub(super) fn create(&mut self, new: &NewRoom, subject: Option<&Subject>) -> Ruling<Created> {
        require_people(new)?;
        let id = self.ids.room();
        let room = Room {
            id,
            kind: new.kind,
            subject: subject.cloned(),
            title: new.title.clone(),
            state: RoomState::Open,
            locks_at: None,
            first_seq: Seq::FIRST,
            last_seq: Seq::ZERO,
            rev: Rev::FIRST,
            meta_rev: Rev::FIRST,
            participant_count: u32::try_from(new.participants.len()).unwrap_or(u32::MAX),
            last_message_at: None,
            metadata: new.metadata.clone(),
            created_at: self.now,
        };
        let change = RoomChange::Room(Box::new(room.clone()));
        let row = RoomRow {
            room,
            receipt_rev: Rev::ZERO,
            fate: Fate::New,
        };
        self.rooms.insert(id, row);
        if let Some(subject) = subject {
            self.subjects.insert(subject.clone(), id);
        }
        Ok(Created {
            room: id,
            event: event(id, Rev::FIRST, change),
            users: self.welcome(id, &new.participants),
        })
    }

    fn welcome(&mut self, room: RoomId, people: &[NewParticipant]) -> Vec<UserEvent> {
        people
            .iter()
            .map(|one| {
                let seat = Seat::founding(room, one, self.now);
                self.seats.insert((room, one.user.clone()), seat);
                self.rename(&one.user, one.name.as_ref());
                self.tell(&one.user, room)
            })
            .collect()
    }

    fn room_created(&self, created: Created) -> Outcome {
        let answer = Answer::Room {
            room: Box::new(self.room(created.room)?.clone()),
            created: true,
        };
        Ok(Committed {
            answer,
            events: vec![created.event],
            users: created.users,
        })
    }

    fn room_found(&self, room: RoomId) -> Outcome {
        Ok(unchanged(Answer::Room {
            room: Box::new(self.room(room)?.clone()),
            created: false,
        }))
    }
}

/// Refuses a user named twice, and a direct room of other than two.
fn require_people(new: &NewRoom) -> Ruling<()> {
    let users: HashSet<_> = new.participants.iter().map(|one| &one.user).collect();
    if users.len() != new.participants.len() {
        return Err(Rejection::Invalid {
            field: "participants",
            reason: "a user is named twice",
        });
    }
    match new.kind {
        RoomKind::Direct if users.len() != DIRECT_PARTICIPANTS => Err(Rejection::Invalid {
            field: "participants",
            reason: "a direct room is for two",
        }),
        RoomKind::Direct | RoomKind::Group => Ok(()),
    }
}
