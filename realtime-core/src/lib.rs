//! Being written.

pub mod broker;
pub mod change;
pub mod event;
pub mod id;
pub mod limits;
pub mod message;
pub mod participant;
pub mod ports;
pub mod presence;
pub mod room;
pub mod seq;
pub mod store;
pub mod time;
