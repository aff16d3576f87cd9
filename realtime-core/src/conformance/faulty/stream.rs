//! What the node hears through the faults.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::pending,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use futures::{
    StreamExt,
    stream::{BoxStream, unfold},
};
use rand::RngExt;
use tokio::time::{Instant, sleep_until};

use super::{EVEN, Fault, Shared, State, lies};
use crate::{
    broker::{BrokerEvent, Doubt, Hint},
    event::Topic,
    memory::lock::lock,
};

/// Hints held back at most; beyond, they pass.
const HELD: usize = 4_096;
/// Hints of the past that may come again.
const REMEMBERED: usize = 64;
/// How long a hint waits for one to come after.
const REORDER_WAIT: Duration = Duration::from_millis(20);
/// How long a lag lasts at most when no more hints come.
const LAG_WAIT: Duration = Duration::from_millis(200);
/// How long after a failed subscription the next attempt is made.
const RETRY_WAIT: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    shared: Arc<Shared>,
    inner: BoxStream<'static, BrokerEvent>,
    ended: bool,
    /// To be heard now.
    ready: VecDeque<BrokerEvent>,
    /// To be heard later: by moment, then in the order they were held.
    held: BTreeMap<(Instant, u64), BrokerEvent>,
    held_so_far: u64,
    /// To be heard after the next one.
    swapped: Option<(Instant, Hint)>,
    lag: Option<Lag>,
    past: VecDeque<Hint>,
    retry_at: Option<Instant>,
}

/// A run of hints that are lost.
struct Lag {
    left: u32,
    until: Instant,
    silent: bool,
    topics: BTreeSet<Topic>,
}

