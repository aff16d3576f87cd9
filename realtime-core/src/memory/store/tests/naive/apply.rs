//! One accepted change after another.

use std::sync::Arc;

use super::{Accepted, World};
use crate::{
    change::{
        Actor, Answer, Change, Committed, DomainEvent, Draft, History, NewParticipant, NewRoom,
        Pointer, Rejection, RoomAction, Roster,
    },
    event::{Receipt, RoomChange, RoomEvent, UserEvent},
    id::{RoomId, UserId},
    message::{Message, MessageKind, Sender},
    participant::{Participant, ParticipantState, Role},
    room::{Metadata, Room, RoomKind, RoomState},
    seq::{Rev, Seq},
    store::Outcome,
    time::Timestamp,
};

impl Committed {
    /// Whether a message was created, rather than changed.
    pub(super) fn posts(&self) -> bool {
        self.events.iter().any(|event| match &event.change {
            RoomChange::Message(message) => {
                message.edited_at.is_none() && message.deleted_at.is_none()
            }
            RoomChange::Receipt(_)
            | RoomChange::Participant(_)
            | RoomChange::Room(_)
            | RoomChange::Reset => false,
        })
    }
}

impl World {
    /// Whether a room was created.
    pub(super) fn opens(&self, done: &Committed) -> bool {
        done.events.iter().any(|event| event.rev == Rev::FIRST)
    }

    pub(super) fn apply(&mut self, accepted: &Accepted) -> Outcome {
        let now = accepted.now;
        match &accepted.change {
            Change::Send(draft) => self.send(accepted, draft),
            Change::Edit {
                room,
                seq,
                by,
                body,
                sent_after,
            } => self.rewrite(
                accepted,
                (*room, *seq),
                by,
                Some(body.as_str()),
                *sent_after,
            ),
            Change::Delete {
                room,
                seq,
                by,
                sent_after,
            } => self.rewrite(accepted, (*room, *seq), by, None, *sent_after),
            Change::Mark {
                room,
                user,
                pointer,
                seq,
            } => self.mark(*room, user, *pointer, *seq),
            Change::Open(new) => self.open(accepted, new),
            Change::Describe {
                room,
                title,
                metadata,
            } => self.describe(*room, title.clone(), metadata.clone()),
            Change::Act { room, action } => self.change_room(*room, |row| act(row, *action, now)),
            Change::Admit {
                room,
                participant,
                history,
            } => self.admit(accepted, *room, participant, *history),
            Change::Remove {
                room,
                user,
                keeps_history,
            } => self.remove(*room, user, *keeps_history),
            Change::Apply(event) => self.event(accepted, event),
            Change::Replace {
                room,
                leaves,
                comes,
                history,
            } => self.replace(accepted, *room, leaves, (comes, *history)),
            Change::Retain { room, from } => self.change_room(*room, |row| {
                let end = Seq::new(row.last_seq.get() + 1);
                row.first_seq = row.first_seq.max(end.min(*from));
            }),
            Change::Erase { .. } => self.erase(&accepted.change),
        }
    }

    fn describe(
        &mut self,
        room: RoomId,
        title: Option<Option<String>>,
        metadata: Option<Option<Metadata>>,
    ) -> Outcome {
        self.change_room(room, |row| {
            row.title = title.unwrap_or(row.title.take());
            row.metadata = metadata.unwrap_or(row.metadata.take());
        })
    }

    fn row(&mut self, room: RoomId) -> Result<&mut Room, Rejection> {
        let mut rooms = self.rooms.iter_mut();
        rooms.find(|one| one.id == room).ok_or(Rejection::NotFound)
    }

    fn one(&mut self, room: RoomId, user: &UserId) -> Option<&mut Participant> {
        let mut people = self.people.iter_mut();
        people.find(|one| one.room == room && one.user == *user)
    }

    /// The role of who acts; `None` is the platform.
    fn role(&mut self, room: RoomId, by: &Actor) -> Result<Option<Role>, Rejection> {
        self.row(room)?;
        let Actor::User { id, .. } = by else {
            return Ok(None);
        };
        let one = self.one(room, id).filter(|one| one.is_active());
        Ok(Some(one.ok_or(Rejection::NotFound)?.role))
    }

    fn number(&mut self, room: RoomId) -> Rev {
        let row = self.row(room).unwrap();
        row.rev = Rev::new(row.rev.get() + 1);
        row.rev
    }

    fn learn(&mut self, by: &Actor) {
        if let Actor::User {
            id,
            name: Some(name),
        } = by
        {
            self.names.push((id.clone(), name.clone()));
        }
    }

