//! When what was told is void, or it is in doubt who may hear more: after somebody was
//! erased, and after the database was set back.

use super::{DRAIN_SLICE, Realtime};
use crate::{
    hub::{Standing, Ticket},
    id::{Incarnation, RoomId, UserId},
    protocol::CloseCode,
    seq::Rev,
    store::StoreError,
};

impl Realtime {
    /// Looks up again who listens to rooms of which that is in doubt.
    pub(super) async fn recheck_rooms(self) {
        loop {
            for room in self.inner().hub.doubtful_rooms().await {
                self.recheck_room(room).await;
            }
        }
    }

    async fn recheck_room(&self, room: RoomId) {
        let inner = self.inner();
        for (user, ticket) in inner.hub.joinings(room) {
            if let Err(error) = self.recheck(room, &user, ticket).await {
                tracing::warn!(%error, %room, "looking up who listens failed");
                inner.metrics.errors.of("recheck").inc();
                // The sweep tries again.
                inner.people.doubt(&user);
            }
        }
    }

    async fn recheck(&self, room: RoomId, user: &UserId, ticket: Ticket) -> Result<(), StoreError> {
        let inner = self.inner();
        match inner.backend.participant(room, user).await? {
            Some(me) if me.is_active() => inner.hub.correct(room, ticket, Standing::of(&me)),
            Some(_) | None => _ = inner.hub.expel(room, ticket),
        }
        Ok(())
    }

    /// The store ends before what was handed out of a room, and nobody declared that it
    /// was restored.
    pub(crate) fn set_back(&self, room: RoomId, told: Rev, stored: Rev) {
        let inner = self.inner();
        if inner.hub.set_back(room, stored) {
            tracing::error!(
                %room,
                told = told.get(),
                stored = stored.get(),
                "the store has lost changes that were told; was it restored without saying so?"
            );
            inner.metrics.errors.of("store_set_back").inc();
        }
    }

    /// Another life of the database has begun: nothing that was told counts any more, and
    /// who comes back learns so.
    pub(crate) async fn start_afresh(&self, life: Incarnation) {
        let inner = self.inner();
        tracing::warn!(%life, "the database was restored: everybody starts afresh");
        // First of all: who connects from now on belongs to the new life.
        inner.begin_life(life);
        inner.hub.forget_all();
        inner.people.forget();
        for slice in inner.people.everyone().chunks(DRAIN_SLICE.0) {
            for subscriber in slice {
                subscriber.mailbox.close(CloseCode::ServerError);
            }
            tokio::time::sleep(DRAIN_SLICE.1).await;
        }
    }
}
