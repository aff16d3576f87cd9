//! What may be asked of the store: changes, each of which succeeds or is refused
//! alone, though many share a transaction.

use std::{hash::Hasher, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    event::{Receipt, RoomEvent, UserEvent},
    id::{ClientId, EventId, MessageId, RoomId, UserId},
    message::{Body, Message, MessageKind},
    participant::{Participant, Role},
    room::{Metadata, Room, RoomKind, Subject},
    seq::{Rev, Seq},
    time::Timestamp,
};

/// On whose behalf a change is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "access rules must decide what a new actor may do"
)]
pub enum Actor {
    /// A participant; membership and role are checked in the transaction.
    User {
        /// Who.
        id: UserId,
        /// What the token says they are called; remembered with a change that is
        /// stored, without a `rev` of its own. `None` keeps what is known.
        name: Option<String>,
    },
    /// The platform; not bound by membership or locks.
    Service,
}

impl Actor {
    /// A user without a name.
    pub const fn user(id: UserId) -> Self {
        Self::User { id, name: None }
    }

    /// The user, unless it is the platform.
    pub const fn user_id(&self) -> Option<&UserId> {
        match self {
            Self::User { id, .. } => Some(id),
            Self::Service => None,
        }
    }
}

/// A message that wants to be stored.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "hosts build it")]
pub struct Draft {
    /// Where.
    pub room: RoomId,
    /// Who says it; [`Actor::Service`] makes it a message of the platform.
    pub from: Actor,
    /// The sender's name for it: a repeat is answered with the first one's answer.
    pub client_id: ClientId,
    /// What it says.
    pub body: Body,
    /// What kind; [`MessageKind::System`] only from [`Actor::Service`].
    pub kind: MessageKind,
    /// The message it answers; must exist (a tombstone does), else
    /// [`Rejection::Invalid`] of `reply_to`.
    pub reply_to: Option<Seq>,
    /// The sender's own data.
    pub metadata: Option<Metadata>,
}

impl Draft {
    /// A short digest of what was asked, to tell a repeat from a reuse of the
    /// same `client_id` for something else. Stable over versions and machines.
    pub fn fingerprint(&self) -> i64 {
        let mut digest = Fnv::default();
        digest.text(self.body.as_str());
        digest.number(self.reply_to.map_or(0, Seq::get));
        digest.text(match self.kind {
            MessageKind::Text => "text",
            MessageKind::System => "system",
        });
        if let Some(metadata) = &self.metadata {
            digest.text(&serde_json::Value::Object(metadata.clone()).to_string());
        }
        digest.finish()
    }
}

/// The name of an event of the host's, and what tells a repeat from another event.
/// One set of names with those of [`DomainEvent`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "hosts build it")]
pub struct Once {
    /// The host's name for the event.
    pub id: EventId,
    /// Digest of the request as it came.
    pub fingerprint: i64,
}

/// Somebody to be put into a room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "hosts build it")]
pub struct NewParticipant {
    /// Who.
    pub user: UserId,
    /// What they may do.
    pub role: Role,
    /// What they are called; `None` keeps what is known.
    pub name: Option<String>,
}

/// What somebody who comes into a room sees of what was said before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "stores must decide what each shows"
)]
pub enum History {
    /// Everything that is kept.
    #[default]
    All,
    /// Nothing: they see what is said from now on.
    FromNow,
}

/// What becomes of the messages of somebody who is erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "stores must decide what each does")]
pub enum Legacy {
    /// They and their earlier versions stay, of a sender who no longer has an id or a
    /// name: the other side keeps its half of the conversation.
    Keep,
    /// Tombstones, of which those that were deleted before keep the time of it; and
    /// their earlier versions are gone.
    #[default]
    Tombstone,
}

