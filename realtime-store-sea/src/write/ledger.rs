//! What a batch works on: the rows it named, as they become change by change.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use realtime_core::{
    change::{Actor, Legacy, Rejection},
    event::{RoomChange, RoomEvent, UserEvent},
    id::{ClientId, EventId, IdGenerator, RoomId, UserId},
    message::{Message, Sender},
    participant::Participant,
    room::{Room, RoomState, Subject},
    seq::{Rev, Seq},
    store::Edition,
    time::Timestamp,
};

use super::{Ruling, load::Reads};
use crate::entity::user::PLATFORM;

/// The rows of a batch.
pub(crate) struct Ledger<'a> {
    pub(super) ids: &'a dyn IdGenerator,
    pub(super) now: Timestamp,
    pub(super) reads: Reads,
    pub(super) rooms: HashMap<RoomId, RoomRow>,
    pub(super) subjects: HashMap<Subject, RoomId>,
    pub(super) users: HashMap<UserId, UserRow>,
    /// How many people are new. They have numbers below zero until their rows are
    /// written, see `flush`: only the database knows which numbers are free.
    pub(super) newcomers: i64,
    pub(super) seats: HashMap<(RoomId, UserId), Seat>,
    pub(super) messages: HashMap<(RoomId, Seq), MessageRow>,
    /// By sender's number.
    pub(super) sent: HashMap<(RoomId, i64, ClientId), Seq>,
    pub(super) events: HashMap<EventId, EventRow>,
    pub(super) keys: HashMap<EventId, EventRow>,
    /// What messages said before they were rewritten.
    pub(super) editions: Vec<(RoomId, Seq, Edition)>,
    /// Messages that are no longer kept.
    pub(super) purges: BTreeMap<RoomId, Range<Seq>>,
    /// Who is erased. Nothing else is done to them in the same ledger.
    pub(super) erased: Vec<(UserId, Legacy)>,
}

/// What is to be written of a row. Of a user's, what changes often is the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Nothing.
    Stored,
    /// What changes often: heads, pointers.
    Moved,
    /// All that can change.
    Changed,
    /// The whole row.
    New,
}

#[derive(Debug)]
pub(super) struct RoomRow {
    pub(super) room: Room,
    pub(super) receipt_rev: Rev,
    pub(super) fate: Fate,
}

#[derive(Debug)]
pub(super) struct UserRow {
    pub(super) number: i64,
    pub(super) name: Option<String>,
    pub(super) rev: Rev,
    /// Whether `rev` may go on: nobody else can write the row before this batch ends.
    pub(super) locked: bool,
    pub(super) fate: Fate,
}

/// A participant's row. The name in it is not kept up; [`Ledger::named`] puts it in.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) participant: Participant,
    pub(super) delivered_at: Option<Timestamp>,
    pub(super) read_at: Option<Timestamp>,
    pub(super) left_at: Option<Timestamp>,
    pub(super) fate: Fate,
}

#[derive(Debug)]
pub(super) struct MessageRow {
    pub(super) message: Arc<Message>,
    pub(super) sender: i64,
    pub(super) sent_rev: Rev,
    pub(super) fingerprint: Option<i64>,
    pub(super) fate: Fate,
}

