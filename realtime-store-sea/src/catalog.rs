//! What lists and questions need of the store.

use std::collections::BTreeSet;

use crate::{
    SeaStore,
    dialect::Rows,
    entity::room,
    error::failed,
    query::Query,
    race::Races,
    read,
    rows::{self, Columns},
    transaction,
};
use async_trait::async_trait;
use realtime_core::{
    id::{RoomId, UserId},
    participant::Participant,
    room::{Room, Subject},
    store::{Catalog, RoomQuery, RoomView, StoreError, Unread, UnreadTotals},
    time::Timestamp,
};

#[async_trait]
impl Catalog for SeaStore {
    async fn room(&self, room: RoomId) -> Result<Option<Room>, StoreError> {
        let row = read::changes::room_row(&self.query(), room).await?;
        row.map(rows::room).transpose()
    }

    async fn room_of(&self, subject: &Subject) -> Result<Option<Room>, StoreError> {
        let sql = format!(
            "SELECT {} FROM rt_room r WHERE r.subject_type = ? AND r.subject_id = ?",
            room::COLUMNS
        );
        let values = [subject.kind.as_str().into(), subject.id.as_str().into()];
        let found = self.query().one(&sql, values).await?;
        found
            .map(|row| room::Model::read(&mut Columns::of(&row)).map_err(failed))
            .transpose()?
            .map(rows::room)
            .transpose()
    }

    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError> {
        read::list::rooms(&self.snapshot().await?, user, query).await
    }

    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError> {
        read::list::views(&self.snapshot().await?, user, rooms).await
    }

    async fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, StoreError> {
        read::people::participants(&self.query(), room, after, limit).await
    }

    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError> {
        read::unread::unread(&self.query(), room, user).await
    }

    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError> {
        read::unread::totals(&self.query(), user).await
    }

    async fn acquaintances(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, StoreError> {
        read::people::acquaintances(&self.query(), user, others).await
    }

    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError> {
        let mut seen = Rows::new(["external_id", "last_seen_at"]);
        // In one order, so that two who tell of the same users wait in one direction.
        let users: BTreeSet<&UserId> = users.iter().collect();
        for user in users {
            seen.push([user.as_str().into(), at.as_millis().into()]);
        }
        let mut races = Races::none();
        loop {
            match self.raise_seen(seen.clone()).await {
                Err(error) if races.may_go_on(&error) => races.pause(self.ids()).await,
                done => return done,
            }
        }
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        read::people::last_seen(&self.query(), users).await
    }
}

impl SeaStore {
    async fn raise_seen(&self, seen: Rows<2>) -> Result<(), StoreError> {
        let connections = self.connections();
        let dialect = connections.dialect;
        let open = transaction::begin(connections).await?;
        let query = Query { db: &open, dialect };
        for statement in dialect.raise("rt_user", seen) {
            if let Err(error) = query.execute(statement).await {
                transaction::abandon(open, dialect).await;
                return Err(error);
            }
        }
        transaction::commit(open, dialect).await
    }
}
