//! Transactions that write: the one way in, and the ways out.

use std::sync::atomic::Ordering;

use realtime_core::store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};

use crate::{
    connect::Connections,
    error::{at_commit, failed},
    query::Query,
    rows::single,
    write::memory::Version,
};

/// Waits for the writing connection and for the database's write lock.
pub(crate) async fn begin(connections: &Connections) -> Result<DatabaseTransaction, StoreError> {
    connections
        .writer
        .begin_with_options(connections.dialect.to_write())
        .await
        .map_err(failed)
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
pub(crate) async fn commit(transaction: DatabaseTransaction) -> Result<(), StoreError> {
    transaction.commit().await.map_err(at_commit)
}

/// Takes everything back after a failure.
///
/// After some failures SQLite has rolled back by itself, and then refuses the
/// driver's `ROLLBACK`, whereupon the driver believes that the transaction is still
/// open. So there is one to roll back in any case; where the old one lives, a second
/// `BEGIN` is refused and does no harm.
pub(crate) async fn abandon(transaction: DatabaseTransaction) {
    let _ = transaction.execute_unprepared("BEGIN").await;
    if let Err(error) = transaction.rollback().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a transaction was not rolled back; its connection will be replaced"
        );
    }
}
