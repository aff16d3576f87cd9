//! Several that write at once: nobody hears of it, and nothing is lost.

use std::sync::Arc;

use realtime_core::{
    change::{Actor, Answer, Change, DomainEvent, Draft, History, NewRoom},
    event::Topic,
    id::{ClientId, EventId, RoomId},
    message::{Body, MessageKind},
    room::Subject,
    seq::Rev,
    store::{Catalog, Store},
};
use realtime_testkit::database::Console;

use super::fixture::{Fixture, NOW, commit, group, last_seq, newcomer, open, send, user};
use crate::{SeaStore, dialect::Dialect};

/// Two servers on one database.
pub(super) async fn two(fixture: Fixture) -> [Arc<SeaStore>; 2] {
    let other = fixture.another().await;
    [Arc::new(fixture.store), Arc::new(other)]
}

fn opening(round: usize) -> NewRoom {
    NewRoom {
        subject: Some(Subject::parse("job", &round.to_string()).unwrap()),
        key: Some(EventId::parse(&format!("key-{round}")).unwrap()),
        ..group(
            [
                format!("ann-{round}"),
                format!("ben-{round}"),
                format!("cleo-{round}"),
            ]
            .iter()
            .map(String::as_str),
        )
    }
}

fn event(round: usize) -> Change {
    Change::Apply(Box::new(DomainEvent {
        id: EventId::parse(&format!("event-{round}")).unwrap(),
        fingerprint: 1,
        subject: Subject::parse("visit", &round.to_string()).unwrap(),
        open: Some(group(
            [format!("ben-{round}"), format!("dora-{round}")]
                .iter()
                .map(String::as_str),
        )),
        roster: Vec::new(),
        message: None,
        action: None,
    }))
}

