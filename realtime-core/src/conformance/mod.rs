//! Suites that hold a backend to the contract of its port.

pub mod broker;
pub mod faulty;
pub mod presence;
pub mod quota;
mod rig;
mod sample;
pub mod search;

pub use rig::{Act, Advance};
pub mod store;
