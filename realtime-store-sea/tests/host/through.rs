//! Long random histories of which every commit, but each third, is a host's transaction,
//! compared with the reference.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use realtime_core::{
    change::Change,
    conformance::store::model::agrees_with_memory,
    event::Topic,
    id::{Incarnation, RoomId, UserId},
    participant::Participant,
    room::{Room, Subject},
    seq::{Rev, Seq},
    store::{
        Aged, Catalog, ChangeSet, Edition, ExportCursor, ExportPage, HistoryPage, Outcome,
        RoomQuery, RoomView, Store, StoreError, Tidied, Unread, UnreadTotals, Upkeep, Window,
    },
    time::Timestamp,
};

use super::ground::{Ground, until_it_holds};

/// A store that commits in transactions of the host's.
struct Through {
    ground: Ground,
    turn: AtomicUsize,
}

impl fmt::Debug for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Through").finish_non_exhaustive()
    }
}

pub(crate) async fn random_histories_agree_with_the_reference(ground: Ground) {
    let turn = AtomicUsize::new(0);
    agrees_with_memory(Arc::new(Through { ground, turn }), 300, 150).await;
}

#[async_trait]
impl Store for Through {
    async fn incarnation(&self) -> Result<Incarnation, StoreError> {
        self.ground.store.incarnation().await
    }

    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        if self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            // The store's own memory must not outlive what a host has written.
            return self.ground.store.commit(now, changes).await;
        }
        Ok(until_it_holds!(async {
            let tx = self.ground.begin().await;
            let mut rooms = self.ground.store.within(&tx).at(now);
            let outcomes = rooms.apply(changes).await?;
            drop(rooms.finish());
            tx.commit().await.unwrap();
            Ok(outcomes)
        }))
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError> {
        self.ground.store.heads(topics).await
    }

    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError> {
        self.ground.store.changes(room, after, limit).await
    }

    async fn history(
        &self,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, StoreError> {
        self.ground.store.history(room, window, limit).await
    }

    async fn participant(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Participant>, StoreError> {
        self.ground.store.participant(room, user).await
    }

    async fn memberships(
        &self,
        user: &UserId,
        limit: u32,
    ) -> Result<(Vec<RoomId>, Rev), StoreError> {
        self.ground.store.memberships(user, limit).await
    }
}

#[async_trait]
impl Catalog for Through {
    async fn room(&self, room: RoomId) -> Result<Option<Room>, StoreError> {
        self.ground.store.room(room).await
    }

    async fn room_of(&self, subject: &Subject) -> Result<Option<Room>, StoreError> {
        self.ground.store.room_of(subject).await
    }

    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError> {
        self.ground.store.rooms(user, query).await
    }

    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError> {
        self.ground.store.views(user, rooms).await
    }

    async fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, StoreError> {
        self.ground.store.participants(room, after, limit).await
    }

    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError> {
        self.ground.store.unread(room, user).await
    }

    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError> {
        self.ground.store.unread_totals(user).await
    }

    async fn acquaintances(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, StoreError> {
        self.ground.store.acquaintances(user, others).await
    }

    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError> {
        self.ground.store.saw(users, at).await
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        self.ground.store.last_seen(users).await
    }
}

#[async_trait]
impl Upkeep for Through {
    async fn editions(
        &self,
        room: RoomId,
        seq: Seq,
        after: Rev,
        limit: u32,
    ) -> Result<Vec<Edition>, StoreError> {
        self.ground.store.editions(room, seq, after, limit).await
    }

    async fn aged(
        &self,
        horizon: Timestamp,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Aged>, StoreError> {
        self.ground.store.aged(horizon, after, limit).await
    }

    async fn tidy(&self, now: Timestamp) -> Result<Tidied, StoreError> {
        self.ground.store.tidy(now).await
    }

    async fn export(
        &self,
        user: &UserId,
        after: Option<ExportCursor>,
    ) -> Result<Option<ExportPage>, StoreError> {
        self.ground.store.export(user, after).await
    }
}
