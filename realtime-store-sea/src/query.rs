//! Questions to the database, on whatever connection is at hand.

use realtime_core::store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, Statement, Value};

use crate::{
    connect::Connections,
    dialect::{Dialect, Rows},
    error::{Silence, TooLarge, failed},
    limits::SILENCE_TIMEOUT,
    transaction,
};

/// A connection and the language it speaks.
#[derive(Debug)]
pub(crate) struct Query<'a, C> {
    pub(crate) db: &'a C,
    pub(crate) dialect: Dialect,
}

impl<C: ConnectionTrait> Query<'_, C> {
    pub(crate) async fn one<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Option<QueryResult>, StoreError> {
        let statement = self.dialect.statement(sql, values);
        in_time(self.dialect, self.db.query_one_raw(statement)).await
    }

    pub(crate) async fn all(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, StoreError> {
        self.rows(self.dialect.statement(sql, values)).await
    }

    pub(crate) async fn rows(&self, statement: Statement) -> Result<Vec<QueryResult>, StoreError> {
        in_time(self.dialect, self.db.query_all_raw(statement)).await
    }

    /// Runs a statement that writes.
    pub(crate) async fn execute(&self, statement: Statement) -> Result<(), StoreError> {
        if !self.dialect.takes(&statement) {
            return Err(StoreError::Damaged(Box::new(TooLarge)));
        }
        let done = in_time(self.dialect, self.db.execute_raw(statement)).await;
        done.map(drop)
    }

    /// `SELECT … FROM v`, for the rows as `v`.
    pub(crate) async fn of_rows<const N: usize>(
        &self,
        rows: Rows<N>,
        select: &str,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let mut found = Vec::new();
        for statement in self.dialect.with_rows(rows, select) {
            found.append(&mut self.rows(statement).await?);
        }
        Ok(found)
    }

    /// The rows of a table that the rows of `v` find: `from` is the table, `ON` and
    /// what else follows.
    pub(crate) async fn find<const N: usize>(
        &self,
        rows: Rows<N>,
        columns: &str,
        from: &str,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let join = self.dialect.lookup();
        self.of_rows(rows, &format!("SELECT {columns} FROM v {join} {from}"))
            .await
    }

    /// As [`Query::find`], and [locks](Dialect::lock) what it finds of `table` until the
    /// transaction ends. The rows of `v` must be sorted by what finds `key`, so that who
    /// waits for each other waits in one direction.
    pub(crate) async fn lock<const N: usize>(
        &self,
        rows: Rows<N>,
        columns: &str,
        from: &str,
        (table, key): (&str, &str),
    ) -> Result<Vec<QueryResult>, StoreError> {
        let lock = self.dialect.lock(table, key);
        self.find(rows, columns, &format!("{from}{lock}")).await
    }
}

/// One state of the database for several questions. Dropping it ends it; the
/// connection goes back without waiting.
#[derive(Debug)]
pub(crate) struct Snapshot {
    transaction: DatabaseTransaction,
    dialect: Dialect,
}

impl Snapshot {
    pub(crate) async fn take(connections: &Connections) -> Result<Self, StoreError> {
        Ok(Self {
            transaction: transaction::begin_reading(connections).await?,
            dialect: connections.dialect,
        })
    }

    pub(crate) const fn query(&self) -> Query<'_, DatabaseTransaction> {
        Query {
            db: &self.transaction,
            dialect: self.dialect,
        }
    }
}

/// As [`in_time`], with the database's own word for what failed.
pub(crate) async fn in_time_raw<T>(
    dialect: Dialect,
    answer: impl Future<Output = Result<T, DbErr>>,
) -> Result<Result<T, DbErr>, StoreError> {
    in_time(dialect, async { Ok(answer.await) }).await
}

/// What the database answers, unless it falls silent: then whoever waits is told, though
/// nobody hangs up. A file is never silent; its driver's thread reports what it waits for.
pub(crate) async fn in_time<T>(
    dialect: Dialect,
    answer: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, StoreError> {
    let answered = match dialect {
        Dialect::Sqlite => answer.await,
        Dialect::Postgres | Dialect::MySql => {
            let answered = tokio::time::timeout(SILENCE_TIMEOUT, answer).await;
            answered.map_err(|_| StoreError::Unavailable(Box::new(Silence)))?
        }
    };
    answered.map_err(failed)
}
