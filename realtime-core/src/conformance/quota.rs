//! The contract of [`Quota`], a case for each sentence.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;

use super::{
    rig::{Act, Advance},
    sample::user,
};
use crate::{
    id::UserId,
    memory::{Rate, Rates},
    ports::{Action, Quota},
};

/// A quota of which nobody in this run has taken anything.
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
#[expect(missing_debug_implementations, reason = "it holds closures")]
pub struct Rig {
    /// The quota.
    pub quota: Arc<dyn Quota>,
    /// The rates that it was built with; every burst at least 2. For real clocks:
    /// at most 10 a second.
    pub rates: Rates,
    /// Lets time pass.
    pub advance: Advance,
    /// Takes the backend's other side away; nothing to do if it has none.
    pub cut: Act,
}

/// Callers who compete for the same tokens.
const CALLERS: u32 = 8;
/// What clocks of backends may round away.
const MARGIN: Duration = Duration::from_millis(20);
/// Tokens that a backend may hand out without its other side, in bursts: until
/// then it must have refused.
const BLIND_BURSTS: u32 = 100;

/// Runs every case of the suite against a backend, a test for each.
///
/// ```text
/// async fn rig() -> realtime_core::conformance::quota::Rig { … }
/// realtime_core::quota_conformance! { #[tokio::test] rig() }
/// ```
#[macro_export]
macro_rules! quota_conformance {
    (#[$test:meta] $rig:expr) => {
        $crate::conformance_tests! { quota, #[$test] $rig;
            a_burst_is_allowed_and_no_more
            after_the_stated_wait_it_is_allowed
            a_refusal_takes_nothing
            a_pause_gives_back_a_burst_and_no_more
            users_are_rationed_apart
            actions_are_rationed_apart
            competing_callers_get_no_more_than_there_is
            without_its_other_side_it_still_refuses
        }
    };
}

const ACTIONS: [Action; 2] = [Action::Message, Action::Command];

/// "Takes one token"; "TooFast when there is none".
pub async fn a_burst_is_allowed_and_no_more(rig: Rig) {
    for action in ACTIONS {
        let burst = rig.rates.of(action).burst;
        let taken = rig.takes_all(&user(), action).await;
        // A real clock gives some back meanwhile.
        assert!((burst..=burst * 2).contains(&taken), "{taken} of {burst}");
    }
}

/// "After how long the same request would be allowed."
pub async fn after_the_stated_wait_it_is_allowed(rig: Rig) {
    for action in ACTIONS {
        let user = user();
        rig.takes_all(&user, action).await;
        for _ in 0..3 {
            let Err(refused) = rig.quota.take(&user, action).await else {
                continue;
            };
            assert!(refused.retry_after > Duration::ZERO);
            assert!(refused.retry_after <= one(rig.rates.of(action)) + MARGIN);
            (rig.advance)(refused.retry_after + MARGIN).await;
            assert_eq!(rig.quota.take(&user, action).await, Ok(()));
        }
    }
}

/// "Nothing was taken": who hammers waits no longer.
pub async fn a_refusal_takes_nothing(rig: Rig) {
    let (user, action) = (user(), Action::Message);
    rig.takes_all(&user, action).await;
    for _ in 0..100 {
        let _ = rig.quota.take(&user, action).await;
    }
    (rig.advance)(one(rig.rates.of(action)) + MARGIN).await;
    assert_eq!(rig.quota.take(&user, action).await, Ok(()));
}

/// Tokens come back at the rate, up to a full bucket.
pub async fn a_pause_gives_back_a_burst_and_no_more(rig: Rig) {
    let (user, action) = (user(), Action::Message);
    let rate = rig.rates.of(action);
    rig.takes_all(&user, action).await;
    (rig.advance)(one(rate) * rate.burst * 10).await;
    let taken = rig.takes_all(&user, action).await;
    assert!((rate.burst..=rate.burst * 2).contains(&taken));
}

/// One user's haste is not another's.
pub async fn users_are_rationed_apart(rig: Rig) {
    let (hasty, calm) = (user(), user());
    rig.takes_all(&hasty, Action::Message).await;
    assert_eq!(rig.quota.take(&calm, Action::Message).await, Ok(()));
}

/// Who may send no message may still do other things, and the reverse.
pub async fn actions_are_rationed_apart(rig: Rig) {
    for (spent, other) in [
        (Action::Message, Action::Command),
        (Action::Command, Action::Message),
    ] {
        let user = user();
        rig.takes_all(&user, spent).await;
        assert_eq!(rig.quota.take(&user, other).await, Ok(()));
    }
}

/// Over all connections of a user, at once.
pub async fn competing_callers_get_no_more_than_there_is(rig: Rig) {
    let (user, action) = (user(), Action::Message);
    let burst = rig.rates.of(action).burst;
    let calls = (0..burst * CALLERS).map(|_| {
        let (quota, user) = (Arc::clone(&rig.quota), user.clone());
        tokio::spawn(async move { quota.take(&user, action).await })
    });
    let taken = join_all(calls)
        .await
        .into_iter()
        .flatten()
        .flatten()
        .count();
    let taken = u32::try_from(taken).unwrap_or(u32::MAX);
    assert!((burst..=burst * 2).contains(&taken), "{taken} of {burst}");
}

/// "A backend that cannot answer falls to a stated local limit, never to allowed."
pub async fn without_its_other_side_it_still_refuses(rig: Rig) {
    (rig.cut)().await;
    let (user, action) = (user(), Action::Message);
    let most = rig.rates.of(action).burst * BLIND_BURSTS;
    let mut taken = 0;
    while taken < most && rig.quota.take(&user, action).await.is_ok() {
        taken += 1;
    }
    assert!(taken < most, "all is allowed");
}

impl Rig {
    /// Until it is refused; how many there were.
    async fn takes_all(&self, user: &UserId, action: Action) -> u32 {
        let enough = self.rates.of(action).burst * 2 + 1;
        let mut taken = 0;
        while taken < enough && self.quota.take(user, action).await.is_ok() {
            taken += 1;
        }
        taken
    }
}

/// How long one token takes to come back.
fn one(rate: Rate) -> Duration {
    Duration::from_secs(1) / rate.per_second.max(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_listed() {
        let source = include_str!("quota.rs");
        crate::conformance::rig::assert_all_listed(source, "quota_conformance");
    }
}
