use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    change::{Actor, Draft, NewParticipant, NewRoom},
    event::Topic,
    id::{ClientId, Incarnation, RoomId, UserId},
    memory::MemoryStore,
    message::{Body, MessageKind},
    participant::{Participant, Role},
    room::RoomKind,
    seq::Rev,
    store::{ChangeSet, HistoryPage, Window},
    time::{SystemClock, Timestamp},
};

/// A store whose transactions wait at a gate, and can be made to fail.
#[derive(Debug)]
struct Gated {
    store: MemoryStore,
    gate: Semaphore,
    batches: Mutex<Vec<usize>>,
    panics: AtomicBool,
    down: AtomicBool,
}

#[async_trait]
impl Store for Gated {
    async fn incarnation(&self) -> Result<Incarnation, StoreError> {
        self.store.incarnation().await
    }

    async fn commit(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        self.gate.acquire().await.unwrap().forget();
        self.batches.lock().unwrap().push(changes.len());
        assert!(!self.panics.swap(false, Ordering::Relaxed), "planted");
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("planted".into()));
        }
        self.store.commit(now, changes).await
    }

    async fn heads(&self, topics: &[Topic]) -> Result<Vec<Rev>, StoreError> {
        self.store.heads(topics).await
    }

    async fn changes(&self, room: RoomId, after: Rev, limit: u32) -> Result<ChangeSet, StoreError> {
        self.store.changes(room, after, limit).await
    }

    async fn history(
        &self,
        room: RoomId,
        window: Window,
        limit: u32,
    ) -> Result<HistoryPage, StoreError> {
        self.store.history(room, window, limit).await
    }

    async fn participant(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Participant>, StoreError> {
        self.store.participant(room, user).await
    }

    async fn memberships(
        &self,
        user: &UserId,
        limit: u32,
    ) -> Result<(Vec<RoomId>, Rev), StoreError> {
        self.store.memberships(user, limit).await
    }
}

struct Bench {
    store: Arc<Gated>,
    committer: Arc<Committer>,
    heard: Arc<AtomicUsize>,
    room: RoomId,
}

async fn bench(limits: Limits) -> Bench {
    let store = Arc::new(Gated {
        store: MemoryStore::default(),
        gate: Semaphore::new(0),
        batches: Mutex::default(),
        panics: AtomicBool::new(false),
        down: AtomicBool::new(false),
    });
    let ann = NewParticipant {
        user: UserId::parse("ann").unwrap(),
        role: Role::Member,
        name: None,
    };
    let new = NewRoom {
        kind: RoomKind::Group,
        subject: None,
        key: None,
        title: None,
        metadata: None,
        participants: vec![ann],
    };
    let opened = store
        .store
        .commit(SystemClock.now(), &[Change::Open(new)])
        .await
        .unwrap();
    let room = opened[0].as_ref().unwrap().events[0].room;
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let committer = Arc::new(Committer::new(
        store.clone(),
        Arc::new(SystemClock),
        limits,
        Metrics::default(),
        1,
        Arc::new(move |committed: &Committed| {
            count.fetch_add(committed.events.len(), Ordering::Relaxed);
        }),
    ));
    let running = committer.clone();
    tokio::spawn(async move {
        // Stands for the supervisor.
        loop {
            let running = running.clone();
            let _ = tokio::spawn(async move { running.run(0).await }).await;
        }
    });
    Bench {
        store,
        committer,
        heard,
        room,
    }
}

impl Bench {
    fn send(&self, name: usize) -> JoinHandle<Result<Committed, Error>> {
        let change = Change::Send(Draft {
            room: self.room,
            from: Actor::user(UserId::parse("ann").unwrap()),
            client_id: ClientId::parse(&name.to_string()).unwrap(),
            body: Body::parse("hi".into(), 10).unwrap(),
            kind: MessageKind::Text,
            reply_to: None,
            metadata: None,
        });
        let committer = self.committer.clone();
        tokio::spawn(async move { committer.commit(change).await })
    }

    /// Until that many changes wait or are under way.
    async fn until_waiting(&self, count: usize) {
        while self.committer.waiting() != count {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_arrives_during_a_transaction_shares_the_next() {
    let bench = bench(Limits::default()).await;
    let first = bench.send(0);
    bench.until_waiting(1).await;
    // The lane has to have taken the first before the others come.
    while !bench.committer.lanes[0].queue().pending.is_empty() {
        tokio::task::yield_now().await;
    }
    let rest: Vec<_> = (1..=100).map(|name| bench.send(name)).collect();
    bench.until_waiting(101).await;
    bench.store.gate.add_permits(2);
    first.await.unwrap().unwrap();
    for one in rest {
        one.await.unwrap().unwrap();
    }
    assert_eq!(*bench.store.batches.lock().unwrap(), [1, 100]);
    assert_eq!(bench.heard.load(Ordering::Relaxed), 101);
    assert_eq!(bench.committer.waiting(), 0);
}

#[tokio::test]
async fn a_batch_has_a_largest_size() {
    let bench = bench(Limits {
        commit_batch: 30,
        ..Limits::default()
    })
    .await;
    let all: Vec<_> = (0..100).map(|name| bench.send(name)).collect();
    bench.until_waiting(100).await;
    bench.store.gate.add_permits(10);
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert!(
        bench
            .store
            .batches
            .lock()
            .unwrap()
            .iter()
            .all(|size| *size <= 30)
    );
}

#[tokio::test]
async fn a_full_queue_answers_busy_at_once() {
    let bench = bench(Limits {
        commit_queue: 3,
        ..Limits::default()
    })
    .await;
    let waiting: Vec<_> = (0..3).map(|name| bench.send(name)).collect();
    bench.until_waiting(3).await;
    let refused = bench.send(3).await.unwrap();
    assert!(matches!(refused, Err(Error::Busy { .. })));
    bench.store.gate.add_permits(3);
    for one in waiting {
        one.await.unwrap().unwrap();
    }
    let later = bench.send(3);
    bench.store.gate.add_permits(1);
    later.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_hangs_is_unknown_to_the_sender_and_told_once_it_ends() {
    let bench = bench(Limits::default()).await;
    let sent = bench.send(0);
    assert!(matches!(sent.await.unwrap(), Err(Error::Timeout)));
    assert_eq!(
        bench.heard.load(Ordering::Relaxed),
        0,
        "nothing is told before it is committed"
    );
    bench.store.gate.add_permits(2);
    let repeated = bench.send(0).await.unwrap().unwrap();
    assert!(crate::service::is_duplicate(&repeated.answer));
    assert_eq!(bench.heard.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_store_that_panics_leaves_the_outcome_unknown_and_the_lane_alive() {
    let bench = bench(Limits::default()).await;
    bench.store.panics.store(true, Ordering::Relaxed);
    bench.store.gate.add_permits(2);
    assert!(matches!(bench.send(0).await.unwrap(), Err(Error::Timeout)));
    bench.send(0).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_store_that_is_down_is_told_as_busy() {
    let bench = bench(Limits::default()).await;
    bench.store.down.store(true, Ordering::Relaxed);
    bench.store.gate.add_permits(1);
    assert!(matches!(
        bench.send(0).await.unwrap(),
        Err(Error::Busy { .. })
    ));
    assert_eq!(bench.heard.load(Ordering::Relaxed), 0);
}
