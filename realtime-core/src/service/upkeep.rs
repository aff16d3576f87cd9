//! What time and decisions leave to be done: messages that have passed their time are
//! given up, and what was given up or erased is tidied away, part by part.

use std::time::Duration;

use tokio::{sync::Notify, time::Instant};

use super::Realtime;
use crate::{
    broker::Hint,
    change::Change,
    error::Error,
    event::RoomEvent,
    id::RoomId,
    limits::ROOMS_PAGE,
    store::{Aged, StoreError, Tidied},
    sweeper::jittered,
};

/// How often it is looked whether another server left something to be done.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// When it is tried again after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The pause between two parts, so that who sends has their turn at the store.
const PART_PAUSE: Duration = Duration::from_millis(10);
/// How often it is looked which messages have passed their time: a day's worth of
/// retention need not be exact to the minute.
const RETAIN_EVERY: Duration = Duration::from_secs(60 * 60);
/// When it is first looked: a server that is restarted often must come to it too, and
/// one that starts has other things to do.
const RETAIN_FIRST: Duration = Duration::from_secs(30);

/// Wakes the upkeep.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    woken: Notify,
}

impl Upkeep {
    /// There is something to be done.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }
}

impl Realtime {
    /// Does what was left to be done, again and again.
    pub(super) async fn keep_up(self) {
        let mut retain_at = Instant::now() + jittered(RETAIN_FIRST);
        loop {
            let mut tidied = self.tidy().await;
            if self.limits().retention.is_some() && Instant::now() >= retain_at {
                retain_at = Instant::now() + jittered(RETAIN_EVERY);
                if let Err(error) = self.give_up_aged().await {
                    retain_at = Instant::now() + RETRY_AFTER;
                    self.upkeep_failed(&error);
                }
                tidied = tidied.and(self.tidy().await);
            }
            let pause = match tidied {
                Ok(()) => jittered(LOOK_EVERY),
                Err(error) => {
                    self.upkeep_failed(&error.into());
                    RETRY_AFTER
                }
            };
            let next = match self.limits().retention {
                Some(_) => retain_at.min(Instant::now() + pause),
                None => Instant::now() + pause,
            };
            tokio::select! {
                () = self.inner().upkeep.woken.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    fn upkeep_failed(&self, error: &Error) {
        tracing::warn!(%error, "upkeep could not go on; it is tried again");
        self.inner().metrics.errors.of("upkeep").inc();
    }

    async fn tidy(&self) -> Result<(), StoreError> {
        let inner = self.inner();
        loop {
            let tidied = inner.backend.tidy(inner.clock.now()).await?;
            self.announce(&tidied.events);
            if tidied == Tidied::default() {
                return Ok(());
            }
            inner.metrics.tidied.inc();
            if !tidied.more {
                return Ok(());
            }
            tokio::time::sleep(PART_PAUSE).await;
        }
    }

    /// Tells who listens, here and on other servers, of changes that did not come
    /// through the committer.
    fn announce(&self, events: &[RoomEvent]) {
        let inner = self.inner();
        inner.indexing.note(events);
        for event in events {
            inner.hub.offer(event);
            let hint = Hint::Changed(std::sync::Arc::new(event.clone()));
            inner.publisher.publish(hint);
        }
    }

    /// Gives up what has passed its time. A look goes only so far into each room, so
    /// that it is looked again until nothing is found.
    async fn give_up_aged(&self) -> Result<(), Error> {
        while self.give_up_once().await? {
            tokio::time::sleep(PART_PAUSE).await;
        }
        Ok(())
    }

    async fn give_up_once(&self) -> Result<bool, Error> {
        let Some(retention) = self.limits().retention else {
            return Ok(false);
        };
        let horizon = self.now().before(retention);
        let mut found = false;
        let mut after: Option<RoomId> = None;
        loop {
            let backend = &self.inner().backend;
            let aged = backend.aged(horizon, after, ROOMS_PAGE.0).await?;
            let Some(last) = aged.last() else {
                return Ok(found);
            };
            after = Some(last.room);
            found = true;
            for Aged { room, keep_from } in aged {
                let from = keep_from;
                self.commit(Change::Retain { room, from }).await?;
                self.inner().metrics.retained.inc();
            }
            tokio::time::sleep(PART_PAUSE).await;
        }
    }
}
