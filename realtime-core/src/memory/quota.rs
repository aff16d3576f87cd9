//! Token buckets, kept in this process.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::lock::lock;
use crate::{
    id::UserId,
    limits::{Limits, QUOTA_BUCKETS, QUOTA_NEVER, QUOTA_SHARDS},
    ports::{Action, Quota, TooFast},
};

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// Buckets that each take looks at, whether they are full and can be forgotten:
/// two for each that it may add, so that the forgotten outrun the new.
const LOOKED_AT: usize = 2;

/// How often something may be done. Zero in either field: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a token bucket is these two")]
pub struct Rate {
    /// Tokens that come back in a second.
    pub per_second: u32,
    /// Tokens that a full bucket holds: what may be done at once after a pause.
    pub burst: u32,
}

/// A rate for every [`Action`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a new action must be given its rate"
)]
pub struct Rates {
    /// Of [`Action::Message`].
    pub message: Rate,
    /// Of [`Action::Command`].
    pub command: Rate,
}

impl Rates {
    /// The rate of one action.
    pub const fn of(&self, action: Action) -> Rate {
        match action {
            Action::Message => self.message,
            Action::Command => self.command,
        }
    }
}

impl From<&Limits> for Rates {
    fn from(limits: &Limits) -> Self {
        Self {
            message: Rate {
                per_second: limits.messages_per_second,
                burst: limits.message_burst,
            },
            command: Rate {
                per_second: limits.commands_per_second,
                burst: limits.command_burst,
            },
        }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self::from(&Limits::default())
    }
}

/// A token bucket for each user and action, kept in this process, by the monotonic
/// clock.
///
/// A full bucket is forgotten: it is what an unknown user has. When more than
/// [`QUOTA_BUCKETS`] users are short of tokens at once, the users beyond share one
/// bucket for each of the [`QUOTA_SHARDS`] parts: no user can be told "allowed"
/// because too many others were.
///
/// [`Quota::take`] costs the same however many users there are.
#[derive(Debug)]
pub struct MemoryQuota {
    rates: Rates,
    epoch: Instant,
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    /// Users who may have a bucket of their own in one shard.
    buckets: usize,
}

impl MemoryQuota {
    /// Every bucket is full.
    pub fn new(rates: Rates) -> Self {
        Self::with_buckets(rates, QUOTA_BUCKETS, QUOTA_SHARDS)
    }

    fn with_buckets(rates: Rates, buckets: usize, shards: usize) -> Self {
        Self {
            rates,
            epoch: Instant::now(),
            hasher: RandomState::new(),
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            buckets: buckets / shards,
        }
    }

