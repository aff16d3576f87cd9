//! Reading what is missing, once for all who listen to a room.

use std::{sync::Arc, time::Duration};

use super::{Cell, Hub, Topic};
use crate::{
    event::{RoomChange, RoomEvent},
    id::RoomId,
    limits::CHANGES_PAGE,
    participant::Participant,
    protocol::Encoded,
    seq::{Rev, Seq},
    store::{ChangeSet, StoreError},
};

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
    /// Starts a repair, unless one is under way, after a moment: what is missing is
    /// usually on its way.
    pub(super) fn repair_soon(self: &Arc<Self>, cell: &Arc<Cell>, topic: &mut Topic) {
        self.start_repair(cell, topic, self.limits.reorder_window);
    }

    /// Starts a repair, unless one is under way: nothing is on its way.
    pub(super) fn repair_now(self: &Arc<Self>, cell: &Arc<Cell>, topic: &mut Topic) {
        self.start_repair(cell, topic, Duration::ZERO);
    }

    fn start_repair(self: &Arc<Self>, cell: &Arc<Cell>, topic: &mut Topic, wait: Duration) {
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
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            hub.repair(&repairing.cell).await;
            repairing.finish();
        });
    }

    async fn repair(self: Arc<Self>, cell: &Arc<Cell>) {
        let mut pause = PAUSES.0;
        let mut cursor = Rev::ZERO;
        while let Some((head, claimed)) = self.missing(cell) {
            cursor = cursor.max(head);
            match self.read_gap(cell.room, cursor).await {
                Ok(gap) => {
                    let end = gap.last().map_or(cursor, |set| set.rev);
                    if self.hand_out_read(cell, gap, cursor) {
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

    /// Everything after `after`, unless that is too much. All of it, before any of it is
    /// handed out: who came and went decides who may see what lies before.
    async fn read_gap(&self, room: RoomId, after: Rev) -> Result<Vec<ChangeSet>, StoreError> {
        let mut gap = Vec::new();
        let mut at = after;
        loop {
            let started = tokio::time::Instant::now();
            let set = self.store.changes(room, at, CHANGES_PAGE.0).await?;
            self.observe_read("repair", started);
            at = set.rev;
            let done = set.complete || at.since(after) > self.limits.catch_up;
            gap.push(set);
            if done {
                return Ok(gap);
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

    /// Answers whether that was all.
    fn hand_out_read(self: &Arc<Self>, cell: &Arc<Cell>, gap: Vec<ChangeSet>, after: Rev) -> bool {
        let now = self.clock.now();
        let mut behind = Vec::new();
        let complete = gap.last().is_some_and(|set| set.complete);
        let end = gap.last().map_or(after, |set| set.rev);
        let newcomers: Vec<Participant> = newcomers(&gap).cloned().collect();
        let events = told(cell.room, gap, after);
        let mut topic = cell.lock();
        // Another life of the database has begun meanwhile.
        if topic.head().is_none() {
            return complete;
        }
        for one in &newcomers {
            topic.narrow(one, &mut behind);
        }
        for mut event in events {
            // The read tells everything up to its end: what lies between the head and
            // this event was superseded, or is handed out already.
            if let Some(head) = topic.head() {
                event.after = head.min(event.rev.previous());
            }
            topic.accept(Arc::new(Encoded::new(&event, now)), cell.room, &mut behind);
        }
        topic.skip_to(end, cell.room, &mut behind);
        let idle = topic.is_idle();
        self.note_doubt(cell, &mut topic);
        drop(topic);
        self.start_catching_up(cell, behind);
        if idle {
            self.collect(cell);
        }
        complete
    }
}

/// Those of whom a read says that they do not see all that was said before.
fn newcomers(gap: &[ChangeSet]) -> impl Iterator<Item = &Participant> {
    let all = gap.iter().flat_map(|set| &set.participants);
    all.filter(|one| one.is_active() && one.visible_from > Seq::FIRST)
}

/// What a read tells: each change, or, where that is too much, to load the room anew.
fn told(room: RoomId, gap: Vec<ChangeSet>, after: Rev) -> Vec<RoomEvent> {
    match gap.last() {
        Some(last) if !last.complete => vec![RoomEvent {
            room,
            rev: last.rev,
            after,
            change: RoomChange::Reset,
        }],
        Some(_) | None => {
            let mut at = after;
            let mut events = Vec::new();
            for set in gap {
                let end = set.rev;
                events.extend(set.into_events(room, at));
                at = end;
            }
            events
        }
    }
}
