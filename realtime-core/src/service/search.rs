//! Finding messages by their words.

use std::time::Duration;

use tokio::time::timeout;

use super::Realtime;
use crate::{
    change::Rejection,
    error::Error,
    id::UserId,
    limits::{SEARCH_PAGE, page_rows},
    search::{SearchPage, SearchQuery},
};

/// How long a search waits for others to end, before it is refused.
const SEAT_PATIENCE: Duration = Duration::from_secs(3);
/// What who searches is told where nothing is searched.
const NO_SEARCH: Error = Error::Rejected(Rejection::Conflict {
    reason: "this server does not search",
});

impl Realtime {
    /// A page of the messages in which words occur, of those that the user may see; see
    /// [`search`](crate::search). `limit` is clamped to 1-100. What was just committed
    /// is found a moment later.
    ///
    /// # Errors
    /// Not found, for a room of which the user may see nothing; a conflict, if no
    /// [search](super::Builder::search) was given; [`Error::Busy`] without a store, or while
    /// too many others search.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn search(&self, user: &UserId, query: &SearchQuery) -> Result<SearchPage, Error> {
        let search = self.inner().indexing.search().ok_or(NO_SEARCH)?;
        if let Some(room) = query.room {
            let participant = self.inner().backend.participant(room, user).await?;
            if participant.and_then(|one| one.visible()).is_none() {
                return Err(Error::NOT_FOUND);
            }
        }
        let query = SearchQuery {
            limit: page_rows(query.limit, SEARCH_PAGE),
            ..query.clone()
        };
        let seat = timeout(SEAT_PATIENCE, self.inner().indexing.seats.acquire()).await;
        let Ok(Ok(_seat)) = seat else {
            return Err(Error::Busy {
                retry_after: SEAT_PATIENCE,
            });
        };
        let started = tokio::time::Instant::now();
        let page = search.search(user, &query).await;
        let reads = &self.inner().metrics.store_read_seconds;
        reads.of("search").observe(started.elapsed());
        Ok(page?)
    }
}
