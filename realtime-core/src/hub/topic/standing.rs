//! What those who listen are in the room, and what becomes of them when that, or what
//! was handed out, turns out to be otherwise.

use super::Topic;
use crate::{
    hub::{
        listener::{Behind, Phase, Position, Standing},
        subscriber::Ticket,
    },
    id::{RoomId, UserId},
    participant::Participant,
    protocol,
    seq::{Rev, Seq},
};

impl Topic {
    /// A read that tells of several changes at once says, among them, that somebody sees
    /// less than before: they were out meanwhile. What it tells of before that is not for
    /// them, so that they read by themselves.
    pub(in crate::hub) fn narrow(&mut self, one: &Participant, behind: &mut Vec<Behind>) {
        let standing = Standing::of(one);
        for listener in &mut self.listeners {
            if listener.subscriber.user == one.user
                && listener.since < one.rev
                && listener.standing.from < standing.from
            {
                listener.standing = standing;
                behind.extend(listener.fall_behind());
            }
        }
    }

    /// From which message on a joining may see, if it still stands.
    pub(in crate::hub) fn sees_from(&self, ticket: Ticket) -> Option<Seq> {
        let listener = self.listeners.iter().find(|l| l.ticket == ticket);
        listener.map(|listener| listener.standing.from)
    }

    /// What a joining is in the room, as the store says.
    pub(in crate::hub) fn correct(&mut self, ticket: Ticket, standing: Standing) {
        let mut listeners = self.listeners.iter_mut();
        if let Some(listener) = listeners.find(|l| l.ticket == ticket) {
            listener.standing = standing;
        }
    }

    /// The joinings that stand, and whose they are.
    pub(in crate::hub) fn joinings(&self) -> Vec<(UserId, Ticket)> {
        let joinings = self.listeners.iter();
        joinings
            .map(|listener| (listener.subscriber.user.clone(), listener.ticket))
            .collect()
    }

    /// Forgets what was handed out: it is of another life of the database.
    pub(in crate::hub) fn forget(&mut self) {
        self.head = None;
        self.claimed = Rev::ZERO;
        self.early.clear();
        self.recent.clear();
        self.recent_bytes = 0;
    }

    /// The room ends at `rev`, though more was handed out: it was set back. Everybody is
    /// told to load it anew, under a new name, so that who is reading for the old one
    /// stops. Answers whether that was so.
    pub(in crate::hub) fn set_back(
        &mut self,
        rev: Rev,
        room: RoomId,
        mut name: impl FnMut() -> Ticket,
    ) -> bool {
        if self.head.is_none_or(|head| head <= rev) {
            return false;
        }
        self.forget();
        self.head = Some(rev);
        self.doubtful = true;
        let reset = protocol::reset(room, rev);
        for listener in &mut self.listeners {
            listener.subscriber.mailbox.insist(&reset);
            listener.ticket = name();
            listener.subscriber.note(room, listener.ticket);
            listener.since = rev;
            listener.phase = Phase::Live(Position::at(rev));
        }
        true
    }
}
