//! The ports to the database: [`Store`] is what delivery needs, [`Catalog`] what
//! lists and questions need. A backend implements both; [`Backend`] is the pair.
//!
//! # Contract
//! - **Atomic.** What [`Store::commit`] answered `Ok` is durable, all of it, before
//!   it returns. What it refused left no trace.
//! - **Dense.** In every room `seq` and `rev` run 1, 2, 3 … whatever else happens:
//!   refusals, duplicates, errors and crashes burn no number. One change is one
//!   `rev`; a room is opened, with all its participants, by `rev` 1. So is every
//!   user's stream of [`UserEvent`](crate::event::UserEvent)s.
//! - **Serial.** Changes of one room are applied one after another, each to the
//!   state the one before left, in the order of the batch.
//! - **Closed ranges.** A read never returns half a change, and never a change
//!   newer than the `rev` it states.
//! - **Absence** is `None`, an empty page or [`Rejection::NotFound`], never an error.
//! - **Duplicates** in an argument list are answered once.
//! - **Cancel safety.** Dropping a read has no effect. Dropping [`Store::commit`]
//!   leaves the outcome unknown, as a lost connection does.
//! - **Concurrency.** All methods may be called at once from any number of tasks.
//!
//! The suite in `realtime_core::conformance` has a case for each sentence of this
//! page and of the methods below.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    change::{Change, Committed, Rejection},
    event::{Receipt, RoomChange, RoomEvent, Topic},
    id::{Incarnation, RoomId, UserId},
    message::Message,
    participant::Participant,
    room::{Room, RoomState, Subject},
    seq::{Rev, Seq},
    time::Timestamp,
};

/// The cause of a failure, in the words of the backend.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the store could not answer. What should the caller do?
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing was done. Try again, later.
    #[error("the store is unavailable")]
    Unavailable(#[source] Cause),
    /// The transaction may or may not have been committed. Ask again with the same
    /// `client_id`, event id or key: the answer will be the true one.
    #[error("the outcome of the transaction is unknown")]
    Indeterminate(#[source] Cause),
    /// The store holds something that cannot be, or misbehaves. Trying again will
    /// not help; a person must look.
    #[error("the store is damaged")]
    Damaged(#[source] Cause),
}

impl StoreError {
    /// Whether trying again later may help.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Indeterminate(_) => true,
            Self::Damaged(_) => false,
        }
    }
}

/// What one change came to.
pub type Outcome = Result<Committed, Rejection>;

/// Everything of a room that changed in a range of revisions, as it is now.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct ChangeSet {
    /// Messages whose newest change lies in the range, by `rev`.
    pub messages: Vec<Message>,
    /// Participants whose newest change lies in the range, by `rev`, then user.
    pub participants: Vec<Participant>,
    /// The room, if it itself changed in the range.
    pub room: Option<Room>,
    /// The end of the range: everything up to here is told.
    pub rev: Rev,
    /// Whether `rev` is the room's head.
    pub complete: bool,
}

impl ChangeSet {
    /// The same as events in `rev` order, linked by `after`, from what follows
    /// `after`. What one `rev` changed in several rows (a room opened with its
    /// participants) is told as the room.
    pub fn into_events(self, after: Rev) -> Vec<RoomEvent> {
        let room_rev = self.room.as_ref().map(|room| room.meta_rev);
        let mut told: Vec<(Rev, RoomId, RoomChange)> = Vec::new();
        for message in self.messages {
            told.push((
                message.rev,
                message.room,
                RoomChange::Message(Box::new(message)),
            ));
        }
        for participant in self.participants {
            if Some(participant.rev) == room_rev {
                continue;
            }
            let (rev, room) = (participant.rev, participant.room);
            let change = if participant.member_rev > after {
                RoomChange::Participant(Box::new(participant))
            } else {
                RoomChange::Receipt(Receipt {
                    user: participant.user,
                    delivered_seq: participant.delivered_seq,
                    read_seq: participant.read_seq,
                })
            };
            told.push((rev, room, change));
        }
        if let Some(room) = self.room {
            told.push((room.meta_rev, room.id, RoomChange::Room(Box::new(room))));
        }
        told.sort_by_key(|(rev, ..)| *rev);
        let mut after = after;
        told.into_iter()
            .map(|(rev, room, change)| {
                let event = RoomEvent {
                    room,
                    rev,
                    after,
                    change,
                };
                after = rev;
                event
            })
            .collect()
    }
}

/// Which messages of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these four")]
pub enum Window {
    /// The newest.
    Latest,
    /// Those before a message, nearest last.
    Before(Seq),
    /// Those after a message, nearest first.
    After(Seq),
    /// Half before and half from a message on.
    Around(Seq),
}

/// A page of a room's messages.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct HistoryPage {
    /// In `seq` order, tombstones included: a page is never short because
    /// something was filtered.
    pub messages: Vec<Message>,
    /// Whether messages lie before the first of the page.
    pub has_older: bool,
    /// Whether messages lie after the last of the page.
    pub has_newer: bool,
    /// The room's newest message.
    pub last_seq: Seq,
    /// The room's head at the moment of reading.
    pub rev: Rev,
}

