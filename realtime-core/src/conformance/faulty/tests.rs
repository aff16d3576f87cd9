use std::future::ready;

use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, advance, timeout};
use uuid::Uuid;

use super::*;
use crate::{
    conformance::{
        broker::{OutageRig, Rig},
        sample::{changed, joined, typing, user},
    },
    id::RoomId,
    memory::MemoryBroker,
    seq::Rev,
};

const SEED: u64 = 7;
/// Nothing is held back longer.
const LONG: Duration = Duration::from_secs(10);

/// Ann speaks through a good broker, Ben hears through a faulty one.
struct Story {
    ann: MemoryBroker,
    ben: Arc<FaultyBroker>,
    room: RoomId,
    events: BoxStream<'static, BrokerEvent>,
}

impl Story {
    async fn with(plan: FaultPlan) -> Self {
        let ann = MemoryBroker::default();
        let ben = Arc::new(FaultyBroker::new(Arc::new(ann.join()), plan, SEED));
        let room = RoomId::from_uuid(Uuid::from_u128(1));
        ben.shared
            .inner
            .subscribe(&[Topic::Room(room)])
            .await
            .unwrap();
        let events = ben.events();
        Self {
            ann,
            ben,
            room,
            events,
        }
    }

    async fn says(&mut self, revs: std::ops::RangeInclusive<u64>) -> Vec<BrokerEvent> {
        let hints: Vec<_> = revs.map(|rev| changed(self.room, rev)).collect();
        self.ann.publish(&hints).await.unwrap();
        hints.into_iter().map(BrokerEvent::Hint).collect()
    }

    /// All that is heard until long nothing is.
    async fn hears(&mut self) -> Vec<BrokerEvent> {
        let mut heard = Vec::new();
        while let Ok(Some(event)) = timeout(LONG, self.events.next()).await {
            heard.push(event);
        }
        heard
    }
}

fn revs(events: &[BrokerEvent]) -> Vec<u64> {
    let revs = events.iter().filter_map(|event| match event {
        BrokerEvent::Hint(hint) => hint.rev().map(Rev::get),
        BrokerEvent::Gap(_) | BrokerEvent::Up | BrokerEvent::Degraded => None,
    });
    revs.collect()
}

fn gaps(events: &[BrokerEvent]) -> usize {
    let gaps = events.iter();
    gaps.filter(|event| matches!(event, BrokerEvent::Gap(_)))
        .count()
}

