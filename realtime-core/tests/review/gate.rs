//! A store that waits, fails and counts on demand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "test code, of which each test binary uses some"
)]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use realtime_core::{
    change::Change,
    event::Topic,
    id::{Incarnation, RoomId, UserId},
    participant::Participant,
    room::{Room, Subject},
    seq::{Rev, Seq},
    store::{
        Aged, Catalog, ChangeSet, Edition, ExportCursor, ExportPage, HistoryPage, Outcome,
        RoomQuery, RoomView, SharedBackend, Store, StoreError, Tidied, Unread, UnreadTotals,
        Upkeep, Window,
    },
    time::Timestamp,
};
use tokio::sync::Notify;

/// The store behind, with what a test does to it.
#[derive(Debug)]
pub struct Gate {
    behind: Mutex<SharedBackend>,
    /// Whether the next `views` waits, after it has read.
    pub hold_views: AtomicBool,
    arrived: Notify,
    released: Notify,
    /// How many `views` fail.
    pub failing_views: AtomicUsize,
    /// Whether commits never end.
    pub hang_commits: AtomicBool,
    /// Whether reading changes fails.
    pub fail_changes: AtomicBool,
    /// Whether tidying fails.
    pub fail_tidy: AtomicBool,
    /// How often a participant was asked for.
    pub participant_reads: AtomicUsize,
}

impl Gate {
    pub fn before(behind: SharedBackend) -> Arc<Self> {
        Arc::new(Self {
            behind: Mutex::new(behind),
            hold_views: AtomicBool::new(false),
            arrived: Notify::new(),
            released: Notify::new(),
            failing_views: AtomicUsize::new(0),
            hang_commits: AtomicBool::new(false),
            fail_changes: AtomicBool::new(false),
            fail_tidy: AtomicBool::new(false),
            participant_reads: AtomicUsize::new(0),
        })
    }

    fn behind(&self) -> SharedBackend {
        self.behind.lock().unwrap().clone()
    }

    /// Another database stands here from now on.
    pub fn replace(&self, behind: SharedBackend) {
        *self.behind.lock().unwrap() = behind;
    }

    pub fn hold_next_views(&self) {
        self.hold_views.store(true, Ordering::SeqCst);
    }

    /// Waits until a `views` is held.
    pub async fn held(&self) {
        self.arrived.notified().await;
    }

    pub fn release(&self) {
        self.released.notify_one();
    }
}

#[async_trait]
impl Store for Gate {
    async fn incarnation(&self) -> Result<Incarnation, StoreError> {
        self.behind().incarnation().await
    }

    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        if self.hang_commits.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.behind().commit(now, changes).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError> {
        self.behind().heads(topics).await
    }

    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError> {
        if self.fail_changes.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("by the test".into()));
        }
        self.behind().changes(room, after, limit).await
    }

    async fn history(
        &self,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, StoreError> {
        self.behind().history(room, window, limit).await
    }

    async fn participant(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Participant>, StoreError> {
        self.participant_reads.fetch_add(1, Ordering::SeqCst);
        self.behind().participant(room, user).await
    }

    async fn memberships(
        &self,
        user: &UserId,
        limit: u32,
    ) -> Result<(Vec<RoomId>, Rev), StoreError> {
        self.behind().memberships(user, limit).await
    }
}

#[async_trait]
impl Catalog for Gate {
    async fn room(&self, room: RoomId) -> Result<Option<Room>, StoreError> {
        self.behind().room(room).await
    }

    async fn room_of(&self, subject: &Subject) -> Result<Option<Room>, StoreError> {
        self.behind().room_of(subject).await
    }

    async fn rooms(&self, user: &UserId, query: &RoomQuery) -> Result<Vec<RoomView>, StoreError> {
        self.behind().rooms(user, query).await
    }

    async fn views(&self, user: &UserId, rooms: &[RoomId]) -> Result<Vec<RoomView>, StoreError> {
        let failing = |left: usize| left.checked_sub(1);
        if self
            .failing_views
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, failing)
            .is_ok()
        {
            return Err(StoreError::Unavailable("by the test".into()));
        }
        let views = self.behind().views(user, rooms).await;
        if self.hold_views.swap(false, Ordering::SeqCst) {
            self.arrived.notify_one();
            self.released.notified().await;
        }
        views
    }

    async fn participants(
        &self,
        room: RoomId,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Participant>, StoreError> {
        self.behind().participants(room, after, limit).await
    }

    async fn unread(&self, room: RoomId, user: &UserId) -> Result<Unread, StoreError> {
        self.behind().unread(room, user).await
    }

    async fn unread_totals(&self, user: &UserId) -> Result<UnreadTotals, StoreError> {
        self.behind().unread_totals(user).await
    }

    async fn acquaintances(
        &self,
        user: &UserId,
        others: &[UserId],
    ) -> Result<Vec<UserId>, StoreError> {
        self.behind().acquaintances(user, others).await
    }

    async fn saw(&self, users: &[UserId], at: Timestamp) -> Result<(), StoreError> {
        self.behind().saw(users, at).await
    }

    async fn last_seen(&self, users: &[UserId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
        self.behind().last_seen(users).await
    }
}

#[async_trait]
impl Upkeep for Gate {
    async fn editions(
        &self,
        room: RoomId,
        seq: Seq,
        after: Rev,
        limit: u32,
    ) -> Result<Vec<Edition>, StoreError> {
        self.behind().editions(room, seq, after, limit).await
    }

    async fn aged(
        &self,
        horizon: Timestamp,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<Aged>, StoreError> {
        self.behind().aged(horizon, after, limit).await
    }

    async fn tidy(&self, now: Timestamp) -> Result<Tidied, StoreError> {
        if self.fail_tidy.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("by the test".into()));
        }
        self.behind().tidy(now).await
    }

    async fn export(
        &self,
        user: &UserId,
        after: Option<ExportCursor>,
    ) -> Result<Option<ExportPage>, StoreError> {
        self.behind().export(user, after).await
    }
}
