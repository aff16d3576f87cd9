//! The SeaORM store of Realtime: rooms, messages and pointers in an SQL database.
//! SQLite today; PostgreSQL and MySQL have their place in `dialect`.
//!
//! ```no_run
//! use realtime_store_sea::{SeaOptions, SeaStore};
//!
//! # async fn open() -> Result<(), realtime_core::store::StoreError> {
//! let store = SeaStore::connect("sqlite://realtime.db", SeaOptions::default()).await?;
//! assert!(store.is_kept());
//! # Ok(())
//! # }
//! ```
//!
//! # How it is built
//! - `connect`, `checkpoint`, `durability`: one connection writes, a few read, one
//!   keeps the log short; what the database promises is read back from it.
//! - `migration`, `entity`: the schema, and its tables.
//! - `write`: a batch of changes is loaded, applied in memory, and written, in a
//!   number of statements that does not depend on the number of changes.
//! - `read`: pages over closed ranges.
//! - `dialect`: everything that differs from database to database.

mod catalog;
mod checkpoint;
mod codes;
mod connect;
mod dialect;
mod durability;
mod entity;
mod error;
mod limits;
mod migration;
mod options;
mod query;
mod read;
mod rows;
mod store;
mod transaction;
mod write;

#[cfg(test)]
mod tests;

pub use crate::{
    durability::{Durability, Survives},
    options::SeaOptions,
    store::SeaStore,
};
