//! Reading what is missing, once for all who listen to a room.

use std::{sync::Arc, time::Duration};

use super::{Cell, Hub, Topic};
use crate::{limits::CHANGES_PAGE, protocol::Encoded, seq::Rev, store::ChangeSet};

/// Pauses after a failed read: short enough that delivery goes on soon after the
/// store is back, long enough not to press a store that is down.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Lets a later repair start should this one's task die before its end.
struct Repairing {
    cell: Arc<Cell>,
    done: bool,
}

impl Repairing {
    const fn finish(&mut self) {
        self.done = true;
    }
}

impl Drop for Repairing {
    fn drop(&mut self) {
        if !self.done {
            self.cell.lock().repairing = false;
        }
    }
}

impl Hub {
    /// Starts a repair, unless one is under way.
    pub(super) fn repair_soon(self: &Arc<Self>, cell: &Arc<Cell>, topic: &mut Topic) {
        if topic.repairing {
            return;
        }
        topic.repairing = true;
        let (hub, mut repairing) = (
            self.clone(),
            Repairing {
                cell: cell.clone(),
                done: false,
            },
        );
        self.spawn(async move {
            hub.repair(&repairing.cell).await;
            repairing.finish();
        });
    }

    async fn repair(self: Arc<Self>, cell: &Arc<Cell>) {
        // What is missing is usually on its way.
        tokio::time::sleep(self.limits.reorder_window).await;
        let mut pause = PAUSES.0;
        let mut cursor = Rev::ZERO;
        while let Some((head, claimed)) = self.missing(cell) {
            cursor = cursor.max(head);
            let started = tokio::time::Instant::now();
            match self.store.changes(cell.room, cursor, CHANGES_PAGE.0).await {
                Ok(set) => {
                    self.observe_read("repair", started);
                    let (end, complete) = (set.rev, set.complete);
                    self.hand_out_read(cell, set, cursor);
                    if complete {
                        cell.lock().disprove(end, claimed);
                        self.metrics.gaps_repaired.inc();
                    }
                    cursor = end;
                    pause = PAUSES.0;
                }
                Err(error) => {
                    tracing::warn!(%error, room = %cell.room, "reading a gap failed");
                    self.metrics.errors.of("hub_read").inc();
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    /// From where to where something is missing. Ends the repair under the same lock
    /// under which the next one would be started, so that none is lost between.
    fn missing(&self, cell: &Arc<Cell>) -> Option<(Rev, Rev)> {
        let mut topic = cell.lock();
        match topic.head() {
            Some(head) if topic.is_behind() && !topic.closed => Some((head, topic.claimed())),
            Some(_) | None => {
                topic.repairing = false;
                None
            }
        }
    }

    fn hand_out_read(self: &Arc<Self>, cell: &Arc<Cell>, set: ChangeSet, after: Rev) {
        let now = self.clock.now();
        let mut behind = Vec::new();
        let mut topic = cell.lock();
        for mut event in set.into_events(after) {
            // The read tells everything up to its end: what lies between the head and
            // this event was superseded, or is handed out already.
            if let Some(head) = topic.head() {
                event.after = head.min(event.rev.previous());
            }
            topic.accept(Arc::new(Encoded::new(&event, now)), cell.room, &mut behind);
        }
        let idle = topic.is_idle();
        drop(topic);
        self.start_catching_up(cell, behind);
        if idle {
            self.collect(cell);
        }
    }
}
