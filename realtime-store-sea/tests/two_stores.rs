//! Two stores on one database, as two servers have: what one remembers must not
//! outlive what the other writes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
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
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database;

/// Asks one store and then the other.
#[derive(Debug)]
struct Turns {
    stores: [SeaStore; 2],
    turn: AtomicUsize,
}

impl Turns {
    async fn at(url: &str) -> Arc<Self> {
        let connect = || SeaStore::connect(url, SeaOptions::default());
        Arc::new(Self {
            stores: [connect().await.unwrap(), connect().await.unwrap()],
            turn: AtomicUsize::new(0),
        })
    }

    fn next(&self) -> &SeaStore {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.stores[turn % self.stores.len()]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_agree_with_the_reference() {
    for seed in 100..103 {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("shared.db").display());
        agrees_with_memory(Turns::at(&url).await, seed, 80).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_agree_with_the_reference_on_servers() {
    for (seed, server) in (110..).zip([database::postgres(), database::mariadb()]) {
        agrees_with_memory(Turns::at(&server.fresh_url()).await, seed, 80).await;
    }
}

#[async_trait]
impl Store for Turns {
    async fn incarnation(&self) -> Result<Incarnation, StoreError> {
        self.next().incarnation().await
    }

    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        self.next().commit(now, changes).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError> {
        self.next().heads(topics).await
    }

    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError> {
        self.next().changes(room, after, limit).await
    }

    async fn history(
        &self,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, StoreError> {
        self.next().history(room, window, limit).await
    }

    async fn participant(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Participant>, StoreError> {
        self.next().participant(room, user).await
    }

    async fn memberships(
        &self,
        user: &UserId,
        limit: u32,
    ) -> Result<(Vec<RoomId>, Rev), StoreError> {
        self.next().memberships(user, limit).await
    }
}

#[async_trait]
impl Catalog for Turns {
    async fn room(&self, room: RoomId) -> Result<Option<Room>, StoreError> {
        self.next().room(room).await
    }

    async fn room_of(&self, subject: &Subject) -> Result<Option<Room>, StoreError> {
        self.next().room_of(subject).await
    }

    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError> {
        self.next().rooms(user, query).await
    }

    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError> {
        self.next().views(user, rooms).await
    }

    async fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, StoreError> {
        self.next().participants(room, after, limit).await
    }

    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError> {
        self.next().unread(room, user).await
    }

    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError> {
        self.next().unread_totals(user).await
    }

    async fn acquaintances(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, StoreError> {
        self.next().acquaintances(user, others).await
    }

    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError> {
        self.next().saw(users, at).await
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        self.next().last_seen(users).await
    }
}

#[async_trait]
impl Upkeep for Turns {
    async fn editions(
        &self,
        room: RoomId,
        seq: Seq,
        after: Rev,
        limit: u32,
    ) -> Result<Vec<Edition>, StoreError> {
        self.next().editions(room, seq, after, limit).await
    }

    async fn aged(
        &self,
        horizon: Timestamp,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Aged>, StoreError> {
        self.next().aged(horizon, after, limit).await
    }

    async fn tidy(&self, now: Timestamp) -> Result<Tidied, StoreError> {
        self.next().tidy(now).await
    }

    async fn export(
        &self,
        user: &UserId,
        after: Option<ExportCursor>,
    ) -> Result<Option<ExportPage>, StoreError> {
        self.next().export(user, after).await
    }
}
