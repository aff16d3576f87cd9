//! The reference of searching: there is no index, every message is looked at.

use std::cmp::Reverse;

use async_trait::async_trait;

use super::{
    MemoryStore,
    rows::{RoomRows, Rows},
};
use crate::{
    id::{RoomId, UserId},
    limits::{SEARCH_PAGE, SEARCH_ROOMS, page_rows},
    participant::Visible,
    search::{Behind, Hit, Indexed, Search, SearchCursor, SearchPage, SearchQuery},
    store::StoreError,
};

#[async_trait]
impl Search for MemoryStore {
    async fn search(&self, user: &UserId, query: &SearchQuery) -> Result<SearchPage, StoreError> {
        Ok(self.rows()?.search(user, query))
    }

    async fn index(&self, _rooms: &[RoomId]) -> Result<Indexed, StoreError> {
        Ok(Indexed::default())
    }

    async fn behind(&self, _after: Option<RoomId>) -> Result<Behind, StoreError> {
        Ok(Behind::default())
    }
}

impl Rows {
    fn search(&self, user: &UserId, query: &SearchQuery) -> SearchPage {
        let mut hits: Vec<Hit> = self
            .searched(user, query.room)
            .into_iter()
            .flat_map(|(rows, visible)| self.hits(rows, visible, query))
            .collect();
        hits.sort_by_key(|hit| Reverse(SearchCursor::of(&hit.message)));
        let limit = page_rows(query.limit, SEARCH_PAGE) as usize;
        let more = hits.len() > limit;
        hits.truncate(limit);
        let last = hits.last().filter(|_| more);
        SearchPage {
            next: last.map(|hit| SearchCursor::of(&hit.message)),
            hits,
        }
    }

    /// The rooms in which is looked, with what the user may see of each.
    fn searched(&self, user: &UserId, only: Option<RoomId>) -> Vec<(&RoomRows, Visible)> {
        let mut rooms: Vec<(&RoomRows, Visible)> = self
            .rooms
            .values()
            .filter(|rows| only.is_none_or(|only| rows.room.id == only))
            .filter_map(|rows| Some((rows, rows.participants.get(user)?.visible()?)))
            .collect();
        rooms.sort_by_key(|(rows, _)| Reverse(rows.place()));
        rooms.truncate(SEARCH_ROOMS as usize);
        rooms
    }

    fn hits<'a>(
        &'a self,
        rows: &'a RoomRows,
        visible: Visible,
        query: &'a SearchQuery,
    ) -> impl Iterator<Item = Hit> + 'a {
        let kept = rows.messages.range(rows.room.first_seq.max(visible.from)..);
        kept.map(|(_, row)| &row.message)
            .filter(move |message| visible.has(message.seq))
            .filter(|message| {
                let before = query.before;
                before.is_none_or(|before| SearchCursor::of(message) < before)
            })
            .filter_map(|message| {
                let marks = query.text.find(message.body.as_deref()?)?;
                let message = self.named_message(message);
                Some(Hit { message, marks })
            })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{conformance::search::Rig, memory::MemoryStore};

    crate::search_conformance!(Rig::of(Arc::new(MemoryStore::default())));
}
