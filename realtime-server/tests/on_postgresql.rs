//! What the server promises, promised on PostgreSQL: the name of this program says on what
//! its servers run.

#![expect(
    clippy::duplicate_mod,
    reason = "each of these is a program of its own elsewhere, with its own support"
)]

#[path = "events.rs"]
mod events;
#[path = "life.rs"]
mod life;
#[path = "rest.rs"]
mod rest;
#[path = "rest_access.rs"]
mod rest_access;
#[path = "search.rs"]
mod search;
#[path = "sse.rs"]
mod sse;
