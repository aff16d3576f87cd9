//! The search index: how far each room is in it, the slots into which rooms are cut, and
//! the entries, one a message.

use sea_orm::sea_query::Table;

use super::{SchemaChange, Step, number, step::index};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20251123_000020_search",
    steps,
};

fn steps(schema: Schema) -> Vec<Step> {
    let mut rooms = Table::create();
    rooms
        .table("rt_search_room")
        .col(schema.uuid("room_id").primary_key())
        .col(number("rev").not_null())
        .col(number("next_seq"))
        .col(number("first_seq").not_null());
    let mut slots = Table::create();
    slots
        .table("rt_search_slot")
        .col(schema.number_key("id"))
        .col(schema.uuid("room_id"))
        .col(number("bucket").not_null())
        .col(number("oldest_at").not_null())
        .col(number("newest_at").not_null());
    let mut steps = vec![
        Step::table(schema.restless(&mut rooms)),
        Step::Table {
            table: schema.plain(&mut slots),
            indexes: vec![
                index("rt_search_slot_room", &["room_id", "bucket"])
                    .unique()
                    .take(),
            ],
        },
    ];
    steps.extend(schema.search_entries().into_iter().map(Step::Sql));
    steps
}
