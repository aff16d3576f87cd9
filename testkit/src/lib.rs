//! For tests: starts the real server and real databases, speaks WebSocket byte by byte,
//! malformed frames included, and breaks links.
//!
//! Everything here waits for a fact and has a deadline after which it fails and says
//! what did not happen.

pub mod client;
pub mod database;
pub mod frame;
pub mod proxy;
pub mod server;

use std::time::Duration;

/// How long anything may take. It matters only when something is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);
