//! One listener reads from the store until it meets what the hub has in memory:
//! after joining with an old `rev`, or after its socket was too slow.

use std::{sync::Arc, time::Duration};

use super::{
    Cell, GoLive, Hub, Standing,
    listener::{Behind, Position},
};
use crate::{
    event::RoomChange,
    id::{RoomId, UserId},
    limits::CATCH_UP_PAGE,
    participant::Participant,
    protocol::{self, Membership},
    seq::{Rev, Seq},
    store::{ChangeSet, StoreError},
};

/// The pause after a failed read.
const PAUSE: Duration = Duration::from_millis(500);

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
        let mut at = behind.at;
        loop {
            match self.catch_up_a_page(cell, behind, &mut at).await {
                Step::Done => return self.collect(cell),
                Step::Again => {}
                // Whoever waits for a turn or a permit must not wait for this.
                Step::Pause(pause) => tokio::time::sleep(pause).await,
            }
        }
    }

    async fn catch_up_a_page(&self, cell: &Cell, behind: &Behind, at: &mut Position) -> Step {
        let _turn = behind.subscriber.turn.lock().await;
        behind.subscriber.mailbox.drained().await;
        if behind.subscriber.mailbox.is_closed() || self.is_done(cell, behind, *at) {
            return Step::Done;
        }
        let Ok(_permit) = self.reads.acquire().await else {
            return Step::Done;
        };
        match self
            .read_page(cell.room, &behind.subscriber.user, at.read)
            .await
        {
            Ok((set, me)) => {
                let nothing_new = set.rev <= at.read;
                self.tell(cell, behind, set, me.as_ref(), at);
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

    /// A page, and who reads it, as far as the store says: a page that is the last one
    /// tells itself if that has changed.
    async fn read_page(
        &self,
        room: RoomId,
        user: &UserId,
        after: Rev,
    ) -> Result<(ChangeSet, Option<Participant>), StoreError> {
        let started = tokio::time::Instant::now();
        let set = self.store.changes(room, after, CATCH_UP_PAGE).await?;
        self.observe_read("catch_up", started);
        let me = if set.complete {
            let own = |one: &&Participant| one.user == *user;
            set.participants.iter().find(own).cloned()
        } else {
            self.store.participant(room, user).await?
        };
        Ok((set, me))
    }

    /// Whether the listener is live, or gone.
    fn is_done(&self, cell: &Cell, behind: &Behind, at: Position) -> bool {
        let mut topic = cell.lock();
        if !topic.has(behind.ticket) {
            return true;
        }
        let far = topic
            .head()
            .is_some_and(|head| head.since(at.read) > self.limits.catch_up);
        let at = match topic.head() {
            Some(head) if far => {
                behind
                    .subscriber
                    .mailbox
                    .insist(&protocol::reset(cell.room, head));
                self.metrics.resets.inc();
                Position::at(head)
            }
            Some(_) | None => at,
        };
        match topic.go_live(behind.ticket, at, cell.room) {
            GoLive::Live | GoLive::Gone => true,
            GoLive::NotYet => false,
        }
    }

    fn tell(
        &self,
        cell: &Cell,
        behind: &Behind,
        mut set: ChangeSet,
        me: Option<&Participant>,
        at: &mut Position,
    ) {
        let now = self.clock.now();
        let Some(from) = adopt(cell, behind, me, set.complete) else {
            return;
        };
        let end = set.rev;
        set.messages.retain(|message| message.seq >= from);
        let events = set.into_events(cell.room, at.read);
        let mut topic = cell.lock();
        let (user, mailbox) = (&behind.subscriber.user, &behind.subscriber.mailbox);
        // Who was taken out meanwhile must not be told; who sees less, reads again.
        if topic.sees_from(behind.ticket) != Some(from) {
            return;
        }
        for mut event in events {
            event.after = at.told;
            at.told = event.rev;
            mailbox.insist(&protocol::tell(&event, Some(user), from, now));
            if event.change == RoomChange::Reset {
                topic.doubtful = true;
                self.metrics.resets.inc();
            }
            // The hub may not have heard of it yet.
            let membership = protocol::membership(&event);
            if membership.is_some_and(|one| one == Membership::Out(user.clone())) {
                topic.expel(behind.ticket, cell.room);
                return;
            }
            if mailbox.is_full() {
                // The rest is read again once there is room.
                at.read = at.told;
                return;
            }
        }
        self.note_doubt(cell, &mut topic);
        at.read = at.read.max(end);
    }
}

/// What the store says of who reads is so before they are told anything. Answers from
/// which message on they see; `None` if they are no longer in.
fn adopt(cell: &Cell, behind: &Behind, me: Option<&Participant>, complete: bool) -> Option<Seq> {
    let mut topic = cell.lock();
    match me {
        Some(me) if me.is_active() => topic.correct(behind.ticket, Standing::of(me)),
        // The last page tells it, in its place.
        Some(_) | None if complete => {}
        Some(_) | None => _ = topic.expel(behind.ticket, cell.room),
    }
    topic.sees_from(behind.ticket)
}
