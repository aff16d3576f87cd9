//! The ports to the database: [`Store`] is what delivery needs, [`Catalog`] what
//! lists and questions need, [`Upkeep`] what keeping rooms for years needs. A backend
//! implements all three; [`Backend`] is all of them. Searching is a
//! [port of its own](crate::search).
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
//! - **Duplicates** in an argument list are answered once, where the answer says what
//!   it is about; an answer by position has a place for each.
//! - **Limits.** 0 asks for the default of a page, more than its maximum for the
//!   maximum; see [`page_rows`](crate::limits::page_rows).
//! - **Text** comes back as it went in, byte for byte; ids and subjects are equal only
//!   if every byte is, and are ordered by their bytes.
//! - **Cancel safety.** Dropping a read has no effect. Dropping [`Store::commit`]
//!   leaves the outcome unknown, as a lost connection does.
//! - **Concurrency.** All methods may be called at once from any number of tasks.
//!
//! The suite in `realtime_core::conformance` has a case for each sentence of this
//! page and of the methods below.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    change::{Change, Committed, Rejection},
    event::{Receipt, RoomChange, RoomEvent, Topic},
    id::{Incarnation, RoomId, UserId},
    message::Message,
    participant::Participant,
    room::{Metadata, Room, RoomState, Subject},
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
    /// Participants whose newest change lies in the range, or whose newest change of
    /// membership since the opening does (they may have moved a pointer after the
    /// range, but who came must be told before what they said), by `rev`, then user.
    pub participants: Vec<Participant>,
    /// The room, if it itself changed in the range.
    pub room: Option<Room>,
    /// The end of the range: everything up to here is told.
    pub rev: Rev,
    /// Whether `rev` is the room's head.
    pub complete: bool,
    /// Whether the asker must load the room anew: so much changed at once after the
    /// `rev` from which they asked that it is not told piece by piece
    /// ([`RoomChange::Reset`]). Then nothing else is told, `rev` is the head, and
    /// `complete` holds. Never so for who asks from [`Rev::ZERO`], holding nothing; but
    /// the next page may be a reset: who loads anew reads the room as it stands, and
    /// goes on from the `rev` that is stated with it.
    pub reset: bool,
}

