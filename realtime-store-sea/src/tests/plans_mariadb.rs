//! How MariaDB finds the rows of every statement, in a room of 100,000 messages and for
//! somebody in 1,001 rooms: by `EXPLAIN`, and counted by the handler's own counters.

use std::collections::BTreeSet;

use realtime_core::id::RoomId;
use sea_orm::{ConnectionTrait, QueryResult, Statement, TransactionTrait};

use super::{
    crowd::{ROOMS, crowded},
    exercise::{reads, writes},
    fixture::Fixture,
    life::lives,
};
use crate::{dialect::Dialect, rows::single};

/// Rows that a query may read: the counting of 101 unread messages of two rooms, a page of
/// history with its senders, a room of a hundred.
const BUDGET: u64 = 1_000;
/// The same, of a list of somebody's rooms, for each of them.
const BUDGET_OF_A_ROOM: u64 = 30;
/// Tables that have many rows here. Of one with few, all may be read.
const LARGE: [&str; 4] = ["rt_message", "rt_participant", "rt_room", "rt_user"];
/// What they are called in statements.
const ALIASES: [&str; 6] = ["m", "p", "r", "u", "a", "b"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_reads_more_than_it_must() {
    let fixture = Fixture::mariadb().await;
    let room = crowded(&fixture).await;
    every_plan_is_bounded(fixture, room).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_reads_more_once_the_tables_were_counted() {
    let fixture = Fixture::mariadb().await;
    let room = crowded(&fixture).await;
    let all = LARGE.join(", ");
    fixture
        .sql(&format!("ANALYZE TABLE {all} PERSISTENT FOR ALL"))
        .await;
    every_plan_is_bounded(fixture, room).await;
}

async fn every_plan_is_bounded(mut fixture: Fixture, room: RoomId) {
    let heard = fixture.listen();
    writes(&fixture, room).await;
    reads(&fixture, room).await;
    lives(&fixture, room).await;
    let run = heard.take();
    assert!(run.len() > 40, "{} statements were heard", run.len());
    let mut dear = BTreeSet::new();
    for statement in run.iter().filter(|told| !told.sql.starts_with("INSERT")) {
        let sql = &statement.sql;
        let plan = plan(&fixture, statement).await;
        let read = if sql.starts_with("SELECT") || sql.starts_with("WITH") {
            rows_read(&fixture, statement).await
        } else {
            0
        };
        let budget = if lists_rooms(sql) {
            BUDGET_OF_A_ROOM * ROOMS.unsigned_abs()
        } else {
            BUDGET
        };
        if read > budget || plan.iter().any(Step::reads_all) {
            dear.insert(format!("{read} rows of {budget}\n{sql}\n{plan:#?}"));
        }
    }
    let dear: Vec<String> = dear.into_iter().collect();
    assert!(dear.is_empty(), "{}", dear.join("\n\n"));
}

/// Whether it looks through all rooms of a user.
fn lists_rooms(sql: &str) -> bool {
    sql.contains("rt_participant p ON p.user_id = u.id") || sql.contains("WHERE p.user_id = ")
}

/// A line of a plan.
#[derive(Debug)]
struct Step {
    /// Of what, and how.
    table: String,
    how: String,
    #[expect(dead_code, reason = "told when a test fails")]
    rest: String,
}

impl Step {
    /// Whether it reads a large table, or an index of it, from its beginning to its end.
    fn reads_all(&self) -> bool {
        let table = &*self.table;
        let large = LARGE.contains(&table) || ALIASES.contains(&table);
        large && matches!(&*self.how, "ALL" | "index")
    }
}

async fn plan(fixture: &Fixture, statement: &Statement) -> Vec<Step> {
    let explained = Statement {
        sql: format!("EXPLAIN {}", statement.sql),
        ..statement.clone()
    };
    let rows = fixture.writer().query_all_raw(explained).await.unwrap();
    let text = |row: &QueryResult, column: &str| {
        let found: Option<String> = row.try_get("", column).unwrap();
        found.unwrap_or_default()
    };
    rows.iter()
        .map(|row| Step {
            table: text(row, "table"),
            how: text(row, "type"),
            rest: format!("{} {}", text(row, "key"), text(row, "Extra")),
        })
        .collect()
}

/// How many rows the storage engine handed over.
async fn rows_read(fixture: &Fixture, statement: &Statement) -> u64 {
    let session = fixture.writer().begin().await.unwrap();
    session.execute_unprepared("FLUSH STATUS").await.unwrap();
    session.query_all_raw(statement.clone()).await.unwrap();
    // Not those of tables that a query makes for itself.
    let counted = "SELECT CAST(SUM(VARIABLE_VALUE) AS SIGNED) \
                   FROM information_schema.SESSION_STATUS \
                   WHERE VARIABLE_NAME IN ('Handler_read_first', 'Handler_read_key', \
                   'Handler_read_last', 'Handler_read_next', 'Handler_read_prev')";
    let counted = Dialect::MySql.statement(counted, []);
    let row = session.query_one_raw(counted).await.unwrap();
    let read: Option<i64> = single(row).unwrap();
    session.rollback().await.unwrap();
    read.unwrap().unsigned_abs()
}

#[test]
fn a_step_that_reads_everything_is_noticed() {
    let step = |table: &str, how: &str| Step {
        table: table.to_owned(),
        how: how.to_owned(),
        rest: String::new(),
    };
    assert!(step("m", "ALL").reads_all());
    assert!(step("rt_user", "index").reads_all());
    assert!(!step("m", "range").reads_all());
    assert!(!step("<derived3>", "ALL").reads_all());
}
