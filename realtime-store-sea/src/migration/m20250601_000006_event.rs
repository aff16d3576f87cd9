//! `rt_event`: events and idempotency keys that were applied.

use sea_orm::sea_query::{Index, Table};

use super::{EVENT_ID_CHARS, SchemaChange, Step, code, number};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20250601_000006_event",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut table = Table::create();
    table
        .table("rt_event")
        .col(code("kind").not_null())
        .col(schema.name("id", EVENT_ID_CHARS).not_null())
        .col(number("fingerprint").not_null())
        .col(schema.uuid("room_id"))
        .col(number("seq"))
        .col(number("created_at").not_null())
        .primary_key(Index::create().col("kind").col("id"));
    vec![Step::table(schema.clustered(&mut table))]
}
