//! Who is online. A convenience, not a record: it is kept in memory and may be late.

use serde::{Deserialize, Serialize};

use crate::{id::UserId, time::Timestamp};

/// Whether somebody is online.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "presence backends build it")]
pub struct PresenceState {
    /// Who.
    pub user: UserId,
    /// Whether a connection of theirs is open, or was within the grace.
    pub online: bool,
    /// When the last connection closed, if it is known and they are offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}
