//! The connection that changes the schema.

use realtime_core::store::StoreError;
use sea_orm::DatabaseConnection;

use super::{network, sqlite};
use crate::{
    dialect::{Dialect, columns::Schema},
    error::failed,
    options::SeaOptions,
    query::Query,
};

/// One connection that may change the schema. Elsewhere than on SQLite it is of its own:
/// changing a large table takes longer than any other statement may, and the lock under
/// which it happens must end with it.
#[derive(Debug)]
pub(crate) struct Migrator {
    pub(crate) db: DatabaseConnection,
    pub(crate) schema: Schema,
    /// Whether somebody else uses the connection, too.
    shared: bool,
}

impl Migrator {
    pub(super) const fn shared(db: DatabaseConnection, schema: Schema) -> Self {
        Self {
            db,
            schema,
            shared: true,
        }
    }

    pub(super) const fn of_its_own(db: DatabaseConnection, schema: Schema) -> Self {
        Self {
            db,
            schema,
            shared: false,
        }
    }

    /// Opens a database without a store. Who only `looks` creates no file; `None` is that
    /// there is none.
    pub(crate) async fn open(
        url: &str,
        options: &SeaOptions,
        looks: bool,
    ) -> Result<Option<Self>, StoreError> {
        let opened = match Dialect::of(url)? {
            Dialect::Sqlite if looks && !sqlite::exists(url) => return Ok(None),
            Dialect::Sqlite => sqlite::migrator(url, options, looks).await,
            Dialect::Postgres | Dialect::MySql => network::migrator(url, options).await,
        };
        opened.map(Some).map_err(failed)
    }

    pub(crate) const fn query(&self) -> Query<'_, DatabaseConnection> {
        Query {
            db: &self.db,
            dialect: self.schema.dialect,
        }
    }

    /// Closes the connection, unless somebody else uses it.
    pub(crate) async fn close(self) {
        if self.shared {
            return;
        }
        // It is closed one way or another.
        let _ = self.db.close().await;
    }
}