impl ChangeSet {
    /// The same as events in `rev` order, each `rev` once, linked by `after`, from
    /// what follows `after`.
    ///
    /// What one `rev` changed in several rows is told once: who was there from the
    /// opening on, with the room; the pointers that a message moved along, at the
    /// place of a change before it that is not told any more. Where there is no such
    /// place, whoever heard all up to `after` knows that they moved: a message told
    /// as [sent](crate::message::MessageChange::Sent) moves its sender's pointers
    /// along if their `read_seq` stood directly before it.
    ///
    /// A set that [resets](Self::reset) is one event of `room` at its head.
    pub fn into_events(self, room: RoomId, after: Rev) -> Vec<RoomEvent> {
        if self.reset {
            let (rev, change) = (self.rev, RoomChange::Reset);
            return vec![RoomEvent {
                room,
                rev,
                after,
                change,
            }];
        }
        let mut told: BTreeMap<Rev, (RoomId, RoomChange)> = BTreeMap::new();
        for message in self.messages {
            told.insert(
                message.rev,
                (message.room, RoomChange::Message(Box::new(message))),
            );
        }
        if let Some(room) = self.room {
            told.insert(room.meta_rev, (room.id, RoomChange::Room(Box::new(room))));
        }
        let end = self.rev;
        // Of who moved a pointer after the range, the membership lies in it.
        let place = |one: &Participant| {
            if one.rev > end {
                one.member_rev
            } else {
                one.rev
            }
        };
        let (mut shared, own): (Vec<_>, Vec<_>) = self
            .participants
            .into_iter()
            .filter(|participant| participant.rev > Rev::FIRST)
            .partition(|participant| told.contains_key(&place(participant)));
        for participant in own {
            let (rev, room) = (place(&participant), participant.room);
            told.insert(rev, (room, membership_or_receipt(participant, after)));
        }
        // Newcomers first, as each has a place; then by `rev`, so that nobody takes
        // the only place before another's message.
        shared.sort_by_key(|participant| participant.member_rev <= after);
        for participant in shared {
            let place = free_place(&told, &participant, after);
            if let Some(rev) = place {
                let room = participant.room;
                told.insert(rev, (room, membership_or_receipt(participant, after)));
            }
        }
        let mut after = after;
        told.into_iter()
            .map(|(rev, (room, change))| {
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

fn membership_or_receipt(participant: Participant, after: Rev) -> RoomChange {
    if participant.member_rev > after && participant.member_rev > Rev::FIRST {
        return RoomChange::Participant(Box::new(participant));
    }
    RoomChange::Receipt(Receipt {
        user: participant.user,
        delivered_seq: participant.delivered_seq,
        read_seq: participant.read_seq,
    })
}

/// A `rev` before the participant's newest one at which nothing is told: their own
/// last change of membership, else the nearest. If their pointers moved in any way
/// that their messages do not show, that change left its place free.
fn free_place(
    told: &BTreeMap<Rev, (RoomId, RoomChange)>,
    participant: &Participant,
    after: Rev,
) -> Option<Rev> {
    let after = after.max(Rev::FIRST);
    let joined = participant.member_rev;
    if joined > after && !told.contains_key(&joined) {
        return Some(joined);
    }
    (after.next().get()..participant.rev.get())
        .rev()
        .map(Rev::new)
        .find(|rev| !told.contains_key(rev))
}

/// Which messages of a room. A position beyond either end counts as that end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows these four")]
pub enum Window {
    /// The newest.
    Latest,
    /// Those before a message, nearest last.
    Before(Seq),
    /// Those after a message, nearest first.
    After(Seq),
    /// Half (rounded down) before and the rest from a message on. What one side
    /// lacks is not made up for by the other.
    Around(Seq),
}

/// A page of a room's messages.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct HistoryPage {
    /// In `seq` order, tombstones included: a page is never short because
    /// something was filtered.
    pub messages: Vec<Message>,
    /// Whether messages lie before the first of the page; of an empty page, before
    /// the place where it would be.
    pub has_older: bool,
    /// Whether messages lie after the last of the page, or that place.
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
    /// The newest message that is kept and that they may see.
    pub last_message: Option<Message>,
}

impl RoomView {
    /// What `me` may see of a room; `None` if nothing. Its messages begin and end with
    /// what is [visible](Participant::visible) to them, and the newest message is shown
    /// only if it is one of these. Of a room that they have left, `rev` is at most that
    /// of their leaving, only those are shown of whose messages they could have seen any
    /// and the other way round ([`Visible::meets`](crate::participant::Visible::meets)),
    /// with pointers as far as they lie in what is visible, and nothing is unread. What
    /// the room is called and its state are those of now.
    pub fn of(
        mut room: Room,
        me: Participant,
        mut unread: Unread,
        mut participants: Vec<Participant>,
        last_message: Option<Message>,
    ) -> Option<Self> {
        let visible = me.visible()?;
        room.first_seq = room.first_seq.max(visible.from);
        if let Some(to) = visible.to {
            room.last_seq = room.last_seq.min(to);
            room.rev = room.rev.min(me.member_rev);
            unread = Unread::default();
            participants.retain(|one| one.visible().is_some_and(|its| its.meets(visible)));
            for one in &mut participants {
                one.delivered_seq = one.delivered_seq.min(to);
                one.read_seq = one.read_seq.min(to);
            }
        }
        Some(Self {
            room,
            me,
            unread,
            participants,
            last_message: last_message.filter(|last| visible.has(last.seq)),
        })
    }
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
    /// Instead of the rooms in which they are active, those that they have left and
    /// may still read (see [`Participant::visible`]). Nothing is unread in these.
    pub left: bool,
    /// After this position of an earlier page.
    pub after: Option<RoomCursor>,
    /// How many at most, within [`ROOMS_PAGE`](crate::limits::ROOMS_PAGE).
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
    /// Which life of the database this is: another one, when it was declared restored
    /// from a backup, even while it is open. What was read in an earlier life is void.
    async fn incarnation(&self) -> Result<Incarnation, StoreError>;

    /// Applies the changes in one transaction, in order, and answers each; in several, if
    /// the database does not take a value of one of them, which is then refused alone.
    ///
    /// `now` is the time that new rows carry, and against which `locks_at` is
    /// checked. The answers come in the order of the changes, as many. What each
    /// change does and when it is refused is said at [`Change`]. What changes nothing
    /// burns no number, yields no events, and leaves no trace.
    ///
    /// A [`Change::Send`] whose `(room, sender, client_id)` is stored already, or
    /// stands earlier in the same batch, burns no number: it is answered with the
    /// stored message as it is now and `duplicate: true`, even when the room has
    /// been locked since, if its [fingerprint](crate::change::Draft::fingerprint)
    /// is the same; else it is [`Rejection::ClientIdReused`]. The
    /// platform counts as one sender.
    ///
    /// A new message moves its sender's pointers along if `read_seq` stood directly
    /// before it (two messages that cross must not hide each other): by the same
    /// `rev` in a [small](Room::is_small) room, without any in a larger one.
    ///
    /// Each event carries its row as it was after that very change, and follows the
    /// `rev` before its own. A user's name is carried as it was at that moment; every
    /// read carries it as it is remembered now.
    ///
    /// # Errors
    /// An error is about the whole batch. [`StoreError::Indeterminate`] says that it
    /// may have been stored; the other errors, that it was not.
    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError>;

    /// The newest `rev` of each topic; [`Rev::ZERO`] for one that does not exist.
    /// In the order of the question.
    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError>;

    /// What changed in a room after a `rev`: the range `(after, after + limit]`,
    /// clipped to the head, of at most [`CHANGES_PAGE`](crate::limits::CHANGES_PAGE)
    /// revisions. After the head it is empty, states the head, and is complete. An
    /// unknown room answers as an empty one. Messages before the room's
    /// [`first_seq`](Room::first_seq) are not told; after a `rev` (but zero) before the
    /// newest [reset](ChangeSet::reset), that is all that is told. Nobody who was erased
    /// is among the participants.
    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError>;

    /// A page of at most [`HISTORY_PAGE`](crate::limits::HISTORY_PAGE) messages. An
    /// unknown room answers as an empty one.
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
    /// newest activity first, at most `limit` (here 0 is none, and there is no
    /// maximum); and the head of the user's stream at that moment.
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

    /// A page of the rooms in which the user is active, or that they have
    /// [left](RoomQuery::left), newest activity first. Each as by [`RoomView::of`].
    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError>;

    /// These rooms as the user sees them, those left out in which the user is not
    /// active. In the order of the question.
    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError>;

    /// A page of at most [`PARTICIPANTS_PAGE`](crate::limits::PARTICIPANTS_PAGE) of a
    /// room's active participants by user id, after a user.
    async fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, StoreError>;

    /// What a user has not read in one room; nothing, if not active there. Counted
    /// are messages of others (texts of the platform too) after the read pointer, but
    /// neither [system messages](crate::message::MessageKind::System) nor tombstones.
    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError>;

    /// What a user has not read in all rooms that are not archived, each room counted
    /// as by [`Catalog::unread`].
    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError>;

    /// Those of `others` who are active in a room in which `user` is active too, in
    /// the order of the question.
    async fn acquaintances(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, StoreError>;

    /// Remembers when users were last online; never moves back. Unknown users, who
    /// were never in a room, are left out.
    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError>;

    /// When users were last online, as far as it is remembered, in the order of
    /// the question.
    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError>;
}

/// What a message said before it was edited or deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "stores build it from their rows")]
pub struct Edition {
    /// The change by which the message said this.
    pub rev: Rev,
    /// What it said.
    pub body: String,
    /// The sender's data with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// From when on it said so: when it was sent, or last edited.
    pub written_at: Timestamp,
    /// Until when: when it was edited or deleted.
    pub replaced_at: Timestamp,
}

/// A room whose oldest messages have passed their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it from their rows")]
pub struct Aged {
    /// Which room.
    pub room: RoomId,
    /// The first message to be kept: those before it were all sent before the horizon,
    /// it itself was not, or is not known to have been. For
    /// [`Change::Retain`].
    pub keep_from: Seq,
}

/// What one call of [`Upkeep::tidy`] did.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct Tidied {
    /// For who listens to the rooms.
    pub events: Vec<RoomEvent>,
    /// Whether there is more to do now.
    pub more: bool,
}

/// One thing that is known of a person, as it is handed out to them.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "an export must say how each is written"
)]
pub enum Exported {
    /// The person.
    Person {
        /// The host's id.
        id: UserId,
        /// What they are called.
        name: Option<String>,
        /// When they were last online.
        last_seen_at: Option<Timestamp>,
    },
    /// A room in which they are or were, and as what.
    Room {
        /// The room's id.
        id: RoomId,
        /// What it is about.
        subject: Option<Subject>,
        /// What it is called.
        title: Option<String>,
        /// Their own row.
        participant: Box<Participant>,
    },
    /// A message of theirs that is still kept, with its `client_id`.
    Message(Box<Message>),
    /// What a message of theirs said before.
    Edition {
        /// Where.
        room: RoomId,
        /// Which.
        seq: Seq,
        /// What.
        #[serde(flatten)]
        edition: Edition,
    },
}

/// A position in an [export](Upkeep::export).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores read and build it")]
pub struct ExportCursor {
    /// The room at which the page ended.
    pub room: RoomId,
    /// Up to which message of it was looked at.
    pub seq: Seq,
}

/// A part of an export.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "stores build it")]
pub struct ExportPage {
    /// What was found; maybe nothing, though there is more.
    pub items: Vec<Exported>,
    /// Where to go on; `None`: this was all.
    pub next: Option<ExportCursor>,
}

/// What keeping rooms for years needs of a database. See the [module](self) for the
/// contract.
#[async_trait]
pub trait Upkeep: Send + Sync + std::fmt::Debug {
    /// What a message said before, by `rev`, after a `rev`, at most
    /// [`EDITIONS_PAGE`](crate::limits::EDITIONS_PAGE). Nothing, of a message that is
    /// unknown or no longer kept.
    async fn editions(
        &self,
        room: RoomId,
        seq: Seq,
        after: Rev,
        limit: u32,
    ) -> Result<Vec<Edition>, StoreError>;

