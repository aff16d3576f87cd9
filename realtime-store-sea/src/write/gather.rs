//! What a batch will look at, read off its changes before the database is asked.

use realtime_core::{
    change::{Change, DomainEvent, Draft, NewRoom, Roster},
    id::{ClientId, EventId, RoomId, UserId},
    room::Subject,
    seq::Seq,
};

/// Everything that the changes of a batch name, each once.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) rooms: Vec<RoomId>,
    pub(super) subjects: Vec<Subject>,
    pub(super) seats: Vec<(RoomId, UserId)>,
    /// People in the rooms of subjects: seats, once it is known which rooms these are.
    pub(super) rosters: Vec<(Subject, UserId)>,
    /// People whose own streams go on: who is put into a room or taken out of one, known
    /// yet or not. Their rows are locked.
    pub(super) people: Vec<UserId>,
    pub(super) events: Vec<EventId>,
    pub(super) keys: Vec<EventId>,
    /// `None` is the platform.
    pub(super) sent: Vec<(RoomId, Option<UserId>, ClientId)>,
    pub(super) messages: Vec<(RoomId, Seq)>,
}

impl Wanted {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut wanted = Self::default();
        for change in changes {
            wanted.add(change);
        }
        // Sorted, so that neighbours in the tables are asked for together.
        once(&mut wanted.rooms);
        once(&mut wanted.seats);
        once(&mut wanted.people);
        once(&mut wanted.events);
        once(&mut wanted.keys);
        once(&mut wanted.sent);
        once(&mut wanted.messages);
        wanted
            .subjects
            .sort_unstable_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
        wanted.subjects.dedup();
        wanted
    }

    fn add(&mut self, change: &Change) {
        self.rooms.extend(change.room());
        match change {
            Change::Send(draft) => self.add_send(draft),
            Change::Edit { room, seq, by, .. } | Change::Delete { room, seq, by, .. } => {
                self.messages.push((*room, *seq));
                let user = by.user_id().cloned();
                self.seats.extend(user.map(|user| (*room, user)));
            }
            Change::Mark { room, user, .. } => {
                self.seats.push((*room, user.clone()));
            }
            Change::Remove { room, user, .. } => self.add_member(*room, user),
            Change::Admit {
                room, participant, ..
            } => self.add_member(*room, &participant.user),
            Change::Replace {
                room,
                leaves,
                comes,
                ..
            } => {
                self.add_member(*room, leaves);
                self.add_member(*room, &comes.user);
            }
            Change::Erase { user, once, .. } => {
                self.people.push(user.clone());
                self.events.extend(once.iter().map(|once| once.id.clone()));
            }
            Change::Open(new) => {
                self.subjects.extend(new.subject.clone());
                self.keys.extend(new.key.clone());
                self.add_people(new);
            }
            Change::Apply(event) => {
                self.subjects.push(event.subject.clone());
                self.events.push(event.id.clone());
                if let Some(new) = &event.open {
                    self.add_people(new);
                }
                for roster in &event.roster {
                    self.add_roster(event, roster);
                }
            }
            Change::Describe { .. } | Change::Act { .. } | Change::Retain { .. } => {}
        }
    }

    fn add_member(&mut self, room: RoomId, user: &UserId) {
        self.seats.push((room, user.clone()));
        self.people.push(user.clone());
    }

    fn add_roster(&mut self, event: &DomainEvent, roster: &Roster) {
        let users = match roster {
            Roster::Admit { participant, .. } => vec![&participant.user],
            Roster::Remove { user, .. } => vec![user],
            Roster::Replace { leaves, comes, .. } => vec![leaves, &comes.user],
        };
        for user in users {
            self.rosters.push((event.subject.clone(), user.clone()));
            self.people.push(user.clone());
        }
    }

    fn add_send(&mut self, draft: &Draft) {
        let user = draft.from.user_id().cloned();
        self.seats
            .extend(user.clone().map(|user| (draft.room, user)));
        self.sent.push((draft.room, user, draft.client_id.clone()));
    }

    fn add_people(&mut self, new: &NewRoom) {
        let users = new.participants.iter().map(|one| one.user.clone());
        self.people.extend(users);
    }
}

/// Sorts, and leaves out what was there before.
pub(super) fn once<T: Ord>(names: &mut Vec<T>) {
    names.sort_unstable();
    names.dedup();
}
