//! `rt_room`: the rooms, with the heads of their two numberings.

use sea_orm::sea_query::Table;

use super::{NAME_CHARS, SchemaChange, Step, code, number, step::index};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20250601_000003_room",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut table = Table::create();
    table
        .table("rt_room")
        .col(schema.uuid("id").primary_key())
        .col(code("kind").not_null())
        .col(schema.name("subject_type", NAME_CHARS))
        .col(schema.name("subject_id", NAME_CHARS))
        .col(schema.text("title"))
        .col(code("state").not_null())
        .col(number("locks_at"))
        .col(number("first_seq").not_null())
        .col(number("last_seq").not_null())
        .col(number("last_rev").not_null())
        .col(number("meta_rev").not_null())
        .col(number("receipt_rev").not_null())
        .col(number("participant_count").not_null())
        .col(number("last_message_at"))
        .col(schema.text("metadata"))
        .col(number("created_at").not_null())
        .col(number("updated_at").not_null());
    let subject = index("rt_room_subject", &["subject_type", "subject_id"]);
    vec![Step::Table {
        table: schema.restless(&mut table),
        indexes: vec![subject.clone().unique().take()],
    }]
}