/// Messages not yet read, counted up to [`UNREAD_CAP`](crate::limits::UNREAD_CAP).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Unread {
    /// How many, at most the cap.
    pub count: u32,
    /// Whether there are more than `count`.
    pub capped: bool,
}

/// What is unread over all active rooms of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct UnreadTotals {
    /// Rooms with anything unread: exact.
    pub rooms: u32,
    /// Messages, each room counted up to the cap.
    pub messages: u32,
    /// Whether any room had more than was counted.
    pub capped: bool,
}

/// A room as one participant sees it in a list.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct RoomView {
    /// The room.
    pub room: Room,
    /// The one who looks.
    pub me: Participant,
    /// What they have not read.
    pub unread: Unread,
    /// The active participants, by user id; empty in rooms that are not
    /// [small](Room::is_small).
    pub participants: Vec<Participant>,
    /// The newest message.
    pub last_message: Option<Message>,
}

/// Which of a user's rooms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built with `..Default::default()`"
)]
pub struct RoomQuery {
    /// Only rooms whose stored state is this; `None`: all but archived ones.
    pub state: Option<RoomState>,
    /// Only rooms with something unread.
    pub unread_only: bool,
    /// After this position of an earlier page.
    pub after: Option<RoomCursor>,
    /// How many at most; clamped to [`ROOMS_PAGE`](crate::limits::ROOMS_PAGE).
    pub limit: u32,
}

/// A position in a room list: rooms are listed by newest activity (the newest
/// message, or the opening), then by id, both descending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "hosts keep it between pages")]
pub struct RoomCursor {
    /// The newest activity of the last room of the page.
    pub activity: Timestamp,
    /// The last room of the page.
    pub room: RoomId,
}

/// What the delivery of messages needs of a database. See the [module](self) for
/// the contract.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Which life of the database this is. Constant while it is open.
    async fn incarnation(&self) -> Result<Incarnation, StoreError>;

    /// Applies the changes in one transaction, in order, and answers each.
    ///
    /// `now` is the time that new rows carry, and against which `locks_at` is
    /// checked. The answers come in the order of the changes, as many.
    ///
    /// A [`Change::Send`] whose `(room, sender, client_id)` is stored already, or
    /// stands earlier in the same batch, burns no number: it is answered with the
    /// stored message as it is now and `duplicate: true`, even when the room has
    /// been locked since, if its [fingerprint](crate::change::Draft::fingerprint)
    /// is the same; else it is [`Rejection::ClientIdReused`]. The
    /// platform counts as one sender. A new message moves its sender's pointers
    /// along if `read_seq` stood directly before it, by the same `rev`.
    ///
    /// # Errors
    /// An error is about the whole batch. [`StoreError::Indeterminate`] says that it
    /// may have been stored; the other errors, that it was not.
    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError>;

    /// The newest `rev` of each topic; [`Rev::ZERO`] for one that does not exist.
    /// In the order of the question.
    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError>;

    /// What changed in a room after a `rev`: the range `(after, after + limit]`,
    /// clipped to the head. An unknown room answers as an empty one.
    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError>;

    /// A page of messages. An unknown room answers as an empty one.
    async fn history(
        &self,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, StoreError>;

    /// One participant, active or not. The check of every access.
    async fn participant(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Participant>, StoreError>;

    /// The ids of all rooms in which the user is active, archived ones left out,
    /// newest activity first, at most `limit`; and the head of the user's stream
    /// at that moment.
    async fn memberships(
        &self,
        user: &UserId,
        limit: u32,
    ) -> Result<(Vec<RoomId>, Rev), StoreError>;
}

/// What lists and questions need of a database. See the [module](self) for the contract.
#[async_trait]
pub trait Catalog: Send + Sync + std::fmt::Debug {
    /// A room by its id.
    async fn room(&self, room: RoomId) -> Result<Option<Room>, StoreError>;

    /// The room of a subject.
    async fn room_of(&self, subject: &Subject) -> Result<Option<Room>, StoreError>;

    /// A page of the rooms in which the user is active, newest activity first.
    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError>;

    /// These rooms as the user sees them, those left out in which the user is not
    /// active. In the order of the question.
    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError>;

    /// A page of a room's active participants by user id, after a user.
    async fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, StoreError>;

    /// What a user has not read in one room; nothing, if not active there. Counted
    /// are messages of others, after the read pointer, that count and are not deleted.
    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError>;

    /// What a user has not read in all rooms that are not archived.
    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError>;

    /// Those of `others` who are active in a room in which `user` is active too.
    async fn acquaintances(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, StoreError>;

    /// Remembers when users were last online. Unknown users are left out.
    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError>;

    /// When users were last online, as far as it is remembered, in the order of
    /// the question.
    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError>;
}

/// A whole database: a [`Store`] and a [`Catalog`] of the same data.
pub trait Backend: Store + Catalog {}

impl<T: Store + Catalog + ?Sized> Backend for T {}

/// A shared backend.
pub type SharedBackend = Arc<dyn Backend>;
