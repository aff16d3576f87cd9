//! The contract of [`Broker`], a case for each sentence.
//!
//! A hint may be lost, doubled and late, so no case wants one hint to arrive, or
//! to arrive once: what may not happen is that hints never arrive, that what was
//! never said is heard, or that a broker knows of a loss and does not tell.

mod ear;
mod outage;

use std::{collections::BTreeSet, sync::Arc};

use futures::{StreamExt, future::join_all};
use tokio::time::timeout;

use self::ear::{Ear, PATIENCE, doubts, publish, subscribe};
pub use self::outage::{
    OutageRig, an_outage_is_told_and_ends_with_a_gap, health_follows_an_outage,
    publishing_in_an_outage_does_not_hang, subscribing_in_an_outage_is_made_up_for,
};
use super::sample::{changed, head, joined, presence, room, typing, user};
use crate::{
    broker::{Broker, BrokerEvent},
    event::Topic,
    id::RoomId,
    seq::Rev,
};

/// Two nodes on one bus, ready and up. Dropping one shuts it down.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
pub struct Rig {
    /// Speaks.
    pub ann: Arc<dyn Broker>,
    /// Listens.
    pub ben: Arc<dyn Broker>,
}

/// More hints than any broker holds for a node that does not listen.
const FLOOD: u64 = 200_000;
/// Hints of the flood in one call.
const FLOOD_CHUNK: u64 = 1_000;
/// Topics subscribed at once: more than backends like to put into one request.
const MANY_TOPICS: usize = 3_000;
/// Tasks that use one broker at once.
const TASKS: usize = 16;

/// Runs every case of the suite against a backend, a test for each.
///
/// ```text
/// async fn rig() -> realtime_core::conformance::broker::Rig { … }
/// realtime_core::broker_conformance! { #[tokio::test] rig() }
/// ```
#[macro_export]
macro_rules! broker_conformance {
    (#[$test:meta] $rig:expr) => {
        $crate::conformance_tests! { broker, #[$test] $rig;
            every_kind_of_hint_is_carried_whole
            a_topic_is_heard_from_when_subscribe_returns
            many_topics_are_subscribed_at_once
            topics_that_were_not_subscribed_are_not_heard
            subscribing_twice_is_as_once
            an_unsubscribed_topic_is_no_longer_heard
            unsubscribing_what_was_not_subscribed_is_harmless
            empty_lists_are_harmless
            nobody_need_listen
            a_node_may_speak_of_what_it_listens_to
            publishing_does_not_wait_for_a_receiver
            what_a_slow_node_loses_becomes_a_gap
            a_second_consumer_takes_over
            the_stream_ends_with_the_broker
            everything_may_be_called_at_once
            a_working_broker_is_up
        }
    };
}

/// A hint "may carry the change", and carries it unaltered.
pub async fn every_kind_of_hint_is_carried_whole(rig: Rig) {
    let (room, user) = (room(), user());
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, &[Topic::Room(room), Topic::User(user.clone())]).await;
    for hint in [
        changed(room, 7),
        head(&Topic::Room(room), 8),
        head(&Topic::User(user.clone()), 3),
        joined(user, 4),
        typing(room),
        presence(room),
    ] {
        ear.hears_in_the_end(&rig.ann, &hint).await;
    }
}

/// "From when this returns, hints of these topics are heard."
pub async fn a_topic_is_heard_from_when_subscribe_returns(rig: Rig) {
    let mut ear = Ear::of(&rig.ben);
    for rev in 1..=20 {
        let hint = changed(room(), rev);
        subscribe(&rig.ben, &[hint.topic()]).await;
        publish(&rig.ann, std::slice::from_ref(&hint)).await;
        ear.hears_or_is_told_of_a_gap(&hint).await;
    }
}

/// As before, for as many topics as a busy server has.
pub async fn many_topics_are_subscribed_at_once(rig: Rig) {
    let mut ear = Ear::of(&rig.ben);
    let rooms: Vec<RoomId> = (0..MANY_TOPICS).map(|_| room()).collect();
    let topics: Vec<Topic> = rooms.iter().copied().map(Topic::Room).collect();
    subscribe(&rig.ben, &topics).await;
    for room in rooms.iter().step_by(MANY_TOPICS / TASKS) {
        ear.hears_in_the_end(&rig.ann, &changed(*room, 1)).await;
    }
    assert!(rig.ben.unsubscribe(&topics).await.is_ok());
}

