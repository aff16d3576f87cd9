//! What keeping rooms for years needs of the store: earlier versions, what has passed
//! its time, what is left to be done, and what is known of a person.

mod aged;
mod editions;
mod export;
mod scrub;
pub(crate) mod tidy;

use async_trait::async_trait;
use realtime_core::{
    id::{RoomId, UserId},
    limits::TIDY_MESSAGES,
    participant::ParticipantState,
    seq::{Rev, Seq},
    store::{Aged, Edition, ExportCursor, ExportPage, StoreError, Tidied, Upkeep},
    time::Timestamp,
};
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::{SeaStore, codes::Code, query::Query, rows::Columns};

#[async_trait]
impl Upkeep for SeaStore {
    async fn editions(
        &self,
        room: RoomId,
        seq: Seq,
        after: Rev,
        limit: u32,
    ) -> Result<Vec<Edition>, StoreError> {
        editions::editions(&self.query(), room, seq, after, limit).await
    }

    async fn aged(
        &self,
        horizon: Timestamp,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Aged>, StoreError> {
        aged::aged(&self.query(), horizon, after, limit).await
    }

    async fn tidy(&self, now: Timestamp) -> Result<Tidied, StoreError> {
        // Usually there is nothing to do, and no reason to wait for who writes.
        if !tidy::is_wanted(&self.query()).await? {
            return Ok(Tidied::default());
        }
        self.tidy_by(now, TIDY_MESSAGES).await
    }

    async fn export(
        &self,
        user: &UserId,
        after: Option<ExportCursor>,
    ) -> Result<Option<ExportPage>, StoreError> {
        export::export(&self.snapshot().await?, user, after).await
    }
}

/// Which rooms of a user come first.
#[derive(Debug, Clone, Copy)]
enum From {
    /// This one, or the next.
    Room(Uuid),
    /// The next one after this.
    After(Uuid),
}

/// The first room, by id, in which somebody is or was.
async fn room_of<C: ConnectionTrait>(
    query: &Query<'_, C>,
    number: i64,
    from: From,
) -> Result<Option<RoomId>, StoreError> {
    let (than, room) = match from {
        From::Room(room) => (">=", room),
        From::After(room) => (">", room),
    };
    // A state is a part of the index, so each has an order of its own.
    let first = |state: ParticipantState| {
        format!(
            "SELECT first.room_id FROM (SELECT p.room_id FROM rt_participant p \
             WHERE p.user_id = ? AND p.state = {} AND p.room_id {than} ? \
             ORDER BY p.room_id LIMIT 1) first",
            state.code()
        )
    };
    let states = [
        ParticipantState::Active,
        ParticipantState::Left,
        ParticipantState::Removed,
    ];
    let sql = states.map(first).join(" UNION ALL ");
    let values = states.iter().flat_map(|_| [number.into(), room.into()]);
    let mut first: Option<Uuid> = None;
    for row in query.all(&sql, values).await? {
        let found: Uuid = Columns::of(&row).take()?;
        first = first.into_iter().chain([found]).min();
    }
    Ok(first.map(RoomId::from_uuid))
}
