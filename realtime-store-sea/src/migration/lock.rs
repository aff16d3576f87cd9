//! One at a time: the lock under which the schema is changed.

use realtime_core::store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};

use crate::{
    connect::Migrator,
    dialect::Dialect,
    error::{at_commit, failed},
    limits::{MIGRATION_PATIENCE, SCHEMA_LOCK_TIMEOUT},
    query::Query,
    rows::single,
    transaction,
};

/// The name of the lock on PostgreSQL: any number that nobody else uses, here the bytes
/// of "realtime".
const ADVISORY_LOCK: i64 = i64::from_be_bytes(*b"realtime");

/// The lock, and the transaction that holds it, or at least its connection.
#[derive(Debug)]
pub(super) struct Locked {
    transaction: DatabaseTransaction,
    dialect: Dialect,
}

/// Waits for the lock.
///
/// On SQLite it is the database's own; on PostgreSQL it ends with the transaction. On
/// MariaDB and MySQL it ends with the connection, which is the migrator's only one and is
/// closed with it: a transaction there ends with every change of the schema.
pub(super) async fn take(migrator: &Migrator) -> Result<Locked, StoreError> {
    let dialect = migrator.schema.dialect;
    let transaction = migrator
        .db
        .begin_with_options(dialect.to_write())
        .await
        .map_err(failed)?;
    let locked = Locked {
        transaction,
        dialect,
    };
    match dialect {
        Dialect::Sqlite => {}
        Dialect::Postgres => locked.take_advisory().await?,
        Dialect::MySql => locked.take_named().await?,
    }
    Ok(locked)
}

impl Locked {
    pub(super) const fn query(&self) -> Query<'_, DatabaseTransaction> {
        Query {
            db: &self.transaction,
            dialect: self.dialect,
        }
    }

    /// Waits long for whoever else changes the schema, but not for who uses a table: they
    /// would all wait behind us.
    async fn take_advisory(&self) -> Result<(), StoreError> {
        let patience = MIGRATION_PATIENCE.as_millis();
        self.run(&format!("SET LOCAL lock_timeout = {patience}"))
            .await?;
        self.run(&format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            .await?;
        let patience = SCHEMA_LOCK_TIMEOUT.as_millis();
        self.run(&format!("SET LOCAL lock_timeout = {patience}"))
            .await
    }

    /// The name is the server's, so it tells the database.
    async fn take_named(&self) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT GET_LOCK(CONCAT('rt_', MD5(DATABASE())), {})",
            MIGRATION_PATIENCE.as_secs()
        );
        let taken: Option<Option<i64>> = single(self.query().one(&sql, []).await?)?;
        if taken.flatten() != Some(1) {
            return Err(StoreError::Unavailable(
                "somebody else changes the schema, and does not come to an end".into(),
            ));
        }
        let patience = SCHEMA_LOCK_TIMEOUT.as_secs();
        self.run(&format!("SET SESSION lock_wait_timeout = {patience}"))
            .await
    }

    async fn run(&self, sql: &str) -> Result<(), StoreError> {
        let run = self.transaction.execute_unprepared(sql).await;
        run.map(drop).map_err(failed)
    }

    /// Keeps what was done.
    pub(super) async fn done(self) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(at_commit)
    }

    /// Takes back what can be taken back.
    pub(super) async fn abandon(self) {
        transaction::abandon(self.transaction, self.dialect).await;
    }
}
