//! A value that the database does not take harms nobody else.

use realtime_core::{
    change::{Change, Rejection},
    store::{Outcome, StoreError},
};

use super::fixture::{Fixture, commit, group, last_seq, open, send};
use crate::dialect::Dialect;

/// A title that passes every check of ours, and that this database cannot hold.
fn poison(dialect: Dialect) -> Option<String> {
    match dialect {
        Dialect::Sqlite => None,
        Dialect::Postgres => Some("a\0b".to_owned()),
        // More than a packet.
        Dialect::MySql => Some("x".repeat(17 * 1024 * 1024)),
    }
}

fn is_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Rejection::Invalid { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_culprit_is_refused() {
    for fixture in Fixture::servers().await {
        let title = poison(fixture.dialect());
        let room = open(&fixture.store, group(["ann"])).await;
        let mut sent = 0;
        for place in 0..5 {
            let mut changes: Vec<Change> = (0..4)
                .map(|n| send(room, "ann", &format!("{place}-{n}")))
                .collect();
            let culprit = Change::Describe {
                room,
                title: Some(title.clone()),
                metadata: None,
            };
            changes.insert(place, culprit);
            let outcomes = commit(&fixture.store, &changes).await.unwrap();
            assert_eq!(outcomes.len(), changes.len());
            for (index, outcome) in outcomes.iter().enumerate() {
                assert_eq!(is_refused(outcome), index == place, "{outcome:?}");
                assert_eq!(outcome.is_ok(), index != place, "{outcome:?}");
            }
            sent += 4;
            assert_eq!(last_seq(&fixture.store, room).await, sent);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_culprits_are_all_refused() {
    for fixture in Fixture::servers().await {
        let title = poison(fixture.dialect());
        let culprit = || {
            let mut new = group(["ann"]);
            new.title.clone_from(&title);
            Change::Open(new)
        };
        let changes = [culprit(), Change::Open(group(["ann"])), culprit()];
        let outcomes = commit(&fixture.store, &changes).await.unwrap();
        let refused: Vec<bool> = outcomes.iter().map(is_refused).collect();
        assert_eq!(refused, [true, false, true]);
    }
}

#[tokio::test]
async fn a_damaged_row_is_not_taken_for_a_value() {
    for fixture in Fixture::each().await {
        let room = open(&fixture.store, group(["ann"])).await;
        commit(&fixture.store, &[send(room, "ann", "1")])
            .await
            .unwrap();
        fixture.sql("UPDATE rt_room SET state = 9").await;
        // Of a store that remembers nothing.
        let other = fixture.another().await;
        let error = commit(&other, &[send(room, "ann", "2")]).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    }
}
