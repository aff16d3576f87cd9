//! Tests of what only this crate can see: plans, numbers of statements, locks,
//! damage, the log. The contract itself is in `tests/conformance.rs`.

mod checkpoints;
mod faults;
mod fixture;
mod plans;
mod schema;
mod statements;