    fn shard(&self, user: &UserId) -> Option<&Mutex<Shard>> {
        let hash = usize::try_from(self.hasher.hash_one(user) >> u32::BITS).unwrap_or_default();
        self.shards.get(hash % self.shards.len().max(1))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Default for MemoryQuota {
    fn default() -> Self {
        Self::new(Rates::default())
    }
}

#[async_trait]
impl Quota for MemoryQuota {
    async fn take(&self, user: &UserId, action: Action) -> Result<(), TooFast> {
        let rate = self.rates.of(action);
        let now = self.now();
        let Some(shard) = self.shard(user) else {
            return Err(TooFast {
                retry_after: QUOTA_NEVER,
            });
        };
        let mut shard = lock(shard);
        shard.forget_full(now);
        let buckets = shard.buckets_of(user, self.buckets);
        rate.take(buckets.of(action), now)
    }
}

impl Rate {
    /// A bucket is kept as the moment at which it will be full again. A token moves
    /// that moment on by the time in which one comes back, and is there as long as
    /// the moment is not further away than a whole burst takes.
    fn take(self, full_at: &mut u64, now: u64) -> Result<(), TooFast> {
        if self.per_second == 0 || self.burst == 0 {
            return Err(TooFast {
                retry_after: QUOTA_NEVER,
            });
        }
        let one = (NANOS_PER_SECOND / u64::from(self.per_second)).max(1);
        let latest = now.saturating_add(one.saturating_mul(u64::from(self.burst)));
        let next = (*full_at).max(now).saturating_add(one);
        if next > latest {
            return Err(TooFast {
                retry_after: Duration::from_nanos(next - latest),
            });
        }
        *full_at = next;
        Ok(())
    }
}

/// When the buckets of one user will be full, in nanoseconds since the epoch.
#[derive(Debug, Default)]
struct Buckets {
    message: u64,
    command: u64,
}

impl Buckets {
    const fn of(&mut self, action: Action) -> &mut u64 {
        match action {
            Action::Message => &mut self.message,
            Action::Command => &mut self.command,
        }
    }

    fn are_full(&self, now: u64) -> bool {
        self.message.max(self.command) <= now
    }
}

#[derive(Debug, Default)]
struct Shard {
    users: HashMap<UserId, Buckets>,
    /// Everyone in `users`, once, in the order in which they are looked at.
    round: VecDeque<UserId>,
    /// For whom there is no place in `users`.
    shared: Buckets,
}

impl Shard {
    fn forget_full(&mut self, now: u64) {
        for _ in 0..LOOKED_AT {
            let Some(user) = self.round.pop_front() else {
                return;
            };
            match self.users.get(&user) {
                Some(buckets) if buckets.are_full(now) => {
                    self.users.remove(&user);
                }
                Some(_) => self.round.push_back(user),
                None => {}
            }
        }
    }

    fn buckets_of(&mut self, user: &UserId, most: usize) -> &mut Buckets {
        let full = self.users.len() >= most;
        match self.users.entry(user.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if full => &mut self.shared,
            Entry::Vacant(unknown) => {
                self.round.push_back(user.clone());
                unknown.insert(Buckets::default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates {
        message: Rate {
            per_second: 10,
            burst: 3,
        },
        command: Rate {
            per_second: 50,
            burst: 20,
        },
    };

    fn user(number: usize) -> UserId {
        UserId::parse(&format!("user-{number}")).unwrap()
    }

    fn known(quota: &MemoryQuota) -> usize {
        let shards = quota.shards.iter();
        shards
            .map(|shard| {
                let shard = lock(shard);
                assert_eq!(shard.users.len(), shard.round.len());
                shard.users.len()
            })
            .sum()
    }

    #[tokio::test(start_paused = true)]
    async fn full_buckets_are_forgotten() {
        let quota = MemoryQuota::with_buckets(RATES, 1_000, 1);
        for number in 0..1_000 {
            quota.take(&user(number), Action::Message).await.unwrap();
        }
        assert_eq!(known(&quota), 1_000);
        tokio::time::advance(Duration::from_secs(1)).await;
        for number in 0..600 {
            quota.take(&user(number), Action::Message).await.unwrap();
        }
        assert!(known(&quota) <= 602);
    }

    #[tokio::test(start_paused = true)]
    async fn users_beyond_the_bound_share_a_bucket() {
        let quota = MemoryQuota::with_buckets(RATES, 10, 1);
        for number in 0..10 {
            quota.take(&user(number), Action::Message).await.unwrap();
        }
        for number in 10..13 {
            quota.take(&user(number), Action::Message).await.unwrap();
        }
        assert!(quota.take(&user(13), Action::Message).await.is_err());
        assert!(quota.take(&user(0), Action::Message).await.is_ok());
        assert_eq!(known(&quota), 10);

        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..3 {
            quota.take(&user(13), Action::Message).await.unwrap();
        }
        quota.take(&user(14), Action::Message).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_zero_is_never() {
        let never = Rate {
            per_second: 0,
            burst: 0,
        };
        let quota = MemoryQuota::new(Rates {
            message: never,
            command: never,
        });
        let refused = quota.take(&user(0), Action::Message).await.unwrap_err();
        assert_eq!(refused.retry_after, QUOTA_NEVER);
    }

    #[tokio::test(start_paused = true)]
    async fn extreme_rates_neither_overflow_nor_run_dry() {
        let most = Rate {
            per_second: u32::MAX,
            burst: u32::MAX,
        };
        let quota = MemoryQuota::new(Rates {
            message: most,
            command: most,
        });
        for _ in 0..1_000 {
            quota.take(&user(0), Action::Message).await.unwrap();
        }
    }

    #[cfg(feature = "conformance")]
    mod conformance {
        use std::{future::ready, sync::Arc};

        use super::*;
        use crate::conformance::quota::Rig;

        fn rig() -> Rig {
            Rig {
                quota: Arc::new(MemoryQuota::new(RATES)),
                rates: RATES,
                advance: Box::new(|span| Box::pin(tokio::time::advance(span))),
                cut: Box::new(|| Box::pin(ready(()))),
            }
        }

        crate::quota_conformance! { #[tokio::test(start_paused = true)] ready(rig()) }
    }
}
