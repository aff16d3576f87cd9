//! Transactions: the ways in, and the ways out.

use std::sync::atomic::Ordering;

use realtime_core::store::StoreError;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionOptions, TransactionTrait,
};

use crate::{
    connect::Connections,
    dialect::Dialect,
    error::{Silence, at_commit, is_lost},
    limits::SILENCE_TIMEOUT,
    query::{Query, in_time},
    rows::single,
    write::memory::Version,
};

/// Waits for a writing connection, and on SQLite for the database's write lock.
pub(crate) async fn begin(connections: &Connections) -> Result<DatabaseTransaction, StoreError> {
    let options = connections.dialect.to_write();
    begin_on(&connections.writer, connections, options).await
}

/// A transaction whose statements all see the same state.
pub(crate) async fn begin_reading(
    connections: &Connections,
) -> Result<DatabaseTransaction, StoreError> {
    let options = connections.dialect.to_read();
    begin_on(&connections.readers.db, connections, options).await
}

/// A connection that died in the pool is found out by its first statement. Nothing was
/// done then, so the next one is tried; there can be no more dead ones than connections.
async fn begin_on(
    db: &DatabaseConnection,
    connections: &Connections,
    options: TransactionOptions,
) -> Result<DatabaseTransaction, StoreError> {
    let mut dead = 0;
    let begun = async {
        loop {
            match db.begin_with_options(options).await {
                Err(error) if is_lost(&error) && dead < connections.most => dead += 1,
                done => return done,
            }
        }
    };
    in_time(connections.dialect, begun).await
}

/// Which state of the database the transaction found, if the database can tell.
pub(crate) async fn version(
    transaction: &DatabaseTransaction,
    connections: &Connections,
) -> Result<Option<Version>, StoreError> {
    let dialect = connections.dialect;
    let Some(sql) = dialect.others_wrote() else {
        return Ok(None);
    };
    let query = Query {
        db: transaction,
        dialect,
    };
    let counter: Option<i64> = single(query.one(sql, []).await?)?;
    Ok(counter.map(|counter| Version {
        connection: connections.writers.load(Ordering::Acquire),
        counter,
    }))
}

/// Makes what was written durable.
pub(crate) async fn commit(
    transaction: DatabaseTransaction,
    dialect: Dialect,
) -> Result<(), StoreError> {
    let committed = match dialect {
        Dialect::Sqlite => transaction.commit().await,
        Dialect::Postgres | Dialect::MySql => {
            let committed = tokio::time::timeout(SILENCE_TIMEOUT, transaction.commit()).await;
            committed.map_err(|_| StoreError::Indeterminate(Box::new(Silence)))?
        }
    };
    committed.map_err(at_commit)
}

/// Takes everything back after a failure.
///
/// After some failures SQLite has rolled back by itself, and then refuses the
/// driver's `ROLLBACK`, whereupon the driver believes that the transaction is still
/// open. So there is one to roll back in any case; where the old one lives, a second
/// `BEGIN` is refused and does no harm.
///
/// Elsewhere dropping it is enough: the connection rolls back before anything else is done
/// with it, and whoever waits for the answer to a failure need not wait for that.
pub(crate) async fn abandon(transaction: DatabaseTransaction, dialect: Dialect) {
    match dialect {
        Dialect::Sqlite => {}
        Dialect::Postgres | Dialect::MySql => return,
    }
    let _ = transaction.execute_unprepared("BEGIN").await;
    if let Err(error) = transaction.rollback().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a transaction was not rolled back; its connection will be replaced"
        );
    }
}
