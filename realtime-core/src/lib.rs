//! Rooms, messages and their delivery: the core of Realtime, for any transport and any
//! database.
//!
//! A host starts one [`Realtime`] over a [store], opens [rooms](room), and gives
//! each client a [`Connection`]: text frames go in, lines come out, as
//! `docs/protocol.md` says. What a client sent is answered once it is committed. Every
//! participant sees the changes of a room in one order, each once, also across
//! reconnects and servers.
//!
//! ```
//! use std::sync::Arc;
//!
//! use realtime_core::{
//!     Opening, Realtime,
//!     change::{NewParticipant, NewRoom},
//!     id::UserId,
//!     memory::MemoryStore,
//!     participant::Role,
//!     protocol::Connect,
//!     room::{RoomKind, Subject},
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // `SeaStore::connect("sqlite://chat.db", …)` of `realtime-store-sea` keeps it on disk.
//!     let realtime = Realtime::builder(Arc::new(MemoryStore::default())).start().await?;
//!     let member = |user| NewParticipant { user, role: Role::Member, name: None };
//!     let (ann, ben) = (UserId::parse("ann")?, UserId::parse("ben")?);
//!     let new = NewRoom {
//!         kind: RoomKind::Direct,
//!         subject: Some(Subject::parse("job", "7421")?),
//!         key: None,
//!         title: None,
//!         metadata: None,
//!         participants: vec![member(ann.clone()), member(ben.clone())],
//!     };
//!     let room = realtime.open(new).await?.room.id;
//!     // Each client has a connection; a WebSocket server carries its lines.
//!     let (ann, ben) = (realtime.accept(Opening::of(ann)), realtime.accept(Opening::of(ben)));
//!     ann.listen(Connect::default()).await?;
//!     ben.listen(Connect::default()).await?;
//!     let send = format!(r#"{{"send":{{"room":"{room}","client_id":"1","body":"Hello, Ben!"}}}}"#);
//!     ann.receive(&send).await;
//!     while let Some(line) = ben.next_line().await {
//!         println!("{line}");
//!         if line.contains("Hello, Ben!") {
//!             break;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Where to look
//! | to … | see |
//! |---|---|
//! | start, open rooms, send, read | [`Realtime`], [`Builder`], [`service`] |
//! | deliver what a transaction of the host's own did | [`handover`], [`Realtime::deliver`] |
//! | carry a client over a transport | [`Connection`], [`Opening`] |
//! | know what clients say and hear | [`protocol`] |
//! | keep messages in another database | [`store`]: the contract; [`memory::MemoryStore`]: the reference |
//! | find messages by their words | [`search`], [`Realtime::search`] |
//! | connect servers by another bus | [`broker`] |
//! | check tokens, ration, tell who is online | [`ports`] |
//! | set limits, count | [`limits`], [`metrics`] |
//!
//! # How it works
//! A change goes to the committer, which puts all that wait into one transaction. What
//! was committed goes to the hub, which hands it to everybody who listens on this server,
//! in `rev` order, and through the broker to the other servers, as a hint: whoever misses
//! one reads the store. The waiting lines of a connection are bounded in bytes; a client
//! that does not keep up reads from the store too. `ARCHITECTURE.md` tells the whole of it.
//!
//! # Features
//! - `conformance`: the suites that hold a store, broker, presence or quota to its contract,
//!   and a broker that makes every fault, for authors of backends.

pub mod broker;
pub mod change;
mod committer;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod connection;
mod error;
pub mod event;
pub mod handover;
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
pub mod search;
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
