//! `rt_user`: who was erased.

use super::{SchemaChange, Step, code};
use crate::dialect::columns::Schema;

pub(super) const CHANGE: SchemaChange = SchemaChange {
    name: "m20251123_000009_user_state",
    steps,
};

fn steps(_: Schema) -> Vec<Step> {
    vec![Step::column("rt_user", "state", |name| {
        code(name).not_null().default(0).take()
    })]
}
