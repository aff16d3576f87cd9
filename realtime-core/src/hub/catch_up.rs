//! One listener reads from the store until it meets what the hub has in memory:
//! after joining with an old `rev`, or after its socket was too slow.

use std::{sync::Arc, time::Duration};

use super::{Behind, Cell, GoLive, Hub};
use crate::{
    limits::CATCH_UP_PAGE,
    protocol::{self, Encoded, Membership},
    seq::Rev,
    store::ChangeSet,
};

/// The pause after a failed read.
const PAUSE: Duration = Duration::from_millis(500);

/// How far one catch-up has come.
struct Progress {
    /// Up to where the store was read.
    read: Rev,
    /// The newest change that was told.
    told: Rev,
}

/// What a catch-up does after a page.
enum Step {
    /// The listener is live, or gone.
    Done,
    /// There is more.
    Again,
    /// There is nothing to be had at present.
    Pause(Duration),
}

impl Hub {
    pub(super) fn start_catching_up(self: &Arc<Self>, cell: &Arc<Cell>, behind: Vec<Behind>) {
        for behind in behind {
            let (hub, cell) = (self.clone(), cell.clone());
            self.spawn(async move { hub.catch_up(&cell, &behind).await });
        }
    }

    async fn catch_up(self: Arc<Self>, cell: &Arc<Cell>, behind: &Behind) {
        let mut at = Progress {
            read: behind.held,
            told: behind.held,
        };
        loop {
            match self.catch_up_a_page(cell, behind, &mut at).await {
                Step::Done => return self.collect(cell),
                Step::Again => {}
                // Whoever waits for a turn or a permit must not wait for this.
                Step::Pause(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    async fn catch_up_a_page(&self, cell: &Cell, behind: &Behind, at: &mut Progress) -> Step {
        let _turn = behind.subscriber.turn.lock().await;
        behind.subscriber.mailbox.drained().await;
        if behind.subscriber.mailbox.is_closed() || self.is_done(cell, behind, at) {
            return Step::Done;
        }
        let Ok(_permit) = self.reads.acquire().await else {
            return Step::Done;
        };
        let started = tokio::time::Instant::now();
        match self.store.changes(cell.room, at.read, CATCH_UP_PAGE).await {
            Ok(set) => {
                self.observe_read("catch_up", started);
                let nothing_new = set.rev == at.read;
                self.tell(cell, behind, set, at);
                if nothing_new {
                    // The hub is ahead of what the store shows; not for long.
                    return Step::Pause(self.limits.reorder_window);
                }
                Step::Again
            }
            Err(error) => {
                tracing::warn!(%error, room = %cell.room, "reading for a listener failed");
                self.metrics.errors.of("hub_read").inc();
                Step::Pause(PAUSE)
            }
        }
    }

    /// Whether the listener is live, or gone.
    fn is_done(&self, cell: &Cell, behind: &Behind, at: &Progress) -> bool {
        let mut topic = cell.lock();
        // Between two pages what was told may lie before what was read. Going live
        // there would look like a hole to the client.
        if at.told < at.read || !topic.has(behind.ticket) {
            return !topic.has(behind.ticket);
        }
        let far = topic
            .head()
            .is_some_and(|head| head.since(at.told) > self.limits.catch_up);
        let held = match topic.head() {
            Some(head) if far => {
                behind
                    .subscriber
                    .mailbox
                    .insist(&protocol::reset(cell.room, head));
                self.metrics.resets.inc();
                head
            }
            Some(_) | None => at.told,
        };
        match topic.go_live(behind.ticket, held, cell.room) {
            GoLive::Live | GoLive::Gone => true,
            GoLive::NotYet => false,
        }
    }

    fn tell(&self, cell: &Cell, behind: &Behind, set: ChangeSet, at: &mut Progress) {
        let now = self.clock.now();
        let (end, complete) = (set.rev, set.complete);
        let events = set.into_events(at.read);
        let mut topic = cell.lock();
        let (user, mailbox) = (&behind.subscriber.user, &behind.subscriber.mailbox);
        // Who was taken out while the store was read must not be told.
        if !topic.has(behind.ticket) {
            return;
        }
        for mut event in events {
            event.after = at.told;
            at.told = event.rev;
            let encoded = Encoded::new(&event, now);
            mailbox.insist(encoded.for_user(user));
            // The hub may not have heard of it yet.
            if let Some(Membership::Out(_)) = encoded.membership_of(user) {
                topic.expel(behind.ticket, cell.room);
                return;
            }
            if mailbox.is_full() {
                // The rest is read again once there is room.
                at.read = at.told;
                return;
            }
        }
        drop(topic);
        at.read = end;
        if complete {
            // Everything there is was told, whatever became of the numbers between.
            at.told = end;
        }
    }
}
