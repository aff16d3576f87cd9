//! One connection that listens to one room: what it may see, and how far it has come.

use std::sync::Arc;

use super::subscriber::{Subscriber, Ticket};
use crate::{
    mailbox::Offer,
    participant::{Participant, Role},
    protocol::Encoded,
    seq::{Rev, Seq},
};

/// What somebody who listens is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) role: Role,
    /// The first message that they may see. Of those before it they are told nothing.
    pub(crate) from: Seq,
}

impl Standing {
    pub(crate) const fn of(participant: &Participant) -> Self {
        Self {
            role: participant.role,
            from: participant.visible_from,
        }
    }
}

/// How far a listener has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Up to here it needs nothing any more.
    pub(super) read: Rev,
    /// The newest change that it was told, or held before. Behind `read` where what came
    /// since is not for it, or was superseded: the next one says that it follows on this.
    pub(super) told: Rev,
}

impl Position {
    pub(super) const fn at(rev: Rev) -> Self {
        Self {
            read: rev,
            told: rev,
        }
    }
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) ticket: Ticket,
    pub(super) standing: Standing,
    /// As of which change the standing is known: what older ones say of it is past.
    pub(super) since: Rev,
    pub(super) phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Gets everything after this as it comes.
    Live(Position),
    /// Reads from the store by itself.
    Behind,
}

/// A listener that has to read from the store.
#[derive(Debug)]
pub(super) struct Behind {
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) ticket: Ticket,
    /// What it has.
    pub(super) at: Position,
}

impl Listener {
    /// Hands it a change that follows on `head`, if it is live and the change is for it.
    /// Who has no room for it falls behind.
    pub(super) fn take(&mut self, event: &Encoded, head: Rev) -> Option<Behind> {
        let Phase::Live(at) = &mut self.phase else {
            return None;
        };
        if event.rev <= at.read {
            return None;
        }
        let line = event.for_reader(&self.subscriber.user, self.standing.from, at.told)?;
        if self.subscriber.mailbox.offer(&line) == Offer::Taken {
            at.told = event.rev;
            return None;
        }
        at.read = head.max(at.read);
        self.fall_behind()
    }

    /// Lets it read from the store, from where it stands; nothing, if it does already.
    pub(super) fn fall_behind(&mut self) -> Option<Behind> {
        let Phase::Live(at) = std::mem::replace(&mut self.phase, Phase::Behind) else {
            return None;
        };
        Some(Behind {
            subscriber: self.subscriber.clone(),
            ticket: self.ticket,
            at,
        })
    }
}
