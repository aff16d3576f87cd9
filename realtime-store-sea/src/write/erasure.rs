//! People are erased.

use realtime_core::{
    change::{Answer, Change, Legacy, Once, Rejection},
    id::{RoomId, UserId},
    store::Outcome,
};

use super::{
    ledger::{EventRow, Fate, Ledger},
    unchanged,
};

impl Ledger<'_> {
    /// What else there is of them is dealt with room by room, see `upkeep`.
    pub(super) fn erase(
        &mut self,
        user: &UserId,
        messages: Legacy,
        once: Option<&Once>,
    ) -> Outcome {
        if let Some(first) = once.and_then(|once| self.events.get(&once.id)) {
            if once.is_some_and(|once| once.fingerprint != first.fingerprint) {
                return Err(Rejection::KeyReused);
            }
            return Ok(unchanged(Answer::Erased { duplicate: true }));
        }
        let known = self.users.contains_key(user);
        if !known && once.is_none() {
            return Err(Rejection::NotFound);
        }
        if known {
            self.erased.push((user.clone(), messages));
        }
        if let Some(once) = once {
            let row = EventRow {
                fingerprint: once.fingerprint,
                room: RoomId::NIL,
                seq: None,
                fate: Fate::New,
            };
            self.events.insert(once.id.clone(), row);
        }
        Ok(unchanged(Answer::Erased { duplicate: false }))
    }
}

/// The batch in parts that end with an erasure: whom a ledger knows by an id that was
/// somebody else's, it must read anew.
pub(super) fn parts(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    changes.split_inclusive(|change| matches!(change, Change::Erase { .. }))
}
