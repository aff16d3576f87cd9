//! The savepoint behind which each change stands, and how to know that there is a
//! transaction in which there can be one.

use realtime_core::store::StoreError;
use sea_orm::{ConnectionTrait, DbErr};

use super::{HostError, HostTransaction, Stage};
use crate::{
    dialect::Dialect,
    error::{failed, is_snapshot_outdated, says_in_transaction, says_no_transaction, says_over},
    query::{in_time, in_time_raw},
};

const SET: &str = "SAVEPOINT rt_host";
const GO_BACK: &str = "ROLLBACK TO SAVEPOINT rt_host";
const RELEASE: &str = "RELEASE SAVEPOINT rt_host";

/// Refused by SQLite inside of a transaction, before it looks at anything else, and without
/// effect outside: what is only for now is not synced.
const REFUSED_IN_TRANSACTION: &str = "PRAGMA temp.synchronous = FULL";
/// Takes SQLite's write lock and changes nothing. Whoever reads first cannot have it once
/// another has written since.
const TAKE_WRITE_LOCK: &str = "UPDATE rt_meta SET value = value WHERE 1 = 0";

/// A transaction of SQLite that began by reading.
#[derive(Debug, thiserror::Error)]
#[error(
    "SQLITE_BUSY_SNAPSHOT: the transaction read before it wrote, and another has written since; \
     begin it IMMEDIATE, or change rooms first"
)]
struct BeganByReading(#[source] StoreError);

/// The same failure, in words that help.
pub(super) fn explained(error: StoreError) -> StoreError {
    if let StoreError::Unavailable(cause) = &error
        && is_snapshot_outdated(&**cause)
    {
        return StoreError::Unavailable(Box::new(BeganByReading(error)));
    }
    error
}

impl<C: ConnectionTrait> HostTransaction<'_, C> {
    /// Refuses a connection on which every statement would be a transaction of its own.
    pub(super) async fn require_transaction(&mut self) -> Result<(), HostError> {
        match self.dialect {
            Dialect::Sqlite => {
                match self.db.execute_unprepared(REFUSED_IN_TRANSACTION).await {
                    Ok(_) => return Err(HostError::NoTransaction),
                    Err(error) if says_in_transaction(&error) => {}
                    Err(error) => return Err(failed(error).into()),
                }
                let locked = self.run(TAKE_WRITE_LOCK).await;
                locked.map_err(|error| explained(error).into())
            }
            // It says so itself.
            Dialect::Postgres => Ok(()),
            // Outside of a transaction a savepoint is set and forgotten.
            Dialect::MySql => {
                self.run(SET).await?;
                self.release_or_none().await
            }
        }
    }

    pub(super) async fn set_savepoint(&mut self) -> Result<(), HostError> {
        match in_time_raw(self.dialect, self.db.execute_unprepared(SET)).await? {
            Ok(_) => {
                self.stage = Stage::Unsettled;
                Ok(())
            }
            Err(error) if says_over(&error) => {
                self.stage = Stage::Over;
                Err(HostError::Over)
            }
            Err(error) => Err(no_transaction_or(error)),
        }
    }

    /// Takes everything back that came after the savepoint, which stays.
    pub(super) async fn go_back(&mut self) -> Result<(), HostError> {
        self.run(GO_BACK).await.map_err(|error| {
            self.stage = Stage::Over;
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a host's transaction was ended by the database"
            );
            HostError::Over
        })
    }

    pub(super) async fn release_savepoint(&mut self) -> Result<(), HostError> {
        self.run(RELEASE).await?;
        self.stage = Stage::Ready;
        Ok(())
    }

    async fn release_or_none(&self) -> Result<(), HostError> {
        match in_time_raw(self.dialect, self.db.execute_unprepared(RELEASE)).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(no_transaction_or(error)),
        }
    }

    async fn run(&self, sql: &str) -> Result<(), StoreError> {
        let done = in_time(self.dialect, self.db.execute_unprepared(sql)).await;
        done.map(drop)
    }
}

fn no_transaction_or(error: DbErr) -> HostError {
    if says_no_transaction(&error) {
        HostError::NoTransaction
    } else {
        failed(error).into()
    }
}
