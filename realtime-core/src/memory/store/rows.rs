//! What is kept, and how one row of it is read or replaced.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::{
    change::{Legacy, Rejection},
    event::{RoomChange, RoomEvent, UserEvent},
    id::{ClientId, EventId, RoomId, UserId},
    limits::UNREAD_CAP,
    message::{Message, MessageKind, Sender},
    participant::Participant,
    room::{Room, Subject},
    seq::{Rev, Seq},
    store::{Edition, Unread},
    time::Timestamp,
};

/// The whole database.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rooms: HashMap<RoomId, RoomRows>,
    pub(super) users: HashMap<UserId, UserRow>,
    pub(super) by_subject: HashMap<Subject, RoomId>,
    pub(super) by_key: HashMap<EventId, KeyRow>,
    pub(super) applied: HashMap<EventId, AppliedRow>,
    /// What is left to be done, see [`Upkeep::tidy`](crate::store::Upkeep::tidy).
    pub(super) chores: VecDeque<Chore>,
}

/// Something that is left to be done.
#[derive(Debug)]
pub(super) enum Chore {
    /// Rows below a room's `first_seq` are to go.
    Purge(RoomId),
    /// A person who was erased is to be taken out of a room.
    Scrub(Scrub),
}

/// What somebody who was erased left behind in a room.
#[derive(Debug)]
pub(super) struct Scrub {
    pub(super) room: RoomId,
    /// What they said there, as far as it was not dealt with.
    pub(super) said: VecDeque<Seq>,
    pub(super) was_active: bool,
    pub(super) messages: Legacy,
}

/// Somebody who is, or was, in a room.
#[derive(Debug, Default)]
pub(super) struct UserRow {
    pub(super) name: Option<String>,
    pub(super) rev: Rev,
    pub(super) last_seen: Option<Timestamp>,
    /// The rooms in which they are active.
    pub(super) rooms: BTreeSet<RoomId>,
}

/// The request that first used an idempotency key.
#[derive(Debug)]
pub(super) struct KeyRow {
    pub(super) fingerprint: i64,
    pub(super) room: RoomId,
}

/// An event of the host's that was applied.
#[derive(Debug)]
pub(super) struct AppliedRow {
    pub(super) fingerprint: i64,
    pub(super) room: RoomId,
    pub(super) seq: Option<Seq>,
}

/// A message, and what its sender asked for.
#[derive(Debug)]
pub(super) struct MessageRow {
    /// Without the sender's name, which is the user's.
    pub(super) message: Message,
    /// `None` for a message without a `client_id`.
    pub(super) fingerprint: Option<i64>,
    /// What it said before.
    pub(super) editions: Vec<Edition>,
}

/// A room and everything in it.
#[derive(Debug)]
pub(super) struct RoomRows {
    pub(super) room: Room,
    /// Who asks for what changed after a `rev` before this one must start anew.
    pub(super) reset_rev: Rev,
    pub(super) messages: BTreeMap<Seq, MessageRow>,
    pub(super) message_at: BTreeMap<Rev, Seq>,
    /// `None` is the platform.
    pub(super) by_client_id: HashMap<(Option<UserId>, ClientId), Seq>,
    /// Without names, which are the users'.
    pub(super) participants: BTreeMap<UserId, Participant>,
    pub(super) participants_at: BTreeMap<Rev, BTreeSet<UserId>>,
}

impl Rows {
    pub(super) fn require(&self, room: RoomId) -> Result<&RoomRows, Rejection> {
        self.rooms.get(&room).ok_or(Rejection::NotFound)
    }

    pub(super) fn require_mut(&mut self, room: RoomId) -> Result<&mut RoomRows, Rejection> {
        self.rooms.get_mut(&room).ok_or(Rejection::NotFound)
    }

    fn name(&self, user: &UserId) -> Option<String> {
        self.users.get(user).and_then(|row| row.name.clone())
    }

    /// The message with its sender's name.
    pub(super) fn named_message(&self, message: &Message) -> Message {
        let mut message = message.clone();
        if let Sender::User { id, name } = &mut message.sender {
            *name = self.name(id);
        }
        message
    }

