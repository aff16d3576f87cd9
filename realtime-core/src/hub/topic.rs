//! One room on this server: its head, what came too early, and who listens. Plain
//! state without I/O; the [`Hub`](super::Hub) acts on what it answers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    listener::{Behind, Listener, Phase, Position, Standing},
    subscriber::{Subscriber, Ticket},
};
use crate::{
    id::{RoomId, UserId},
    limits::{EARLY_EVENTS, RECENT_BYTES, RECENT_EVENTS, SMALL_ROOM},
    mailbox::Offer,
    participant::Role,
    protocol::{self, Encoded, ErrorCode, Line, Membership},
    seq::Rev,
};

/// A room that somebody on this server listens to.
#[derive(Debug, Default)]
pub(super) struct Topic {
    /// Up to where everything was handed out; `None` until the store was read.
    head: Option<Rev>,
    /// Up to where somebody claims that the room has come.
    claimed: Rev,
    /// What came before something that is missing.
    early: BTreeMap<Rev, Arc<Encoded>>,
    /// The newest of what was handed out, for those who are a little behind.
    recent: VecDeque<Arc<Encoded>>,
    recent_bytes: usize,
    listeners: Vec<Listener>,
    /// Joinings under way: the topic must not be collected under them.
    pub(super) joining: usize,
    /// Whether the broker was asked for this room's hints.
    pub(super) hearing: Hearing,
    /// Whether it is in doubt who of those who listen may do so.
    pub(super) doubtful: bool,
    /// Whether a task is reading what is missing.
    pub(super) repairing: bool,
    /// Whether it was taken out of the hub: look it up again.
    pub(super) closed: bool,
}

/// Whether hints of a room are heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Hearing {
    /// The broker knows nothing of it.
    #[default]
    Unasked,
    /// The broker was asked, and sees to it.
    Asked,
    /// The broker was asked and did not answer.
    Unanswered,
}

/// What came of an event that was offered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It was handed out, or is old.
    Done,
    /// Something before it is missing.
    Early,
}

/// What came of an attempt to go live.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GoLive {
    /// From here on everything comes as it happens.
    Live,
    /// Too far behind: read on.
    NotYet,
    /// No longer a listener.
    Gone,
}

impl Topic {
    pub(super) const fn head(&self) -> Option<Rev> {
        self.head
    }

    pub(super) fn is_idle(&self) -> bool {
        self.listeners.is_empty() && self.joining == 0
    }

    pub(super) fn listener_count(&self) -> usize {
        self.listeners.len()
    }

    /// Whether something is known to exist that was not handed out yet.
    pub(super) fn is_behind(&self) -> bool {
        self.head
            .is_some_and(|head| self.claimed > head || !self.early.is_empty())
    }

    /// Up to where somebody claims that the room has come.
    pub(super) fn claimed(&self) -> Rev {
        let early = self.early.keys().next_back().copied().unwrap_or_default();
        self.claimed.max(early)
    }

    /// Notes that the room has come to `rev`, as somebody says.
    pub(super) fn claim(&mut self, rev: Rev) {
        self.claimed = self.claimed.max(rev);
    }

    /// The store says that the room ends at `rev`: what was claimed above it, up to
    /// `before` (the claim when the store was asked), was never so.
    pub(super) fn disprove(&mut self, rev: Rev, before: Rev) {
        if self.claimed <= before {
            self.claimed = self.claimed.min(rev);
        }
        self.early
            .retain(|early, _| *early <= rev || *early > before);
    }

    /// The first look at the store.
    pub(super) fn start_at(&mut self, rev: Rev, room: RoomId, behind: &mut Vec<Behind>) {
        if self.head.is_none() {
            self.head = Some(rev);
            self.early.retain(|early, _| *early > rev);
            self.hand_out_early(room, behind);
        } else {
            self.claim(rev);
        }
    }

