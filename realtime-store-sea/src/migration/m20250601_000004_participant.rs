//! `rt_participant`: who is in which room, and how far they have read.

use sea_orm::sea_query::{Index, Table};

use super::{SchemaChange, Step, code, number, step::index};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20250601_000004_participant",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut table = Table::create();
    table
        .table("rt_participant")
        .col(schema.uuid("room_id"))
        .col(number("user_id").not_null())
        .col(code("role").not_null())
        .col(code("state").not_null())
        .col(number("delivered_seq").not_null())
        .col(number("read_seq").not_null())
        .col(number("delivered_at"))
        .col(number("read_at"))
        .col(number("muted_until"))
        .col(number("rev").not_null())
        .col(number("member_rev").not_null())
        .col(number("joined_at").not_null())
        .col(number("left_at"))
        .primary_key(Index::create().col("room_id").col("user_id"));
    vec![Step::Table {
        table: schema.restless(&mut table),
        indexes: vec![
            // A user's rooms.
            index("rt_participant_user", &["user_id", "state", "room_id"]),
            // Who came or went. Not by `rev`: that moves with every receipt, and the index
            // would be written as often; see `read::changes`.
            index("rt_participant_member", &["room_id", "member_rev"]),
        ],
    }]
}
