//! The number of statements does not depend on the number of changes, and their texts
//! are few enough to stay prepared.

use std::collections::HashSet;

use realtime_core::{
    change::{Actor, Change, History},
    id::RoomId,
    message::Body,
    seq::Seq,
    store::{Catalog, RoomQuery},
};

use super::fixture::{Fixture, commit, group, newcomer, open, read, send, user};
use crate::limits::STATEMENT_CACHE;

/// A batch of every kind of change, `each` of each kind.
fn mixed(rooms: &[RoomId], each: usize, batch: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for n in 0..each {
        let room = rooms[n % rooms.len()];
        changes.push(send(room, "ann", &format!("{batch}-{n}")));
        changes.push(read(room, "ben", u64::MAX));
        changes.push(Change::Edit {
            room,
            seq: Seq::FIRST,
            by: Actor::user(user("ann")),
            body: Body::parse(format!("{batch} {n}"), 100).unwrap(),
            sent_after: None,
        });
        changes.push(Change::Describe {
            room,
            title: Some(Some(format!("{batch} {n}"))),
            metadata: None,
        });
        changes.push(Change::Admit {
            room,
            participant: newcomer(&format!("guest-{batch}-{n}")),
            history: History::All,
        });
        changes.push(Change::Open(group(["ann", "cleo"])));
    }
    changes
}

#[tokio::test]
async fn a_batch_is_a_constant_number_of_statements() {
    let mut fixture = Fixture::new().await;
    let mut rooms = Vec::new();
    for _ in 0..80 {
        rooms.push(open(&fixture.store, group(["ann", "ben"])).await);
    }
    let first: Vec<_> = rooms
        .iter()
        .map(|room| send(*room, "ann", "first"))
        .collect();
    commit(&fixture.store, &first).await.unwrap();
    let heard = fixture.listen();
    let mut counts = Vec::new();
    for (batch, each) in [("a", 2), ("b", 80), ("c", 40)] {
        for outcome in commit(&fixture.store, &mixed(&rooms, each, batch))
            .await
            .unwrap()
        {
            outcome.unwrap();
        }
        counts.push(heard.take().len());
    }
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0], counts[2]);
}

/// The room is handed over, and its first messages are given up.
fn handed_over(rooms: &[RoomId], to: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for room in rooms {
        changes.push(Change::Replace {
            room: *room,
            leaves: user("ben"),
            comes: newcomer(to),
            history: History::FromNow,
        });
        changes.push(Change::Retain {
            room: *room,
            from: Seq::new(3),
        });
    }
    changes
}

#[tokio::test]
async fn rooms_are_handed_over_by_a_constant_number_of_statements() {
    for mut fixture in Fixture::each().await {
        let mut rooms = Vec::new();
        for _ in 0..37 {
            let room = open(&fixture.store, group(["ann", "ben"])).await;
            let said: Vec<_> = (0..5).map(|n| send(room, "ann", &n.to_string())).collect();
            commit(&fixture.store, &said).await.unwrap();
            rooms.push(room);
        }
        let heard = fixture.listen();
        let mut counts = HashSet::new();
        // Powers of two, which MariaDB inserts in one piece.
        for (to, rooms) in [
            ("cleo", &rooms[..32]),
            ("dora", &rooms[32..33]),
            ("emil", &rooms[33..]),
        ] {
            for outcome in commit(&fixture.store, &handed_over(rooms, to))
                .await
                .unwrap()
            {
                outcome.unwrap();
            }
            counts.insert(heard.take().len());
        }
        assert_eq!(counts.len(), 1, "{counts:?}");
    }
}

#[tokio::test]
async fn a_busy_room_is_not_read_again() {
    let mut fixture = Fixture::new().await;
    let room = open(&fixture.store, group(["ann", "ben"])).await;
    let heard = fixture.listen();
    commit(
        &fixture.store,
        &[send(room, "ann", "1"), read(room, "ben", 1)],
    )
    .await
    .unwrap();
    let again = [send(room, "ann", "2"), read(room, "ben", 2)];
    heard.take();
    commit(&fixture.store, &again).await.unwrap();
    let run: Vec<String> = heard.take().into_iter().map(|told| told.sql).collect();
    // Whether others wrote, whether it is a repeat; the message, the room, the pointers.
    assert_eq!(run.len(), 5, "{run:#?}");
}

#[tokio::test]
async fn a_page_of_rooms_is_a_constant_number_of_statements() {
    let mut fixture = Fixture::new().await;
    let heard = fixture.listen();
    let mut counts = HashSet::new();
    for n in 1..=30 {
        let room = open(&fixture.store, group(["ann", "ben"])).await;
        let sent = send(room, "ben", &n.to_string());
        commit(&fixture.store, &[sent]).await.unwrap();
        heard.take();
        let page = fixture
            .store
            .rooms(&user("ann"), &RoomQuery::default())
            .await
            .unwrap();
        assert_eq!(page.len(), n.min(20));
        counts.insert(heard.take().len());
    }
    assert_eq!(counts.len(), 1, "{counts:?}");
}

#[tokio::test]
async fn the_texts_of_statements_fit_what_is_kept_prepared() {
    let mut fixture = Fixture::new().await;
    let mut rooms = Vec::new();
    for _ in 0..10 {
        rooms.push(open(&fixture.store, group(["ann", "ben"])).await);
    }
    let first: Vec<_> = rooms
        .iter()
        .map(|room| send(*room, "ann", "first"))
        .collect();
    commit(&fixture.store, &first).await.unwrap();
    let heard = fixture.listen();
    for each in 1..=130 {
        let changes = mixed(&rooms, each, &format!("batch-{each}"));
        commit(&fixture.store, &changes).await.unwrap();
    }
    let texts: HashSet<String> = heard.take().into_iter().map(|told| told.sql).collect();
    assert!(texts.len() < STATEMENT_CACHE, "{} texts", texts.len());
}