    /// Takes an event: hands it out if it is next, keeps it if it is early.
    pub(super) fn accept(
        &mut self,
        event: Arc<Encoded>,
        room: RoomId,
        behind: &mut Vec<Behind>,
    ) -> Accepted {
        let Some(head) = self.head else {
            self.keep_early(event);
            return Accepted::Done;
        };
        if event.rev <= head {
            return Accepted::Done;
        }
        if event.after > head {
            self.keep_early(event);
            return Accepted::Early;
        }
        self.hand_out(&event, head, room, behind);
        self.hand_out_early(room, behind);
        Accepted::Done
    }

    /// Everything up to `rev` was told, though nothing carries this number any more: what
    /// did was of somebody who was erased.
    pub(super) fn skip_to(&mut self, rev: Rev, room: RoomId, behind: &mut Vec<Behind>) {
        if self.head.is_some_and(|head| head < rev) {
            self.head = Some(rev);
            self.hand_out_early(room, behind);
        }
    }

    fn keep_early(&mut self, event: Arc<Encoded>) {
        self.claim(event.rev);
        if self.early.len() < EARLY_EVENTS {
            self.early.insert(event.rev, event);
        }
    }

    fn hand_out_early(&mut self, room: RoomId, behind: &mut Vec<Behind>) {
        while let (Some(head), Some(entry)) = (self.head, self.early.first_entry()) {
            if entry.get().after > head {
                break;
            }
            let event = entry.remove();
            if event.rev > head {
                self.hand_out(&event, head, room, behind);
            }
        }
    }

    fn hand_out(
        &mut self,
        event: &Arc<Encoded>,
        head: Rev,
        room: RoomId,
        behind: &mut Vec<Behind>,
    ) {
        for listener in &mut self.listeners {
            behind.extend(listener.take(event, head));
        }
        self.doubtful |= event.is_reset();
        self.head = Some(event.rev);
        self.apply_membership(event, room);
        self.remember(event.clone());
    }

    /// Who was taken out hears so, and then nothing more.
    fn apply_membership(&mut self, event: &Encoded, room: RoomId) {
        let applies = |listener: &Listener, user: &UserId| {
            listener.subscriber.user == *user && listener.since < event.rev
        };
        match &event.membership {
            None => {}
            Some(Membership::In(user, role, from)) => {
                for listener in self.listeners.iter_mut().filter(|l| applies(l, user)) {
                    listener.standing = Standing {
                        role: *role,
                        from: *from,
                    };
                    listener.since = event.rev;
                }
            }
            Some(Membership::Out(user)) => {
                let farewell = protocol::unsubscribed(room, ErrorCode::NotFound);
                self.listeners.retain(|listener| {
                    let stays = !applies(listener, user);
                    if !stays {
                        listener.subscriber.mailbox.insist(&farewell);
                        listener.subscriber.forget(room, listener.ticket);
                    }
                    stays
                });
            }
        }
    }