    /// Rooms, by id, after one, whose first kept message was sent before `horizon`, at
    /// most `limit` (1 to [`ROOMS_PAGE`](crate::limits::ROOMS_PAGE)). Clocks step: the
    /// messages are looked at in the order of `seq`, up to the first one that was not
    /// sent before; a bounded number of them, so that a room may have to be asked for
    /// again.
    async fn aged(
        &self,
        horizon: Timestamp,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Aged>, StoreError>;

    /// Does a bounded part of what [`Change::Retain`] and [`Change::Erase`] left to be
    /// done, in one transaction: what is left survives a crash, and several servers may
    /// call this at once, who then do it once in all. Of a person who was erased, one
    /// room at a time: the messages become what their [`Legacy`](crate::change::Legacy)
    /// says, without a `rev` each; the participant's row is gone; and one `rev` of the
    /// room, which is also its [`meta_rev`](Room::meta_rev), says [`RoomChange::Reset`].
    /// So it is, too, in the rooms in which they were no longer active. Of many messages
    /// a call deals with [`TIDY_MESSAGES`](crate::limits::TIDY_MESSAGES) at most; the
    /// `rev` comes with the last of them.
    async fn tidy(&self, now: Timestamp) -> Result<Tidied, StoreError>;

    /// Everything that is known of a person, part by part: first themselves, then room
    /// by room (by id, those that they left or were removed from included), in each the
    /// room, then their own messages that are kept by `seq`, each followed by what it
    /// said before. `None` for somebody unknown. Who goes on from a room that they are
    /// not known in goes on with the next.
    async fn export(
        &self,
        user: &UserId,
        after: Option<ExportCursor>,
    ) -> Result<Option<ExportPage>, StoreError>;
}

/// A whole database: a [`Store`], a [`Catalog`] and an [`Upkeep`] of the same data.
pub trait Backend: Store + Catalog + Upkeep {}

impl<T: Store + Catalog + Upkeep + ?Sized> Backend for T {}

/// A shared backend.
pub type SharedBackend = Arc<dyn Backend>;

#[cfg(test)]
mod tests;