    fn about_message(&self, message: &Message, duplicate: bool) -> Outcome {
        let message = self.named(message);
        let events = if duplicate {
            Vec::new()
        } else {
            let change = RoomChange::Message(Box::new(message.clone()));
            vec![told(message.room, message.rev, change)]
        };
        let message = Arc::new(message);
        committed(Answer::Message { message, duplicate }, events, Vec::new())
    }

    fn send(&mut self, accepted: &Accepted, draft: &Draft) -> Outcome {
        let room = draft.room;
        let role = self.role(room, &draft.from)?;
        let first = self.messages.iter().find(|one| {
            one.room == room
                && one.sender.user() == draft.from.user_id()
                && one.client_id.as_ref() == Some(&draft.client_id)
        });
        if let Some(first) = first {
            let asked = (room, first.seq, draft.fingerprint());
            if !self.asked.contains(&asked) {
                return Err(Rejection::ClientIdReused);
            }
            return self.about_message(first, true);
        }
        if role == Some(Role::Observer) || (role.is_some() && draft.kind == MessageKind::System) {
            return Err(Rejection::Forbidden);
        }
        if role.is_some() && self.row(room)?.state_at(accepted.now) != RoomState::Open {
            return Err(Rejection::RoomLocked);
        }
        let exists = |seq: Seq| self.sees(room, &draft.from, seq).is_some();
        if !draft.reply_to.is_none_or(exists) {
            return Err(Rejection::Invalid {
                field: "reply_to",
                reason: "",
            });
        }
        let message = self.post(accepted, draft, false);
        self.asked.push((room, message.seq, draft.fingerprint()));
        self.learn(&draft.from);
        self.about_message(&message, false)
    }

    fn post(&mut self, accepted: &Accepted, draft: &Draft, anonymous: bool) -> Message {
        let room = draft.room;
        let rev = self.number(room);
        let row = self.row(room).unwrap();
        row.last_seq = Seq::new(row.last_seq.get() + 1);
        row.last_message_at = Some(accepted.now);
        let (seq, small) = (row.last_seq, row.participant_count <= 100);
        let sender = match draft.from.user_id() {
            Some(id) => Sender::User {
                id: id.clone(),
                name: None,
            },
            None => Sender::System,
        };
        if let Some(one) = draft.from.user_id().and_then(|id| self.one(room, id))
            && one.read_seq.get() + 1 == seq.get()
        {
            (one.read_seq, one.delivered_seq) = (seq, seq);
            one.rev = if small { rev } else { one.rev };
        }
        let message = Message {
            room,
            seq,
            rev,
            id: accepted.message,
            sender,
            client_id: (!anonymous).then(|| draft.client_id.clone()),
            kind: draft.kind,
            body: Some(draft.body.as_str().to_owned()),
            metadata: draft.metadata.clone(),
            reply_to: draft.reply_to,
            sent_at: accepted.now,
            edited_at: None,
            deleted_at: None,
        };
        self.messages.push(message.clone());
        message
    }

    fn rewrite(
        &mut self,
        accepted: &Accepted,
        (room, seq): (RoomId, Seq),
        by: &Actor,
        body: Option<&str>,
        sent_after: Option<Timestamp>,
    ) -> Outcome {
        let role = self.role(room, by)?;
        let message = self.sees(room, by, seq);
        let mut message = message.ok_or(Rejection::NotFound)?;
        let own = message.sender.user() == by.user_id();
        let text = message.kind == MessageKind::Text;
        if role.is_some() && (role == Some(Role::Observer) || !own || !text) {
            return Err(Rejection::Forbidden);
        }
        if message.body.is_none() && body.is_some() {
            return Err(Rejection::Conflict { reason: "" });
        }
        if message.body.as_deref() == body {
            return self.about_message(&message, true);
        }
        if role.is_some() && self.row(room)?.state_at(accepted.now) != RoomState::Open {
            return Err(Rejection::RoomLocked);
        }
        if Some(message.sent_at) < sent_after {
            return Err(Rejection::TooLate);
        }
        self.keep_edition(&message, accepted.now);
        message.rev = self.number(room);
        message.body = body.map(str::to_owned);
        if body.is_some() {
            message.edited_at = Some(accepted.now);
        } else {
            message.metadata = None;
            message.deleted_at = Some(accepted.now);
        }
        for one in &mut self.messages {
            if one.room == room && one.seq == seq {
                *one = message.clone();
            }
        }
        self.learn(by);
        self.about_message(&message, false)
    }