    /// The participant with their name.
    pub(super) fn named_participant(&self, participant: &Participant) -> Participant {
        Participant {
            name: self.name(&participant.user),
            ..participant.clone()
        }
    }

    /// Remembers a name, if one is told; answers whether it is another.
    pub(super) fn rename(&mut self, user: &UserId, name: Option<&String>) -> bool {
        let row = self.users.entry(user.clone()).or_default();
        let changes = name.is_some() && row.name.as_ref() != name;
        if changes {
            row.name = name.cloned();
        }
        changes
    }

    /// Tells a user that they joined or left a room.
    pub(super) fn tell(&mut self, user: &UserId, room: RoomId, active: bool) -> UserEvent {
        let row = self.users.entry(user.clone()).or_default();
        if active {
            row.rooms.insert(room);
        } else {
            row.rooms.remove(&room);
        }
        row.rev = row.rev.next();
        UserEvent {
            user: user.clone(),
            rev: row.rev,
            room,
        }
    }
}

impl RoomRows {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            reset_rev: Rev::ZERO,
            messages: BTreeMap::new(),
            message_at: BTreeMap::new(),
            by_client_id: HashMap::new(),
            participants: BTreeMap::new(),
            participants_at: BTreeMap::new(),
        }
    }

    /// Numbers one more change.
    pub(super) fn next_rev(&mut self) -> Rev {
        self.room.rev = self.room.rev.next();
        self.room.rev
    }

    /// The active participant.
    pub(super) fn active(&self, user: &UserId) -> Option<&Participant> {
        self.participants.get(user).filter(|one| one.is_active())
    }

    pub(super) fn active_participants(&self) -> impl Iterator<Item = &Participant> {
        self.participants.values().filter(|one| one.is_active())
    }

    pub(super) fn put_message(&mut self, row: MessageRow) {
        let (seq, rev) = (row.message.seq, row.message.rev);
        if let Some(before) = self.messages.insert(seq, row) {
            self.message_at.remove(&before.message.rev);
        }
        self.message_at.insert(rev, seq);
    }

    pub(super) fn put_participant(&mut self, participant: Participant) {
        let (user, rev) = (participant.user.clone(), participant.rev);
        self.take_participant(&user);
        self.participants.insert(user.clone(), participant);
        self.participants_at.entry(rev).or_default().insert(user);
    }

    pub(super) fn take_participant(&mut self, user: &UserId) -> Option<Participant> {
        let before = self.participants.remove(user)?;
        if let Some(users) = self.participants_at.get_mut(&before.rev) {
            users.remove(user);
            if users.is_empty() {
                self.participants_at.remove(&before.rev);
            }
        }
        Some(before)
    }

    /// The newest activity, by which lists are sorted.
    pub(super) fn activity(&self) -> Timestamp {
        self.room.last_message_at.unwrap_or(self.room.created_at)
    }

    pub(super) fn unread(&self, user: &UserId) -> Unread {
        let Some(reader) = self.active(user) else {
            return Unread::default();
        };
        let cap = UNREAD_CAP as usize;
        let counted = self
            .messages
            .range(reader.read_seq.next().max(self.room.first_seq)..)
            .filter(|(_, row)| counts_for(user, &row.message))
            .take(cap + 1)
            .count();
        Unread {
            count: u32::try_from(counted.min(cap)).unwrap_or(UNREAD_CAP),
            capped: counted > cap,
        }
    }
}

fn counts_for(reader: &UserId, message: &Message) -> bool {
    let speaks = match message.kind {
        MessageKind::Text => true,
        MessageKind::System => false,
    };
    speaks && message.deleted_at.is_none() && message.sender.user() != Some(reader)
}

/// The news of the change that was numbered `rev`.
pub(super) fn event(room: RoomId, rev: Rev, change: RoomChange) -> RoomEvent {
    RoomEvent {
        room,
        rev,
        after: rev.previous(),
        change,
    }
}
