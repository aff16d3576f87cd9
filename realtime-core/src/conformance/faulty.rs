//! A broker that does everything wrong that a broker may do wrong, and more.

mod lies;
mod plan;
mod stream;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::Notify, time::sleep};

pub use self::plan::{FaultPlan, Injected};
use self::{plan::Fault, stream::Listener};
use crate::{
    broker::{Broker, BrokerError, BrokerEvent, BrokerHealth, Doubt, Hint},
    event::Topic,
    limits::BROKER_QUEUE,
    memory::lock::lock,
};

/// Stands between one node and its broker, and harms what passes, by a
/// [`FaultPlan`] and a seed. What it harmed is counted in [`Injected`], so that a
/// test can tell whether its faults hit anything.
///
/// - What comes in is lost, doubled, delayed, reordered and repeated much later;
///   runs of hints are lost, with a gap told or in silence.
/// - It lies: about heads, about the numbers of changes, about topics that were
///   not subscribed, about strangers. A lie is about numbers, heads and topics
///   only, and one that can be found out: a broker that gives a change the number
///   of another that is due next cannot be found out, nor one that alters what a
///   change says. In these a broker is trusted, by design.
/// - What goes out fails, or hangs; [`FaultyBroker::cut`] and
///   [`FaultyBroker::mend`] stage an outage that keeps to the contract.
///
/// All spans are of `tokio::time`, so that it works under a paused clock. It acts
/// while its stream of events is consumed. What it holds back is bounded.
#[derive(Debug)]
pub struct FaultyBroker {
    shared: Arc<Shared>,
}

impl FaultyBroker {
    /// Harms what passes between `inner` and its node. The same seed and the same
    /// order of calls make the same faults.
    pub fn new(inner: Arc<dyn Broker>, plan: FaultPlan, seed: u64) -> Self {
        let state = State {
            plan,
            random: StdRng::seed_from_u64(seed),
            injected: Injected::default(),
            owed: BTreeSet::new(),
            told: VecDeque::new(),
            cut: false,
            flapping: false,
            closed: false,
        };
        Self {
            shared: Arc::new(Shared {
                inner,
                state: Mutex::new(state),
                poked: Notify::new(),
                calmed: Notify::new(),
            }),
        }
    }

    /// Goes on by another plan. What is held back stays so, unless the plan is calm.
    pub fn follow(&self, plan: FaultPlan) {
        let calm = plan.is_calm();
        lock(&self.shared.state).plan = plan;
        if calm {
            self.shared.calmed.notify_waiters();
        }
        self.shared.poked.notify_one();
    }

    /// Ends all faults: what is held back is let go, who hangs goes on, failed
    /// subscriptions are made up for, an outage ends.
    pub fn calm(&self) {
        self.mend();
        self.follow(FaultPlan::default());
    }

    /// Cuts the node off: nothing comes in, calls fail, `Degraded` is told.
    pub fn cut(&self) {
        let mut state = lock(&self.shared.state);
        if !state.cut {
            state.cut = true;
            state.tell(BrokerEvent::Degraded);
        }
        drop(state);
        self.shared.poked.notify_one();
    }

    /// Ends [`FaultyBroker::cut`]: `Up` and a gap are told.
    pub fn mend(&self) {
        let mut state = lock(&self.shared.state);
        if state.cut {
            state.cut = false;
            state.tell(BrokerEvent::Up);
            state.tell(BrokerEvent::Gap(Doubt::All));
        }
        drop(state);
        self.shared.poked.notify_one();
    }

    /// How often each fault was done so far.
    pub fn injected(&self) -> Injected {
        lock(&self.shared.state).injected.clone()
    }

    async fn hang(&self) {
        let span = {
            let mut state = lock(&self.shared.state);
            if !state.rolls(Fault::HangPublish) {
                return;
            }
            let longest = state.plan.longest_hang;
            state.span(longest)
        };
        tokio::select! {
            () = self.shared.calmed.notified() => {}
            () = sleep(span) => {}
        }
    }

