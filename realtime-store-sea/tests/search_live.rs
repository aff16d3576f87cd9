//! The index as a server keeps it: in the background, behind what is committed, and
//! whole again after `kill -9`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use realtime_core::{
    Realtime,
    change::{Actor, Answer, Change, Draft, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::{RoomKind, Subject},
    search::{Search, SearchQuery, SearchText},
    store::{Store, Upkeep},
    time::{Clock, SystemClock},
};
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database;

/// How long anything may take. It matters only when something is broken.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(10);
/// Tells the child which database to write to and to index, and from which message on.
const DATABASE: &str = "REALTIME_SEARCH_DATABASE";
const FIRST: &str = "REALTIME_SEARCH_FIRST";
/// How often a child is killed, and after how many steps of indexing.
const KILLS: u64 = 5;
const STEPS: usize = 4;
/// Messages of a batch, and how many batches are committed before each step.
const BATCH: u64 = 40;

async fn connect(url: &str) -> Arc<SeaStore> {
    Arc::new(SeaStore::connect(url, SeaOptions::default()).await.unwrap())
}

async fn start(store: &Arc<SeaStore>) -> Realtime {
    let builder = Realtime::builder(store.clone()).lanes(store.lanes());
    builder.search(store.clone()).start().await.unwrap()
}

fn ann() -> UserId {
    UserId::parse("ann").unwrap()
}

fn room_of(subject: &str) -> NewRoom {
    NewRoom {
        kind: RoomKind::Group,
        subject: Some(Subject::parse("search", subject).unwrap()),
        key: None,
        title: None,
        metadata: None,
        participants: vec![NewParticipant {
            user: ann(),
            role: Role::Member,
            name: None,
        }],
    }
}

fn draft(room: RoomId, name: &str, text: &str) -> Draft {
    Draft {
        room,
        from: Actor::user(ann()),
        client_id: ClientId::parse(name).unwrap(),
        body: Body::parse(text.to_owned(), 1_000).unwrap(),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    }
}

/// The bodies of everything that is found.
async fn all(search: &dyn Search, text: &str) -> Vec<String> {
    let mut query = SearchQuery {
        text: SearchText::parse(text).unwrap(),
        room: None,
        before: None,
        limit: 100,
    };
    let mut bodies = Vec::new();
    loop {
        let page = search.search(&ann(), &query).await.unwrap();
        bodies.extend(page.hits.into_iter().filter_map(|hit| hit.message.body));
        query.before = page.next;
        if page.next.is_none() {
            return bodies;
        }
    }
}

