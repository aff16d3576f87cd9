//! What was committed goes to who listens: rooms to the hub, users to their
//! connections, everything to the other servers.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::mpsc;

use super::{
    Realtime,
    builder::{hints, is_duplicate},
};
use crate::{
    broker::{BrokerEvent, Doubt, Hint},
    change::{Answer, Committed},
    event::{Topic, UserEvent},
    hub::{Hub, Join},
    id::{RoomId, UserId},
    metrics::Metrics,
    people::{self, People, Present},
    protocol::{self, ErrorCode, RoomSummary},
    publisher::Publisher,
    seq::Rev,
    store::{RoomView, StoreError},
    sweeper::Sweeper,
};

/// A room that is not older than this is told to who was just put into it from its
/// beginning on, rather than as it stands.
const YOUNG_ROOM: u64 = 32;

/// Tells what was committed. Called by the committer, between two transactions: it
/// must not wait.
#[derive(Debug)]
pub(super) struct News {
    hub: Arc<Hub>,
    people: Arc<People>,
    publisher: Arc<Publisher>,
    metrics: Metrics,
    changed: mpsc::Sender<UserEvent>,
}

impl News {
    pub(super) fn new(
        hub: &Arc<Hub>,
        people: &Arc<People>,
        publisher: &Arc<Publisher>,
        metrics: &Metrics,
        sweeper: &Sweeper,
    ) -> Self {
        Self {
            hub: hub.clone(),
            people: people.clone(),
            publisher: publisher.clone(),
            metrics: metrics.clone(),
            changed: sweeper.user_changes(),
        }
    }

    pub(super) fn tell(&self, committed: &Committed) {
        match &committed.answer {
            answer if is_duplicate(answer) => {
                self.metrics.duplicates.inc();
            }
            Answer::Message { message, .. }
                if message.edited_at.is_none() && message.deleted_at.is_none() =>
            {
                self.metrics.messages.inc();
            }
            Answer::Message { .. }
            | Answer::Pointers { .. }
            | Answer::Room { .. }
            | Answer::Participant { .. }
            | Answer::Event { .. } => {}
        }
        if !committed.events.is_empty() {
            let started = tokio::time::Instant::now();
            let listeners = committed
                .events
                .iter()
                .map(|event| self.hub.offer(event))
                .sum();
            self.metrics
                .delivery_seconds
                .observe_each(started.elapsed(), listeners);
        }
        for event in committed
            .users
            .iter()
            .filter(|event| self.people.has(&event.user))
        {
            // What does not fit is found by the sweep.
            let _ = self.changed.try_send(event.clone());
        }
        hints(committed).for_each(|hint| self.publisher.publish(hint));
    }
}

impl Realtime {
    /// Takes what other servers say.
    pub(super) async fn listen_to_broker(self) {
        use futures::StreamExt;
        let inner = self.inner();
        let mut events = inner.broker.events();
        while let Some(event) = events.next().await {
            match event {
                BrokerEvent::Hint(Hint::User(event)) => {
                    if inner.people.has(&event.user) {
                        let _ = inner.sweeper.user_changes().try_send(event);
                    }
                }
                BrokerEvent::Hint(Hint::Head {
                    topic: Topic::User(_),
                    ..
                }) => inner.sweeper.hurry(),
                BrokerEvent::Hint(hint) => inner.hub.hear(&hint),
                BrokerEvent::Gap(Doubt::All | Doubt::Topics(_)) => inner.sweeper.hurry(),
                BrokerEvent::Up => inner.sweeper.degraded(false),
                BrokerEvent::Degraded => inner.sweeper.degraded(true),
            }
        }
        // The broker has shut down: from now on the sweep alone delivers.
        inner.sweeper.degraded(true);
        std::future::pending::<()>().await;
    }

    /// Lets users join rooms that they were put into, while they are connected.
    pub(super) async fn follow_users(self) {
        let mut changes = self.inner().sweeper.take_user_changes().await;
        while let Some(event) = changes.recv().await {
            let followed = match self.inner().people.hear(&event) {
                people::News::Old => Ok(()),
                people::News::Next => self.follow_change(&event).await,
                people::News::Missed => self.compare_rooms(&event.user).await,
            };
            if let Err(error) = followed {
                tracing::warn!(%error, user = %event.user, "following a user's rooms failed");
                self.inner().metrics.errors.of("follow_user").inc();
            }
        }
    }

    async fn follow_change(&self, event: &UserEvent) -> Result<(), StoreError> {
        let all = self.following(&event.user);
        if all.is_empty() {
            return Ok(());
        }
        self.introduce(&event.user, &[event.room], &all).await
    }

    /// Compares the rooms of a user with what their connections follow.
    pub(crate) async fn compare_rooms(&self, user: &UserId) -> Result<(), StoreError> {
        let inner = self.inner();
        let all = self.following(user);
        let (rooms, rev) = inner.backend.memberships(user, self.room_limit()).await?;
        let known: BTreeSet<RoomId> = all
            .iter()
            .flat_map(|present| present.subscriber.rooms())
            .collect();
        let new: Vec<RoomId> = rooms
            .into_iter()
            .filter(|room| !known.contains(room))
            .collect();
        self.introduce(user, &new, &all).await?;
        self.take_out(user).await?;
        inner.people.read_up_to(user, rev);
        Ok(())
    }

    /// Takes the connections of a user out of rooms in which the user is no longer.
    async fn take_out(&self, user: &UserId) -> Result<(), StoreError> {
        let inner = self.inner();
        for present in inner.people.connections(user) {
            for room in present.subscriber.rooms() {
                let participant = inner.backend.participant(room, user).await?;
                if participant.is_some_and(|participant| participant.is_active()) {
                    continue;
                }
                inner.hub.leave(room, &present.subscriber);
                present
                    .subscriber
                    .mailbox
                    .insist(&protocol::unsubscribed(room, ErrorCode::NotFound));
            }
        }
        Ok(())
    }

    fn following(&self, user: &UserId) -> Vec<Present> {
        let mut connections = self.inner().people.connections(user);
        connections.retain(|present| present.follows_all);
        connections
    }

    async fn introduce(
        &self,
        user: &UserId,
        rooms: &[RoomId],
        to: &[Present],
    ) -> Result<(), StoreError> {
        if rooms.is_empty() || to.is_empty() {
            return Ok(());
        }
        let inner = self.inner();
        let prepared = inner.hub.prepare(rooms).await;
        for view in inner.backend.views(user, rooms).await? {
            for Present { subscriber, .. } in to {
                let room = view.room.id;
                if subscriber.follows(room) || subscriber.room_count() >= inner.limits.rooms {
                    continue;
                }
                let held = beginning(&view);
                let summary = RoomSummary::of(&view, inner.clock.now());
                let summary = summary.following(held, held.previous());
                subscriber.mailbox.insist(&protocol::push("room", &summary));
                let join = Join {
                    subscriber,
                    role: view.me.role,
                    held: Some(held),
                    seen: view.room.rev,
                };
                inner.hub.join(&prepared, room, &join);
            }
        }
        Ok(())
    }

    pub(crate) fn room_limit(&self) -> u32 {
        u32::try_from(self.inner().limits.rooms).unwrap_or(u32::MAX)
    }
}

/// From where a room is told to who was just put into it.
fn beginning(view: &RoomView) -> Rev {
    let from_the_start = view.me.member_rev == Rev::FIRST && view.room.rev.get() <= YOUNG_ROOM;
    if from_the_start {
        Rev::FIRST
    } else {
        view.room.rev
    }
}