    /// A message, if it is kept and whoever asks may see it.
    fn sees(&self, room: RoomId, by: &Actor, seq: Seq) -> Option<Message> {
        let mut messages = self.messages_in(room);
        if let Actor::User { id, .. } = by {
            let one = self.participant(room, id)?;
            messages.retain(|message| message.seq >= one.visible_from);
        }
        messages.into_iter().find(|message| message.seq == seq)
    }

    fn mark(&mut self, room: RoomId, user: &UserId, pointer: Pointer, seq: Seq) -> Outcome {
        let role = self.role(room, &Actor::user(user.clone()))?;
        if role == Some(Role::Observer) {
            return Err(Rejection::Forbidden);
        }
        let row = self.row(room)?.clone();
        let seq = seq.min(row.last_seq);
        let one = self.one(room, user).unwrap();
        let before = one.clone();
        one.delivered_seq = one.delivered_seq.max(seq);
        if pointer == Pointer::Read {
            one.read_seq = one.read_seq.max(seq);
        }
        let receipt = Receipt {
            user: user.clone(),
            delivered_seq: one.delivered_seq,
            read_seq: one.read_seq,
        };
        let mut events = Vec::new();
        if *one != before && row.participant_count <= 100 {
            let rev = self.number(room);
            self.one(room, user).unwrap().rev = rev;
            events.push(told(room, rev, RoomChange::Receipt(receipt.clone())));
        }
        let answer = Answer::Pointers {
            receipt,
            rev: self.row(room)?.rev,
            last_seq: row.last_seq,
        };
        committed(answer, events, Vec::new())
    }

    fn about_room(&mut self, room: RoomId, created: bool) -> Answer {
        let room = Box::new(self.row(room).unwrap().clone());
        Answer::Room { room, created }
    }

    fn open(&mut self, accepted: &Accepted, new: &NewRoom) -> Outcome {
        let fingerprint = new.fingerprint();
        let mut keys = self.keys.iter();
        if let Some((_, first, room)) = keys.find(|(key, ..)| Some(key) == new.key.as_ref()) {
            if *first != fingerprint {
                return Err(Rejection::KeyReused);
            }
            let room = *room;
            return committed(self.about_room(room, false), Vec::new(), Vec::new());
        }
        let mut rooms = self.rooms.iter();
        let known = rooms.find(|room| room.subject.is_some() && room.subject == new.subject);
        let known = known.map(|room| room.id);
        let (events, users) = match known {
            Some(_) => (Vec::new(), Vec::new()),
            None => self.create(accepted, new)?,
        };
        let room = known.unwrap_or(accepted.room);
        let key = new.key.clone();
        self.keys.extend(key.map(|key| (key, fingerprint, room)));
        let answer = self.about_room(room, known.is_none());
        committed(answer, events, users)
    }

    fn create(
        &mut self,
        accepted: &Accepted,
        new: &NewRoom,
    ) -> Result<(Vec<RoomEvent>, Vec<UserEvent>), Rejection> {
        let mut users: Vec<_> = new.participants.iter().map(|one| &one.user).collect();
        users.sort();
        users.dedup();
        let twice = users.len() < new.participants.len();
        if twice || (new.kind == RoomKind::Direct && users.len() != 2) {
            return Err(Rejection::Invalid {
                field: "participants",
                reason: "",
            });
        }
        let room = Room {
            id: accepted.room,
            kind: new.kind,
            subject: new.subject.clone(),
            title: new.title.clone(),
            state: RoomState::Open,
            locks_at: None,
            first_seq: Seq::new(1),
            last_seq: Seq::new(0),
            rev: Rev::new(1),
            meta_rev: Rev::new(1),
            participant_count: users.len() as u32,
            last_message_at: None,
            metadata: new.metadata.clone(),
            created_at: accepted.now,
        };
        let event = told(room.id, room.rev, RoomChange::Room(Box::new(room.clone())));
        self.rooms.push(room);
        let mut told = Vec::new();
        for new in &new.participants {
            let by = Actor::User {
                id: new.user.clone(),
                name: new.name.clone(),
            };
            self.learn(&by);
            self.people.push(arrival(accepted, accepted.room, new));
            told.push(self.moves(&new.user, accepted.room));
        }
        Ok((vec![event], told))
    }

    fn moves(&mut self, user: &UserId, room: RoomId) -> UserEvent {
        self.moves.push((user.clone(), room));
        UserEvent {
            user: user.clone(),
            rev: self.head(&crate::event::Topic::User(user.clone())),
            room,
        }
    }

