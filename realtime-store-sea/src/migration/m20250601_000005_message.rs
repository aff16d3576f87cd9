//! `rt_message`: the messages, clustered by room.

use sea_orm::sea_query::{ColumnDef, Index, Table};

use super::{NAME_CHARS, SchemaChange, Step, code, number, step::index};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20250601_000005_message",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut table = Table::create();
    table
        .table("rt_message")
        .col(schema.uuid("room_id"))
        .col(number("seq").not_null())
        .col(number("rev").not_null())
        .col(number("sent_rev").not_null())
        .col(schema.uuid("id"))
        .col(number("sender_id").not_null())
        .col(code("kind").not_null())
        .col(ColumnDef::new("counts").boolean().not_null())
        .col(schema.name("client_id", NAME_CHARS))
        .col(number("fingerprint"))
        .col(number("reply_to_seq"))
        .col(number("sent_at").not_null())
        .col(number("edited_at"))
        .col(number("deleted_at"))
        .col(schema.text("body"))
        .col(schema.text("payload"))
        .primary_key(Index::create().col("room_id").col("seq"));
    // Sent once, for ever.
    let client = index("rt_message_client", &["room_id", "sender_id", "client_id"]);
    // What was edited or deleted. What was only sent is found by its place, see
    // `read::changes`, so that sending writes no entry here.
    let rewritten = schema.rewritten(&mut table, "rt_message_rewritten");
    vec![Step::Table {
        table: schema.clustered(&mut table),
        indexes: vec![client.clone().unique().take(), rewritten],
    }]
}