impl Listener {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            inner: shared.inner.events(),
            shared,
            ended: false,
            ready: VecDeque::new(),
            held: BTreeMap::new(),
            held_so_far: 0,
            swapped: None,
            lag: None,
            past: VecDeque::new(),
            retry_at: None,
        }
    }

    pub(super) fn into_stream(self) -> BoxStream<'static, BrokerEvent> {
        unfold(self, async |mut listener| {
            listener.next().await.map(|event| (event, listener))
        })
        .boxed()
    }

    async fn next(&mut self) -> Option<BrokerEvent> {
        loop {
            self.release();
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                // Whoever took over must not miss what this one was woken for.
                self.shared.poked.notify_one();
                return None;
            }
            if self.retry_at.is_some_and(|at| at <= Instant::now()) {
                self.make_up().await;
                continue;
            }
            let shared = Arc::clone(&self.shared);
            let next = self.next_moment();
            tokio::select! {
                biased;
                () = shared.poked.notified() => {}
                () = until(next) => {}
                event = self.inner.next() => self.take_in(event),
            }
        }
    }

    /// What need not wait any longer becomes ready.
    fn release(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut state = lock(&shared.state);
        self.ready.append(&mut state.told);
        self.ended |= state.closed;
        let now = Instant::now();
        let all = self.ended || (state.plan.is_calm() && !state.cut);
        while let Some(held) = self.held.first_entry() {
            if !all && held.key().0 > now {
                break;
            }
            let event = held.remove();
            state.flapping &= event != BrokerEvent::Up;
            self.ready.push_back(event);
        }
        if let Some((_, hint)) = self.swapped.take_if(|(at, _)| all || *at <= now) {
            self.ready.push_back(BrokerEvent::Hint(hint));
        }
        if let Some(lag) = self.lag.take_if(|lag| all || lag.is_over(now)) {
            self.ready.extend(lag.told(&mut state));
        }
        if state.owed.is_empty() || state.cut {
            self.retry_at = None;
        } else if self.retry_at.is_none() {
            self.retry_at = Some(if all { now } else { now + RETRY_WAIT });
        }
    }

    fn next_moment(&self) -> Option<Instant> {
        let held = self.held.first_key_value().map(|((at, _), _)| *at);
        let swapped = self.swapped.as_ref().map(|(at, _)| *at);
        let lag = self.lag.as_ref().map(|lag| lag.until);
        [held, swapped, lag, self.retry_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Tries the failed subscriptions once more.
    async fn make_up(&mut self) {
        self.retry_at = None;
        let topics: Vec<Topic> = {
            let mut state = lock(&self.shared.state);
            if state.cut || state.rolls(Fault::FailSubscribe) {
                return;
            }
            std::mem::take(&mut state.owed).into_iter().collect()
        };
        // Should this fail, the inner broker makes up for it by itself.
        if self.shared.inner.subscribe(&topics).await.is_ok() {
            self.ready
                .push_back(BrokerEvent::Gap(Doubt::Topics(topics)));
        }
    }

    fn take_in(&mut self, event: Option<BrokerEvent>) {
        match event {
            Some(BrokerEvent::Hint(hint)) => {
                let shared = Arc::clone(&self.shared);
                let state = lock(&shared.state);
                self.mishandle(hint, state);
            }
            Some(event) => self.ready.push_back(event),
            None => self.ended = true,
        }
    }

    fn mishandle(&mut self, hint: Hint, mut state: MutexGuard<'_, State>) {
        if state.lost_to_cut() {
            return;
        }
        self.disturb(&mut state);
        self.lie(&hint, &mut state);
        self.remember(&hint);
        if self.loses(&hint, &mut state) {
            return;
        }
        let hint = falsified(hint, &mut state);
        if state.rolls(Fault::Double) {
            self.hold(BrokerEvent::Hint(hint.clone()), &mut state);
        }
        if state.rolls(Fault::Delay) {
            self.hold(BrokerEvent::Hint(hint), &mut state);
        } else if self.swapped.is_none() && state.rolls(Fault::Reorder) {
            self.swapped = Some((Instant::now() + REORDER_WAIT, hint));
        } else {
            self.ready.push_back(BrokerEvent::Hint(hint));
            let swapped = self.swapped.take().map(|(_, hint)| hint);
            self.ready.extend(swapped.map(BrokerEvent::Hint));
        }
    }

    /// What is told besides hints.
    fn disturb(&mut self, state: &mut State) {
        if state.rolls(Fault::FalseGap) {
            self.ready.push_back(BrokerEvent::Gap(Doubt::All));
        }
        if !state.flapping && state.rolls(Fault::Flap) {
            state.flapping = true;
            self.ready.push_back(BrokerEvent::Degraded);
            self.hold(BrokerEvent::Up, state);
        }
    }

    /// Hints that nobody published.
    fn lie(&mut self, hint: &Hint, state: &mut State) {
        let mut said = Vec::new();
        if state.rolls(Fault::FalseHead) {
            said.push(lies::head(hint, &mut state.random));
        }
        if state.rolls(Fault::Foreign) {
            said.push(lies::foreign(hint, &mut state.random));
        }
        let in_a_room = matches!(hint.topic(), Topic::Room(_));
        if in_a_room && state.rolls(Fault::Stranger) {
            said.extend(lies::stranger(hint, &mut state.random));
        }
        if !self.past.is_empty() && state.rolls(Fault::Replay) {
            let which = state.random.random_range(0..self.past.len());
            said.extend(self.past.get(which).cloned());
        }
        self.ready.extend(said.into_iter().map(BrokerEvent::Hint));
    }

    fn remember(&mut self, hint: &Hint) {
        if self.past.len() >= REMEMBERED {
            self.past.pop_front();
        }
        self.past.push_back(hint.clone());
    }

    fn loses(&mut self, hint: &Hint, state: &mut State) -> bool {
        if self.lag.is_none() {
            let told = state.rolls(Fault::Lag);
            if told || state.rolls(Fault::SilentLag) {
                let longest = state.plan.longest_lag.max(1);
                self.lag = Some(Lag {
                    left: state.random.random_range(1..=longest),
                    until: Instant::now() + LAG_WAIT,
                    silent: !told,
                    topics: BTreeSet::new(),
                });
            }
        }
        if let Some(lag) = &mut self.lag {
            lag.left = lag.left.saturating_sub(1);
            lag.topics.insert(hint.topic());
            return true;
        }
        state.rolls(Fault::Drop)
    }

    /// Lets it be heard some time later; at once when too much is held.
    fn hold(&mut self, event: BrokerEvent, state: &mut State) {
        // `Up` is always held: it ends what `Degraded` began.
        if self.held.len() >= HELD && event != BrokerEvent::Up {
            self.ready.push_back(event);
            return;
        }
        let longest = state.plan.longest_delay;
        let at = Instant::now() + state.span(longest);
        self.held_so_far += 1;
        self.held.insert((at, self.held_so_far), event);
    }
}

impl Lag {
    fn is_over(&self, now: Instant) -> bool {
        self.left == 0 || self.until <= now
    }

    fn told(self, state: &mut State) -> Option<BrokerEvent> {
        if self.silent {
            return None;
        }
        let doubt = if state.random.random_bool(EVEN) {
            Doubt::All
        } else {
            Doubt::Topics(self.topics.into_iter().collect())
        };
        Some(BrokerEvent::Gap(doubt))
    }
}

fn falsified(hint: Hint, state: &mut State) -> Hint {
    let is_change = matches!(hint, Hint::Changed(_) | Hint::User(_));
    if is_change && state.rolls(Fault::FalseRev) {
        return lies::rev(&hint, &mut state.random).unwrap_or(hint);
    }
    if matches!(hint, Hint::Changed(_)) && state.rolls(Fault::FalseAfter) {
        return lies::after(&hint, &mut state.random).unwrap_or(hint);
    }
    hint
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