/// A change of who is in a room, as part of a [`DomainEvent`]. None of them is refused:
/// what cannot be done to somebody who is not there is left undone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "stores must decide what each does")]
pub enum Roster {
    /// As [`Change::Admit`].
    Admit {
        /// Who.
        participant: NewParticipant,
        /// What they see of before.
        history: History,
    },
    /// As [`Change::Remove`].
    Remove {
        /// Who.
        user: UserId,
        /// Whether they go on reading what was said up to now.
        keeps_history: bool,
    },
    /// As [`Change::Replace`]. Where nobody can go, because `leaves` never was there or
    /// is who comes, the other comes all the same.
    Replace {
        /// Who goes.
        leaves: UserId,
        /// Who comes.
        comes: NewParticipant,
        /// What they see of before.
        history: History,
    },
}

/// A room to be opened.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "hosts build it")]
pub struct NewRoom {
    /// How many people it is for: a direct room is opened with exactly two.
    pub kind: RoomKind,
    /// What it is about; there is at most one room for a subject, and asking again
    /// answers with that one as it stands.
    pub subject: Option<Subject>,
    /// The request's name: the same one again answers with the first one's room,
    /// and is refused with [`Rejection::KeyReused`] if it asks for something else
    /// (by its [fingerprint](Self::fingerprint)). Keys and the ids of
    /// [events](DomainEvent) are two sets of names.
    pub key: Option<EventId>,
    /// What it is called.
    pub title: Option<String>,
    /// The host's own data.
    pub metadata: Option<Metadata>,
    /// Who is in it, each once; in a group room, maybe nobody.
    pub participants: Vec<NewParticipant>,
}

impl NewRoom {
    /// As [`Draft::fingerprint`].
    pub fn fingerprint(&self) -> i64 {
        let mut digest = Fnv::default();
        digest.text(match self.kind {
            RoomKind::Direct => "direct",
            RoomKind::Group => "group",
        });
        // What may be missing is counted, so that no two requests run together.
        digest.number(u64::from(self.subject.is_some()));
        if let Some(subject) = &self.subject {
            digest.text(&subject.kind);
            digest.text(&subject.id);
        }
        digest.number(u64::from(self.title.is_some()));
        digest.text(self.title.as_deref().unwrap_or_default());
        digest.number(u64::from(self.metadata.is_some()));
        if let Some(metadata) = &self.metadata {
            digest.text(&serde_json::Value::Object(metadata.clone()).to_string());
        }
        for participant in &self.participants {
            digest.text(participant.user.as_str());
            digest.text(match participant.role {
                Role::Member => "member",
                Role::Owner => "owner",
                Role::Observer => "observer",
            });
        }
        digest.finish()
    }
}

/// Which pointer moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two pointers")]
pub enum Pointer {
    /// Their devices have it. Never behind the read pointer.
    Delivered,
    /// They have read it; moves the delivered pointer along.
    Read,
}

/// What happens to a room as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "stores must decide what a new action does"
)]
pub enum RoomAction {
    /// Participants can no longer write, from `at` on; now, if `None` or past. A
    /// later time for a room that is locked already changes nothing: a lock never
    /// opens.
    Lock {
        /// From when on.
        at: Option<Timestamp>,
    },
    /// Open again, and no lock to come.
    Reopen,
    /// Locked, and out of the default list.
    Archive,
}

/// An event of the host's, turned into what it changes. All of it, or nothing.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "hosts build it")]
pub struct DomainEvent {
    /// The host's name for the event: a repeat changes nothing and gets the first
    /// answer; another event under the same name is [`Rejection::KeyReused`].
    pub id: EventId,
    /// Digest of the request as it came.
    pub fingerprint: i64,
    /// What the event is about.
    pub subject: Subject,
    /// The room to open if the subject has none, for this subject whatever its own
    /// `subject` and `key` say; without it a missing room is [`Rejection::NotFound`].
    pub open: Option<NewRoom>,
    /// Then, who comes and goes, in order.
    pub roster: Vec<Roster>,
    /// Then, a message of the platform, without a `client_id`; locks do not hold it
    /// back.
    pub message: Option<SystemMessage>,
    /// Last, what happens to the room as a whole; `None` leaves it as it is.
    pub action: Option<RoomAction>,
}

/// A message of the platform, as part of a [`DomainEvent`].
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "hosts build it")]
pub struct SystemMessage {
    /// What it says.
    pub body: Body,
    /// A code and its arguments, for clients that say it in their own words.
    pub metadata: Option<Metadata>,
}

