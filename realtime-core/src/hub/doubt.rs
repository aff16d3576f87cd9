//! When it is in doubt what was handed out, or to whom.

use std::sync::Arc;

use super::{Cell, Hub, Standing, Ticket, Topic, lock};
use crate::{
    id::{RoomId, UserId},
    seq::Rev,
};

impl Hub {
    /// Lets who listens be looked up again, where that is in doubt.
    pub(super) fn note_doubt(&self, cell: &Cell, topic: &mut Topic) {
        if std::mem::take(&mut topic.doubtful) {
            lock(&self.doubtful).insert(cell.room);
            self.doubted.notify_one();
        }
    }

    /// The rooms of which it is in doubt who may listen, once there are any.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn doubtful_rooms(&self) -> Vec<RoomId> {
        loop {
            let rooms = std::mem::take(&mut *lock(&self.doubtful));
            if !rooms.is_empty() {
                return rooms.into_iter().collect();
            }
            self.doubted.notified().await;
        }
    }

    /// Who listens to a room, by which joining.
    pub(crate) fn joinings(&self, room: RoomId) -> Vec<(UserId, Ticket)> {
        let cell = self.cell(room);
        cell.map(|cell| cell.lock().joinings()).unwrap_or_default()
    }

    /// What a joining is in the room, as the store says.
    pub(crate) fn correct(&self, room: RoomId, ticket: Ticket, standing: Standing) {
        if let Some(cell) = self.cell(room) {
            cell.lock().correct(ticket, standing);
        }
    }

    /// The store ends at `rev`, before what was handed out: everybody is told to load the
    /// room anew. Answers whether that was so.
    pub(crate) fn set_back(self: &Arc<Self>, room: RoomId, rev: Rev) -> bool {
        let Some(cell) = self.cell(room) else {
            return false;
        };
        let mut topic = cell.lock();
        let was_so = topic.set_back(rev, room, || self.ticket());
        if was_so {
            let listeners = topic.listener_count() as u64;
            self.metrics.resets.inc_by(listeners);
        }
        self.note_doubt(&cell, &mut topic);
        was_so
    }

    /// Forgets everything that was handed out: it is of another life of the database.
    pub(crate) fn forget_all(&self) {
        for cell in self.cells() {
            cell.lock().forget();
        }
    }
}
