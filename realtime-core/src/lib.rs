//! Being written.

pub mod broker;
pub mod change;
mod committer;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod connection;
mod error;
pub mod event;
mod hub;
pub mod id;
pub mod limits;
mod mailbox;
pub mod memory;
pub mod message;
pub mod metrics;
pub mod participant;
mod people;
pub mod ports;
pub mod presence;
pub mod protocol;
mod publisher;
pub mod room;
pub mod seq;
pub mod service;
pub mod session;
pub mod store;
mod supervise;
mod sweeper;
pub mod time;

pub use connection::{Connection, Opening, Scope};
pub use error::Error;
pub use limits::Limits;
pub use mailbox::{Mailbox, Offer};
pub use service::{Builder, Realtime};