/// One change. All changes of one call to [`Store::commit`](crate::store::Store::commit)
/// share a transaction; each is refused alone.
///
/// Refusals are checked in this order; the first that holds is the answer:
/// 1. [`Rejection::NotFound`]: no such room, the actor is not active in it, or no such
///    message. The platform is everywhere.
/// 2. For [`Change::Send`]: the `client_id` is known, see
///    [`Store::commit`](crate::store::Store::commit).
/// 3. [`Rejection::Forbidden`]: the actor's role, or not the actor's message.
/// 4. [`Rejection::Conflict`]: the message is deleted.
/// 5. What would change nothing is accepted, locked room or not.
/// 6. [`Rejection::RoomLocked`]: a user in a room that is not open at `now`.
/// 7. [`Rejection::TooLate`]: the message was sent before `sent_after`.
/// 8. [`Rejection::Invalid`].
///
/// A message that its actor may not [see](Participant::visible) does not exist for
/// them, neither to change nor to answer.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a store must handle every change")]
pub enum Change {
    /// Store a message. Observers are [forbidden](Rejection::Forbidden), and so is a
    /// system message of a user. Answer: [`Answer::Message`].
    Send(Draft),
    /// Change the text of a message. A user who may write changes their own texts, the
    /// platform any message; a deleted one is [`Rejection::Conflict`]. The same text
    /// again changes nothing. What it said before is kept, see
    /// [`Upkeep::editions`](crate::store::Upkeep::editions). Answer: [`Answer::Message`].
    Edit {
        /// Where.
        room: RoomId,
        /// Which.
        seq: Seq,
        /// On whose behalf.
        by: Actor,
        /// What it says now.
        body: Body,
        /// Refused with [`Rejection::TooLate`] if the message was sent before.
        sent_after: Option<Timestamp>,
    },
    /// Leave a tombstone where a message was, without body and metadata. A user who
    /// may write deletes their own messages, the platform any. Deleting again changes
    /// nothing. What it said is kept as by [`Change::Edit`]. Answer: [`Answer::Message`].
    Delete {
        /// Where.
        room: RoomId,
        /// Which.
        seq: Seq,
        /// On whose behalf.
        by: Actor,
        /// Refused with [`Rejection::TooLate`] if the message was sent before.
        sent_after: Option<Timestamp>,
    },
    /// Move a pointer forward, clamped to the newest message, locked room or not.
    /// Backwards changes nothing. Observers are [forbidden](Rejection::Forbidden). In
    /// a room that is not [small](Room::is_small) the pointer moves without a `rev`
    /// and without an event. Answer: [`Answer::Pointers`].
    Mark {
        /// Where.
        room: RoomId,
        /// Whose pointer.
        user: UserId,
        /// Which pointer.
        pointer: Pointer,
        /// Up to where.
        seq: Seq,
    },
    /// Open a room. A known `key` is looked at first, then the subject; only if the
    /// room must be created, [`Rejection::Invalid`] of `participants` refuses a user
    /// named twice, and a direct room of other than two. Everything is `rev` 1, told
    /// as one event, and once to each participant's own stream.
    /// Answer: [`Answer::Room`].
    Open(NewRoom),
    /// Change a room's title or metadata; `None` leaves it, `Some(None)` removes it.
    /// Answer: [`Answer::Room`].
    Describe {
        /// Where.
        room: RoomId,
        /// What it is called.
        title: Option<Option<String>>,
        /// The host's own data.
        metadata: Option<Option<Metadata>>,
    },
    /// Lock, reopen or archive. What already holds changes nothing.
    /// Answer: [`Answer::Room`].
    Act {
        /// Where.
        room: RoomId,
        /// What happens.
        action: RoomAction,
    },
    /// Put somebody into the room, back into it, or into another role; or change what
    /// they are called. What was said before they came counts as read and received.
    /// What of it they see is decided anew whenever they come; `history` does nothing
    /// to somebody who is in. Answer: [`Answer::Participant`].
    Admit {
        /// Where.
        room: RoomId,
        /// Who.
        participant: NewParticipant,
        /// What they see of before.
        history: History,
    },
    /// Take somebody out of the room. Who is out already stays out; it changes only
    /// something if they could go on reading, and no longer should: then they are
    /// removed, which their own stream does not tell. Who never was in it is [`Rejection::NotFound`]. Answer: [`Answer::Participant`].
    Remove {
        /// Where.
        room: RoomId,
        /// Who.
        user: UserId,
        /// Whether they go on reading what was said up to now, and have
        /// [left](crate::participant::ParticipantState::Left); otherwise they were
        /// [removed](crate::participant::ParticipantState::Removed), and see nothing.
        keeps_history: bool,
    },
    /// Hand the room over from one to another: the one leaves and goes on reading what
    /// was said up to now, the other is admitted. Two revisions, or none or one of them
    /// where it holds already (who is out stays as they are, as by [`Change::Remove`],
    /// who is in as by [`Change::Admit`]), so that a repeat changes nothing. [`Rejection::NotFound`]
    /// if `leaves` never was in the room, [`Rejection::Conflict`] if they are out and
    /// `comes` is not in (somebody else has their place by now), [`Rejection::Invalid`] of `user` if both are
    /// the same. Answer: [`Answer::Participant`], of who came.
    Replace {
        /// Where.
        room: RoomId,
        /// Who goes.
        leaves: UserId,
        /// Who comes.
        comes: NewParticipant,
        /// What they see of before.
        history: History,
    },
    /// Give up the messages before `from`: the room's
    /// [`first_seq`](Room::first_seq) is raised, to one after the newest message at
    /// most, never lowered; what already holds changes nothing. What lies below is gone
    /// for every reader and every change at once, but pointers stay as they are; its
    /// rows, earlier versions included, are removed by
    /// [`Upkeep::tidy`](crate::store::Upkeep::tidy). Only then the `client_id`s of these
    /// messages are forgotten: until then a repeat is known. Answer: [`Answer::Room`].
    Retain {
        /// Where.
        room: RoomId,
        /// The first message to be kept.
        from: Seq,
    },
    /// Erase a person: at once nobody finds them by their id, no message or list shows
    /// their id or name (their messages are of
    /// [`Sender::Erased`](crate::message::Sender::Erased), without a `client_id`), their
    /// own stream is gone, and they see nothing. Somebody who comes under the same id is
    /// somebody else: their stream begins anew, and so do their `client_id`s. Then
    /// [`Upkeep::tidy`](crate::store::Upkeep::tidy) goes from room to room, deals with
    /// the messages, ends the membership (until then
    /// [`participant_count`](Room::participant_count) counts them) and tells the room by
    /// [`RoomChange::Reset`](crate::event::RoomChange::Reset). The change itself has no
    /// events. Who is unknown, or erased already, is [`Rejection::NotFound`]. Answer: [`Answer::Erased`].
    ///
    /// An event that was applied before changes nothing, whoever is known by the id now, and
    /// is answered with `duplicate`; its name for something else is
    /// [`Rejection::KeyReused`]. The first time, nobody need be known to be erased.
    Erase {
        /// Who.
        user: UserId,
        /// What becomes of their messages.
        messages: Legacy,
        /// The host's event that asks for it; `None`: whoever is known now is erased.
        once: Option<Once>,
    },
    /// Apply an event of the host's. Answer: [`Answer::Event`].
    Apply(Box<DomainEvent>),
}