/// Waits until a question finds so many messages.
async fn finds(search: &dyn Search, text: &str, count: usize) -> Vec<String> {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let bodies = all(search, text).await;
            if bodies.len() == count {
                return bodies;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    waited.await.unwrap()
}

/// What is sent, edited and deleted on one server; what another one that died had not
/// indexed; what nobody told a server of.
async fn the_index_follows(url: &str) {
    let store = connect(url).await;
    let open = [Change::Open(room_of("1"))];
    let opened = store
        .commit(SystemClock.now(), &open)
        .await
        .unwrap()
        .remove(0);
    let Answer::Room { room, .. } = opened.unwrap().answer else {
        unreachable!("a room was asked for");
    };
    let unheard = Change::Send(draft(room.id, "0", "before the start key"));
    store
        .commit(SystemClock.now(), &[unheard])
        .await
        .unwrap()
        .remove(0)
        .unwrap();

    let realtime = start(&store).await;
    finds(&*store, "key", 1).await;
    let sent = realtime
        .send(draft(room.id, "1", "a live key"))
        .await
        .unwrap();
    assert_eq!(finds(&*store, "key", 2).await[0], "a live key");
    let by = Actor::user(ann());
    let text = Body::parse("an edited lock".to_owned(), 100).unwrap();
    realtime
        .edit(by, room.id, sent.message.seq, text)
        .await
        .unwrap();
    finds(&*store, "lock", 1).await;
    assert_eq!(all(&*store, "key").await.len(), 1);
    realtime
        .delete(Actor::Service, room.id, sent.message.seq)
        .await
        .unwrap();
    assert!(all(&*store, "lock").await.is_empty());

    // As a host's own transaction does that is not handed over.
    let unheard = Change::Send(draft(room.id, "2", "an unheard key"));
    store
        .commit(SystemClock.now(), &[unheard])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    finds(&*store, "key", 2).await;

    // Two servers, each of which fills what it hears of.
    let second = connect(url).await;
    let other = start(&second).await;
    for number in 0..20 {
        let of = if number % 2 == 0 { &realtime } else { &other };
        let name = format!("both-{number}");
        of.send(draft(room.id, &name, &format!("door {number}")))
            .await
            .unwrap();
    }
    finds(&*store, "door", 20).await;
    assert!(realtime.metrics().search_indexed.get() > 0);
    realtime.shutdown().await;
    other.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_follows_what_is_committed_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("realtime.db").display());
    the_index_follows(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_follows_what_is_committed_on_postgres() {
    the_index_follows(&database::postgres().fresh_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_follows_what_is_committed_on_mariadb() {
    the_index_follows(&database::mariadb().fresh_url()).await;
}

/// The one who indexes, until it is killed; without a database it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_indexer_that_may_be_killed() {
    let (Ok(url), Ok(first)) = (std::env::var(DATABASE), std::env::var(FIRST)) else {
        return;
    };
    let store = connect(&url).await;
    let open = [Change::Open(room_of("killed"))];
    let opened = store
        .commit(SystemClock.now(), &open)
        .await
        .unwrap()
        .remove(0);
    let Answer::Room { room, .. } = opened.unwrap().answer else {
        unreachable!("a room was asked for");
    };
    let (mut next, mut rooms) = (first.parse::<u64>().unwrap(), Vec::new());
    loop {
        let name = |number: u64| format!("message-{number}");
        let said = |number| Change::Send(draft(room.id, &name(number), &format!("key {number}")));
        let batch: Vec<Change> = (next..next + BATCH).map(said).collect();
        let outcomes = store.commit(SystemClock.now(), &batch).await.unwrap();
        assert!(outcomes.iter().all(Result::is_ok));
        next += BATCH;
        println!("sent {next}");
        rooms.push(room.id);
        rooms = store.index(&rooms).await.unwrap().rest;
        println!("indexed");
    }
}

/// Kills whoever indexes in the middle, again and again; then nothing is missing and
/// nothing is there twice.
async fn nothing_is_lost(url: &str) {
    let mut sent = 0;
    for _ in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["an_indexer_that_may_be_killed", "--exact", "--nocapture"])
            .env(DATABASE, url)
            .env(FIRST, sent.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut steps = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(number) = line.strip_prefix("sent ") {
                sent = number.parse().unwrap();
            }
            steps += usize::from(line == "indexed");
            // In the middle of the next step: after its messages were sent.
            if steps >= STEPS && line.starts_with("sent ") {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(steps >= STEPS, "it indexed before it was killed");
    }
    let store = connect(url).await;
    while store.tidy(SystemClock.now()).await.unwrap().more {}
    let mut rooms = store.behind(None).await.unwrap().rooms;
    while !rooms.is_empty() {
        rooms = store.index(&rooms).await.unwrap().rest;
    }
    let found = all(&*store, "key").await;
    let distinct: BTreeSet<&String> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "each once");
    assert!(found.len() as u64 >= sent, "{} of {sent}", found.len());
    for number in 0..sent {
        assert!(
            distinct.contains(&format!("key {number}")),
            "{number} is missing"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_an_indexer_is_killed_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("realtime.db").display());
    nothing_is_lost(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_an_indexer_is_killed_on_postgres() {
    nothing_is_lost(&database::postgres().fresh_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_an_indexer_is_killed_on_mariadb() {
    nothing_is_lost(&database::mariadb().fresh_url()).await;
}