/// What is heard is "a hint of a subscribed topic".
pub async fn topics_that_were_not_subscribed_are_not_heard(rig: Rig) {
    let (mine, other) = (Topic::Room(room()), Topic::Room(room()));
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, std::slice::from_ref(&mine)).await;
    publish(&rig.ann, &[head(&other, 1), joined(user(), 1)]).await;
    ear.hears_in_the_end(&rig.ann, &head(&mine, 1)).await;
    ear.has_not_heard(&other).await;
}

/// "Subscribing twice is as once": one `unsubscribe` ends it.
pub async fn subscribing_twice_is_as_once(rig: Rig) {
    let (twice, once) = (Topic::Room(room()), Topic::Room(room()));
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, &[twice.clone(), twice.clone()]).await;
    subscribe(&rig.ben, &[twice.clone(), once.clone()]).await;
    ear.hears_in_the_end(&rig.ann, &head(&twice, 1)).await;

    assert!(
        rig.ben
            .unsubscribe(std::slice::from_ref(&twice))
            .await
            .is_ok()
    );
    ear.forgets().await;
    publish(&rig.ann, &[head(&twice, 2)]).await;
    ear.hears_in_the_end(&rig.ann, &head(&once, 1)).await;
    ear.has_not_heard(&twice).await;
}

/// Unsubscribing ends the hints of these topics, and of no others; and they can
/// be subscribed again.
pub async fn an_unsubscribed_topic_is_no_longer_heard(rig: Rig) {
    let (gone, kept) = (Topic::Room(room()), Topic::Room(room()));
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, &[gone.clone(), kept.clone()]).await;
    assert!(
        rig.ben
            .unsubscribe(std::slice::from_ref(&gone))
            .await
            .is_ok()
    );
    ear.forgets().await;
    publish(&rig.ann, &[head(&gone, 1)]).await;
    ear.hears_in_the_end(&rig.ann, &head(&kept, 1)).await;
    ear.has_not_heard(&gone).await;

    subscribe(&rig.ben, std::slice::from_ref(&gone)).await;
    ear.hears_in_the_end(&rig.ann, &head(&gone, 2)).await;
}

/// Absence is no error.
pub async fn unsubscribing_what_was_not_subscribed_is_harmless(rig: Rig) {
    let topic = Topic::Room(room());
    let mut ear = Ear::of(&rig.ben);
    assert!(
        rig.ben
            .unsubscribe(std::slice::from_ref(&topic))
            .await
            .is_ok()
    );
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    ear.hears_in_the_end(&rig.ann, &head(&topic, 1)).await;
}

/// Nothing asked for is nothing done.
pub async fn empty_lists_are_harmless(rig: Rig) {
    let topic = Topic::Room(room());
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    subscribe(&rig.ben, &[]).await;
    assert!(rig.ben.unsubscribe(&[]).await.is_ok());
    publish(&rig.ann, &[]).await;
    ear.hears_in_the_end(&rig.ann, &head(&topic, 1)).await;
}

/// Publishing succeeds when nobody has subscribed the topic.
pub async fn nobody_need_listen(rig: Rig) {
    publish(
        &rig.ann,
        &[changed(room(), 1), joined(user(), 1), typing(room())],
    )
    .await;
}

/// "A node may hear its own hints": whether it does or not, the others hear them.
pub async fn a_node_may_speak_of_what_it_listens_to(rig: Rig) {
    let topic = Topic::Room(room());
    let (mut ann, mut ben) = (Ear::of(&rig.ann), Ear::of(&rig.ben));
    subscribe(&rig.ann, std::slice::from_ref(&topic)).await;
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    ben.hears_in_the_end(&rig.ann, &head(&topic, 1)).await;
    ann.hears_in_the_end(&rig.ben, &head(&topic, 2)).await;
}

/// "`publish` never waits for a receiver."
pub async fn publishing_does_not_wait_for_a_receiver(rig: Rig) {
    let topic = Topic::Room(room());
    let _idle = rig.ben.events();
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    let told = timeout(PATIENCE, flood(&rig.ann, &topic)).await;
    assert!(told.is_ok(), "a receiver was waited for");
}

