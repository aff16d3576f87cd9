//! The schema, one change a file. Changes only add, so that the version before
//! and the one after can serve the same database at once.
//!
//! All of it happens under a [lock] of our own: two servers that start together would
//! both see a change as missing. The second one waits, and then finds nothing left to do.
//! Who finds nothing to do in the first place takes no lock.
//!
//! On SQLite and PostgreSQL all missing changes are one transaction. MariaDB and MySQL
//! commit every change of the schema by itself, so a server may be killed between two;
//! each [`Step`] is therefore safe to be done again.

mod lock;
mod m20250601_000001_meta;
mod m20250601_000002_user;
mod m20250601_000003_room;
mod m20250601_000004_participant;
mod m20250601_000005_message;
mod m20250601_000006_event;
mod m20251123_000007_visible;
mod m20251123_000008_reset;
mod m20251123_000009_user_state;
mod m20251123_000010_message_edit;
mod m20251123_000011_chore;
mod m20251123_000020_search;
mod plan;
mod step;

use std::collections::HashSet;

use realtime_core::{
    id::{IdGenerator, Incarnation},
    store::StoreError,
    time::{Clock, SystemClock},
};
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, EntityTrait,
    sea_query::{ColumnDef, OnConflict},
};

pub use self::plan::{MissingChange, Plan, migrate};
use self::step::Step;
use crate::{
    connect::Migrator,
    dialect::{Dialect, columns::Schema},
    entity::meta::{self, INCARNATION},
    error::{damaged, failed},
    query::Query,
    rows::{Columns, single},
};

/// Where it is noted which changes were made. Not the default name: the host may run
/// migrations of its own in the same database.
const MIGRATIONS: &str = "rt_migration";
/// Characters of an identifier. Written down here and not taken from the limits of
/// today: an old change must stay what it was.
const NAME_CHARS: u32 = 64;
/// Characters of an event's id.
const EVENT_ID_CHARS: u32 = 128;

/// A change of the schema.
#[derive(Debug, Clone, Copy)]
struct SchemaChange {
    name: &'static str,
    steps: fn(Schema) -> Vec<Step>,
}

/// The changes, in order. They are never reordered, renamed or rewritten.
const CHANGES: &[SchemaChange] = &[
    m20250601_000001_meta::CHANGE,
    m20250601_000002_user::CHANGE,
    m20250601_000003_room::CHANGE,
    m20250601_000004_participant::CHANGE,
    m20250601_000005_message::CHANGE,
    m20250601_000006_event::CHANGE,
    m20251123_000007_visible::CHANGE,
    m20251123_000008_reset::CHANGE,
    m20251123_000009_user_state::CHANGE,
    m20251123_000010_message_edit::CHANGE,
    m20251123_000011_chore::CHANGE,
    m20251123_000020_search::CHANGE,
];

/// Brings the schema up to date, if that is `allowed`; a new database gets a new
/// incarnation.
pub(crate) async fn run(
    migrator: &Migrator,
    ids: &dyn IdGenerator,
    allowed: bool,
) -> Result<(), StoreError> {
    let query = migrator.query();
    let missing = missing(&query).await?;
    if missing.is_empty() && incarnation(&query).await?.is_some() {
        return Ok(());
    }
    if !allowed {
        let names: Vec<&str> = missing.iter().map(|change| change.name).collect();
        return Err(damaged(format!(
            "the schema is behind, and may not be changed by this server; missing: {}",
            names.join(", ")
        )));
    }
    let locked = lock::take(migrator).await?;
    match bring_up(&locked.query(), migrator.schema, ids).await {
        Ok(()) => locked.done().await,
        Err(error) => {
            locked.abandon().await;
            Err(error)
        }
    }
}

async fn bring_up<C: ConnectionTrait>(
    query: &Query<'_, C>,
    schema: Schema,
    ids: &dyn IdGenerator,
) -> Result<(), StoreError> {
    let first = step::migrations_table(schema);
    step::take(&first, query, schema).await?;
    for change in missing(query).await? {
        tracing::info!(change = change.name, "the schema is changed");
        for step in (change.steps)(schema) {
            step::take(&step, query, schema).await?;
        }
        note(query, change).await?;
    }
    if incarnation(query).await?.is_none() {
        renew_incarnation(query.db, ids).await?;
    }
    Ok(())
}

/// Notes that a change was made.
async fn note<C: ConnectionTrait>(
    query: &Query<'_, C>,
    change: &SchemaChange,
) -> Result<(), StoreError> {
    let sql = format!("INSERT INTO {MIGRATIONS} (version, applied_at) VALUES (?, ?)");
    const MILLIS: i64 = 1_000;
    let seconds = SystemClock.now().as_millis() / MILLIS;
    let statement = query
        .dialect
        .statement(&sql, [change.name.into(), seconds.into()]);
    query.execute(statement).await
}

/// The changes of ours that were not made. Changes that we do not know are those of a
/// newer version, which only added; they do not stop us.
async fn missing<C: ConnectionTrait>(
    query: &Query<'_, C>,
) -> Result<Vec<&'static SchemaChange>, StoreError> {
    let mut made = HashSet::new();
    if step::has_table(query, MIGRATIONS).await? {
        let sql = format!("SELECT version FROM {MIGRATIONS}");
        for row in query.all(&sql, []).await? {
            made.insert(Columns::of(&row).take::<String>()?);
        }
    }
    Ok(CHANGES
        .iter()
        .filter(|change| !made.contains(change.name))
        .collect())
}

/// Which life of the database this is; none, if it has not begun.
pub(crate) async fn incarnation<C: ConnectionTrait>(
    query: &Query<'_, C>,
) -> Result<Option<Incarnation>, StoreError> {
    let sql = match query.dialect {
        Dialect::Sqlite | Dialect::Postgres => "SELECT value FROM rt_meta WHERE \"key\" = ?",
        Dialect::MySql => "SELECT value FROM rt_meta WHERE `key` = ?",
    };
    let stored: Option<String> = single(query.one(sql, [INCARNATION.into()]).await?)?;
    stored
        .map(|text| {
            uuid::Uuid::try_parse(&text)
                .map(Incarnation::from_uuid)
                .map_err(|_| damaged("the incarnation is not a UUID"))
        })
        .transpose()
}

/// Begins a new life of the database.
pub(crate) async fn renew_incarnation(
    db: &impl ConnectionTrait,
    ids: &dyn IdGenerator,
) -> Result<Incarnation, StoreError> {
    let new = Incarnation::from_uuid(ids.uuid());
    let row = meta::ActiveModel {
        key: Set(INCARNATION.to_owned()),
        value: Set(new.to_string()),
    };
    let replaces = OnConflict::column(meta::Column::Key)
        .update_column(meta::Column::Value)
        .to_owned();
    meta::Entity::insert(row)
        .on_conflict(replaces)
        .exec_without_returning(db)
        .await
        .map_err(failed)?;
    Ok(new)
}

/// A column for a `seq`, a `rev`, a time or a count.
fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

/// A column for an enum.
fn code(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).small_integer().take()
}
