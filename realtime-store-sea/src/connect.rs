//! Opening the database: connections that write and a few that read, and what each is
//! told.

mod migrator;
mod network;
mod readers;
mod sqlite;

use std::sync::{Arc, atomic::AtomicU64};

use realtime_core::store::StoreError;
use sea_orm::DatabaseConnection;

#[cfg(test)]
pub(crate) use self::network::BY_INDEX;
pub(crate) use self::{migrator::Migrator, readers::Readers};
use crate::{
    dialect::{Dialect, columns::Schema},
    error::failed,
    options::SeaOptions,
};

/// The connections to one database.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(crate) dialect: Dialect,
    /// On SQLite one connection: it has one writer at a time, and it is better to queue
    /// here, in order, than to poll a lock.
    pub(crate) writer: DatabaseConnection,
    /// Readers neither wait for writers nor hold them up: SQLite is in write-ahead mode,
    /// and the others keep versions of rows.
    pub(crate) readers: Readers,
    /// The one that copies SQLite's log into the database; none in memory or elsewhere.
    pub(crate) keeper: Option<DatabaseConnection>,
    /// How many connections have been SQLite's writer.
    pub(crate) writers: Arc<AtomicU64>,
    /// How many batches can be committed at once.
    pub(crate) lanes: u32,
    /// How many connections there can be of a kind: as many may be found dead.
    pub(crate) most: u32,
}

impl Connections {
    /// Opens them, and one that may change the schema.
    pub(crate) async fn open(
        url: &str,
        options: &SeaOptions,
    ) -> Result<(Self, Migrator), StoreError> {
        match Dialect::of(url)? {
            Dialect::Sqlite => {
                let connections = sqlite::open(url, options).await.map_err(failed)?;
                let writer = connections.writer.clone();
                let schema = Schema::new(Dialect::Sqlite);
                Ok((connections, Migrator::shared(writer, schema)))
            }
            Dialect::Postgres | Dialect::MySql => {
                let migrator = network::migrator(url, options).await.map_err(failed)?;
                let connections = network::open(url, options, migrator.schema).await;
                Ok((connections.map_err(failed)?, migrator))
            }
        }
    }

    /// Closes all connections once those in use are given back.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        if let Some(keeper) = &self.keeper {
            keeper.close_by_ref().await.map_err(failed)?;
        }
        self.readers.db.close_by_ref().await.map_err(failed)?;
        self.writer.close_by_ref().await.map_err(failed)
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Reader,
    /// Copies SQLite's log into the database.
    Keeper,
    /// Changes the schema.
    Migrator,
}
