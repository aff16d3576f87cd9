//! Every statement finds its rows by an index, whatever the tables hold.

use sea_orm::{ConnectionTrait, Statement};

use super::{
    exercise::{reads, writes},
    fixture::{Fixture, commit, group, open, send},
    life::lives,
};
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
    lives(&fixture, room).await;
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
pub(super) fn is_bounded(step: &str) -> bool {
    // Rows of our own: what was asked, the halving, what a subquery found.
    let ours = ["SCAN v", "SCAN half", "SCAN counted", "SCAN first"];
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

pub(super) async fn plan(fixture: &Fixture, statement: &Statement) -> Vec<String> {
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
