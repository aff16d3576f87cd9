//! `rt_meta`: what is true of the database as a whole.

use sea_orm::sea_query::Table;

use super::{SchemaChange, Step};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20250601_000001_meta",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut table = Table::create();
    table
        .table("rt_meta")
        .col(schema.text_key("key").not_null().primary_key())
        .col(schema.text("value").not_null());
    vec![Step::table(schema.clustered(&mut table))]
}