#[tokio::test(start_paused = true)]
async fn without_a_plan_everything_passes_as_it_is() {
    let mut story = Story::with(FaultPlan::default()).await;
    let said = story.says(1..=500).await;
    assert_eq!(story.hears().await, said);
    assert_eq!(story.ben.injected().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_fault_hits_in_the_end() {
    let plan = FaultPlan {
        hang_publish: 0.05,
        ..FaultPlan::everything(0.1)
    };
    let mut story = Story::with(plan.clone()).await;
    let own = Topic::User(user());
    for round in 0..50 {
        story.says(round * 20 + 1..=round * 20 + 20).await;
        story.ann.publish(&[typing(story.room)]).await.unwrap();
        // Whether these fail is the plan's business.
        let _ = story.ben.subscribe(std::slice::from_ref(&own)).await;
        let _ = story
            .ben
            .publish(&[joined(user(), 1), changed(story.room, 1)])
            .await;
        story.hears().await;
    }
    assert_eq!(story.ben.injected().missing(&plan), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_delayed_doubled_or_reordered_is_not_lost() {
    let plan = FaultPlan {
        double: 0.2,
        delay: 0.3,
        reorder: 0.3,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    story.says(1..=500).await;
    let heard = revs(&story.hears().await);
    assert!(!heard.is_sorted());
    let injected = story.ben.injected();
    assert_eq!(heard.len() as u64, 500 + injected.double);
    let distinct: BTreeSet<_> = heard.into_iter().collect();
    assert_eq!(distinct, (1..=500).collect());
}

#[tokio::test(start_paused = true)]
async fn a_lag_loses_a_run_and_tells_one_gap() {
    let plan = FaultPlan {
        lag: 0.05,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    story.says(1..=500).await;
    let heard = story.hears().await;
    let injected = story.ben.injected();
    assert!(injected.lag > 0);
    assert_eq!(gaps(&heard) as u64, injected.lag);
    assert!(revs(&heard).len() < 500);
}

#[tokio::test(start_paused = true)]
async fn a_silent_lag_tells_nothing() {
    let plan = FaultPlan {
        silent_lag: 0.05,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    story.says(1..=500).await;
    let heard = story.hears().await;
    assert_eq!(gaps(&heard), 0);
    assert!(revs(&heard).len() < 500);
}

#[tokio::test(start_paused = true)]
async fn a_false_number_is_never_one_that_could_be() {
    let plan = FaultPlan {
        false_rev: 0.5,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    let said = story.says(1..=500).await;
    let heard = story.hears().await;
    assert_eq!(heard.len(), 500);
    let mut lies = 0;
    for event in &heard {
        if said.contains(event) {
            continue;
        }
        lies += 1;
        assert!(
            revs(std::slice::from_ref(event))
                .iter()
                .all(|rev| *rev == 0 || *rev > 1_000_000)
        );
    }
    assert_eq!(lies, story.ben.injected().false_rev);
}

#[tokio::test(start_paused = true)]
async fn a_false_after_is_never_the_true_one() {
    let plan = FaultPlan {
        false_after: 1.0,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    story.says(1..=100).await;
    for event in story.hears().await {
        let BrokerEvent::Hint(Hint::Changed(event)) = event else {
            panic!("not a change: {event:?}");
        };
        assert_ne!(event.after, event.rev.previous());
    }
}

#[tokio::test(start_paused = true)]
async fn lies_come_besides_the_truth() {
    let plan = FaultPlan {
        false_head: 1.0,
        foreign: 1.0,
        stranger: 1.0,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    let said = story.says(1..=100).await;
    let heard = story.hears().await;
    assert!(said.iter().all(|event| heard.contains(event)));
    let topic = Topic::Room(story.room);
    let foreign = heard
        .iter()
        .filter(|event| matches!(event, BrokerEvent::Hint(hint) if hint.topic() != topic));
    assert_eq!(foreign.count(), 100);
    assert_eq!(heard.len(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_flap_ends_by_itself() {
    let plan = FaultPlan {
        flap: 1.0,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    story.says(1..=1).await;
    assert_eq!(story.events.next().await, Some(BrokerEvent::Degraded));
    assert!(!story.ben.health().up);
    let heard = story.hears().await;
    assert_eq!(heard.last(), Some(&BrokerEvent::Up));
    assert!(story.ben.health().up);
}

#[tokio::test(start_paused = true)]
async fn calm_lets_go_of_what_is_held_at_once() {
    let plan = FaultPlan {
        delay: 0.5,
        reorder: 0.5,
        lag: 0.1,
        flap: 0.2,
        longest_delay: LONG * 100,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    story.says(1..=10).await;
    while story.events.next().now_or_never().is_some() {}
    story.ben.calm();
    let begun = Instant::now();
    let said = story.says(11..=100).await;
    let last = said.last().unwrap();
    while story.events.next().await.as_ref() != Some(last) {}
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(story.hears().await, []);
    assert!(story.ben.health().up);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_goes_on_in_a_while_or_when_it_is_calm() {
    let plan = FaultPlan {
        hang_publish: 1.0,
        longest_hang: LONG,
        ..FaultPlan::default()
    };
    let story = Story::with(plan).await;
    let begun = Instant::now();
    story.ben.publish(&[typing(story.room)]).await.unwrap();
    assert!(begun.elapsed() > Duration::ZERO && begun.elapsed() <= LONG);

    let ben = Arc::clone(&story.ben);
    let hint = typing(story.room);
    let hanging = tokio::spawn(async move { ben.publish(&[hint]).await });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    story.ben.calm();
    hanging.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_failed_subscription_is_made_up_for_with_a_gap() {
    let plan = FaultPlan {
        fail_subscribe: 0.7,
        ..FaultPlan::default()
    };
    let mut story = Story::with(plan).await;
    let mut failures = 0;
    for number in 2..20 {
        let topic = Topic::Room(RoomId::from_uuid(Uuid::from_u128(number)));
        if story
            .ben
            .subscribe(std::slice::from_ref(&topic))
            .await
            .is_ok()
        {
            continue;
        }
        failures += 1;
        let told = timeout(LONG, story.events.next()).await;
        assert_eq!(
            told.unwrap(),
            Some(BrokerEvent::Gap(Doubt::Topics(vec![topic])))
        );
    }
    assert!(failures > 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_publish_was_told_or_not() {
    let plan = FaultPlan {
        fail_publish: 1.0,
        ..FaultPlan::default()
    };
    let story = Story::with(plan).await;
    let mut events = story.ann.events();
    story
        .ann
        .subscribe(&[Topic::Room(story.room)])
        .await
        .unwrap();
    for rev in 1..=100 {
        let told = story.ben.publish(&[changed(story.room, rev)]).await;
        assert!(told.is_err());
    }
    let told = std::iter::from_fn(|| events.next().now_or_never()).count();
    assert!((1..100).contains(&told), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_faults() {
    let plan = FaultPlan {
        // These depend on what the others leave.
        hang_publish: 0.0,
        ..FaultPlan::everything(0.1)
    };
    let mut told = Vec::new();
    for _ in 0..2 {
        let mut story = Story::with(plan.clone()).await;
        story.says(1..=200).await;
        let heard = revs(&story.hears().await);
        told.push((heard, story.ben.injected()));
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_told_but_not_heard_is_bounded() {
    let plan = FaultPlan {
        echo: 1.0,
        ..FaultPlan::default()
    };
    let story = Story::with(plan).await;
    let hints: Vec<_> = (0..1_000).map(|rev| changed(story.room, rev)).collect();
    for _ in 0..40 {
        story.ben.publish(&hints).await.unwrap();
    }
    let told = lock(&story.ben.shared.state).told.len();
    assert!(told <= BROKER_QUEUE, "{told}");
    advance(LONG).await;
}

fn calm_pair() -> (MemoryBroker, Arc<FaultyBroker>) {
    let ann = MemoryBroker::default();
    let inner = Arc::new(ann.join());
    let ben = Arc::new(FaultyBroker::new(inner, FaultPlan::default(), SEED));
    (ann, ben)
}

mod calm {
    use super::*;

    fn rig() -> Rig {
        let (ann, ben) = calm_pair();
        Rig {
            ann: Arc::new(ann),
            ben,
        }
    }

    crate::broker_conformance! { #[tokio::test(start_paused = true)] ready(rig()) }
}

mod outage {
    use super::*;

    fn rig() -> OutageRig {
        let (ann, ben) = calm_pair();
        let (cut, mend) = (Arc::clone(&ben), Arc::clone(&ben));
        OutageRig {
            ann: Arc::new(ann),
            ben,
            cut: Box::new(move || {
                cut.cut();
                Box::pin(ready(()))
            }),
            mend: Box::new(move || {
                mend.mend();
                Box::pin(ready(()))
            }),
        }
    }

    crate::broker_outage_conformance! { #[tokio::test(start_paused = true)] ready(rig()) }
}
