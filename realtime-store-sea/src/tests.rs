//! Tests of what only this crate can see: plans, numbers of statements, locks,
//! damage, the log. The contract itself is in `tests/conformance.rs`.

mod checkpoints;
mod crowd;
mod erasure_races;
mod exercise;
mod faults;
mod fixture;
mod healing;
mod life;
mod migrations;
mod plans;
mod plans_mariadb;
mod plans_postgres;
mod poison;
mod races;
mod schema;
mod search;
mod statements;
mod upkeep;
