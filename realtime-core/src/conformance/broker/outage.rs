//! The sentences of the contract about a broker whose other side is lost.

use std::sync::Arc;

use tokio::time::timeout;

use super::ear::{Ear, PATIENCE, doubts, subscribe};
use crate::{
    broker::{Broker, BrokerEvent},
    conformance::{
        rig::Act,
        sample::{head, room},
    },
    event::Topic,
};

/// Two nodes on one bus, of whom one can be cut off.
#[expect(clippy::exhaustive_structs, reason = "backends build it")]
#[expect(missing_debug_implementations, reason = "it holds closures")]
pub struct OutageRig {
    /// Speaks.
    pub ann: Arc<dyn Broker>,
    /// Listens.
    pub ben: Arc<dyn Broker>,
    /// Cuts Ben off.
    pub cut: Act,
    /// Ends that.
    pub mend: Act,
}

/// Runs the cases for a broker whose other side can be lost; see
/// [`broker_conformance!`](crate::broker_conformance).
#[macro_export]
macro_rules! broker_outage_conformance {
    (#[$test:meta] $rig:expr) => {
        $crate::conformance_tests! { broker, #[$test] $rig;
            an_outage_is_told_and_ends_with_a_gap
            health_follows_an_outage
            publishing_in_an_outage_does_not_hang
            subscribing_in_an_outage_is_made_up_for
        }
    };
}

/// "A broker that has any doubt whether hints were lost says Gap"; `Degraded` while
/// it lasts, `Up` afterwards, and then hints get through again.
pub async fn an_outage_is_told_and_ends_with_a_gap(rig: OutageRig) {
    let topic = Topic::Room(room());
    let mut ear = Ear::of(&rig.ben);
    subscribe(&rig.ben, std::slice::from_ref(&topic)).await;
    ear.hears_in_the_end(&rig.ann, &head(&topic, 1)).await;

    (rig.cut)().await;
    ear.is_told("Degraded", |event| *event == BrokerEvent::Degraded)
        .await;
    // Lost, or not: nobody can know.
    let _ = rig.ann.publish(&[head(&topic, 2)]).await;
    (rig.mend)().await;

    let (mut up, mut gap) = (false, false);
    ear.is_told("Up and a gap", |event| {
        up |= *event == BrokerEvent::Up;
        gap |= doubts(event, &topic);
        up && gap
    })
    .await;
    ear.hears_in_the_end(&rig.ann, &head(&topic, 3)).await;
}

/// Health says whether hints get through, in an outage too.
pub async fn health_follows_an_outage(rig: OutageRig) {
    let mut ear = Ear::of(&rig.ben);
    assert!(rig.ben.health().up);
    (rig.cut)().await;
    ear.is_told("Degraded", |event| *event == BrokerEvent::Degraded)
        .await;
    assert!(!rig.ben.health().up);
    (rig.mend)().await;
    ear.is_told("Up", |event| *event == BrokerEvent::Up).await;
    assert!(rig.ben.health().up);
}

/// Publishing into an outage may fail, and says so before long.
pub async fn publishing_in_an_outage_does_not_hang(rig: OutageRig) {
    let topic = Topic::Room(room());
    let mut ear = Ear::of(&rig.ben);
    (rig.cut)().await;
    let hint = head(&topic, 1);
    let told = timeout(PATIENCE, rig.ben.publish(std::slice::from_ref(&hint))).await;
    assert!(told.is_ok(), "publish hangs");
    (rig.mend)().await;
    ear.is_told("Up", |event| *event == BrokerEvent::Up).await;
    let mut ann = Ear::of(&rig.ann);
    subscribe(&rig.ann, std::slice::from_ref(&topic)).await;
    ann.hears_in_the_end(&rig.ben, &head(&topic, 2)).await;
}

/// "The broker goes on trying by itself, and says Gap for these topics once it has
/// succeeded."
pub async fn subscribing_in_an_outage_is_made_up_for(rig: OutageRig) {
    let topic = Topic::Room(room());
    let mut ear = Ear::of(&rig.ben);
    (rig.cut)().await;
    let told = timeout(PATIENCE, rig.ben.subscribe(std::slice::from_ref(&topic))).await;
    assert!(told.is_ok(), "subscribe hangs");
    (rig.mend)().await;
    ear.is_told("a gap", |event| doubts(event, &topic)).await;
    ear.hears_in_the_end(&rig.ann, &head(&topic, 1)).await;
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_is_listed() {
        let source = include_str!("outage.rs");
        crate::conformance::rig::assert_all_listed(source, "broker_outage_conformance");
    }
}
