//! Opening the configured database.

use std::{num::NonZeroU32, sync::Arc};

use realtime_core::store::StoreError;
use realtime_server::config::Database;
use realtime_store_sea::{SeaOptions, SeaStore};

use super::Failure;

/// Connections to SQLite that do not read: one writes, one keeps the log short.
const NOT_READING: u32 = 2;
const SQLITE: &str = "sqlite";

/// How the store is to use its database.
pub(super) fn options(database: &Database) -> SeaOptions {
    let defaults = SeaOptions::default();
    let most = database.max_connections;
    let least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    let writers = database.lanes.map_or(defaults.writers, least_one);
    // Somebody must be able to read.
    let writers = writers.min(least_one(most.saturating_sub(1)));
    let not_reading = if database.url.scheme() == SQLITE {
        NOT_READING
    } else {
        writers.get()
    };
    SeaOptions {
        readers: least_one(most.saturating_sub(not_reading)),
        writers,
        migrate: database.migrate,
        ..defaults
    }
}

pub(super) async fn open(database: &Database) -> Result<Arc<SeaStore>, Failure> {
    if !database.migrate {
        check_schema(database).await?;
    }
    let opened = SeaStore::connect(database.url.expose(), options(database)).await;
    Ok(Arc::new(opened.map_err(|error| failure(&error))?))
}

/// Refuses a database in which there is nothing of ours: a mistyped URL would be given
/// a new one.
pub(super) async fn require_ours(database: &Database) -> Result<(), Failure> {
    let options = options(database);
    let plan = realtime_store_sea::migrate(database.url.expose(), &options, true).await;
    let plan = plan.map_err(|error| failure(&error))?;
    if plan.is_new {
        return Err(Failure::refused(
            "there is nothing of Realtime in this database: is the URL right?".to_owned(),
        ));
    }
    Ok(())
}

/// Without leave to change the schema, a server that needs to does not start.
async fn check_schema(database: &Database) -> Result<(), Failure> {
    let options = options(database);
    let plan = realtime_store_sea::migrate(database.url.expose(), &options, true).await;
    let plan = plan.map_err(|error| failure(&error))?;
    if plan.changes.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = plan
        .changes
        .iter()
        .map(|change| change.name.as_str())
        .collect();
    Err(Failure::refused(format!(
        "the database's schema is behind, and database.migrate is false: run \
         `realtime-server migrate` first; missing: {}",
        names.join(", ")
    )))
}

pub(super) fn failure(error: &StoreError) -> Failure {
    Failure::of("cannot open the database", error)
}
