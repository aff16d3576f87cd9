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

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let mut fixture = Fixture::new().await;
    let room = open(&fixture.store, group(["ann", "ben", "cleo"])).await;
    commit(&fixture.store, &[send(room, "ann", "0")]).await.unwrap();
    let heard = fixture.listen();
    writes(&fixture, room).await;
    reads(&fixture, room).await;
    let run = heard.take();
    assert!(run.len() > 40, "{} statements were heard", run.len());
    for statement in run.into_iter().filter(|told| !told.sql.starts_with("PRAGMA")) {
        let plan = plan(&fixture, &statement).await;
        assert!(!plan.is_empty());
        for step in &plan {
            // `v` and `half` are our own rows; a table is searched, never scanned.
            let scans = step.starts_with("SCAN ");
            let own = ["SCAN v", "SCAN half", "SCAN (subquery"]
                .iter()
                .any(|ours| step.starts_with(ours))
                || step.contains("CONSTANT ROW");
            assert!(!scans || own, "{step}\nin {plan:#?}\nof {}", statement.sql);
            assert!(!step.contains("AUTOMATIC"), "{step}\nof {}", statement.sql);
        }
    }
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
    let subject = Subject::parse("job", "7").unwrap();
    let opening = NewRoom {
        subject: Some(Subject::parse("job", "8").unwrap()),
        key: Some(EventId::parse("key").unwrap()),
        ..group(["ann", "dora"])
    };
    let event = Change::Apply(Box::new(DomainEvent {
        id: EventId::parse("event").unwrap(),
        fingerprint: 1,
        subject,
        open: Some(group(["ann", "ben"])),
        message: None,
        lock_at: Some(NOW),
    }));
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
        Change::Open(opening),
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
        event,
    ];
    for _ in 0..2 {
        for outcome in commit(&fixture.store, &changes).await.unwrap() {
            // The message that was deleted is not edited again.
            let _ = outcome;
        }
    }
    let seen = [user("ann"), user("ben")];
    fixture.store.saw(&seen, NOW).await.unwrap();
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
    store.room_of(&Subject::parse("job", "7").unwrap()).await.unwrap();
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
    store.acquaintances(&ann, &[ben.clone()]).await.unwrap();
    store.last_seen(&[ben]).await.unwrap();
}
