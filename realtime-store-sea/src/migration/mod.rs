//! The schema, one change a file. Changes only add, so that the version before
//! and the one after can serve the same database at once.
//!
//! `sea-orm-migration` takes no lock of its own: two processes that start together
//! would both see a change as missing. So all of it runs inside one transaction
//! that holds the database's write lock from its first statement on; the second
//! process waits, and then finds nothing left to do.

mod m20250601_000001_meta;
mod m20250601_000002_user;
mod m20250601_000003_room;
mod m20250601_000004_participant;
mod m20250601_000005_message;
mod m20250601_000006_event;

use std::collections::HashSet;

use realtime_core::{
    id::{IdGenerator, Incarnation},
    store::StoreError,
};
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, DynIden, EntityTrait,
    TransactionTrait,
};
use sea_orm_migration::{
    MigrationTrait, MigratorTrait, SchemaManager,
    sea_query::{ColumnDef, IntoIden},
};

use crate::{
    dialect::Dialect,
    entity::meta::{self, INCARNATION},
    error::{at_commit, damaged, failed},
};

/// Where it is noted which changes were made. Not the default name: the host may run
/// migrations of its own in the same database.
const MIGRATIONS: &str = "rt_migration";
/// Characters of an identifier. Written down here and not taken from the limits of
/// today: an old change must stay what it was.
const NAME_CHARS: u32 = 64;
/// Characters of an event's id.
const EVENT_ID_CHARS: u32 = 128;

/// Brings the schema up to date, and answers which life of the database this is;
/// a new database gets a new one.
pub(crate) async fn run(
    writer: &DatabaseConnection,
    dialect: Dialect,
    ids: &dyn IdGenerator,
) -> Result<Incarnation, StoreError> {
    // Usually there is nothing to do, and no reason to wait for who writes.
    if let Some(incarnation) = done(writer).await? {
        return Ok(incarnation);
    }
    let locked = writer
        .begin_with_options(dialect.to_write())
        .await
        .map_err(failed)?;
    if is_behind(&locked).await.map_err(failed)? {
        Migrator::up(&locked, None).await.map_err(failed)?;
    }
    let incarnation = match stored_incarnation(&locked).await? {
        Some(stored) => stored,
        None => new_incarnation(&locked, ids).await?,
    };
    locked.commit().await.map_err(at_commit)?;
    Ok(incarnation)
}

/// The incarnation, if the schema is up to date.
async fn done(db: &DatabaseConnection) -> Result<Option<Incarnation>, StoreError> {
    let migrated = SchemaManager::new(db).has_table(MIGRATIONS).await;
    if !migrated.map_err(failed)? || is_behind(db).await.map_err(failed)? {
        return Ok(None);
    }
    stored_incarnation(db).await
}

/// Whether a change of ours is missing. Changes that we do not know are those of a
/// newer version, which only added; they do not stop us.
async fn is_behind(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let applied: HashSet<String> = Migrator::get_migration_models(db)
        .await?
        .into_iter()
        .map(|model| model.version)
        .collect();
    Ok(Migrator::migrations()
        .iter()
        .any(|migration| !applied.contains(migration.name())))
}

async fn stored_incarnation(db: &impl ConnectionTrait) -> Result<Option<Incarnation>, StoreError> {
    let stored = meta::Entity::find_by_id(INCARNATION).one(db).await;
    stored
        .map_err(failed)?
        .map(|row| {
            uuid::Uuid::try_parse(&row.value)
                .map(Incarnation::from_uuid)
                .map_err(|_| damaged("the incarnation is not a UUID"))
        })
        .transpose()
}

async fn new_incarnation(
    db: &impl ConnectionTrait,
    ids: &dyn IdGenerator,
) -> Result<Incarnation, StoreError> {
    let new = Incarnation::from_uuid(ids.uuid());
    let row = meta::ActiveModel {
        key: Set(INCARNATION.to_owned()),
        value: Set(new.to_string()),
    };
    meta::Entity::insert(row)
        .exec_without_returning(db)
        .await
        .map_err(failed)?;
    Ok(new)
}

/// The changes, in order. They are never reordered, renamed or rewritten.
struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20250601_000001_meta::Migration),
            Box::new(m20250601_000002_user::Migration),
            Box::new(m20250601_000003_room::Migration),
            Box::new(m20250601_000004_participant::Migration),
            Box::new(m20250601_000005_message::Migration),
            Box::new(m20250601_000006_event::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        MIGRATIONS.into_iden()
    }
}

/// The dialect of a migration's connection.
fn dialect(manager: &SchemaManager<'_>) -> Result<Dialect, DbErr> {
    Dialect::of_backend(manager.get_database_backend())
        .ok_or_else(|| DbErr::Migration("the database is not supported".to_owned()))
}

/// A column for a `seq`, a `rev`, a time or a count.
fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

/// A column for an enum.
fn code(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).small_integer().take()
}

/// A column for an identifier of the host's or a client's.
fn name(name: &'static str, max_chars: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(max_chars).take()
}

/// A column for a text whose length others limit.
fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().take()
}
