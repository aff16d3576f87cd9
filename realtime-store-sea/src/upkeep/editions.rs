//! What a message said before.

use realtime_core::{
    id::RoomId,
    limits::{EDITIONS_PAGE, page_rows},
    seq::{Rev, Seq},
    store::{Edition, StoreError},
};
use sea_orm::{ConnectionTrait, QueryResult};

use crate::{
    codes::stored,
    entity::edition,
    error::failed,
    query::Query,
    rows::{self, Columns},
};

/// A page of what a message that is kept said before, by `rev`.
pub(super) async fn editions<C: ConnectionTrait>(
    query: &Query<'_, C>,
    room: RoomId,
    seq: Seq,
    after: Rev,
    limit: u32,
) -> Result<Vec<Edition>, StoreError> {
    let sql = format!(
        "SELECT {} FROM rt_message_edit e {} rt_room r \
         ON r.id = e.room_id AND r.first_seq <= e.seq \
         WHERE e.room_id = ? AND e.seq = ? AND e.rev > ? ORDER BY e.rev LIMIT ?",
        edition::COLUMNS,
        query.dialect.lookup()
    );
    let values = [
        room.as_uuid().into(),
        stored(seq.get()).into(),
        stored(after.get()).into(),
        i64::from(page_rows(limit, EDITIONS_PAGE)).into(),
    ];
    let found = query.all(&sql, values).await?;
    let editions: Result<_, _> = found
        .iter()
        .map(|row| edition(row).map(|(_, it)| it))
        .collect();
    editions
}

/// An edition, and of which message.
pub(super) fn edition(found: &QueryResult) -> Result<(Seq, Edition), StoreError> {
    let row = edition::Model::read(&mut Columns::of(found)).map_err(failed)?;
    rows::edition(row)
}
