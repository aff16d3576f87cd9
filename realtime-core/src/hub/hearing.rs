//! What other servers say, and which rooms' hints the broker is asked for: those that
//! somebody listens to.
//!
//! Nobody waits for a broker. A room is joined first; then the broker is asked, and
//! then the store, for what was missed until hints were heard.

use std::sync::Arc;

use super::{Cell, Hub, Prepared, lock, topic::Hearing};
use crate::{
    broker::Hint,
    event::{RoomChange, RoomEvent, Topic as TopicName},
    limits::{BROKER_TIMEOUT, TOPICS_BATCH},
};

impl Hub {
    /// Takes what another server says. Its numbers are not believed: a change is
    /// only taken as it is if it fits what this hub holds.
    pub(crate) fn hear(self: &Arc<Self>, hint: &Hint) {
        match hint {
            Hint::Changed(event) if is_consistent(event) => {
                self.offer(event);
            }
            Hint::Changed(event) => self.doubt(event.room, event.rev),
            Hint::Head {
                topic: TopicName::Room(room),
                rev,
            } => self.look(*room, *rev),
            Hint::Signal { room, signal } => self.signal(*room, signal),
            Hint::Head {
                topic: TopicName::User(_),
                ..
            }
            | Hint::User(_) => {}
        }
    }

    /// Asks the broker for the hints of the rooms that were joined, unless that was done.
    /// In the background: nobody waits for a broker.
    pub(crate) fn hear_joined(self: &Arc<Self>, prepared: &Prepared) {
        self.hear_of(prepared.cells.values().cloned());
    }

    /// Asks the broker again for what it did not answer about.
    pub(crate) fn hear_unanswered(self: &Arc<Self>) {
        self.hear_of(self.cells().into_iter());
    }

    fn hear_of(self: &Arc<Self>, cells: impl Iterator<Item = Arc<Cell>>) {
        let new: Vec<Arc<Cell>> = cells
            .filter(|cell| {
                let mut topic = cell.lock();
                let new = topic.hearing != Hearing::Asked && topic.listener_count() > 0;
                if new {
                    topic.hearing = Hearing::Asked;
                }
                new
            })
            .collect();
        if !new.is_empty() {
            let hub = self.clone();
            self.spawn(async move {
                for cells in new.chunks(TOPICS_BATCH) {
                    hub.subscribe(cells).await;
                }
            });
        }
    }

    async fn subscribe(self: &Arc<Self>, cells: &[Arc<Cell>]) {
        let order = self.broker_order.read().await;
        // Unsubscribing looks for what is closed only when it has its turn.
        let cells: Vec<_> = cells.iter().filter(|cell| !cell.lock().closed).collect();
        let topics: Vec<TopicName> = cells.iter().map(|c| TopicName::Room(c.room)).collect();
        let asked = tokio::time::timeout(BROKER_TIMEOUT, self.broker.subscribe(&topics)).await;
        drop(order);
        if asked.is_err() {
            for cell in &cells {
                cell.lock().hearing = Hearing::Unanswered;
            }
        }
        // An error is the broker's to mend: it tells `Gap` once it has.
        if !matches!(asked, Ok(Ok(()))) {
            tracing::warn!(topics = topics.len(), "subscribing failed");
            self.metrics.errors.of("broker_subscribe").inc();
        }
        // Up to now, hints were not heard. If the store is away, the sweep looks.
        if let Ok(heads) = self.store.heads(&topics).await {
            for (cell, head) in cells.iter().zip(heads) {
                self.doubt(cell.room, head);
            }
        }
    }

    /// Tells the broker which rooms need no longer be heard. Until the sweeper calls
    /// this, hints of a room to which nobody listens are dropped cheaply.
    pub(crate) async fn unsubscribe_unused(&self) {
        let forgotten = std::mem::take(&mut *lock(&self.unused));
        if forgotten.is_empty() {
            return;
        }
        let _order = self.broker_order.write().await;
        let unused: Vec<TopicName> = forgotten
            .into_iter()
            .filter(|room| self.cell(*room).is_none())
            .map(TopicName::Room)
            .collect();
        let asked = tokio::time::timeout(BROKER_TIMEOUT, self.broker.unsubscribe(&unused)).await;
        if !matches!(asked, Ok(Ok(()))) {
            tracing::debug!(topics = unused.len(), "unsubscribing failed");
        }
    }
}

/// Whether the numbers of a hint agree with what it carries.
fn is_consistent(event: &RoomEvent) -> bool {
    let (room, rev) = match &event.change {
        RoomChange::Message(message) => (message.room, message.rev),
        RoomChange::Participant(participant) => (participant.room, participant.rev),
        RoomChange::Room(room) => (room.id, room.meta_rev),
        RoomChange::Receipt(_) | RoomChange::Reset => (event.room, event.rev),
    };
    room == event.room && rev == event.rev && rev.follows(event.after)
}
