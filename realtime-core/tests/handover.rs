//! P9: what somebody else committed to the store, a host in its own transaction, reaches
//! who listens: at once if it is handed over, by the sweep if not, and never if it is not
//! stored. The clock is paused: "at once" is without any time passing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{Client, group, member, server, store, user, wide};
use realtime_core::{
    Limits, Realtime,
    change::{Actor, Answer, Change, Draft, History},
    handover::Handover,
    id::{ClientId, IdGenerator, RoomId},
    memory::{MemoryBroker, MemoryStore},
    message::{Body, MessageKind},
    store::{Outcome, SharedBackend},
    time::Timestamp,
};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

/// Limits under which no sweep comes to anybody's help.
fn no_sweep() -> Limits {
    let never = Duration::from_secs(1_000_000);
    Limits {
        sweep_interval: never,
        sweep_interval_degraded: never,
        ping_interval: never,
        ..wide()
    }
}

/// What the host does in a transaction of its own: it is in the store, and no server
/// has heard of it.
async fn commits(store: &SharedBackend, changes: &[Change]) -> Vec<Outcome> {
    store.commit(Timestamp::default(), changes).await.unwrap()
}

async fn opens(store: &SharedBackend, people: &[&str]) -> (RoomId, Handover) {
    let outcomes = commits(store, &[Change::Open(group(people))]).await;
    let Ok(Answer::Room {
        room,
        created: true,
    }) = outcomes[0].as_ref().map(|done| &done.answer)
    else {
        panic!("{outcomes:?}");
    };
    (room.id, Handover::of(&outcomes))
}

fn announces(room: RoomId, text: &str) -> Change {
    Change::Send(Draft {
        room,
        from: Actor::Service,
        client_id: ClientId::parse(&text.replace(' ', "-")).unwrap(),
        body: Body::parse(text.to_owned(), usize::MAX).unwrap(),
        kind: MessageKind::System,
        reply_to: None,
        metadata: None,
    })
}

/// Lets everything that can go on do so, without any time passing: nobody waits for
/// anything but a timer afterwards.
async fn settle() {
    // A task that is woken wakes another; none of ours hands on more often than this.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_is_heard_at_once() {
    let store = store();
    let server = server(store.clone(), no_sweep()).await;
    let mut ann = Client::of(&server, "ann").await;
    let started = Instant::now();

    let (room, mut handover) = opens(&store, &["ann", "ben"]).await;
    let spoke = commits(&store, &[announces(room, "Accepted")]).await;
    handover.merge(Handover::of(&spoke));
    settle().await;
    assert_eq!(
        ann.waiting(),
        Vec::<serde_json::Value>::new(),
        "nobody was told"
    );

    server.deliver(&handover);
    let introduced = ann.hear_push("room").await;
    assert_eq!(introduced["id"], json!(room));
    assert_eq!(ann.hear_push("message").await["body"], "Accepted");

    // From now on she listens to the room, and hears what comes next in it.
    let spoke = commits(&store, &[announces(room, "Done")]).await;
    server.deliver(&Handover::of(&spoke));
    assert_eq!(ann.hear_push("message").await["body"], "Done");
    assert_eq!(started.elapsed(), Duration::ZERO, "nothing was waited for");
}