    fn change_room(&mut self, room: RoomId, change: impl FnOnce(&mut Room)) -> Outcome {
        let row = self.row(room)?;
        let before = row.clone();
        change(row);
        let mut events = Vec::new();
        if *row != before {
            let rev = self.number(room);
            let row = self.row(room)?;
            row.meta_rev = rev;
            events.push(told(room, rev, RoomChange::Room(Box::new(row.clone()))));
        }
        committed(self.about_room(room, false), events, Vec::new())
    }

    fn admit(
        &mut self,
        accepted: &Accepted,
        room: RoomId,
        new: &NewParticipant,
        history: History,
    ) -> Outcome {
        let last_seq = self.row(room)?.last_seq;
        let known = self.one(room, &new.user).map(|one| one.clone());
        let inside = known.as_ref().is_some_and(Participant::is_active);
        let renamed = new.name.is_some() && self.name(&new.user) != new.name;
        let same_role = known.as_ref().is_some_and(|one| one.role == new.role);
        if inside && same_role && !renamed {
            return self.about_participant(room, &new.user, false, false);
        }
        if known.is_none() {
            self.people.push(arrival(accepted, room, new));
        }
        self.names
            .extend(new.name.clone().map(|name| (new.user.clone(), name)));
        let one = self.one(room, &new.user).unwrap();
        one.role = new.role;
        if !inside {
            one.state = ParticipantState::Active;
            one.joined_at = accepted.now;
            one.read_seq = one.read_seq.max(last_seq);
            one.delivered_seq = one.delivered_seq.max(last_seq);
            one.visible_to = None;
            one.visible_from = match history {
                History::All => Seq::new(1),
                History::FromNow => Seq::new(last_seq.get() + 1),
            };
        }
        self.about_participant(room, &new.user, true, !inside)
    }

    fn remove(&mut self, room: RoomId, user: &UserId, keeps_history: bool) -> Outcome {
        let last_seq = self.row(room)?.last_seq;
        let one = self.one(room, user).ok_or(Rejection::NotFound)?;
        let before = one.state;
        (one.state, one.visible_to) = match (before, keeps_history) {
            (ParticipantState::Active, true) => (ParticipantState::Left, Some(last_seq)),
            (ParticipantState::Left, true) => (ParticipantState::Left, one.visible_to),
            (ParticipantState::Removed, _) | (_, false) => (ParticipantState::Removed, None),
        };
        let changed = one.state != before;
        let moved = before == ParticipantState::Active;
        self.about_participant(room, user, changed, moved)
    }

    fn replace(
        &mut self,
        accepted: &Accepted,
        room: RoomId,
        leaves: &UserId,
        (comes, history): (&NewParticipant, History),
    ) -> Outcome {
        self.row(room)?;
        self.one(room, leaves).ok_or(Rejection::NotFound)?;
        if *leaves == comes.user {
            return Err(Rejection::Invalid {
                field: "user",
                reason: "",
            });
        }
        let is_in = |one: Option<&mut Participant>| one.is_some_and(|one| one.is_active());
        if !is_in(self.one(room, leaves)) && !is_in(self.one(room, &comes.user)) {
            return Err(Rejection::Conflict { reason: "" });
        }
        let went = self.remove(room, leaves, true)?;
        let came = self.admit(accepted, room, comes, history)?;
        let events = [went.events, came.events].concat();
        committed(came.answer, events, [went.users, came.users].concat())
    }

    /// What cannot be done is left undone.
    fn enrol(&mut self, accepted: &Accepted, room: RoomId, roster: &Roster) -> Committed {
        let outcome = match roster {
            Roster::Admit {
                participant,
                history,
            } => self.admit(accepted, room, participant, *history),
            Roster::Remove {
                user,
                keeps_history,
            } => self.remove(room, user, *keeps_history),
            Roster::Replace {
                leaves,
                comes,
                history,
            } => {
                if *leaves == comes.user || self.one(room, leaves).is_none() {
                    self.admit(accepted, room, comes, *history)
                } else {
                    self.replace(accepted, room, leaves, (comes, *history))
                }
            }
        };
        outcome.unwrap_or(Committed {
            answer: Answer::Erased { duplicate: false },
            events: Vec::new(),
            users: Vec::new(),
        })
    }

