//! What a host hands over to [`Realtime`](crate::Realtime) after a transaction of its own
//! in which rooms changed.
//!
//! A backend that can work inside the host's transaction (`SeaStore::within` of
//! `realtime-store-sea`) answers with outcomes like any other; but nobody has heard of
//! them, since nothing may be told before the host has committed. A [`Handover`] is what
//! has to be said then: which streams have come to which `rev`. The changes themselves
//! are not in it. Whoever is told reads the store, and so hears what is stored and nothing
//! else, even if a host hands over what it then rolled back.
//!
//! Hand it over with [`Realtime::deliver`](crate::Realtime::deliver). If that is
//! forgotten, or the process ends before, the sweep delivers.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{change::Committed, event::Topic, seq::Rev, store::Outcome};

/// Which streams a transaction has brought to which `rev`: rooms, and the streams of
/// people who joined or left one. As large as the number of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "unless it is given to `Realtime::deliver`, delivery waits for the sweep"]
pub struct Handover {
    heads: BTreeMap<Topic, Rev>,
}

impl Handover {
    /// Of what a transaction came to. Refused changes and repeats change nothing, and
    /// add nothing.
    pub fn of(outcomes: &[Outcome]) -> Self {
        let mut handover = Self::default();
        outcomes
            .iter()
            .flatten()
            .for_each(|committed| handover.add(committed));
        handover
    }

    /// Adds what one change did.
    pub fn add(&mut self, committed: &Committed) {
        for event in &committed.events {
            self.reach(Topic::Room(event.room), event.rev);
        }
        for event in &committed.users {
            self.reach(Topic::User(event.user.clone()), event.rev);
        }
    }

    /// Adds another, of the same transaction or of a later one.
    pub fn merge(&mut self, other: Self) {
        for (topic, rev) in other.heads {
            self.reach(topic, rev);
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Which streams have come to which `rev`; each once.
    pub fn heads(&self) -> impl Iterator<Item = (&Topic, Rev)> {
        self.heads.iter().map(|(topic, rev)| (topic, *rev))
    }

    fn reach(&mut self, topic: Topic, rev: Rev) {
        match self.heads.entry(topic) {
            Entry::Vacant(entry) => {
                entry.insert(rev);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                *known = (*known).max(rev);
            }
        }
    }
}
