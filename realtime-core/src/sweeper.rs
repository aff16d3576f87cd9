//! The sweep closes every remaining hole: a lost last hint, a server that died between
//! commit and publish, a hub read that gave up. It compares the heads of everything
//! that is listened to with the store, in batches.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{MutexGuard, Notify, mpsc};

use crate::{
    event::{Topic, UserEvent},
    id::UserId,
    limits::{BROKER_TIMEOUT, Limits, TOPICS_BATCH},
    seq::Rev,
    service::Realtime,
    store::StoreError,
};

/// What is said of a user's stream.
#[derive(Debug)]
pub(crate) enum UserHint {
    /// It went on by this change.
    Changed(UserEvent),
    /// It has come to `rev`. The store is asked: who says so may be wrong.
    Head {
        /// Whose stream.
        user: UserId,
        /// How far it is.
        rev: Rev,
    },
}

/// User changes that wait to be followed; what does not fit is found by the sweep.
const USER_CHANGES: usize = 4_096;
/// The pause between two sweeps at least, whatever is configured: a sweep without one
/// would take a core.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
/// The pause between two sweeps that were asked for: doubts come in bursts.
const HURRY_PAUSE: Duration = Duration::from_millis(100);

/// When to sweep, and the users whose rooms changed.
#[derive(Debug)]
pub(crate) struct Sweeper {
    hurry: Notify,
    degraded: AtomicBool,
    /// Users whose last connection was closed, whose hints need no longer be heard.
    left: Mutex<HashSet<UserId>>,
    /// Subscribing (shared) must not overtake unsubscribing (alone) of the same user.
    broker_order: tokio::sync::RwLock<()>,
    user_changes: mpsc::Sender<UserHint>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<UserHint>>,
}

impl Default for Sweeper {
    fn default() -> Self {
        let (user_changes, receiver) = mpsc::channel(USER_CHANGES);
        Self {
            hurry: Notify::new(),
            degraded: AtomicBool::new(false),
            left: Mutex::default(),
            broker_order: tokio::sync::RwLock::new(()),
            user_changes,
            receiver: tokio::sync::Mutex::new(receiver),
        }
    }
}

impl Sweeper {
    /// Sweep soon: hints may have been lost.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Whether hints may be lost at present, without anybody saying so.
    pub(crate) fn degraded(&self, degraded: bool) {
        if self.degraded.swap(degraded, Ordering::Relaxed) != degraded {
            self.hurry();
        }
    }

    /// A user's last connection was closed.
    pub(crate) fn user_left(&self, user: &UserId) {
        self.left
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(user.clone());
    }

    /// Where to put users whose rooms changed.
    pub(crate) fn user_changes(&self) -> mpsc::Sender<UserHint> {
        self.user_changes.clone()
    }

    /// The users whose rooms changed; for one task at a time.
    pub(crate) async fn take_user_changes(&self) -> MutexGuard<'_, mpsc::Receiver<UserHint>> {
        self.receiver.lock().await
    }

    async fn wait(&self, limits: &Limits) {
        let pause = if self.degraded.load(Ordering::Relaxed) {
            limits.sweep_interval_degraded
        } else {
            limits.sweep_interval
        };
        let pause = pause.max(LEAST_PAUSE);
        tokio::select! {
            () = self.hurry.notified() => tokio::time::sleep(HURRY_PAUSE).await,
            () = tokio::time::sleep(jittered(pause)) => {}
        }
    }
}

/// A span, shortened by up to a fifth at random, so that many servers do not ask the
/// store in the same moment.
pub(crate) fn jittered(span: Duration) -> Duration {
    // A hasher's seed is all the randomness that this needs.
    let random = RandomState::new().hash_one(0_u8) % 1_000;
    let share = span.saturating_mul(u32::try_from(random).unwrap_or(0)) / 5_000;
    span.saturating_sub(share)
}

impl Realtime {
    /// Compares all heads with the store, again and again.
    pub(crate) async fn sweep_for_ever(self) {
        loop {
            self.inner().sweeper.wait(self.limits()).await;
            if let Err(error) = self.sweep().await {
                tracing::warn!(%error, "the sweep could not ask the store");
                self.inner().metrics.errors.of("sweep").inc();
            }
            self.inner().hub.hear_unanswered();
            self.inner().hub.unsubscribe_unused().await;
            self.forget_who_left().await;
            self.inner().count_listeners();
        }
    }

    /// From when this returns, hints about a user's rooms are heard.
    pub(crate) async fn hear_of(&self, user: &UserId) {
        let inner = self.inner();
        let _order = inner.sweeper.broker_order.read().await;
        // An error is the broker's to mend: it tells `Gap` once it has.
        let topic = [Topic::User(user.clone())];
        let asked = tokio::time::timeout(BROKER_TIMEOUT, inner.broker.subscribe(&topic)).await;
        if !matches!(asked, Ok(Ok(()))) {
            tracing::warn!("subscribing to a user failed");
            inner.metrics.errors.of("broker_subscribe").inc();
        }
    }

    async fn forget_who_left(&self) {
        let inner = self.inner();
        let left = std::mem::take(
            &mut *inner
                .sweeper
                .left
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if left.is_empty() {
            return;
        }
        let _order = inner.sweeper.broker_order.write().await;
        let gone = left.into_iter().filter(|user| !inner.people.has(user));
        let gone: Vec<Topic> = gone.map(Topic::User).collect();
        let asked = tokio::time::timeout(BROKER_TIMEOUT, inner.broker.unsubscribe(&gone)).await;
        if !matches!(asked, Ok(Ok(()))) {
            tracing::debug!(users = gone.len(), "unsubscribing failed");
        }
    }

    async fn sweep(&self) -> Result<(), StoreError> {
        let inner = self.inner();
        let life = inner.backend.incarnation().await?;
        if life != inner.incarnation() {
            self.start_afresh(life).await;
        }
        for rooms in inner.hub.heads().chunks(TOPICS_BATCH) {
            let topics: Vec<Topic> = rooms.iter().map(|(room, _)| Topic::Room(*room)).collect();
            let heads = inner.backend.heads(&topics).await?;
            for ((room, head), stored) in rooms.iter().zip(heads) {
                if stored > *head {
                    inner.hub.doubt(*room, stored);
                } else if stored < *head {
                    self.set_back(*room, *head, stored);
                }
            }
        }
        self.sweep_users().await
    }

    /// What is wrong with one user's rooms must not keep the others from being compared.
    async fn compare_or_doubt(&self, user: &UserId) -> Result<(), StoreError> {
        let Err(error) = self.compare_rooms(user).await else {
            return Ok(());
        };
        self.inner().people.doubt(user);
        if error.is_transient() {
            return Err(error);
        }
        tracing::error!(%error, %user, "comparing a user's rooms failed");
        self.inner().metrics.errors.of("follow_user").inc();
        Ok(())
    }

    async fn sweep_users(&self) -> Result<(), StoreError> {
        let inner = self.inner();
        for users in inner.people.heads().chunks(TOPICS_BATCH) {
            let topics: Vec<Topic> = users
                .iter()
                .map(|(user, _)| Topic::User(user.clone()))
                .collect();
            let heads = inner.backend.heads(&topics).await?;
            for ((user, head), stored) in users.iter().zip(heads) {
                if *head == Some(stored) {
                    continue;
                }
                if let Some(head) = head.filter(|head| *head > stored) {
                    inner.people.begin_anew(user, head);
                }
                self.compare_or_doubt(user).await?;
            }
        }
        Ok(())
    }
}