/// An event or a key that was used.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventRow {
    pub(super) fingerprint: i64,
    pub(super) room: RoomId,
    pub(super) seq: Option<Seq>,
    pub(super) fate: Fate,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(ids: &'a dyn IdGenerator, now: Timestamp) -> Self {
        Self {
            ids,
            now,
            reads: Reads::default(),
            rooms: HashMap::new(),
            subjects: HashMap::new(),
            users: HashMap::new(),
            newcomers: 0,
            seats: HashMap::new(),
            messages: HashMap::new(),
            sent: HashMap::new(),
            events: HashMap::new(),
            keys: HashMap::new(),
            editions: Vec::new(),
            purges: BTreeMap::new(),
            erased: Vec::new(),
        }
    }

    /// Itself, for a transaction that must be read in this way.
    #[must_use]
    pub(crate) fn reading(self, reads: Reads) -> Self {
        Self { reads, ..self }
    }

    pub(super) fn room(&self, room: RoomId) -> Ruling<&Room> {
        self.rooms
            .get(&room)
            .map(|row| &row.room)
            .ok_or(Rejection::NotFound)
    }

    pub(super) fn room_mut(&mut self, room: RoomId) -> Ruling<&mut RoomRow> {
        self.rooms.get_mut(&room).ok_or(Rejection::NotFound)
    }

    /// Who acts: an active participant, or nobody for the platform, which is everywhere.
    pub(super) fn actor(&self, room: RoomId, actor: &Actor) -> Ruling<Option<&Participant>> {
        self.room(room)?;
        match actor {
            Actor::Service => Ok(None),
            Actor::User { id, .. } => self.active(room, id).map(Some),
        }
    }

    pub(super) fn active(&self, room: RoomId, user: &UserId) -> Ruling<&Participant> {
        self.seats
            .get(&(room, user.clone()))
            .map(|seat| &seat.participant)
            .filter(|participant| participant.is_active())
            .ok_or(Rejection::NotFound)
    }

    /// Refuses a user in a room that is not open now.
    pub(super) fn require_open(&self, room: &Room, actor: &Actor) -> Ruling<()> {
        match (actor, room.state_at(self.now)) {
            (Actor::Service, _) | (Actor::User { .. }, RoomState::Open) => Ok(()),
            (Actor::User { .. }, RoomState::Locked | RoomState::Archived) => {
                Err(Rejection::RoomLocked)
            }
        }
    }

    /// The number under which a sender's messages are stored.
    pub(super) fn sender_number(&self, actor: &Actor) -> Option<i64> {
        match actor {
            Actor::Service => Some(PLATFORM),
            Actor::User { id, .. } => self.users.get(id).map(|user| user.number),
        }
    }

    /// The row of somebody who is put into a room, and may be new.
    pub(super) fn user_mut(&mut self, user: &UserId) -> &mut UserRow {
        let newcomers = &mut self.newcomers;
        self.users.entry(user.clone()).or_insert_with(|| {
            *newcomers += 1;
            UserRow {
                number: -*newcomers,
                name: None,
                rev: Rev::ZERO,
                locked: true,
                fate: Fate::New,
            }
        })
    }

    /// Remembers a name, if one is told; answers whether it is another. It is written
    /// alone, so that no lock is needed: of two names told at once, one stays.
    pub(super) fn rename(&mut self, user: &UserId, name: Option<&String>) -> bool {
        let row = self.user_mut(user);
        let renames = name.is_some() && row.name.as_ref() != name;
        if renames {
            row.name = name.cloned();
            row.fate.at_least(Fate::Moved);
        }
        renames
    }

    /// Tells a user that they joined or left a room. Their row must have been
    /// [wanted](super::gather::Wanted::people).
    pub(super) fn tell(&mut self, user: &UserId, room: RoomId) -> UserEvent {
        let row = self.user_mut(user);
        row.rev = row.rev.next();
        row.fate.at_least(Fate::Changed);
        UserEvent {
            user: user.clone(),
            rev: row.rev,
            room,
        }
    }

    /// The participant with their name.
    pub(super) fn named(&self, participant: &Participant) -> Participant {
        let user = self.users.get(&participant.user);
        Participant {
            name: user.and_then(|user| user.name.clone()),
            ..participant.clone()
        }
    }

    /// The message with its sender's name of now: a batch may have changed it.
    pub(super) fn told(&self, message: &Arc<Message>) -> Arc<Message> {
        let Sender::User { id, name } = &message.sender else {
            return message.clone();
        };
        let Some(user) = self.users.get(id).filter(|user| user.name != *name) else {
            return message.clone();
        };
        let sender = Sender::User {
            id: id.clone(),
            name: user.name.clone(),
        };
        Arc::new(Message {
            sender,
            ..(**message).clone()
        })
    }
}

impl RoomRow {
    /// Numbers one more change.
    pub(super) fn advance(&mut self) -> Rev {
        self.room.rev = self.room.rev.next();
        self.fate.at_least(Fate::Moved);
        self.room.rev
    }
}

impl Fate {
    pub(super) fn at_least(&mut self, fate: Self) {
        *self = (*self).max(fate);
    }
}

/// Refuses who only reads.
pub(super) fn require_writer(actor: Option<&Participant>) -> Ruling<()> {
    match actor {
        Some(participant) if !participant.role.may_write() => Err(Rejection::Forbidden),
        Some(_) | None => Ok(()),
    }
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
