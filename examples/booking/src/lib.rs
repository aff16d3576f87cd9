//! A small booking service: hyper, SeaORM, and one table of its own, `booking_job`, in the
//! database in which the rooms are. Accepting a job opens its room and announces it, in the
//! same transaction.
//!
//! - [`job`]: the table.
//! - [`jobs`]: the transaction.
//! - [`web`]: `POST /jobs`, `POST /jobs/{id}/accept`; everything else is Realtime's.
//!
//! `main.rs` plays a scene on it; see there for how to run it.

#[expect(clippy::exhaustive_enums, reason = "SeaORM's derive makes them")]
pub mod job;
pub mod jobs;
pub mod web;

/// Why something could not be done.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
