//! What a failure of the database means to the caller.

use realtime_core::store::StoreError;
use sea_orm::{DbErr, RuntimeErr, sqlx};

use crate::dialect::{sqlite_busy, sqlite_verdict};

/// Something in the database that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Damage(String);

/// The store holds something that cannot be.
pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged(Box::new(Damage(what.into())))
}

/// A failure before `COMMIT`: nothing was done.
pub(crate) fn failed(error: DbErr) -> StoreError {
    match verdict(&error) {
        Verdict::Refused | Verdict::Unknown => StoreError::Unavailable(Box::new(error)),
        Verdict::Damaged => StoreError::Damaged(Box::new(error)),
    }
}

/// A failure of `COMMIT` itself: only a few causes leave no doubt that nothing
/// was stored.
pub(crate) fn at_commit(error: DbErr) -> StoreError {
    match verdict(&error) {
        Verdict::Refused => StoreError::Unavailable(Box::new(error)),
        Verdict::Unknown | Verdict::Damaged => StoreError::Indeterminate(Box::new(error)),
    }
}

/// What can be said for sure about a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The database declined before it changed anything.
    Refused,
    /// A connection, a disk or a process failed.
    Unknown,
    /// Trying again would fail the same way.
    Damaged,
}

fn verdict(error: &DbErr) -> Verdict {
    match sqlx_error(error) {
        Some(error) => sqlx_verdict(error),
        None => other_verdict(error),
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    if let DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause) = error
        && let RuntimeErr::SqlxError(error) = cause
    {
        return Some(error);
    }
    None
}

/// Without an error of the driver: either no connection was to be had, or a row
/// could not be read.
fn other_verdict(error: &DbErr) -> Verdict {
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        Verdict::Refused
    } else {
        Verdict::Damaged
    }
}

fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Whether the failure is another process's lock, so that waiting may help.
pub(crate) fn is_busy(error: &DbErr) -> bool {
    sqlx_error(error)
        .and_then(sqlite_code)
        .is_some_and(sqlite_busy)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is the driver's, and grows"
)]
fn sqlx_verdict(error: &sqlx::Error) -> Verdict {
    use sqlx::Error as E;
    match error {
        E::Database(_) => sqlite_code(error).map_or(Verdict::Unknown, sqlite_verdict),
        E::PoolTimedOut | E::PoolClosed | E::BeginFailed => Verdict::Refused,
        E::ColumnDecode { .. }
        | E::Decode(_)
        | E::TypeNotFound { .. }
        | E::ColumnNotFound(_)
        | E::ColumnIndexOutOfBounds { .. } => Verdict::Damaged,
        _ => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_at_commit_is_told_as_one() {
        let lost = || {
            DbErr::Exec(RuntimeErr::SqlxError(std::sync::Arc::new(
                sqlx::Error::WorkerCrashed,
            )))
        };
        assert!(matches!(failed(lost()), StoreError::Unavailable(_)));
        assert!(matches!(at_commit(lost()), StoreError::Indeterminate(_)));
    }
}
