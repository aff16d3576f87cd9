//! The SeaORM store of Realtime: rooms, messages and pointers in SQLite, PostgreSQL,
//! MariaDB or MySQL, chosen by the URL.
//!
//! ```no_run
//! use realtime_store_sea::{SeaOptions, SeaStore};
//!
//! # async fn open() -> Result<(), realtime_core::store::StoreError> {
//! let store = SeaStore::connect("sqlite://realtime.db", SeaOptions::default()).await?;
//! assert!(store.is_kept());
//! // `Realtime::builder().lanes(store.lanes())`: so many batches are committed at once.
//! assert_eq!(store.lanes(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # How it is built
//! - `connect`, `durability`: connections that write and a few that read; what the
//!   database promises is read back from it. `checkpoint` keeps SQLite's log short.
//! - `migration`, `entity`: the schema, changed under a lock of our own, and its tables.
//! - `commit`, `race`: a batch until it is committed, however often others are in its
//!   way.
//! - `write`: a batch of changes is loaded, applied in memory, and written, in a
//!   number of statements that does not depend on the number of changes.
//! - `read`: pages over closed ranges.
//! - `upkeep`: what retention and erasure left to be done, in small steps; earlier
//!   versions, what has grown old, what is known of a person.
//! - `host`: the same changes inside a transaction of the host's own.
//! - `dialect`: everything that differs from database to database.

mod catalog;
mod checkpoint;
mod codes;
mod commit;
mod connect;
mod dialect;
mod durability;
mod entity;
mod error;
mod host;
mod limits;
mod migration;
mod options;
mod query;
mod race;
mod read;
mod rows;
mod search;
mod store;
mod transaction;
mod upkeep;
mod write;

#[cfg(test)]
mod tests;

pub use crate::{
    durability::{Durability, Survives},
    host::{HostError, HostTransaction, OpenedRoom},
    migration::{MissingChange, Plan, migrate},
    options::SeaOptions,
    store::SeaStore,
};
