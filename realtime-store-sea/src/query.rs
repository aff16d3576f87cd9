//! Questions to the database, on whatever connection is at hand.

use realtime_core::store::StoreError;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, QueryResult, TransactionTrait, Value,
};

use crate::{
    dialect::{Dialect, Rows},
    error::failed,
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
        self.db.query_one_raw(statement).await.map_err(failed)
    }

    pub(crate) async fn all<const N: usize>(
        &self,
        sql: &str,
        values: [Value; N],
    ) -> Result<Vec<QueryResult>, StoreError> {
        let statement = self.dialect.statement(sql, values);
        self.db.query_all_raw(statement).await.map_err(failed)
    }

    /// `SELECT … FROM v`, for the rows as `v`.
    pub(crate) async fn of_rows<const N: usize>(
        &self,
        rows: Rows<N>,
        select: &str,
    ) -> Result<Vec<QueryResult>, StoreError> {
        let mut found = Vec::new();
        for statement in self.dialect.with_rows(rows, select) {
            found.append(&mut self.db.query_all_raw(statement).await.map_err(failed)?);
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
}

/// One state of the database for several questions. Dropping it ends it; the
/// connection goes back without waiting.
#[derive(Debug)]
pub(crate) struct Snapshot {
    transaction: DatabaseTransaction,
    dialect: Dialect,
}

impl Snapshot {
    pub(crate) async fn take(
        readers: &DatabaseConnection,
        dialect: Dialect,
    ) -> Result<Self, StoreError> {
        let transaction = readers
            .begin_with_options(dialect.to_read())
            .await
            .map_err(failed)?;
        Ok(Self {
            transaction,
            dialect,
        })
    }

    pub(crate) const fn query(&self) -> Query<'_, DatabaseTransaction> {
        Query {
            db: &self.transaction,
            dialect: self.dialect,
        }
    }
}