/// "The broker bounds what waits here, and what it drops becomes a Gap."
pub async fn what_a_slow_node_loses_becomes_a_gap(rig: Rig) {
    let topic = Topic::Room(room());
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    flood(&rig.ann, &topic).await;

    let heard = ear.everything().await;
    let revs = heard.iter().filter_map(|event| match event {
        BrokerEvent::Hint(hint) => hint.rev().map(Rev::get),
        BrokerEvent::Gap(_) | BrokerEvent::Up | BrokerEvent::Degraded => None,
    });
    let distinct = revs.collect::<BTreeSet<_>>().len();
    let missing = usize::try_from(FLOOD).unwrap_or(usize::MAX) - distinct;
    let told = heard.iter().any(|event| doubts(event, &topic));
    assert!(missing == 0 || told, "{missing} hints were lost in silence");

    // And afterwards all is well.
    ear.hears_in_the_end(&rig.ann, &head(&topic, FLOOD + 1))
        .await;
}

/// "One consumer; a second call takes over."
pub async fn a_second_consumer_takes_over(rig: Rig) {
    let topic = Topic::Room(room());
    let mut first = Ear::of(&rig.ben);
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    first.hears_in_the_end(&rig.ann, &head(&topic, 1)).await;

    let mut second = Ear::of(&rig.ben);
    publish(&rig.ann, &[head(&topic, 2)]).await;
    let late = first.everything().await;
    assert!(
        !late.contains(&BrokerEvent::Hint(head(&topic, 2))),
        "the first consumer still hears"
    );
    second.hears_in_the_end(&rig.ann, &head(&topic, 2)).await;
    drop(first);
    second.hears_in_the_end(&rig.ann, &head(&topic, 3)).await;
}

/// "The stream ends when the broker has shut down."
pub async fn the_stream_ends_with_the_broker(rig: Rig) {
    let mut events = rig.ben.events();
    drop(rig.ben);
    let end = async { while events.next().await.is_some() {} };
    assert!(timeout(PATIENCE, end).await.is_ok(), "the stream goes on");
}

/// "All methods may be called at once from any number of tasks."
pub async fn everything_may_be_called_at_once(rig: Rig) {
    let topic = Topic::Room(room());
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    let busy = (0..TASKS).map(|_| {
        let (ann, ben) = (Arc::clone(&rig.ann), Arc::clone(&rig.ben));
        tokio::spawn(async move {
            for rev in 1..=20 {
                let hint = changed(room(), rev);
                subscribe(&ben, &[hint.topic()]).await;
                publish(&ann, std::slice::from_ref(&hint)).await;
                publish(&ben, std::slice::from_ref(&hint)).await;
                assert!(ben.unsubscribe(&[hint.topic()]).await.is_ok());
                ben.health();
            }
        })
    });
    for task in join_all(busy).await {
        assert!(task.is_ok(), "a task failed");
    }
    ear.hears_in_the_end(&rig.ann, &head(&topic, 1)).await;
}

/// Health tells the truth while all is well.
pub async fn a_working_broker_is_up(rig: Rig) {
    let topic = Topic::Room(room());
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    ear.hears_in_the_end(&rig.ann, &head(&topic, 1)).await;
    assert!(rig.ann.health().up);
    assert!(rig.ben.health().up);
}

async fn flood(broker: &Arc<dyn Broker>, topic: &Topic) {
    for chunk in 0..FLOOD / FLOOD_CHUNK {
        let first = chunk * FLOOD_CHUNK + 1;
        let hints: Vec<_> = (first..first + FLOOD_CHUNK)
            .map(|rev| head(topic, rev))
            .collect();
        publish(broker, &hints).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;
    use crate::{conformance::rig::assert_all_listed, memory::MemoryBroker};

    #[test]
    fn every_case_is_listed() {
        assert_all_listed(include_str!("broker.rs"), "broker_conformance");
    }

    fn rig() -> Rig {
        let ann = MemoryBroker::default();
        Rig {
            ben: Arc::new(ann.join()),
            ann: Arc::new(ann),
        }
    }

    crate::broker_conformance! { #[tokio::test(start_paused = true)] ready(rig()) }
}
