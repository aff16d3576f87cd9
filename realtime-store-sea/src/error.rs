//! What a failure of the database means to the caller.

use realtime_core::store::StoreError;
use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError},
};

use crate::dialect::verdict::{self, Verdict};

/// Something in the database that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Damage(String);

/// A database that said nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the database does not answer")]
pub(crate) struct Silence;

/// A statement that the database would not hear out.
#[derive(Debug, thiserror::Error)]
#[error("too large for a packet of the database")]
pub(crate) struct TooLarge;

/// The store holds something that cannot be.
pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
    StoreError::Damaged(Box::new(Damage(what.into())))
}

/// A failure before `COMMIT`: nothing was done.
pub(crate) fn failed(error: DbErr) -> StoreError {
    match verdict(&error) {
        Verdict::Refused | Verdict::Race | Verdict::Unknown => {
            StoreError::Unavailable(Box::new(error))
        }
        Verdict::Poison | Verdict::Damaged => StoreError::Damaged(Box::new(error)),
    }
}

/// A failure of `COMMIT` itself: only a few causes leave no doubt that nothing
/// was stored.
pub(crate) fn at_commit(error: DbErr) -> StoreError {
    let nothing_was_stored = match sqlx_error(&error) {
        Some(sqlx::Error::Database(told)) => verdict::is_taken_back(&**told),
        Some(_) | None => verdict(&error) == Verdict::Refused,
    };
    if nothing_was_stored {
        StoreError::Unavailable(Box::new(error))
    } else {
        StoreError::Indeterminate(Box::new(error))
    }
}

/// Whether nothing was done because another transaction was in the way.
pub(crate) fn is_race(error: &StoreError) -> bool {
    is(error, Verdict::Race)
}

/// Whether nothing was done because the database does not take a value.
pub(crate) fn is_poison(error: &StoreError) -> bool {
    is(error, Verdict::Poison)
        || matches!(error, StoreError::Damaged(cause) if cause.is::<TooLarge>())
}

fn is(error: &StoreError, wanted: Verdict) -> bool {
    let (StoreError::Unavailable(cause) | StoreError::Damaged(cause)) = error else {
        return false;
    };
    cause
        .downcast_ref::<DbErr>()
        .is_some_and(|error| verdict(error) == wanted)
}

/// Whether a statement failed because its connection was dead.
pub(crate) fn is_lost(error: &DbErr) -> bool {
    use sqlx::Error as E;
    match sqlx_error(error) {
        Some(E::Io(_) | E::Protocol(_) | E::WorkerCrashed) => true,
        Some(E::Database(told)) => verdict::is_farewell(&**told),
        _ => false,
    }
}

/// Whether a row was not written because its key is taken.
pub(crate) fn is_taken(error: &StoreError) -> bool {
    let (StoreError::Unavailable(cause) | StoreError::Damaged(cause)) = error else {
        return false;
    };
    told(&**cause).is_some_and(|told| told.kind() == sqlx::error::ErrorKind::UniqueViolation)
}

/// Whether a transaction of SQLite cannot write, because it read before another wrote.
pub(crate) fn is_snapshot_outdated(cause: &(dyn std::error::Error + 'static)) -> bool {
    told(cause).is_some_and(verdict::is_snapshot_outdated)
}

/// Whether SQLite refuses what it refuses in a transaction only.
pub(crate) fn says_in_transaction(error: &DbErr) -> bool {
    told(error).is_some_and(verdict::says_in_transaction)
}

/// Whether a savepoint was refused because there is no transaction.
pub(crate) fn says_no_transaction(error: &DbErr) -> bool {
    told(error).is_some_and(verdict::says_no_transaction)
}

/// Whether the transaction takes no more statements, because one of them failed.
pub(crate) fn says_over(error: &DbErr) -> bool {
    told(error).is_some_and(verdict::says_over)
}

/// What the database itself told.
fn told<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a dyn DatabaseError> {
    sqlx_error(cause.downcast_ref::<DbErr>()?)?.as_database_error()
}

/// Whether the failure is another process's lock on an SQLite file, so that waiting may
/// help.
pub(crate) fn is_busy(error: &DbErr) -> bool {
    sqlx_error(error).is_some_and(verdict::is_sqlite_busy)
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

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is the driver's, and grows"
)]
fn sqlx_verdict(error: &sqlx::Error) -> Verdict {
    use sqlx::Error as E;
    match error {
        E::Database(told) => verdict::of_database(&**told),
        E::PoolTimedOut | E::PoolClosed | E::BeginFailed | E::Configuration(_) => Verdict::Refused,
        E::Encode(_) => Verdict::Poison,
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
        assert!(is_lost(&lost()));
    }
}