impl Change {
    /// The room that it touches, when that is known before the store is asked.
    pub fn room(&self) -> Option<RoomId> {
        match self {
            Self::Send(draft) => Some(draft.room),
            Self::Edit { room, .. }
            | Self::Delete { room, .. }
            | Self::Mark { room, .. }
            | Self::Describe { room, .. }
            | Self::Act { room, .. }
            | Self::Admit { room, .. }
            | Self::Remove { room, .. }
            | Self::Replace { room, .. }
            | Self::Retain { room, .. } => Some(*room),
            Self::Open(_) | Self::Apply(_) | Self::Erase { .. } => None,
        }
    }
}

/// What a change did: the answer to who asked, and the news for everybody else.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Committed {
    /// For who asked.
    pub answer: Answer,
    /// For who listens to the rooms, in `rev` order; empty when nothing changed.
    pub events: Vec<RoomEvent>,
    /// For the users whose set of rooms changed.
    pub users: Vec<UserEvent>,
}

/// What who asked is told.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "stores and services must agree on each"
)]
pub enum Answer {
    /// The message as it is now.
    Message {
        /// The message.
        message: Arc<Message>,
        /// Whether this was a repeat that changed nothing.
        duplicate: bool,
    },
    /// The pointers as they stand, moved or not.
    Pointers {
        /// The pointers.
        receipt: Receipt,
        /// The room's head after the change.
        rev: Rev,
        /// The newest message of the room, to tell whether anything is unread.
        last_seq: Seq,
    },
    /// The room as it stands.
    Room {
        /// The room.
        room: Box<Room>,
        /// Whether it did not exist before.
        created: bool,
    },
    /// The participant as they stand.
    Participant {
        /// The participant.
        participant: Box<Participant>,
        /// The room's head after the change.
        rev: Rev,
    },
    /// What the event led to.
    Event {
        /// The room of the subject, as it stands now.
        room: Box<Room>,
        /// Whether the room was opened just now; not in a repeat.
        created: bool,
        /// The message that was posted, if any.
        seq: Option<Seq>,
        /// Whether this was a repeat that changed nothing.
        duplicate: bool,
    },
    /// A person is erased.
    Erased {
        /// Whether this was a repeat that changed nothing.
        duplicate: bool,
    },
}

