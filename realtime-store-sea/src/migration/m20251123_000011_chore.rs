//! `rt_chore`: what retention and erasure left to be done.

use sea_orm::sea_query::Table;

use super::{NAME_CHARS, SchemaChange, Step, code, number};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20251123_000011_chore",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut table = Table::create();
    table
        .table("rt_chore")
        .col(schema.number_key("id"))
        .col(code("kind").not_null())
        .col(schema.uuid("room_id").null())
        .col(number("user_id"))
        .col(code("legacy"))
        .col(number("from_seq"))
        .col(number("to_seq"))
        .col(schema.name("after_client_id", NAME_CHARS))
        .col(number("created_at").not_null());
    vec![Step::table(schema.plain(&mut table))]
}