fn room_of(answer: &Answer) -> RoomId {
    match answer {
        Answer::Room { room, .. } | Answer::Event { room, .. } => room.id,
        answer @ (Answer::Message { .. }
        | Answer::Pointers { .. }
        | Answer::Participant { .. }
        | Answer::Erased { .. }) => panic!("a room was asked for: {answer:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_several_bring_as_new_is_new_once() {
    const ROUNDS: usize = 15;
    const AT_ONCE: usize = 6;
    for fixture in Fixture::servers().await {
        let dialect = fixture.dialect();
        let stores = two(fixture).await;
        for round in 0..ROUNDS {
            let tasks: Vec<_> = (0..AT_ONCE)
                .map(|task| {
                    let store = stores[task % 2].clone();
                    let mut changes = [Change::Open(opening(round)), event(round)];
                    if task > AT_ONCE / 2 {
                        changes.reverse();
                    }
                    tokio::spawn(async move { commit(&store, &changes).await })
                })
                .collect();
            let mut rooms = std::collections::BTreeSet::new();
            for task in tasks {
                for outcome in task.await.unwrap().unwrap() {
                    rooms.insert(room_of(&outcome.unwrap().answer));
                }
            }
            assert_eq!(rooms.len(), 2, "{dialect:?}, round {round}");
            let ben = user(&format!("ben-{round}"));
            let heads = stores[0].heads(&[Topic::User(ben)]).await.unwrap();
            assert_eq!(heads, [Rev::new(2)], "{dialect:?}, round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_streams_of_people_stay_dense_while_they_are_renamed() {
    const ROOMS: usize = 24;
    for fixture in Fixture::servers().await {
        let dialect = fixture.dialect();
        let home = open(&fixture.store, group(["ann", "ben"])).await;
        let mut rooms = Vec::new();
        for _ in 0..ROOMS {
            rooms.push(open(&fixture.store, group(["owner"])).await);
        }
        let stores = two(fixture).await;
        let tasks: Vec<_> = rooms
            .into_iter()
            .enumerate()
            .map(|(n, room)| {
                let store = stores[n % 2].clone();
                tokio::spawn(async move {
                    let mut people = ["ann", "ben"];
                    if n % 3 == 0 {
                        people.reverse();
                    }
                    let admit = people.map(|name| Change::Admit {
                        room,
                        participant: newcomer(name),
                        history: History::All,
                    });
                    let renamed = sent_as(home, "ann", n);
                    commit(&store, &[admit.to_vec(), vec![renamed]].concat()).await
                })
            })
            .collect();
        for task in tasks {
            for outcome in task.await.unwrap().unwrap() {
                outcome.unwrap();
            }
        }
        let topics = ["ann", "ben"].map(|name| Topic::User(user(name)));
        let heads = stores[1].heads(&topics).await.unwrap();
        let told = Rev::new(1 + ROOMS as u64);
        assert_eq!(heads, [told, told], "{dialect:?}");
        assert_eq!(last_seq(&stores[0], home).await, ROOMS as u64);
    }
}

/// A message by which its sender is called something else.
pub(super) fn sent_as(room: RoomId, from: &str, n: usize) -> Change {
    Change::Send(Draft {
        room,
        from: Actor::User {
            id: user(from),
            name: Some(format!("{from} the {n}th")),
        },
        client_id: ClientId::parse(&format!("renamed-{n}")).unwrap(),
        body: Body::parse("hello".to_owned(), 10).unwrap(),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    })
}

/// Locks a room as another server would, without our code.
fn lock(fixture: &Fixture, room: RoomId) -> String {
    match fixture.dialect() {
        Dialect::Sqlite => panic!("a file has one lock"),
        Dialect::Postgres => {
            format!(
                "SELECT 1 FROM rt_room WHERE id = '{}' FOR UPDATE",
                room.as_uuid()
            )
        }
        Dialect::MySql => format!(
            "SELECT 1 FROM rt_room WHERE id = x'{}' FOR UPDATE",
            room.as_uuid().simple()
        ),
    }
}

/// Until one of ours waits for a row.
pub(super) async fn until_somebody_waits(fixture: &Fixture, watch: &mut Console) {
    let waiting = match fixture.dialect() {
        Dialect::Sqlite => panic!("a file has one lock"),
        Dialect::Postgres => {
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'"
        }
        // Its own list of who waits is as old as the last look at it. Nothing of ours takes
        // so long unless it waits.
        Dialect::MySql => {
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
             WHERE DB = DATABASE() AND ID <> CONNECTION_ID() \
             AND INFO LIKE '%UPDATE%' AND TIME_MS > 100"
        }
    };
    while watch.run(waiting).trim() == "0" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_one_room_holds_up_no_other() {
    for fixture in Fixture::servers().await {
        let held = open(&fixture.store, group(["ann"])).await;
        let free = open(&fixture.store, group(["ann"])).await;
        assert!(fixture.store.lanes() > 1);
        let (mut holder, mut watch) = (fixture.console(), fixture.console());
        holder.run("BEGIN");
        holder.run(&lock(&fixture, held));
        let fixture = Arc::new(fixture);
        let waiting = {
            let fixture = fixture.clone();
            tokio::spawn(async move { commit(&fixture.store, &[send(held, "ann", "1")]).await })
        };
        until_somebody_waits(&fixture, &mut watch).await;
        commit(&fixture.store, &[send(free, "ann", "1")])
            .await
            .unwrap();
        assert!(!waiting.is_finished());
        assert_eq!(
            last_seq(&fixture.store, held).await,
            0,
            "readers do not wait"
        );
        holder.run("COMMIT");
        waiting.await.unwrap().unwrap();
        assert_eq!(last_seq(&fixture.store, held).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_taken_back_for_a_deadlock_begins_anew_and_nobody_hears_of_it() {
    for fixture in Fixture::servers().await {
        let mut rooms = [
            open(&fixture.store, group(["ann"])).await,
            open(&fixture.store, group(["ann"])).await,
        ];
        rooms.sort_unstable();
        let (mut holder, mut watch) = (fixture.console(), fixture.console());
        holder.run("CREATE TABLE heavy (n int)");
        holder.run("BEGIN");
        // MariaDB takes back the transaction that did less; PostgreSQL the one that has
        // waited for a second. Either way it is ours.
        holder.run("INSERT INTO heavy VALUES (1), (2), (3), (4), (5), (6), (7), (8)");
        holder.run(&lock(&fixture, rooms[1]));
        let fixture = Arc::new(fixture);
        let waiting = {
            let fixture = fixture.clone();
            let sends = rooms.map(|room| send(room, "ann", "1"));
            tokio::spawn(async move { commit(&fixture.store, &sends).await })
        };
        until_somebody_waits(&fixture, &mut watch).await;
        // They hold the first and wait for the second; we want it the other way round.
        holder.start(&lock(&fixture, rooms[0]));
        holder.answer().unwrap();
        holder.run("COMMIT");
        for outcome in waiting.await.unwrap().unwrap() {
            outcome.unwrap();
        }
        for room in rooms {
            assert_eq!(last_seq(&fixture.store, room).await, 1);
        }
        assert_eq!(deadlocks(&fixture, &mut watch).await, 1);
    }
}

/// How many the database has taken back.
async fn deadlocks(fixture: &Fixture, watch: &mut Console) -> u64 {
    match fixture.dialect() {
        Dialect::Sqlite => 0,
        // It counts when a session is idle for a moment.
        Dialect::Postgres => loop {
            let told = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
            let count = watch.run(told).trim().parse().unwrap();
            if count > 0 {
                return count;
            }
            fixture
                .store
                .room(RoomId::from_uuid(uuid::Uuid::nil()))
                .await
                .unwrap();
        },
        // Counted for the server, where another test may add to it.
        Dialect::MySql => {
            let told = "SELECT VARIABLE_VALUE > 0 FROM information_schema.GLOBAL_STATUS \
                        WHERE VARIABLE_NAME = 'Innodb_deadlocks'";
            watch.run(told).trim().parse().unwrap()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_too_long_is_told_that_nothing_was_done() {
    for fixture in Fixture::servers().await {
        let room = open(&fixture.store, group(["ann"])).await;
        let mut holder = fixture.console();
        holder.run("BEGIN");
        holder.run(&lock(&fixture, room));
        let error = fixture
            .store
            .commit(NOW, &[send(room, "ann", "1")])
            .await
            .unwrap_err();
        assert!(
            matches!(error, realtime_core::store::StoreError::Unavailable(_)),
            "{error:?}"
        );
        holder.run("COMMIT");
        commit(&fixture.store, &[send(room, "ann", "1")])
            .await
            .unwrap();
        assert_eq!(last_seq(&fixture.store, room).await, 1);
    }
}