    /// Whether the call is to fail by a fault.
    fn fails(&self, fault: Fault) -> bool {
        let mut state = lock(&self.shared.state);
        state.lost_to_cut() || state.rolls(fault)
    }
}

impl Drop for FaultyBroker {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.poked.notify_one();
    }
}

#[async_trait]
impl Broker for FaultyBroker {
    async fn publish(&self, hints: &[Hint]) -> Result<(), BrokerError> {
        self.hang().await;
        if self.fails(Fault::FailPublish) {
            let told = {
                let mut state = lock(&self.shared.state);
                !state.cut && state.random.random_bool(EVEN)
            };
            if told {
                // An answer that was lost is a failure too.
                self.shared.inner.publish(hints).await?;
            }
            return Err(refused());
        }
        self.shared.inner.publish(hints).await?;
        self.shared.echo(hints);
        Ok(())
    }

    async fn subscribe(&self, topics: &[Topic]) -> Result<(), BrokerError> {
        if self.fails(Fault::FailSubscribe) {
            lock(&self.shared.state).owed.extend(topics.iter().cloned());
            self.shared.poked.notify_one();
            return Err(refused());
        }
        self.shared.inner.subscribe(topics).await
    }

    async fn unsubscribe(&self, topics: &[Topic]) -> Result<(), BrokerError> {
        lock(&self.shared.state)
            .owed
            .retain(|topic| !topics.contains(topic));
        if self.fails(Fault::FailSubscribe) {
            return Err(refused());
        }
        self.shared.inner.unsubscribe(topics).await
    }

    fn events(&self) -> BoxStream<'static, BrokerEvent> {
        Listener::new(Arc::clone(&self.shared)).into_stream()
    }

    fn health(&self) -> BrokerHealth {
        let state = lock(&self.shared.state);
        let inner = self.shared.inner.health();
        BrokerHealth {
            up: inner.up && !state.cut && !state.flapping,
            ..inner
        }
    }
}

/// The chance of a coin.
const EVEN: f64 = 0.5;

fn refused() -> BrokerError {
    BrokerError::Unavailable("a fault was injected".into())
}

#[derive(Debug)]
struct Shared {
    inner: Arc<dyn Broker>,
    state: Mutex<State>,
    /// Wakes the listener to look at the state.
    poked: Notify,
    /// Wakes those who hang.
    calmed: Notify,
}

impl Shared {
    fn echo(&self, hints: &[Hint]) {
        let mut state = lock(&self.state);
        for hint in hints {
            if state.rolls(Fault::Echo) {
                state.tell(BrokerEvent::Hint(hint.clone()));
            }
        }
        drop(state);
        self.poked.notify_one();
    }
}

#[derive(Debug)]
struct State {
    plan: FaultPlan,
    random: StdRng,
    injected: Injected,
    /// Topics whose subscription failed.
    owed: BTreeSet<Topic>,
    /// What the listener is to be told besides what comes in.
    told: VecDeque<BrokerEvent>,
    cut: bool,
    flapping: bool,
    closed: bool,
}

impl State {
    /// Whether the fault is to happen now; it is then counted.
    fn rolls(&mut self, fault: Fault) -> bool {
        let chance = self.plan.chance(fault);
        let hit = chance > 0.0 && self.random.random_bool(chance.min(1.0));
        if hit {
            self.injected.count(fault);
        }
        hit
    }

    fn lost_to_cut(&mut self) -> bool {
        self.injected.cut += u64::from(self.cut);
        self.cut
    }

    /// A span up to the longest, at least a millisecond.
    fn span(&mut self, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.random.random_range(1..=longest.max(1)))
    }

    /// What does not fit becomes a gap.
    fn tell(&mut self, event: BrokerEvent) {
        if self.told.len() >= BROKER_QUEUE {
            self.told.clear();
            self.told.push_back(BrokerEvent::Gap(Doubt::All));
        }
        self.told.push_back(event);
    }
}

#[cfg(test)]
mod tests;
