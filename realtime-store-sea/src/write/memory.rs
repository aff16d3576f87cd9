//! What the writing connection remembers of the rows that the last batches touched,
//! so that a busy room is not read again for every one of them.
//!
//! It is never wrong, for it holds only as long as the database says, under the write
//! lock, that nobody else has written since; and what a batch took out of it comes
//! back only when that batch was committed.

use std::{collections::HashMap, hash::Hash};

use realtime_core::id::{RoomId, UserId};

use super::{
    gather::Wanted,
    ledger::{Fate, Ledger, RoomRow, Seat, UserRow},
};
use crate::limits::{REMEMBERED_ROOMS, REMEMBERED_SEATS};

/// A state of the database, as seen by one connection: which connection, and how
/// often it saw others write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) connection: u64,
    pub(crate) counter: i64,
}

/// Rows as they are stored.
#[derive(Debug)]
pub(crate) struct Memory {
    version: Option<Version>,
    rooms: Recent<RoomId, RoomRow>,
    users: Recent<UserId, UserRow>,
    seats: Recent<(RoomId, UserId), Seat>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            version: None,
            rooms: Recent::new(REMEMBERED_ROOMS),
            users: Recent::new(REMEMBERED_SEATS),
            seats: Recent::new(REMEMBERED_SEATS),
        }
    }
}

impl Memory {
    /// Itself, if it was of this state of the database; else nothing. `None` is a
    /// database that cannot tell.
    #[must_use]
    pub(crate) fn at(self, version: Option<Version>) -> Self {
        if version.is_some() && self.version == version {
            return self;
        }
        Self {
            version,
            ..Self::default()
        }
    }

    /// Moves what is wanted and known into the ledger.
    pub(super) fn recall(&mut self, wanted: &Wanted, ledger: &mut Ledger<'_>) {
        for room in &wanted.rooms {
            let known = self.rooms.take(room);
            ledger.rooms.extend(known.map(|row| (*room, row)));
        }
        for user in wanted.seats.iter().map(|(_, user)| user) {
            let known = self.users.take(user);
            ledger.users.extend(known.map(|row| (user.clone(), row)));
        }
        for seat in &wanted.seats {
            let known = self.seats.take(seat);
            ledger.seats.extend(known.map(|row| (seat.clone(), row)));
        }
    }

    /// Forgets every row.
    fn forget(&mut self) {
        *self = Self {
            version: self.version,
            ..Self::default()
        };
    }

    /// Takes the rows of a ledger that was written.
    pub(super) fn keep(&mut self, ledger: Ledger<'_>) {
        if self.version.is_none() {
            return;
        }
        if !ledger.erased.is_empty() {
            // Their seats may be known though the ledger did not ask for them.
            self.forget();
            return;
        }
        for (room, mut row) in ledger.rooms {
            row.fate = Fate::Stored;
            self.rooms.put(room, row);
        }
        for (user, mut row) in ledger.users {
            row.fate = Fate::Stored;
            self.users.put(user, row);
        }
        for (place, mut seat) in ledger.seats {
            seat.fate = Fate::Stored;
            self.seats.put(place, seat);
        }
    }
}

/// A bounded map that forgets what was not used for longest, roughly: when the young
/// half is full, it becomes the old half, and the old half is gone.
#[derive(Debug)]
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    fn new(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: most / 2,
        }
    }

    fn take(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    fn put(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        // One key is never in both halves with two values.
        self.old.remove(&key);
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_remembered_and_the_rest_is_bounded() {
        let mut recent = Recent::new(8);
        for n in 0..100 {
            recent.put(n, n);
            let hot = recent.take(&0);
            assert_eq!(hot, Some(0));
            recent.put(0, 0);
        }
        assert!(recent.young.len() + recent.old.len() <= 8);
        assert_eq!(recent.take(&99), Some(99));
        assert_eq!(recent.take(&1), None);
    }

    #[test]
    fn a_value_replaces_the_one_before() {
        let mut recent = Recent::new(4);
        recent.put("a", 1);
        recent.put("b", 1);
        recent.put("a", 2);
        assert_eq!(recent.take(&"a"), Some(2));
        assert_eq!(recent.take(&"a"), None);
    }

    #[test]
    fn another_state_of_the_database_is_another_memory() {
        let version = |counter| {
            Some(Version {
                connection: 1,
                counter,
            })
        };
        let memory = Memory::default().at(version(1));
        assert_eq!(memory.version, version(1));
        assert_eq!(memory.at(version(2)).version, version(2));
        assert_eq!(Memory::default().at(None).version, None);
    }
}