    fn about_participant(
        &mut self,
        room: RoomId,
        user: &UserId,
        changed: bool,
        moved: bool,
    ) -> Outcome {
        // Who was erased counts until that is tidied.
        let gone = self.gone.iter();
        let gone = gone.filter(|one| one.room == room && one.was_active);
        let count = self.active_in(room).len() + gone.count();
        self.row(room)?.participant_count = count as u32;
        if changed {
            let rev = self.number(room);
            let one = self.one(room, user).unwrap();
            (one.rev, one.member_rev) = (rev, rev);
        }
        let one = Box::new(self.participant(room, user).unwrap());
        let event = changed.then(|| {
            let change = RoomChange::Participant(one.clone());
            told(room, one.rev, change)
        });
        let users = moved.then(|| self.moves(user, room)).into_iter().collect();
        let answer = Answer::Participant {
            participant: one,
            rev: self.row(room)?.rev,
        };
        committed(answer, event.into_iter().collect(), users)
    }

    fn event(&mut self, accepted: &Accepted, event: &DomainEvent) -> Outcome {
        let mut known = self.events.iter();
        if let Some((_, first, room, seq)) = known.find(|(id, ..)| *id == event.id) {
            if *first != event.fingerprint {
                return Err(Rejection::KeyReused);
            }
            let (room, seq) = (*room, *seq);
            return self.about_event(room, (false, seq, true), Vec::new(), Vec::new());
        }
        let mut rooms = self.rooms.iter();
        let room = rooms.find(|room| room.subject.as_ref() == Some(&event.subject));
        let room = room.map(|room| room.id);
        let (mut events, mut users) = match room {
            Some(_) => (Vec::new(), Vec::new()),
            None => {
                let open = event.open.clone().ok_or(Rejection::NotFound)?;
                let subject = Some(event.subject.clone());
                self.create(accepted, &NewRoom { subject, ..open })?
            }
        };
        let created = room.is_none();
        let room = room.unwrap_or(accepted.room);
        for roster in &event.roster {
            let moved = self.enrol(accepted, room, roster);
            events.extend(moved.events);
            users.extend(moved.users);
        }
        let mut seq = None;
        if let Some(message) = &event.message {
            let draft = Draft {
                room,
                from: Actor::Service,
                client_id: crate::id::ClientId::parse("unused").unwrap(),
                body: message.body.clone(),
                kind: MessageKind::System,
                reply_to: None,
                metadata: message.metadata.clone(),
            };
            let message = self.post(accepted, &draft, true);
            seq = Some(message.seq);
            events.extend(self.about_message(&message, false)?.events);
        }
        if let Some(action) = event.action {
            let locked = self.change_room(room, |row| act(row, action, accepted.now))?;
            events.extend(locked.events);
        }
        let row = (event.id.clone(), event.fingerprint, room, seq);
        self.events.push(row);
        self.about_event(room, (created, seq, false), events, users)
    }

    fn about_event(
        &mut self,
        room: RoomId,
        (created, seq, duplicate): (bool, Option<Seq>, bool),
        events: Vec<RoomEvent>,
        users: Vec<UserEvent>,
    ) -> Outcome {
        let room = Box::new(self.row(room)?.clone());
        let answer = Answer::Event {
            room,
            created,
            seq,
            duplicate,
        };
        committed(answer, events, users)
    }
}

fn committed(answer: Answer, events: Vec<RoomEvent>, users: Vec<UserEvent>) -> Outcome {
    Ok(Committed {
        answer,
        events,
        users,
    })
}

fn told(room: RoomId, rev: Rev, change: RoomChange) -> RoomEvent {
    RoomEvent {
        room,
        rev,
        after: Rev::new(rev.get() - 1),
        change,
    }
}

fn arrival(accepted: &Accepted, room: RoomId, new: &NewParticipant) -> Participant {
    Participant {
        room,
        user: new.user.clone(),
        name: None,
        role: new.role,
        state: ParticipantState::Active,
        delivered_seq: Seq::ZERO,
        read_seq: Seq::ZERO,
        muted_until: None,
        rev: Rev::new(1),
        member_rev: Rev::new(1),
        joined_at: accepted.now,
        visible_from: Seq::FIRST,
        visible_to: None,
    }
}

fn act(row: &mut Room, action: RoomAction, now: Timestamp) {
    let open_now = row.state_at(now) == RoomState::Open;
    match action {
        RoomAction::Lock { at: Some(at) } if at > now => {
            if open_now {
                row.locks_at = Some(at);
            }
        }
        RoomAction::Lock { .. } => {
            if row.state == RoomState::Open {
                (row.state, row.locks_at) = (RoomState::Locked, None);
            }
        }
        RoomAction::Reopen => (row.state, row.locks_at) = (RoomState::Open, None),
        RoomAction::Archive => (row.state, row.locks_at) = (RoomState::Archived, None),
    }
}
