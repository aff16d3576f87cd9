//! What retention and erasure left to be done survives `kill -9`: a process tidies, is
//! killed in the middle, and another one goes on where it was.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and the child answers by printing"
)]

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use realtime_core::{
    change::{Actor, Answer, Change, Draft, Legacy, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind, Sender},
    participant::Role,
    room::{Room, RoomKind},
    seq::{Rev, Seq},
    store::{Catalog, Outcome, Store, Upkeep, Window},
    time::{Clock, SystemClock},
};
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::database;

/// Tells the child which database to tidy.
const DATABASE: &str = "REALTIME_TIDY_DATABASE";
/// Messages of the person in the long room, and messages that the other one gives up: a
/// dozen steps each.
const SAID: u64 = 6_000;
/// Messages of a batch.
const BATCH: u64 = 500;
/// After how many steps a child is killed, in the middle of the next one, and how often.
const STEPS: usize = 4;
const KILLS: usize = 4;

/// The child: tidies until nothing is left. By itself there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tidier_does_what_is_left() {
    let url = std::env::var(DATABASE).unwrap_or_else(|_| "sqlite::memory:".to_owned());
    let store = connect(&url).await;
    loop {
        let tidied = store.tidy(SystemClock.now()).await.unwrap();
        println!("step {}", tidied.events.len());
        if !tidied.more {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_is_done_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("realtime.db").display());
    what_was_left_is_done(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_is_done_on_postgres() {
    what_was_left_is_done(&database::postgres().fresh_url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_left_is_done_on_mariadb() {
    what_was_left_is_done(&database::mariadb().fresh_url()).await;
}

async fn what_was_left_is_done(url: &str) {
    let store = connect(url).await;
    let [long, cut] = [open(&store).await, open(&store).await];
    for room in [long, cut] {
        for begin in (0..SAID).step_by(usize::try_from(BATCH).unwrap()) {
            let said: Vec<Change> = (begin..begin + BATCH).map(|n| message(room, n)).collect();
            commit(&store, &said).await;
        }
    }
    let retain = Change::Retain {
        room: cut,
        from: Seq::new(SAID - 9),
    };
    let erase = Change::Erase {
        user: user("ann"),
        messages: Legacy::Tombstone,
        once: None,
    };
    commit(&store, &[retain, erase]).await;
    let before = [row(&store, long).await, row(&store, cut).await];
    let mut steps = 0;
    for _ in 0..KILLS {
        steps += tidied_and_killed(url, STEPS);
    }
    assert!(steps >= KILLS * STEPS, "{steps} steps in all");
    tidied_and_killed(url, usize::MAX);
    for (room, before) in [long, cut].into_iter().zip(before) {
        is_nobodys(&store, room, &before).await;
    }
    let nothing = store.tidy(SystemClock.now()).await.unwrap();
    assert!(nothing.events.is_empty() && !nothing.more);
}

/// Lets a child tidy, and kills it after some steps; answers how many it told of.
fn tidied_and_killed(url: &str, most: usize) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_tidier_does_what_is_left", "--nocapture"])
        .env(DATABASE, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut steps = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if line.unwrap().contains("step ") {
            steps += 1;
            if steps == most {
                child.kill().unwrap();
            }
        }
    }
    let ended = child.wait().unwrap();
    assert_eq!(ended.success(), most == usize::MAX);
    steps
}

/// The room was reset once, and nothing that ann said is left in it.
async fn is_nobodys(store: &SeaStore, room: RoomId, before: &Room) {
    let now = row(store, room).await;
    assert_eq!(
        (now.rev, now.meta_rev),
        (before.rev.next(), before.rev.next())
    );
    assert_eq!((before.participant_count, now.participant_count), (2, 1));
    let mut after = before.first_seq.previous();
    let mut found = 0;
    loop {
        let page = store
            .history(room, Window::After(after), 200)
            .await
            .unwrap();
        for message in &page.messages {
            assert_eq!((&message.sender, &message.body), (&Sender::Erased, &None));
            after = message.seq;
            found += 1;
        }
        if !page.has_newer {
            break;
        }
    }
    assert_eq!(found, SAID - before.first_seq.previous().get());
    assert!(store.changes(room, Rev::FIRST, 10).await.unwrap().reset);
    assert_eq!(store.participant(room, &user("ann")).await.unwrap(), None);
}

async fn row(store: &SeaStore, room: RoomId) -> Room {
    store.room(room).await.unwrap().unwrap()
}

async fn connect(url: &str) -> SeaStore {
    SeaStore::connect(url, SeaOptions::default()).await.unwrap()
}

async fn commit(store: &SeaStore, changes: &[Change]) -> Vec<Outcome> {
    let outcomes = store.commit(SystemClock.now(), changes).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    outcomes
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

async fn open(store: &SeaStore) -> RoomId {
    let open = Change::Open(NewRoom {
        kind: RoomKind::Group,
        subject: None,
        key: None,
        title: None,
        metadata: None,
        participants: ["ann", "ben"]
            .map(|name| NewParticipant {
                user: user(name),
                role: Role::Member,
                name: None,
            })
            .to_vec(),
    });
    match commit(store, &[open]).await.remove(0).unwrap().answer {
        Answer::Room { room, .. } => room.id,
        other => panic!("a room was asked for: {other:?}"),
    }
}

fn message(room: RoomId, n: u64) -> Change {
    Change::Send(Draft {
        room,
        from: Actor::user(user("ann")),
        client_id: ClientId::parse(&format!("message-{n}")).unwrap(),
        body: Body::parse(format!("text of {n}"), 1_000).unwrap(),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    })
}
