//! Searching in the database itself, behind the core's port.
//!
//! A room is cut into slots of 256 messages, by `seq`. An entry of the database's own
//! full-text index holds the [terms](term) of one message, each with its slot in front.
//! So whoever searches asks slot by slot, those with the newest messages first, and the
//! work is bounded by the slots that are asked, never by how common a word is.
//!
//! What the index [finds](find) is only a candidate: the message as it is now decides,
//! by the core's own comparison.
//!
//! The index is [filled](index) after the messages were committed, in small
//! transactions of its own. `rt_search_room` notes how far each room is, in the same
//! transaction, so a crash loses nothing, and of two servers that fill the index of one
//! room at once, the second one finds that it was done.

mod fill;
mod find;
mod index;
pub(crate) mod term;

use async_trait::async_trait;
use realtime_core::{
    id::{RoomId, UserId},
    search::{Behind, Indexed, Search, SearchPage, SearchQuery},
    store::StoreError,
};

use crate::SeaStore;

#[async_trait]
impl Search for SeaStore {
    async fn search(&self, user: &UserId, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        find::search(&self.snapshot().await?, user, query).await
    }

    async fn index(&self, rooms: &[RoomId]) -> Result<Indexed, StoreError> {
        let read = index::read(&self.snapshot().await?, rooms).await?;
        self.fill(read).await
    }

    async fn behind(&self, after: Option<RoomId>) -> Result<Behind, StoreError> {
        index::behind(&self.query(), after).await
    }
}
