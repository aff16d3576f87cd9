//! `rt_message_edit`: what messages said before they were edited or deleted.

use sea_orm::sea_query::{Index, Table};

use super::{SchemaChange, Step, number};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20251123_000010_message_edit",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut table = Table::create();
    table
        .table("rt_message_edit")
        .col(schema.uuid("room_id"))
        .col(number("seq").not_null())
        .col(number("rev").not_null())
        .col(number("written_at").not_null())
        .col(number("replaced_at").not_null())
        .col(schema.text("body").not_null())
        .col(schema.text("payload"))
        .primary_key(Index::create().col("room_id").col("seq").col("rev"));
    vec![Step::table(schema.clustered(&mut table))]
}
