//! Transactions that were taken back because another was in their way begin anew.
//!
//! Where several transactions write at once, two can wait for each other, or bring the same
//! new user, subject, event or `client_id`, which only one of them finds to be new. The one
//! that the database takes back then sees what the other did. No caller hears of it, unless
//! it goes on for too long.

use std::time::Duration;

use realtime_core::{id::IdGenerator, store::StoreError};
use tokio::time::Instant;

use crate::{
    error::is_race,
    limits::{RACE_ATTEMPTS, RACE_PATIENCE, RACE_PAUSE, RACE_PAUSE_MAX},
};

/// How often and for how long something was begun anew.
#[derive(Debug)]
pub(crate) struct Races {
    attempts: u32,
    began: Instant,
}

impl Races {
    pub(crate) fn none() -> Self {
        Self {
            attempts: 1,
            began: Instant::now(),
        }
    }

    /// Whether to begin anew after this failure.
    pub(crate) fn may_go_on(&self, error: &StoreError) -> bool {
        is_race(error) && self.attempts < RACE_ATTEMPTS && self.began.elapsed() < RACE_PATIENCE
    }

    /// Waits a little, so that the two do not meet again.
    pub(crate) async fn pause(&mut self, ids: &dyn IdGenerator) {
        tracing::debug!(attempts = self.attempts, "a transaction begins anew");
        let longest = RACE_PAUSE
            .saturating_mul(1 << (self.attempts - 1).min(u8::BITS))
            .min(RACE_PAUSE_MAX);
        self.attempts += 1;
        tokio::time::sleep(shortened(longest, ids)).await;
    }
}

/// By up to half, at random.
fn shortened(longest: Duration, ids: &dyn IdGenerator) -> Duration {
    // The last bytes of an id are random.
    let [.., high, low] = *ids.uuid().as_bytes();
    let chance = f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX);
    longest.mul_f64(1.0 - chance / 2.0)
}

#[cfg(test)]
mod tests {
    use realtime_core::id::UuidV7;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_end() {
        let mut races = Races::none();
        let began = Instant::now();
        for _ in 0..RACE_ATTEMPTS {
            races.pause(&UuidV7).await;
        }
        let took = began.elapsed();
        assert!(took >= RACE_PAUSE_MAX, "{took:?}");
        assert!(took < RACE_PATIENCE, "{took:?}");
    }
}
