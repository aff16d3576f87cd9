//! Every statement finds its rows by an index, whatever the tables hold.

use realtime_core::{
    change::{Actor, Change, DomainEvent, NewRoom, Pointer, RoomAction},
    event::Topic,
    id::{EventId, RoomId},
    message::Body,
    room::{RoomState, Subject},
    seq::{Rev, Seq},
    store::{Catalog, RoomCursor, RoomQuery, Store, Window},
};
use sea_orm::{ConnectionTrait, Statement};

use super::fixture::{Fixture, NOW, commit, group, newcomer, open, read, send, user};
use crate::rows::Columns;

/// Rooms, and messages in each, where the planner is shown what the tables hold.
const ROOMS: usize = 100;
const MESSAGES: usize = 40;

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    every_plan_is_bounded(Fixture::new().await).await;
}

/// A host may run `ANALYZE`, after which SQLite chooses by what it counted.
#[tokio::test]
async fn no_statement_reads_a_whole_table_that_was_analyzed() {
    let fixture = Fixture::new().await;
    for n in 0..ROOMS {
        let room = open(&fixture.store, group(["ann", "ben", &format!("guest-{n}")])).await;
        let sends: Vec<_> = (0..MESSAGES)
            .map(|n| send(room, "ann", &n.to_string()))
            .collect();
        commit(&fixture.store, &sends).await.unwrap();
    }
    fixture.sql("ANALYZE").await;
    every_plan_is_bounded(fixture).await;
}

async fn every_plan_is_bounded(mut fixture: Fixture) {
    let room = open(&fixture.store, group(["ann", "ben", "cleo"])).await;
    commit(&fixture.store, &[send(room, "ann", "0")])
        .await
        .unwrap();
    let heard = fixture.listen();
    writes(&fixture, room).await;
    reads(&fixture, room).await;
    let run = heard.take();
    assert!(run.len() > 40, "{} statements were heard", run.len());
    for statement in run
        .into_iter()
        .filter(|told| !told.sql.starts_with("PRAGMA"))
    {
        let plan = plan(&fixture, &statement).await;
        assert!(!plan.is_empty());
        for step in &plan {
            assert!(
                is_bounded(step),
                "{step}\nin {plan:#?}\nof {}",
                statement.sql
            );
        }
    }
}

/// Whether a step of a plan reads only what was asked for.
fn is_bounded(step: &str) -> bool {
    // Rows of our own: what was asked, the halving, what a subquery found.
    let ours = ["SCAN v", "SCAN half", "SCAN (subquery"];
    if step.starts_with("SCAN ") {
        return ours.iter().any(|own| step.starts_with(own)) || step.contains("CONSTANT ROW");
    }
    // All messages of a room, without an end on either side, are no better.
    let whole_room = step.starts_with("SEARCH m ") && step.ends_with("(room_id=?)");
    !whole_room && !step.contains("AUTOMATIC")
}

#[test]
fn a_scan_is_told_from_a_search() {
    assert!(is_bounded("SCAN v"));
    assert!(is_bounded(
        "SEARCH m USING PRIMARY KEY (room_id=? AND seq>? AND seq<?)"
    ));
    assert!(!is_bounded("SEARCH m USING PRIMARY KEY (room_id=?)"));
    assert!(!is_bounded("SCAN m"));
    assert!(!is_bounded(
        "SCAN rt_user USING COVERING INDEX rt_user_external"
    ));
}

async fn plan(fixture: &Fixture, statement: &Statement) -> Vec<String> {
    let explained = Statement {
        sql: format!("EXPLAIN QUERY PLAN {}", statement.sql),
        ..statement.clone()
    };
    // Of the columns id, parent, notused, detail.
    let rows = fixture.writer().query_all_raw(explained).await.unwrap();
    rows.iter()
        .map(|row| {
            let mut columns = Columns::of(row);
            for _ in 0..3 {
                columns.take::<i64>().unwrap();
            }
            columns.take().unwrap()
        })
        .collect()
}

/// A change of every kind, and a repeat of those that can be repeated.
async fn writes(fixture: &Fixture, room: RoomId) {
    let by = Actor::user(user("ann"));
    let body = Body::parse("edited".to_owned(), 10).unwrap();
    let seq = Seq::FIRST;
    let changes = vec![
        send(room, "ann", "1"),
        read(room, "ben", 1),
        Change::Mark {
            room,
            user: user("cleo"),
            pointer: Pointer::Delivered,
            seq,
        },
        Change::Edit {
            room,
            seq,
            by: by.clone(),
            body,
        },
        Change::Delete { room, seq, by },
        Change::Open(opening()),
        Change::Describe {
            room,
            title: Some(Some("title".to_owned())),
            metadata: None,
        },
        Change::Act {
            room,
            action: RoomAction::Reopen,
        },
        Change::Admit {
            room,
            participant: newcomer("emil"),
        },
        Change::Remove {
            room,
            user: user("cleo"),
        },
        event(),
    ];
    // The second time around some are refused, which takes statements, too.
    for _ in 0..2 {
        commit(&fixture.store, &changes).await.unwrap();
    }
    let seen = [user("ann"), user("ben")];
    fixture.store.saw(&seen, NOW).await.unwrap();
}

fn opening() -> NewRoom {
    NewRoom {
        subject: Some(Subject::parse("job", "8").unwrap()),
        key: Some(EventId::parse("key").unwrap()),
        ..group(["ann", "dora"])
    }
}

fn event() -> Change {
    Change::Apply(Box::new(DomainEvent {
        id: EventId::parse("event").unwrap(),
        fingerprint: 1,
        subject: Subject::parse("job", "7").unwrap(),
        open: Some(group(["ann", "ben"])),
        message: None,
        lock_at: Some(NOW),
    }))
}

/// Every question of both ports, in every form.
async fn reads(fixture: &Fixture, room: RoomId) {
    let store = &fixture.store;
    let (ann, ben) = (user("ann"), user("ben"));
    let topics = [Topic::Room(room), Topic::User(ann.clone())];
    store.heads(&topics).await.unwrap();
    for after in 0..8 {
        store.changes(room, Rev::new(after), 2).await.unwrap();
    }
    for window in [
        Window::Latest,
        Window::Before(Seq::new(2)),
        Window::After(Seq::ZERO),
        Window::Around(Seq::FIRST),
    ] {
        store.history(room, window, 2).await.unwrap();
    }
    store.participant(room, &ann).await.unwrap();
    store.memberships(&ann, 5).await.unwrap();
    store.room(room).await.unwrap();
    store
        .room_of(&Subject::parse("job", "7").unwrap())
        .await
        .unwrap();
    let after = Some(RoomCursor {
        activity: NOW,
        room,
    });
    for (state, unread_only, after) in [
        (None, false, None),
        (Some(RoomState::Open), true, after),
        (None, true, None),
        (Some(RoomState::Locked), false, after),
    ] {
        let query = RoomQuery {
            state,
            unread_only,
            after,
            limit: 5,
        };
        store.rooms(&ben, &query).await.unwrap();
    }
    store.views(&ben, &[room]).await.unwrap();
    store.participants(room, Some(&ann), 5).await.unwrap();
    store.unread(room, &ben).await.unwrap();
    store.unread_totals(&ben).await.unwrap();
    store
        .acquaintances(&ann, std::slice::from_ref(&ben))
        .await
        .unwrap();
    store.last_seen(&[ben]).await.unwrap();
}
