//! People are erased.

use realtime_core::{
    change::{Answer, Change, Legacy, Rejection},
    id::UserId,
    store::Outcome,
};

use super::{ledger::Ledger, unchanged};

impl Ledger<'_> {
    /// What else there is of them is dealt with room by room, see `upkeep`.
    pub(super) fn erase(&mut self, user: &UserId, messages: Legacy) -> Outcome {
        if !self.users.contains_key(user) {
            return Err(Rejection::NotFound);
        }
        self.erased.push((user.clone(), messages));
        Ok(unchanged(Answer::Erased))
    }
}

/// The batch in parts that end with an erasure: whom a ledger knows by an id that was
/// somebody else's, it must read anew.
pub(super) fn parts(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    changes.split_inclusive(|change| matches!(change, Change::Erase { .. }))
}
