//! `rt_room`: since when what was read of it must be read anew.

use super::{SchemaChange, Step, number};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20251123_000008_reset",
    steps,
};

fn steps(_: Schema) -> Vec<Step> {
    vec![Step::column("rt_room", "reset_rev", |name| {
        number(name).not_null().default(0).take()
    })]
}
