//! The server of Realtime: WebSocket, HTTP, tokens and configuration around
//! [`realtime_core`]. The binary `realtime-server` is a thin shell over this.
//!
//! A host with a hyper server of its own makes an [`App`] and hands requests to
//! [`handle`]; one without lets [`Server`] listen.

mod admission;
mod app;
pub mod auth;
pub mod config;
pub mod demo;
pub mod durability;
pub mod http;
mod identity;
mod server;
pub mod ws;

pub use app::{App, handle};
pub use server::{Server, ServerError};
