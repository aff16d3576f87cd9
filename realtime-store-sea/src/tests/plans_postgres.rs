//! What every statement touches on PostgreSQL, under the plan that is made without knowing
//! any value: counted in buffers, in a room of 100,000 messages and for somebody in 1,001
//! rooms.

use realtime_testkit::database::Console;
use sea_orm::{Statement, Value};
use serde_json::Value as Json;

use super::{
    crowd::{ROOMS, crowded},
    exercise::{reads, writes},
    fixture::Fixture,
    life::lives,
};
use crate::connect::BY_INDEX;

/// Pages of 8 KiB that a statement may touch: a page of 50 messages that lie anywhere, or
/// the counting of 101 unread ones, with the indexes that lead there.
const BUDGET: u64 = 300;
/// The same, of a slice of 500 messages that is looked through for those of one sender, and
/// for what they said before.
const BUDGET_OF_A_SLICE: u64 = 2_000;
/// The same, of a list of somebody's rooms, for each of them: its row, their seat in it, a
/// few messages, and the indexes.
const BUDGET_OF_A_ROOM: u64 = 25;

/// Tables that have many rows here. Of one with few, all may be read.
const LARGE: [&str; 4] = ["rt_message", "rt_participant", "rt_room", "rt_user"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_touches_more_than_it_must() {
    let fixture = Fixture::postgres().await;
    // Nothing is known of the tables, however long this takes.
    for table in LARGE {
        let never = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        fixture.sql(&never).await;
    }
    let room = crowded(&fixture).await;
    // As our sessions are told for tables that were not counted yet.
    every_plan_is_bounded(fixture, room, &BY_INDEX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_touches_more_once_the_tables_were_counted() {
    let fixture = Fixture::postgres().await;
    let room = crowded(&fixture).await;
    fixture.sql("VACUUM ANALYZE").await;
    // As a session of a host's may be, in whose transaction we are.
    every_plan_is_bounded(fixture, room, &[]).await;
}

async fn every_plan_is_bounded(
    mut fixture: Fixture,
    room: realtime_core::id::RoomId,
    settings: &[&str],
) {
    let heard = fixture.listen();
    writes(&fixture, room).await;
    reads(&fixture, room).await;
    lives(&fixture, room).await;
    let run = heard.take();
    assert!(run.len() > 40, "{} statements were heard", run.len());
    let mut console = fixture.console();
    console.run("SET plan_cache_mode = force_generic_plan");
    for setting in settings {
        console.run(setting);
    }
    let mut dear = Vec::new();
    for statement in run {
        let plan = plan(&mut console, &statement);
        let touched = touched(&plan);
        let budget = budget(&statement.sql);
        if touched > budget || reads_all(&plan) {
            let sql = statement.sql;
            dear.push(format!("{touched} buffers of {budget}\n{sql}\n{plan:#}"));
        }
    }
    assert!(dear.is_empty(), "{}", dear.join("\n\n"));
}

fn budget(sql: &str) -> u64 {
    if lists_rooms(sql) {
        BUDGET_OF_A_ROOM * ROOMS.unsigned_abs()
    } else if sql.contains("m.sender_id + 0 = ") || sql.contains("rt_message_edit e ON ") {
        BUDGET_OF_A_SLICE
    } else {
        BUDGET
    }
}

/// Whether it looks through all rooms of a user.
pub(super) fn lists_rooms(sql: &str) -> bool {
    sql.contains("rt_participant p ON p.user_id = u.id") || sql.contains("WHERE p.user_id = ")
}

/// The plan, as it was run; of an `INSERT`, which would find its rows there, as it would be.
pub(super) fn plan(console: &mut Console, statement: &Statement) -> Json {
    let values = statement
        .values
        .as_ref()
        .map_or(&[][..], |values| &values.0);
    let (types, literals): (Vec<&str>, Vec<String>) = values.iter().map(literal).unzip();
    let analyze = if statement.sql.contains("INSERT INTO") {
        ""
    } else {
        "ANALYZE, BUFFERS, "
    };
    let given = |all: String| {
        if values.is_empty() {
            String::new()
        } else {
            format!("({all})")
        }
    };
    console.run("BEGIN");
    console.run(&format!(
        "PREPARE q{} AS {}",
        given(types.join(", ")),
        statement.sql
    ));
    let told = console.run(&format!(
        "EXPLAIN ({analyze}FORMAT JSON) EXECUTE q{}",
        given(literals.join(", "))
    ));
    console.run("ROLLBACK");
    console.run("DEALLOCATE q");
    let plan: Json = serde_json::from_str(&told).unwrap();
    plan[0]["Plan"].clone()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is the library's, and we use five of its variants"
)]
fn literal(value: &Value) -> (&'static str, String) {
    let text = |value: Option<String>| {
        value.map_or("NULL".to_owned(), |text| {
            format!("'{}'", text.replace('\'', "''"))
        })
    };
    match value {
        Value::Bool(value) => ("boolean", text(value.map(|value| value.to_string()))),
        Value::SmallInt(value) => ("smallint", text(value.map(|value| value.to_string()))),
        Value::BigInt(value) => ("bigint", text(value.map(|value| value.to_string()))),
        Value::Uuid(value) => ("uuid", text(value.map(|value| value.to_string()))),
        Value::String(value) => ("text", text(value.clone())),
        value => panic!("none of ours: {value:?}"),
    }
}

/// Buffers of a plan that was run. What it wrote is counted, too.
pub(super) fn touched(plan: &Json) -> u64 {
    ["Shared Hit Blocks", "Shared Read Blocks"]
        .iter()
        .filter_map(|kind| plan[kind].as_u64())
        .sum()
}

/// Whether a step reads a table that is large here from its beginning to its end.
pub(super) fn reads_all(plan: &Json) -> bool {
    let here = plan["Node Type"] == "Seq Scan"
        && plan["Relation Name"]
            .as_str()
            .is_some_and(|table| LARGE.contains(&table));
    here || plan["Plans"]
        .as_array()
        .is_some_and(|plans| plans.iter().any(reads_all))
}

#[test]
fn a_step_that_reads_everything_is_noticed_wherever_it_is() {
    let scan = serde_json::json!({"Node Type": "Seq Scan", "Relation Name": "rt_message"});
    let found = serde_json::json!({"Node Type": "Index Scan", "Relation Name": "rt_message"});
    let ours = serde_json::json!({"Node Type": "Function Scan"});
    for (plan, all) in [(&scan, true), (&found, false), (&ours, false)] {
        let outer = serde_json::json!({"Node Type": "Nested Loop", "Plans": [ours, plan]});
        assert_eq!(reads_all(&outer), all);
    }
}
