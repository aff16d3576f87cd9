//! Rooms as a whole: opened, described, locked, and touched by the host's events.

use std::collections::BTreeSet;

use super::{
    commit::{Commit, changed, unchanged},
    members::newcomer,
    messages::Accepted,
    rows::{AppliedRow, Chore, KeyRow, RoomRows, event},
};
use crate::{
    change::{
        Actor, Answer, Committed, DomainEvent, NewIds, NewParticipant, NewRoom, Rejection,
        RoomAction,
    },
    event::{RoomChange, RoomEvent, UserEvent},
    id::RoomId,
    message::MessageKind,
    room::{Metadata, Room, RoomKind, RoomState, Subject},
    seq::{Rev, Seq},
    store::Outcome,
    time::Timestamp,
};

/// How many people a direct room is opened with.
const DIRECT_PARTICIPANTS: usize = 2;

struct Created {
    room: RoomId,
    event: RoomEvent,
    users: Vec<UserEvent>,
}

impl Commit<'_> {
    pub(super) fn open(&mut self, new: &NewRoom) -> Outcome {
        let fingerprint = new.fingerprint();
        if let Some(first) = new.key.as_ref().and_then(|key| self.rows.by_key.get(key)) {
            if first.fingerprint != fingerprint {
                return Err(Rejection::KeyReused);
            }
            return self.room_unchanged(first.room);
        }
        let subject = new.subject.as_ref();
        let known = subject.and_then(|subject| self.rows.by_subject.get(subject));
        let (room, outcome) = match known.copied() {
            Some(room) => (room, self.room_unchanged(room)),
            None => {
                let created = self.create(new, subject)?;
                (created.room, self.room_created(created))
            }
        };
        if let Some(key) = &new.key {
            let row = KeyRow { fingerprint, room };
            self.rows.by_key.insert(key.clone(), row);
        }
        outcome
    }

    fn create(&mut self, new: &NewRoom, subject: Option<&Subject>) -> Result<Created, Rejection> {
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
        let mut rows = RoomRows::new(room);
        for participant in &new.participants {
            rows.put_participant(newcomer(id, participant, self.now));
        }
        self.rows.rooms.insert(id, rows);
        if let Some(subject) = subject {
            self.rows.by_subject.insert(subject.clone(), id);
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
                self.rows.rename(&one.user, one.name.as_ref());
                self.rows.tell(&one.user, room, true)
            })
            .collect()
    }

    fn room_created(&self, created: Created) -> Outcome {
        let answer = Answer::Room {
            room: Box::new(self.rows.require(created.room)?.room.clone()),
            created: true,
        };
        Ok(changed(answer, created.event, created.users))
    }

    pub(super) fn describe(
        &mut self,
        room: RoomId,
        title: Option<&Option<String>>,
        metadata: Option<&Option<Metadata>>,
    ) -> Outcome {
        self.change_room(room, |room| {
            if let Some(title) = title {
                room.title.clone_from(title);
            }
            if let Some(metadata) = metadata {
                room.metadata.clone_from(metadata);
            }
        })
    }

    pub(super) fn act(&mut self, room: RoomId, action: RoomAction) -> Outcome {
        let now = self.now;
        self.change_room(room, |room| act_on(room, action, now))
    }

    pub(super) fn retain(&mut self, room: RoomId, from: Seq) -> Outcome {
        let outcome = self.change_room(room, |room| {
            room.first_seq = from.min(room.last_seq.next()).max(room.first_seq);
        })?;
        if !outcome.events.is_empty() {
            self.rows.chores.push_back(Chore::Purge(room));
        }
        Ok(outcome)
    }

    fn change_room(&mut self, room: RoomId, change: impl FnOnce(&mut Room)) -> Outcome {
        let event = self.touch_room(room, change)?;
        let Some(event) = event else {
            return self.room_unchanged(room);
        };
        let answer = Answer::Room {
            room: Box::new(self.rows.require(room)?.room.clone()),
            created: false,
        };
        Ok(changed(answer, event, Vec::new()))
    }

    /// Changes the row of a room, and numbers that if it made a difference.
    fn touch_room(
        &mut self,
        room: RoomId,
        change: impl FnOnce(&mut Room),
    ) -> Result<Option<RoomEvent>, Rejection> {
        let rows = self.rows.require_mut(room)?;
        let mut after = rows.room.clone();
        change(&mut after);
        if after == rows.room {
            return Ok(None);
        }
        rows.room = after;
        let rev = rows.next_rev();
        rows.room.meta_rev = rev;
        let change = RoomChange::Room(Box::new(rows.room.clone()));
        Ok(Some(event(room, rev, change)))
    }

    pub(super) fn apply_event(&mut self, event: &DomainEvent) -> Outcome {
        if let Some(first) = self.rows.applied.get(&event.id) {
            if first.fingerprint != event.fingerprint {
                return Err(Rejection::KeyReused);
            }
            return self.event_repeated(first);
        }
        let (room, mut events, mut users) = match self.rows.by_subject.get(&event.subject) {
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
        let row = AppliedRow {
            fingerprint: event.fingerprint,
            room,
            seq,
        };
        self.rows.applied.insert(event.id.clone(), row);
        let answer = Answer::Event {
            room: Box::new(self.rows.require(room)?.room.clone()),
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
    ) -> Result<Option<Seq>, Rejection> {
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

    fn event_repeated(&self, first: &AppliedRow) -> Outcome {
        Ok(unchanged(Answer::Event {
            room: Box::new(self.rows.require(first.room)?.room.clone()),
            created: false,
            seq: first.seq,
            duplicate: true,
        }))
    }
}

fn act_on(room: &mut Room, action: RoomAction, now: Timestamp) {
    match action {
        RoomAction::Lock { at } => {
            let later = at.filter(|at| *at > now);
            match (room.state, later) {
                (RoomState::Open, None) => {
                    room.state = RoomState::Locked;
                    room.locks_at = None;
                }
                (RoomState::Open, Some(_)) if room.state_at(now) == RoomState::Open => {
                    room.locks_at = later;
                }
                // A lock never opens.
                (RoomState::Open | RoomState::Locked | RoomState::Archived, _) => {}
            }
        }
        RoomAction::Reopen => {
            room.state = RoomState::Open;
            room.locks_at = None;
        }
        RoomAction::Archive => {
            room.state = RoomState::Archived;
            room.locks_at = None;
        }
    }
}

/// Refuses a user named twice, and a direct room of other than two.
fn require_people(new: &NewRoom) -> Result<(), Rejection> {
    let users: BTreeSet<_> = new.participants.iter().map(|one| &one.user).collect();
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
