//! What would be changed, and changing it without opening a store.

use realtime_core::store::StoreError;

use super::{CHANGES, SchemaChange, missing, run};
use crate::{
    connect::Migrator,
    dialect::{Dialect, columns::Schema},
    options::SeaOptions,
};

/// What is missing in a database's schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// The changes, in the order in which they are made. None, if the schema is up to
    /// date.
    pub changes: Vec<MissingChange>,
    /// Whether there is nothing of ours in the database yet.
    pub is_new: bool,
}

/// One change of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingChange {
    /// Under which it is noted once it is made.
    pub name: String,
    /// How it is made, in the database's own words. Each ends without a semicolon.
    pub statements: Vec<String>,
}

/// Brings the schema of a database up to date, and answers what was missing. A
/// `dry_run` only answers, and changes nothing.
///
/// As [`SeaStore::connect`](crate::SeaStore::connect) does it, under the same lock: any
/// number of servers may start, and older ones run on, while it works.
/// [`SeaOptions::migrate`] does not matter here.
///
/// # Errors
/// As [`SeaStore::connect`](crate::SeaStore::connect).
///
/// # Cancel safety
/// What was done until then stays or is taken back, as the database can; the next run goes
/// on from there.
pub async fn migrate(url: &str, options: &SeaOptions, dry_run: bool) -> Result<Plan, StoreError> {
    let Some(migrator) = Migrator::open(url, options, dry_run).await? else {
        // There is no file yet, so everything is missing in it.
        return Ok(plan(CHANGES, Schema::new(Dialect::Sqlite)));
    };
    let done = migrate_with(&migrator, options, dry_run).await;
    migrator.close().await;
    done
}

async fn migrate_with(
    migrator: &Migrator,
    options: &SeaOptions,
    dry_run: bool,
) -> Result<Plan, StoreError> {
    let missing = missing(&migrator.query()).await?;
    let plan = plan(missing, migrator.schema);
    if !dry_run {
        run(migrator, &*options.ids, true).await?;
    }
    Ok(plan)
}

fn plan(missing: impl IntoIterator<Item = &'static SchemaChange>, schema: Schema) -> Plan {
    let missing: Vec<_> = missing.into_iter().collect();
    let first = CHANGES.first().map(|change| change.name);
    let is_new = missing.first().map(|change| change.name) == first;
    let changes = missing.into_iter().map(|change| MissingChange {
        name: change.name.to_owned(),
        statements: (change.steps)(schema)
            .iter()
            .flat_map(|step| step.statements(schema.dialect))
            .collect(),
    });
    Plan {
        changes: changes.collect(),
        is_new,
    }
}
