//! `rt_user`: the people.

use sea_orm::sea_query::Table;

use super::{NAME_CHARS, SchemaChange, Step, number, step::index};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20250601_000002_user",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut table = Table::create();
    table
        .table("rt_user")
        .col(schema.number_key("id"))
        .col(schema.name("external_id", NAME_CHARS))
        .col(schema.text("display_name"))
        .col(number("last_rev").not_null())
        .col(number("last_seen_at"))
        .col(number("created_at").not_null())
        .col(number("updated_at").not_null());
    vec![Step::Table {
        table: schema.plain(&mut table),
        indexes: vec![index("rt_user_external", &["external_id"]).unique().take()],
    }]
}
