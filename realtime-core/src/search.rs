//! The port to full-text search: [`Search`].
//!
//! # What is found
//! - Messages, of people and of the platform, as they are **now**: never what was
//!   deleted, nor what a message said before it was edited.
//! - Only what the asker [may see](crate::participant::Participant::visible): rooms in
//!   which they are active or which they have left, archived ones too, each within their
//!   window and from the room's [`first_seq`](crate::room::Room::first_seq) on. Who was
//!   removed or erased finds nothing; what an erased person said and was kept is found.
//! - All words of the [question](SearchText) must occur in a message, as
//!   [`SearchText::find`] says: that function decides, over the text as it is stored,
//!   whatever a backend's index believes. So every backend gives the same answers, and
//!   an index that lags or is damaged hides something for a while, but never shows what
//!   it should not.
//!
//! # Contract
//! - **Order.** Newest first: by [`sent_at`](Message::sent_at), then by room, then by
//!   `seq`, all descending. Pages follow each other by [`SearchPage::next`] without a
//!   seam; what is sent meanwhile is not on them.
//! - **Bounded.** A search looks at a bounded number of rooms ([`SEARCH_ROOMS`], those
//!   with the newest activity), and at a bounded part of them at a time. So a page may
//!   be short, even empty, though there is more: [`SearchPage::next`] alone says so.
//! - **Later.** What is committed is found after [`Search::index`] was called for its
//!   room, not before it was. Nothing is lost when a process dies: [`Search::behind`]
//!   tells which rooms lack something. Any number of processes may do both at once.
//! - **Absence** is an empty page: a room that the asker may not see, a user who is
//!   unknown.
//! - **Cancel safety.** Dropping any of the futures is safe; what was indexed half way
//!   is indexed again.
//!
//! [`MemoryStore`](crate::memory::MemoryStore) is the reference: it has no index, and
//! looks at everything.
//!
//! [`SEARCH_ROOMS`]: crate::limits::SEARCH_ROOMS

mod question;
mod words;

use async_trait::async_trait;
use serde::Serialize;

pub use self::{
    question::{Lookup, SearchText, SearchTextError},
    words::terms,
};
use crate::{
    id::{RoomId, UserId},
    message::Message,
    seq::Seq,
    store::StoreError,
    time::Timestamp,
};

/// What is searched for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "hosts build it")]
pub struct SearchQuery {
    /// Which words.
    pub text: SearchText,
    /// Only in this room; `None`: in all rooms of the asker.
    pub room: Option<RoomId>,
    /// Only what stands after this position of an earlier page, and is older.
    pub before: Option<SearchCursor>,
    /// How many hits at most, within [`SEARCH_PAGE`](crate::limits::SEARCH_PAGE).
    pub limit: u32,
}

/// A position in the order of hits.
///
/// It compares as hits are ordered: the greater stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "hosts keep it between pages")]
pub struct SearchCursor {
    /// When the message was sent.
    pub at: Timestamp,
    /// Where.
    pub room: RoomId,
    /// Which it was.
    pub seq: Seq,
}

impl SearchCursor {
    /// The position of a message.
    pub const fn of(message: &Message) -> Self {
        Self {
            at: message.sent_at,
            room: message.room,
            seq: message.seq,
        }
    }
}

/// A part of a message's text.
///
/// Counted in UTF-16 code units, as strings are in JavaScript, Java, C# and Swift's
/// `NSString`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a range has two ends")]
pub struct Mark {
    /// Where it begins.
    pub start: usize,
    /// Where it has ended.
    pub end: usize,
}

/// A message in which the words occur.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
pub struct Hit {
    /// The message, as it is now.
    pub message: Message,
    /// Where the words stand in its text, in order and apart from each other; the first
    /// [`SEARCH_MARKS`](crate::limits::SEARCH_MARKS).
    pub marks: Vec<Mark>,
}

/// A part of what was found.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
pub struct SearchPage {
    /// Newest first; maybe none, though there is more.
    pub hits: Vec<Hit>,
    /// Where to go on; `None`: this was all.
    pub next: Option<SearchCursor>,
}

/// What a step of indexing did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
pub struct Indexed {
    /// How many messages were brought into the index, or taken out of it.
    pub messages: u64,
    /// Those of the rooms of which there is more to do.
    pub rest: Vec<RoomId>,
}

/// Rooms whose index lacks something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
pub struct Behind {
    /// Which.
    pub rooms: Vec<RoomId>,
    /// Where to go on looking; `None`: all rooms were looked at.
    pub next: Option<RoomId>,
}

/// What searching needs of a database. See the [module](self) for the contract.
#[async_trait]
pub trait Search: Send + Sync + std::fmt::Debug {
    /// A page of the messages in which the words occur.
    async fn search(&self, user: &UserId, query: &SearchQuery) -> Result<SearchPage, StoreError>;

    /// Brings a bounded part of what changed in these rooms into the index, in one
    /// short transaction. Rooms that are not there are left out.
    async fn index(&self, rooms: &[RoomId]) -> Result<Indexed, StoreError>;

    /// Looks at a bounded number of rooms, by id, after one, and tells those of which
    /// not everything that was committed is in the index.
    async fn behind(&self, after: Option<RoomId>) -> Result<Behind, StoreError>;
}

#[cfg(test)]
mod tests;
