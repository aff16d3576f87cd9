//! The connections that read.

use async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};

use crate::error::is_lost;

/// A pool of connections for single questions. A question to a connection that turns out to
/// be dead is asked again on the next: it changes nothing, so it may.
#[derive(Debug, Clone)]
pub(crate) struct Readers {
    pub(crate) db: DatabaseConnection,
    /// How many connections may be found dead, one after another.
    dead: u32,
}

impl Readers {
    pub(super) const fn new(db: DatabaseConnection, dead: u32) -> Self {
        Self { db, dead }
    }
}

#[async_trait]
impl ConnectionTrait for Readers {
    fn get_database_backend(&self) -> DbBackend {
        self.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.db.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.db.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        for _ in 0..self.dead {
            match self.db.query_one_raw(statement.clone()).await {
                Err(error) if is_lost(&error) => {}
                done => return done,
            }
        }
        self.db.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        for _ in 0..self.dead {
            match self.db.query_all_raw(statement.clone()).await {
                Err(error) if is_lost(&error) => {}
                done => return done,
            }
        }
        self.db.query_all_raw(statement).await
    }
}
