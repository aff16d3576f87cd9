//! What was answered survives `kill -9`: a process commits and tells its answers, is
//! killed in the middle, and another one goes on with the same database.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and the child answers by printing"
)]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use realtime_core::{
    change::{Actor, Answer, Change, Draft, NewParticipant, NewRoom},
    id::{ClientId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::{RoomKind, Subject},
    seq::Seq,
    store::{Outcome, Store, Window},
    time::{Clock, SystemClock},
};
use realtime_store_sea::{SeaOptions, SeaStore};

/// Tells the child which database to write to, for how long, and from which message on.
const DATABASE: &str = "REALTIME_CRASH_DATABASE";
const FIRST: &str = "REALTIME_CRASH_FIRST";
/// Messages of a batch.
const BATCH: u64 = 7;
/// Messages that a child repeats of what the one before sent: what was answered and
/// what may not have been.
const REPEATED: u64 = 25;
/// How often a child is killed, and after how many answers.
const KILLS: u64 = 6;
const ANSWERS: u64 = 150;

/// The writer. By itself it stops after a few batches, which must be numbered densely.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_is_answered_in_order() {
    match (std::env::var(DATABASE), std::env::var(FIRST)) {
        (Ok(database), Ok(first)) => {
            write(Path::new(&database), first.parse().unwrap(), u64::MAX).await;
        }
        _ => {
            let folder = tempfile::tempdir().unwrap();
            let seqs = write(&folder.path().join("alone.db"), 0, 10).await;
            assert_eq!(seqs, (1..=10 * BATCH).collect::<Vec<_>>());
        }
    }
}

async fn write(database: &Path, first: u64, batches: u64) -> Vec<u64> {
    let store = connect(database).await;
    let room = room(&store).await;
    let mut seqs = Vec::new();
    for batch in 0..batches {
        let begin = first + batch * BATCH;
        let names: Vec<u64> = (begin..begin + BATCH).collect();
        let changes: Vec<Change> = names.iter().map(|name| message(room, *name)).collect();
        for (name, outcome) in names.iter().zip(commit(&store, &changes).await) {
            let Answer::Message { message, .. } = outcome.unwrap().answer else {
                panic!("a message was sent");
            };
            println!("answer {name} {}", message.seq);
            seqs.push(message.seq.get());
        }
    }
    seqs
}

/// As a server does: again, if nothing was done because others were faster.
async fn commit(store: &SeaStore, changes: &[Change]) -> Vec<Outcome> {
    loop {
        match store.commit(SystemClock.now(), changes).await {
            Ok(outcomes) => return outcomes,
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
}

async fn connect(database: &Path) -> SeaStore {
    let url = format!("sqlite://{}", database.display());
    SeaStore::connect(&url, SeaOptions::default())
        .await
        .unwrap()
}

/// The one room of the test.
async fn room(store: &SeaStore) -> realtime_core::id::RoomId {
    let open = Change::Open(NewRoom {
        kind: RoomKind::Group,
        subject: Some(Subject::parse("crash", "1").unwrap()),
        key: None,
        title: None,
        metadata: None,
        participants: vec![NewParticipant {
            user: UserId::parse("writer").unwrap(),
            role: Role::Member,
            name: None,
        }],
    });
    let opened = commit(store, &[open]).await.remove(0);
    match opened.unwrap().answer {
        Answer::Room { room, .. } => room.id,
        other => panic!("a room was asked for: {other:?}"),
    }
}

fn message(room: realtime_core::id::RoomId, name: u64) -> Change {
    Change::Send(Draft {
        room,
        from: Actor::user(UserId::parse("writer").unwrap()),
        client_id: ClientId::parse(&format!("message-{name}")).unwrap(),
        body: Body::parse(format!("text of {name}"), 100).unwrap(),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    })
}

#[tokio::test]
async fn what_was_answered_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("killed.db");
    let mut answered: HashMap<u64, u64> = HashMap::new();
    for _ in 0..KILLS {
        let newest = answered.keys().max().copied().unwrap_or_default();
        let mut child = spawn(&database, newest.saturating_sub(REPEATED));
        let told = answers_until_killed(&mut child);
        assert!(told.len() as u64 >= ANSWERS, "{} answers", told.len());
        for (name, seq) in told {
            let before = answered.insert(name, seq);
            assert!(
                before.is_none_or(|before| before == seq),
                "{name} was sent twice"
            );
        }
        everything_is_there(&database, &answered).await;
    }
}

#[tokio::test]
async fn several_processes_start_on_a_new_database_at_once() {
    const PROCESSES: u64 = 3;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("shared.db");
    let mut children: Vec<Child> = (0..PROCESSES)
        .map(|process| spawn(&database, process * 1_000_000))
        .collect();
    let mut answered = HashMap::new();
    for child in &mut children {
        let told = answers_until_killed(child);
        assert!(told.len() as u64 >= ANSWERS, "{} answers", told.len());
        answered.extend(told);
    }
    everything_is_there(&database, &answered).await;
}

fn spawn(database: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["a_writer_is_answered_in_order", "--exact", "--nocapture"])
        .env(DATABASE, database)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the child after some answers, and takes all that it gave until it was dead.
fn answers_until_killed(child: &mut Child) -> Vec<(u64, u64)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    for line in lines {
        let line = line.unwrap();
        let mut words = line
            .split_whitespace()
            .skip_while(|word| *word != "answer")
            .skip(1);
        // The last line may have been cut off.
        let (Some(Ok(name)), Some(Ok(seq))) =
            (words.next().map(str::parse), words.next().map(str::parse))
        else {
            continue;
        };
        told.push((name, seq));
        if told.len() as u64 == ANSWERS {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    told
}

async fn everything_is_there(database: &Path, answered: &HashMap<u64, u64>) {
    let store = connect(database).await;
    let room = room(&store).await;
    let mut stored = Vec::new();
    loop {
        let after = Seq::new(stored.len() as u64);
        let page = store
            .history(room, Window::After(after), 200)
            .await
            .unwrap();
        stored.extend(page.messages);
        if !page.has_newer {
            break;
        }
    }
    let seqs: Vec<u64> = stored.iter().map(|message| message.seq.get()).collect();
    assert_eq!(seqs, (1..=stored.len() as u64).collect::<Vec<_>>(), "dense");
    let mut names = HashMap::new();
    for message in &stored {
        let name = message.client_id.as_ref().unwrap().to_string();
        assert!(names.insert(name, message).is_none(), "doubled");
    }
    for (name, seq) in answered {
        let message = names[&format!("message-{name}")];
        assert_eq!(message.seq.get(), *seq);
        assert_eq!(
            message.body.as_deref(),
            Some(format!("text of {name}").as_str())
        );
    }
    store.close().await.unwrap();
}
