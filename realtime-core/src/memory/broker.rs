//! A bus between the servers of one process.

use std::{
    collections::{HashSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    task::{Context, Poll, Waker, ready},
};

use async_trait::async_trait;
use futures::{Stream, stream::BoxStream};

use super::lock::lock;
use crate::{
    broker::{Broker, BrokerError, BrokerEvent, BrokerHealth, Doubt, Hint},
    event::Topic,
    limits::BROKER_QUEUE,
};

/// One node of an in-process bus. [`MemoryBroker::default`] opens a bus of one, on
/// which publishing costs next to nothing; [`MemoryBroker::join`] adds a node.
///
/// A node does not hear itself. Nothing is lost, doubled or reordered on the way;
/// but when more than [`BROKER_QUEUE`] events wait for a node, all of them are
/// dropped and become one [`BrokerEvent::Gap`]. So do hints of subscribed topics
/// that come while nobody consumes [`Broker::events`].
///
/// Dropping it leaves the bus and ends its stream.
#[derive(Debug)]
pub struct MemoryBroker {
    bus: Arc<Bus>,
    node: Arc<Node>,
}

impl MemoryBroker {
    /// A node on a bus of its own, for which at most `events` (and at least one) wait.
    pub fn with_queue(events: usize) -> Self {
        Self::on(Arc::default(), events)
    }

    /// Another node on the same bus, with the same bound.
    #[must_use]
    pub fn join(&self) -> Self {
        Self::on(Arc::clone(&self.bus), self.node.queue)
    }

    fn on(bus: Arc<Bus>, queue: usize) -> Self {
        let node = Arc::new(Node {
            queue: queue.max(1),
            inbox: Mutex::default(),
        });
        bus.change(|nodes| nodes.push(Arc::clone(&node)));
        Self { bus, node }
    }
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::with_queue(BROKER_QUEUE)
    }
}

impl Drop for MemoryBroker {
    fn drop(&mut self) {
        self.bus
            .change(|nodes| nodes.retain(|node| !Arc::ptr_eq(node, &self.node)));
        self.node.close();
    }
}

#[async_trait]
impl Broker for MemoryBroker {
    async fn publish(&self, hints: &[Hint]) -> Result<(), BrokerError> {
        let nodes = self.bus.nodes();
        if nodes.len() > 1 {
            let others = nodes.iter().filter(|node| !Arc::ptr_eq(node, &self.node));
            others.for_each(|node| node.hear(hints));
        }
        Ok(())
    }

    async fn subscribe(&self, topics: &[Topic]) -> Result<(), BrokerError> {
        lock(&self.node.inbox).topics.extend(topics.iter().cloned());
        Ok(())
    }

    async fn unsubscribe(&self, topics: &[Topic]) -> Result<(), BrokerError> {
        let mut inbox = lock(&self.node.inbox);
        for topic in topics {
            inbox.topics.remove(topic);
        }
        Ok(())
    }

    fn events(&self) -> BoxStream<'static, BrokerEvent> {
        Box::pin(self.node.consume())
    }

    fn health(&self) -> BrokerHealth {
        BrokerHealth {
            up: true,
            last_proof: None,
        }
    }
}

/// Who is on the bus. The list is replaced, never changed, so that nobody holds
/// the lock while hints are handed out.
#[derive(Debug, Default)]
struct Bus {
    nodes: RwLock<Arc<[Arc<Node>]>>,
}

impl Bus {
    fn nodes(&self) -> Arc<[Arc<Node>]> {
        Arc::clone(&self.nodes.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Node>>)) {
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let mut list = nodes.to_vec();
        change(&mut list);
        *nodes = list.into();
    }
}

#[derive(Debug)]
struct Node {
    /// How many events may wait.
    queue: usize,
    inbox: Mutex<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    topics: HashSet<Topic>,
    waiting: VecDeque<BrokerEvent>,
    /// Whether a hint came while nobody listened.
    missed: bool,
    /// Which of the consumers so far is the one that listens.
    consumer: Option<u64>,
    consumers: u64,
    waker: Option<Waker>,
    closed: bool,
}

