//! Listening to a broker that may lose, double and delay.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::{StreamExt, stream::BoxStream};
use tokio::time::timeout;

use crate::{
    broker::{Broker, BrokerEvent, Doubt, Hint},
    event::Topic,
};

/// How long something that must happen may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How long one hint is waited for before it is taken for lost and said again.
const AGAIN: Duration = Duration::from_secs(1);
/// After such a silence nothing more is expected.
const SILENCE: Duration = Duration::from_millis(500);
pub(super) async fn subscribe(broker: &Arc<dyn Broker>, topics: &[Topic]) {
    let told = broker.subscribe(topics).await;
    assert!(told.is_ok(), "subscribe failed: {told:?}");
}

pub(super) async fn publish(broker: &Arc<dyn Broker>, hints: &[Hint]) {
    let told = broker.publish(hints).await;
    assert!(told.is_ok(), "publish failed: {told:?}");
}

pub(super) fn doubts(event: &BrokerEvent, topic: &Topic) -> bool {
    match event {
        BrokerEvent::Gap(Doubt::All) => true,
        BrokerEvent::Gap(Doubt::Topics(topics)) => topics.contains(topic),
        BrokerEvent::Hint(_) | BrokerEvent::Up | BrokerEvent::Degraded => false,
    }
}

/// Somebody who listens to a node, and remembers which topics were heard.
pub(super) struct Ear {
    events: BoxStream<'static, BrokerEvent>,
    heard: HashSet<Topic>,
}

impl Ear {
    pub(super) fn of(broker: &Arc<dyn Broker>) -> Self {
        Self {
            events: broker.events(),
            heard: HashSet::new(),
        }
    }

    async fn next(&mut self) -> Option<BrokerEvent> {
        let event = self.events.next().await?;
        if let BrokerEvent::Hint(hint) = &event {
            self.heard.insert(hint.topic());
        }
        Some(event)
    }

    /// Says it again until it is heard: a single hint may be lost.
    pub(super) async fn hears_in_the_end(&mut self, speaker: &Arc<dyn Broker>, hint: &Hint) {
        let mut heard = false;
        for _ in 0..PATIENCE.as_secs() / AGAIN.as_secs() {
            publish(speaker, std::slice::from_ref(hint)).await;
            let fact = self.wait_for(|event| *event == BrokerEvent::Hint(hint.clone()));
            heard = timeout(AGAIN, fact).await.unwrap_or(false);
            if heard {
                break;
            }
        }
        assert!(heard, "{hint:?} is never heard");
    }

    pub(super) async fn hears_or_is_told_of_a_gap(&mut self, hint: &Hint) {
        let topic = hint.topic();
        self.is_told("the hint or a gap", |event| {
            *event == BrokerEvent::Hint(hint.clone()) || doubts(event, &topic)
        })
        .await;
    }

    pub(super) async fn is_told(
        &mut self,
        what: &str,
        fact: impl FnMut(&BrokerEvent) -> bool + Send,
    ) {
        let told = timeout(PATIENCE, self.wait_for(fact)).await;
        assert!(told.unwrap_or(false), "{what} is never told");
    }

    /// Answers `false` when the stream ended before.
    pub(super) async fn wait_for(
        &mut self,
        mut fact: impl FnMut(&BrokerEvent) -> bool + Send,
    ) -> bool {
        while let Some(event) = self.next().await {
            if fact(&event) {
                return true;
            }
        }
        false
    }

    /// All that comes until a silence.
    pub(super) async fn everything(&mut self) -> Vec<BrokerEvent> {
        let mut all = Vec::new();
        while let Ok(Some(event)) = timeout(SILENCE, self.next()).await {
            all.push(event);
        }
        all
    }

    /// Waits until all that was said must have come, and forgets it.
    pub(super) async fn forgets(&mut self) {
        self.everything().await;
        self.heard.clear();
    }

    pub(super) async fn has_not_heard(&mut self, topic: &Topic) {
        self.everything().await;
        assert!(!self.heard.contains(topic), "{topic:?} was not subscribed");
    }
}