#[tokio::test(start_paused = true)]
async fn other_servers_are_told_at_once() {
    let store = store();
    let bus = MemoryBroker::default();
    let start = || {
        Realtime::builder(store.clone())
            .broker(Arc::new(bus.join()))
            .limits(no_sweep())
            .start()
    };
    let (here, there) = (start().await.unwrap(), start().await.unwrap());
    let mut ann = Client::of(&there, "ann").await;
    settle().await;
    let started = Instant::now();
    let (room, handover) = opens(&store, &["ann", "ben"]).await;
    here.deliver(&handover);
    assert_eq!(ann.hear_push("room").await["id"], json!(room));
    let spoke = commits(&store, &[announces(room, "Accepted")]).await;
    settle().await;
    here.deliver(&Handover::of(&spoke));
    assert_eq!(ann.hear_push("message").await["body"], "Accepted");
    assert_eq!(started.elapsed(), Duration::ZERO, "nothing was waited for");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_hands_over_is_found_by_the_sweep() {
    let store = store();
    let limits = wide();
    let sweep = limits.sweep_interval;
    let server = server(store.clone(), limits).await;
    let mut ann = Client::of(&server, "ann").await;
    settle().await;

    let started = Instant::now();
    let (room, forgotten) = opens(&store, &["ann", "ben"]).await;
    assert!(!forgotten.is_empty());
    assert_eq!(ann.hear_push("room").await["id"], json!(room));
    assert!(
        started.elapsed() <= sweep,
        "a new room: {:?}",
        started.elapsed()
    );

    let started = Instant::now();
    commits(&store, &[announces(room, "Accepted")]).await;
    assert_eq!(ann.hear_push("message").await["body"], "Accepted");
    // The sweep sees it, and then waits for the hint that may be on its way.
    let most = sweep + wide().reorder_window + Duration::from_millis(10);
    assert!(
        started.elapsed() <= most,
        "a known room: {:?}",
        started.elapsed()
    );
}

/// Ids that are the same in every run: two stores with one history have the same rooms.
#[derive(Debug, Default)]
struct Counted(AtomicU64);

impl IdGenerator for Counted {
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(1, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a client heard of rooms and messages.
fn told(ann: &mut Client) -> Vec<String> {
    let lines = ann.waiting();
    let told = lines.iter().filter_map(|line| {
        let body = line.get("message").map(|message| &message["body"]);
        let room = line.get("room").map(|room| &room["id"]);
        Some(body.or(room)?.as_str()?.to_owned())
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_rolled_back_is_not_heard_and_takes_nobodys_place() {
    // Two stores with one history; what the host does in the second one it then rolls
    // back.
    let [store, rolled_back] = [(); 2].map(|()| {
        let ids = Arc::new(Counted::default());
        Arc::new(MemoryStore::new(ids)) as SharedBackend
    });
    let server = server(store.clone(), no_sweep()).await;
    let (room, _) = opens(&store, &["ann", "ben"]).await;
    assert_eq!(opens(&rolled_back, &["ann", "ben"]).await.0, room);
    let mut ann = Client::of(&server, "ann").await;
    settle().await;
    ann.waiting();

    let (_, mut lost) = opens(&rolled_back, &["ann", "ben"]).await;
    let spoke = commits(&rolled_back, &[announces(room, "Never said")]).await;
    lost.merge(Handover::of(&spoke));
    assert_eq!(lost.heads().count(), 4, "two rooms, two people: {lost:?}");
    server.deliver(&lost);
    settle().await;
    assert_eq!(told(&mut ann), Vec::<String>::new());

    // What is then really committed has the same numbers, and is heard, once.
    let (second, mut handover) = opens(&store, &["ann", "ben"]).await;
    let spoke = commits(&store, &[announces(room, "Really said")]).await;
    handover.merge(Handover::of(&spoke));
    assert!(
        handover
            .heads()
            .all(|head| lost.heads().any(|one| one == head)),
        "the same numbers"
    );
    for _ in 0..3 {
        server.deliver(&handover);
        settle().await;
    }
    assert_eq!(
        told(&mut ann),
        ["Really said".to_owned(), second.to_string()]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_before_the_commit_is_heard_when_it_is_handed_over_again() {
    let store = store();
    let server = server(store.clone(), no_sweep()).await;
    let (room, opened) = opens(&store, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    settle().await;
    ann.waiting();
    let early = Handover::of(&commits(&store, &[announces(room, "1")]).await);
    server.deliver(&opened);
    settle().await;
    assert_eq!(told(&mut ann), Vec::<String>::new(), "she held that");
    server.deliver(&early);
    settle().await;
    assert_eq!(told(&mut ann), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn who_the_host_takes_out_hears_nothing_more() {
    let store = store();
    let server = server(store.clone(), no_sweep()).await;
    let (room, _) = opens(&store, &["ann", "ben"]).await;
    let mut ben = Client::of(&server, "ben").await;
    let started = Instant::now();
    let remove = Change::Remove {
        room,
        user: user("ben"),
        keeps_history: false,
    };
    let outcomes = commits(&store, &[remove, announces(room, "Without Ben")]).await;
    server.deliver(&Handover::of(&outcomes));
    assert_eq!(ben.hear_push("unsubscribed").await["room"], json!(room));
    settle().await;
    assert_eq!(told(&mut ben), Vec::<String>::new());
    // Put back, he is introduced again.
    let admit = Change::Admit {
        room,
        participant: member("ben"),
        history: History::All,
    };
    server.deliver(&Handover::of(&commits(&store, &[admit]).await));
    assert_eq!(ben.hear_push("room").await["id"], json!(room));
    assert_eq!(started.elapsed(), Duration::ZERO, "nothing was waited for");
}

/// A host may have threads that are no part of the runtime.
#[tokio::test]
async fn any_thread_may_hand_over() {
    let store = store();
    let server = server(store.clone(), no_sweep()).await;
    let (room, _) = opens(&store, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let handover = Handover::of(&commits(&store, &[announces(room, "From afar")]).await);
    let deliver = server.clone();
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        deliver.deliver(&handover);
        tell.send(()).unwrap();
    });
    let patience = Duration::from_secs(10);
    tokio::time::timeout(patience, told).await.unwrap().unwrap();
    assert_eq!(ann.hear_push("message").await["body"], "From afar");
}

#[tokio::test]
async fn what_changed_nothing_has_nothing_to_hand_over() {
    let store = store();
    let (room, _) = opens(&store, &["ann", "ben"]).await;
    let first = commits(&store, &[announces(room, "1"), announces(room, "2")]).await;
    let handover = Handover::of(&first);
    let heads: Vec<_> = handover.heads().map(|(_, rev)| rev.get()).collect();
    assert_eq!(heads, [3], "one stream, at its newest change");
    let repeated = commits(&store, &[announces(room, "1")]).await;
    assert!(Handover::of(&repeated).is_empty());
    let nowhere = RoomId::from_uuid(Uuid::nil());
    let refused = commits(&store, &[announces(nowhere, "1")]).await;
    assert!(refused[0].is_err());
    assert!(Handover::of(&refused).is_empty());
    // Of two handovers the newer number stays, whichever comes first.
    let mut merged = Handover::default();
    merged.merge(handover.clone());
    merged.merge(Handover::of(&first[..1]));
    assert_eq!(merged, handover);
}