/// Why a change was refused. Nothing of it was stored; the rest of its batch was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// No such room, message or participant, or none that the actor may see.
    #[error("not found")]
    NotFound,
    /// The actor sees it, but may not change it.
    #[error("not allowed")]
    Forbidden,
    /// Participants can no longer write here.
    #[error("the room is locked")]
    RoomLocked,
    /// The time in which this could be done has passed.
    #[error("too late to change this message")]
    TooLate,
    /// The `client_id` already names another message of this sender in this room.
    #[error("this client_id was used for another message")]
    ClientIdReused,
    /// The event id or idempotency key already names another request.
    #[error("this key was used for another request")]
    KeyReused,
    /// It does not fit the state that the store holds.
    #[error("{reason}")]
    Conflict {
        /// What does not fit.
        reason: &'static str,
    },
    /// Too many of something.
    #[error("{what}: at most {max}")]
    LimitExceeded {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        max: u64,
    },
    /// A field names something that cannot be.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// The ids that a store gives to what it creates, decided before the transaction.
pub trait NewIds: Send + Sync {
    /// For a new room.
    fn room(&self) -> RoomId;
    /// For a new message.
    fn message(&self) -> MessageId;
}

impl<T: crate::id::IdGenerator + ?Sized> NewIds for T {
    fn room(&self) -> RoomId {
        RoomId::from_uuid(self.uuid())
    }

    fn message(&self) -> MessageId {
        MessageId::from_uuid(self.uuid())
    }
}

/// 64-bit FNV-1a: not for secrets, but the same in every version and process,
/// which the standard library's hasher does not promise.
#[derive(Debug)]
pub struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds a text, and its end.
    pub fn text(&mut self, text: &str) {
        self.write(text.as_bytes());
        self.write(&[0xff]);
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.write(&number.to_be_bytes());
    }

    /// The digest, in a form that every database stores.
    pub fn finish(&self) -> i64 {
        i64::from_be_bytes(self.0.to_be_bytes())
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 ^= u64::from(*byte);
            self.0 = self.0.wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_published_one() {
        // Test vector of the FNV authors: FNV-1a 64 of "foobar".
        let mut digest = Fnv::default();
        digest.write(b"foobar");
        assert_eq!(Hasher::finish(&digest), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn two_texts_do_not_run_together() {
        let digest = |parts: &[&str]| {
            let mut digest = Fnv::default();
            parts.iter().for_each(|part| digest.text(part));
            Fnv::finish(&digest)
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