impl Node {
    fn hear(&self, hints: &[Hint]) {
        let mut dropped = VecDeque::new();
        let waker = {
            let mut inbox = lock(&self.inbox);
            for hint in hints {
                inbox.take_in(hint, self.queue, &mut dropped);
            }
            if inbox.waiting.is_empty() {
                None
            } else {
                inbox.waker.take()
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn consume(self: &Arc<Self>) -> Events {
        let mut inbox = lock(&self.inbox);
        inbox.consumers += 1;
        let consumer = inbox.consumers;
        inbox.consumer = Some(consumer);
        if std::mem::take(&mut inbox.missed) {
            inbox.waiting.push_front(BrokerEvent::Gap(Doubt::All));
        }
        let predecessor = inbox.waker.take();
        drop(inbox);
        if let Some(waker) = predecessor {
            waker.wake();
        }
        Events {
            node: Arc::clone(self),
            consumer,
        }
    }

    fn close(&self) {
        let waker = {
            let mut inbox = lock(&self.inbox);
            inbox.closed = true;
            inbox.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Inbox {
    /// What is thrown away goes to `dropped`, so that it is freed outside the lock.
    fn take_in(&mut self, hint: &Hint, queue: usize, dropped: &mut VecDeque<BrokerEvent>) {
        if !self.topics.contains(&hint.topic()) {
            return;
        }
        if self.consumer.is_none() {
            self.missed = true;
            return;
        }
        if self.waiting.len() < queue {
            self.waiting.push_back(BrokerEvent::Hint(hint.clone()));
            return;
        }
        // The gap comes after all that was lost and before all that is not: who
        // compares with the store on hearing it has missed nothing.
        dropped.append(&mut self.waiting);
        self.waiting.push_back(BrokerEvent::Gap(Doubt::All));
    }
}

/// What one node hears, until another consumer takes over.
struct Events {
    node: Arc<Node>,
    consumer: u64,
}

impl Stream for Events {
    type Item = BrokerEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<BrokerEvent>> {
        // A busy bus is never empty: let the other tasks of the thread have a turn.
        let turn = ready!(tokio::task::coop::poll_proceed(context));
        let mut inbox = lock(&self.node.inbox);
        if inbox.consumer != Some(self.consumer) {
            return Poll::Ready(None);
        }
        match inbox.waiting.pop_front() {
            Some(event) => {
                turn.made_progress();
                Poll::Ready(Some(event))
            }
            None if inbox.closed => Poll::Ready(None),
            None => {
                inbox.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut inbox = lock(&self.node.inbox);
        if inbox.consumer == Some(self.consumer) {
            inbox.consumer = None;
            inbox.waker = None;
            inbox.missed |= !inbox.waiting.is_empty();
            inbox.waiting = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};
    use uuid::Uuid;

    use super::*;
    use crate::{id::RoomId, seq::Rev};

    const QUEUE: usize = 4;
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

    fn topic(number: u128) -> Topic {
        Topic::Room(RoomId::from_uuid(Uuid::from_u128(number)))
    }

    fn head(number: u64) -> Hint {
        Hint::Head {
            topic: topic(1),
            rev: Rev::new(number),
        }
    }

    fn heads(range: std::ops::RangeInclusive<u64>) -> Vec<Hint> {
        range.map(head).collect()
    }

    fn waiting(events: &mut BoxStream<'static, BrokerEvent>) -> Vec<BrokerEvent> {
        std::iter::from_fn(|| events.next().now_or_never().flatten()).collect()
    }

    async fn two_nodes() -> (MemoryBroker, MemoryBroker) {
        let ann = MemoryBroker::with_queue(QUEUE);
        let ben = ann.join();
        ben.subscribe(&[topic(1)]).await.unwrap();
        (ann, ben)
    }

    #[tokio::test]
    async fn what_overflows_becomes_one_gap_however_much_it_was() {
        let (ann, ben) = two_nodes().await;
        let mut events = ben.events();
        ann.publish(&heads(1..=100)).await.unwrap();

        let heard = waiting(&mut events);
        assert!(heard.len() <= QUEUE);
        let gaps = heard
            .iter()
            .filter(|event| matches!(event, BrokerEvent::Gap(Doubt::All)));
        assert_eq!(gaps.count(), 1);
        assert_eq!(heard[0], BrokerEvent::Gap(Doubt::All));

        ann.publish(&[head(101)]).await.unwrap();
        assert_eq!(waiting(&mut events), [BrokerEvent::Hint(head(101))]);
    }

    #[tokio::test]
    async fn a_second_overflow_is_told_again() {
        let (ann, ben) = two_nodes().await;
        let mut events = ben.events();
        for _ in 0..2 {
            ann.publish(&heads(1..=QUEUE as u64 + 1)).await.unwrap();
            assert_eq!(waiting(&mut events), [BrokerEvent::Gap(Doubt::All)]);
        }
    }

    #[tokio::test]
    async fn what_was_said_while_nobody_listened_is_a_gap() {
        let (ann, ben) = two_nodes().await;
        ann.publish(&heads(1..=3)).await.unwrap();
        let mut events = ben.events();
        assert_eq!(waiting(&mut events), [BrokerEvent::Gap(Doubt::All)]);

        ann.publish(&[head(4)]).await.unwrap();
        drop(events);
        assert_eq!(waiting(&mut ben.events()), [BrokerEvent::Gap(Doubt::All)]);
    }

    #[tokio::test]
    async fn who_takes_over_hears_what_waited() {
        let (ann, ben) = two_nodes().await;
        let mut first = ben.events();
        ann.publish(&[head(1)]).await.unwrap();
        let mut second = ben.events();
        assert_eq!(first.next().now_or_never(), Some(None));
        drop(first);
        assert_eq!(waiting(&mut second), [BrokerEvent::Hint(head(1))]);
    }

    #[tokio::test]
    async fn a_node_that_left_is_off_the_bus_and_its_stream_ends() {
        let (ann, ben) = two_nodes().await;
        let mut events = ben.events();
        ann.publish(&[head(1)]).await.unwrap();
        drop(ben);
        assert_eq!(ann.bus.nodes().len(), 1);
        assert_eq!(waiting(&mut events), [BrokerEvent::Hint(head(1))]);
        assert_eq!(events.next().now_or_never(), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_consumer_is_woken() {
        let (ann, ben) = two_nodes().await;
        let mut events = ben.events();
        let listening = tokio::spawn(async move { events.next().await });
        tokio::task::yield_now().await;
        ann.publish(&[head(1)]).await.unwrap();
        let heard = tokio::time::timeout(PATIENCE, listening).await;
        assert_eq!(heard.unwrap().unwrap(), Some(BrokerEvent::Hint(head(1))));
    }

    #[tokio::test]
    async fn a_node_does_not_hear_itself() {
        let (_ann, ben) = two_nodes().await;
        let mut events = ben.events();
        ben.publish(&[head(1)]).await.unwrap();
        assert_eq!(waiting(&mut events), []);
    }
}