    fn remember(&mut self, event: Arc<Encoded>) {
        if self.recent.iter().any(|earlier| event.voids(earlier)) {
            self.recent.clear();
            self.recent_bytes = 0;
        }
        self.recent_bytes += event.bytes();
        self.recent.push_back(event);
        while self.recent.len() > RECENT_EVENTS || self.recent_bytes > RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else {
                break;
            };
            self.recent_bytes -= oldest.bytes();
        }
    }

    /// Adds a listener whose standing is known as of `since`; it is behind until it
    /// [goes live](Self::go_live).
    pub(super) fn add(
        &mut self,
        subscriber: Arc<Subscriber>,
        ticket: Ticket,
        standing: Standing,
        since: Rev,
    ) {
        self.listeners
            .retain(|old| !Arc::ptr_eq(&old.subscriber, &subscriber));
        self.listeners.push(Listener {
            subscriber,
            ticket,
            standing,
            since,
            phase: Phase::Behind,
        });
    }

    /// Tries to give a listener everything after where it stands from memory, and the
    /// rest as it comes.
    pub(super) fn go_live(&mut self, ticket: Ticket, at: Position, room: RoomId) -> GoLive {
        let (Some(head), Some(listener)) = (
            self.head,
            self.listeners.iter_mut().find(|l| l.ticket == ticket),
        ) else {
            return GoLive::Gone;
        };
        if at.read >= head {
            listener.phase = Phase::Live(at);
            return GoLive::Live;
        }
        let first = self.recent.partition_point(|event| event.rev <= at.read);
        match self.recent.get(first) {
            Some(event) if event.after <= at.read => {}
            Some(_) | None => return GoLive::NotYet,
        }
        let (user, mailbox) = (&listener.subscriber.user, &listener.subscriber.mailbox);
        if !mailbox.has_room() {
            return GoLive::NotYet;
        }
        let missed = self.recent.range(first..);
        // These were handed out before this one listened: what they say about who is
        // in the room was not applied to it.
        let since = listener.since;
        let last = missed.clone().rev();
        let standing = last
            .take_while(|event| event.rev > since)
            .find_map(|event| Some((event.rev, event.membership_of(user)?)));
        let out_at = match standing {
            Some((rev, Membership::Out(_))) => Some(rev),
            Some((rev, Membership::In(_, role, from))) => {
                listener.standing = Standing {
                    role: *role,
                    from: *from,
                };
                listener.since = rev;
                None
            }
            None => None,
        };
        let from = listener.standing.from;
        // The store tells of the pointers that a message moved along also to those who
        // may not see the message.
        let hides = |event: &Arc<Encoded>| event.is_new_message() && !event.shows_to(from);
        if missed.clone().any(hides) {
            return GoLive::NotYet;
        }
        let mut told = at.told;
        for event in missed.take_while(|event| out_at.is_none_or(|out| event.rev <= out)) {
            if let Some(line) = event.for_reader(user, from, told) {
                mailbox.insist(&line);
                told = event.rev;
            }
        }
        listener.phase = Phase::Live(Position { read: head, told });
        if out_at.is_some() {
            self.expel(ticket, room);
            return GoLive::Gone;
        }
        GoLive::Live
    }

    /// Takes one joining out and tells its connection. Answers whether it still stood.
    pub(super) fn expel(&mut self, ticket: Ticket, room: RoomId) -> bool {
        let Some(index) = self.listeners.iter().position(|l| l.ticket == ticket) else {
            return false;
        };
        let subscriber = self.listeners.remove(index).subscriber;
        let farewell = protocol::unsubscribed(room, ErrorCode::NotFound);
        subscriber.mailbox.insist(&farewell);
        subscriber.forget(room, ticket);
        true
    }

    /// Whether this joining still stands.
    pub(super) fn has(&self, ticket: Ticket) -> bool {
        self.listeners
            .iter()
            .any(|listener| listener.ticket == ticket)
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, subscriber: &Subscriber, room: RoomId) {
        self.listeners.retain(|listener| {
            let stays = !std::ptr::eq(&*listener.subscriber, subscriber);
            if !stays {
                subscriber.forget(room, listener.ticket);
            }
            stays
        });
    }

    /// The role in which a connection listens.
    pub(super) fn role_of(&self, subscriber: &Subscriber) -> Option<Role> {
        let listener = self
            .listeners
            .iter()
            .find(|l| std::ptr::eq(&*l.subscriber, subscriber));
        listener.map(|listener| listener.standing.role)
    }

    /// Offers a signal to everybody but the user it is about. Answers how many
    /// had no room for it. In a large room nobody is told: that would cost the square
    /// of the number of people.
    pub(super) fn signal(&self, line: &Line, about: &UserId) -> u64 {
        if self.listeners.len() > SMALL_ROOM as usize {
            return 0;
        }
        let others = self
            .listeners
            .iter()
            .filter(|l| l.subscriber.user != *about);
        let full = others.filter(|l| l.subscriber.mailbox.offer_signal(line) == Offer::Full);
        full.count() as u64
    }
}

mod standing;
#[cfg(test)]
mod tests;
