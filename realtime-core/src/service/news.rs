//! What was committed goes to who listens: rooms to the hub, users to their
//! connections, everything to the other servers.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use tokio::sync::mpsc;

use super::{
    Realtime,
    builder::{hints, is_duplicate},
};
use crate::{
    broker::{BrokerEvent, Doubt, Hint},
    change::{Answer, Committed},
    event::{Topic, UserEvent},
    hub::{Hub, Join, Standing, Ticket},
    id::{RoomId, UserId},
    metrics::Metrics,
    people::{self, People, Present},
    protocol::{self, RoomSummary},
    publisher::Publisher,
    seq::Rev,
    store::{RoomView, StoreError},
    sweeper::{Sweeper, UserHint},
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
    changed: mpsc::Sender<UserHint>,
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
            | Answer::Event { .. }
            | Answer::Erased { .. } => {}
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
            let _ = self.changed.try_send(UserHint::Changed(event.clone()));
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
                        let _ = inner
                            .sweeper
                            .user_changes()
                            .try_send(UserHint::Changed(event));
                    }
                }
                BrokerEvent::Hint(Hint::Head {
                    topic: Topic::User(user),
                    rev,
                }) => inner.look_at_user(&user, rev),
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
        while let Some(hint) = changes.recv().await {
            let followed = self.follow(&hint).await;
            if let Err(error) = followed {
                let user = match &hint {
                    UserHint::Changed(event) => &event.user,
                    UserHint::Head { user, .. } => user,
                };
                tracing::warn!(%error, %user, "following a user's rooms failed");
                self.inner().metrics.errors.of("follow_user").inc();
                // The sweep tries again.
                self.inner().people.doubt(user);
            }
        }
    }

    async fn follow(&self, hint: &UserHint) -> Result<(), StoreError> {
        let people = &self.inner().people;
        match hint {
            UserHint::Changed(event) => match people.hear(event) {
                people::News::Old => Ok(()),
                people::News::Next => self.follow_change(event).await,
                people::News::Missed => self.compare_rooms(&event.user).await,
            },
            // Whether it is so, the comparison finds out: nothing is noted before.
            UserHint::Head { user, rev } if people.is_behind(user, *rev) => {
                self.compare_rooms(user).await
            }
            UserHint::Head { .. } => Ok(()),
        }
    }

    async fn follow_change(&self, event: &UserEvent) -> Result<(), StoreError> {
        let all = self.following(&event.user);
        for present in &all {
            present.subscriber.reconsider(event.room);
        }
        self.introduce(&event.user, &[event.room], &all).await
    }

    /// Compares the rooms of a user with what their connections follow.
    pub(crate) async fn compare_rooms(&self, user: &UserId) -> Result<(), StoreError> {
        let inner = self.inner();
        inner.people.comparing(user);
        let joined = inner.people.connections(user).into_iter();
        let joined: Vec<(RoomId, Ticket)> = joined
            .flat_map(|present| present.subscriber.tickets())
            .collect();
        let (rooms, rev) = inner.backend.memberships(user, self.room_limit()).await?;
        // From here on, who starts to follow knows that there may be something to compare.
        inner.people.note(user, rev);
        let all = self.following(user);
        let active: HashSet<RoomId> = rooms.iter().copied().collect();
        let lacking = rooms.into_iter();
        let lacking = lacking.filter(|room| all.iter().any(|one| one.subscriber.lacks(*room)));
        self.introduce(user, &lacking.collect::<Vec<_>>(), &all)
            .await?;
        let doubtful = joined
            .into_iter()
            .filter(|(room, _)| !active.contains(room));
        self.take_out(user, doubtful.collect()).await?;
        inner.people.read_up_to(user, rev);
        Ok(())
    }

    /// Ends these joinings of a user, of rooms in which the user is no longer.
    async fn take_out(&self, user: &UserId, of: Vec<(RoomId, Ticket)>) -> Result<(), StoreError> {
        let inner = self.inner();
        let rooms: BTreeSet<RoomId> = of.iter().map(|(room, _)| *room).collect();
        for room in rooms {
            let participant = inner.backend.participant(room, user).await?;
            if participant.is_some_and(|participant| participant.is_active()) {
                continue;
            }
            let tickets = of.iter().filter(|(at, _)| *at == room);
            for (_, ticket) in tickets {
                if inner.hub.expel(room, *ticket) {
                    // Who was put back since was not introduced: they were still in.
                    inner.people.doubt(user);
                }
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
        let prepared = inner.hub.prepare(rooms);
        for view in inner.backend.views(user, rooms).await? {
            for Present { subscriber, .. } in to {
                let room = view.room.id;
                if !subscriber.lacks(room) || subscriber.room_count() >= inner.limits.rooms {
                    continue;
                }
                let held = beginning(&view);
                let summary = RoomSummary::of(&view, inner.clock.now());
                let summary = summary.following(held, held.previous());
                subscriber.mailbox.insist(&protocol::push("room", &summary));
                let join = Join {
                    subscriber,
                    standing: Standing::of(&view.me),
                    held: Some(held),
                    seen: view.room.rev,
                };
                inner.hub.join(&prepared, room, &join);
            }
        }
        inner.hub.hear_joined(&prepared);
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
