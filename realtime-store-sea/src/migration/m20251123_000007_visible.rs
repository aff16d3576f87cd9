//! `rt_participant`: what of a room its participants may see.

use super::{SchemaChange, Step, number};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20251123_000007_visible",
    steps,
};

fn steps(_: Schema) -> Vec<Step> {
    const TABLE: &str = "rt_participant";
    vec![
        Step::column(TABLE, "visible_from_seq", |name| {
            number(name).not_null().default(1).take()
        }),
        Step::column(TABLE, "visible_to_seq", number),
    ]
}
