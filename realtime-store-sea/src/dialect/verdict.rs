//! What a failure says, by the codes of each database.

use sea_orm::sqlx::{
    self,
    error::DatabaseError,
    mysql::MySqlDatabaseError,
    postgres::{PgDatabaseError, PgSeverity},
};

/// What can be said for sure about a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The database declined before it changed anything.
    Refused,
    /// Two transactions were in each other's way, and this one was taken back: the same
    /// again may succeed.
    Race,
    /// The database does not take these values, and never will.
    Poison,
    /// A connection, a disk or a process failed.
    Unknown,
    /// Trying again would fail the same way.
    Damaged,
}

/// What an error that the database itself told says.
pub(crate) fn of_database(error: &dyn DatabaseError) -> Verdict {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return postgres(error.code());
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return mysql(error.number());
    }
    error
        .code()
        .and_then(|code| code.parse().ok())
        .map_or(Verdict::Unknown, sqlite)
}

/// Whether an error that answers `COMMIT` says that the transaction was taken back.
pub(crate) fn is_taken_back(error: &dyn DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return postgres_took_back(error.severity(), error.code());
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return mysql(error.number()) == Verdict::Race;
    }
    of_database(error) == Verdict::Refused
}

/// An error of this severity is told by a session that goes on, with the transaction
/// rolled back; after a worse one the session, or all of PostgreSQL, is gone, and may
/// have gone after the commit was written.
fn postgres_took_back(severity: PgSeverity, code: &str) -> bool {
    const COMPLETION_UNKNOWN: &str = "40003";
    severity == PgSeverity::Error && code != COMPLETION_UNKNOWN
}

/// By SQLSTATE: its first two characters are the class.
fn postgres(code: &str) -> Verdict {
    match code {
        // serialization_failure, deadlock_detected, unique_violation
        "40001" | "40P01" | "23505" => Verdict::Race,
        // read_only_sql_transaction: a standby, perhaps on its way to be more
        "25006" => Verdict::Refused,
        // statement_too_complex aside: the values are too large for an index or a row
        "54000" | "54001" => Verdict::Poison,
        _ => match code.get(..2) {
            // connection, authorization, catalog, transaction rollback, insufficient
            // resources, lock not available, operator intervention, system error
            Some("08" | "28" | "3D" | "40" | "53" | "55" | "57" | "58") => Verdict::Refused,
            // data exception
            Some("22") => Verdict::Poison,
            // invalid prepared statement: a pooler between us and the database
            Some("26") => Verdict::Unknown,
            // constraints of ours, unknown tables, corruption, and what is yet to come
            _ => Verdict::Damaged,
        },
    }
}

/// By MariaDB's and MySQL's own numbers: their SQLSTATEs say less.
const fn mysql(number: u16) -> Verdict {
    match number {
        // LOCK_WAIT_TIMEOUT, LOCK_DEADLOCK, CHECKREAD, DUP_ENTRY, DUP_ENTRY_WITH_KEY_NAME
        1205 | 1213 | 1020 | 1062 | 1586 => Verdict::Race,
        // DATA_TOO_LONG, WARN_DATA_OUT_OF_RANGE, TRUNCATED_WRONG_VALUE_FOR_FIELD,
        // INVALID_CHARACTER_STRING, NET_PACKET_TOO_LARGE, TOO_BIG_ROWSIZE,
        // WARN_DATA_TRUNCATED, CANNOT_CONVERT_STRING
        1406 | 1264 | 1366 | 1300 | 1153 | 1118 | 1265 | 3988 => Verdict::Poison,
        // DISK_FULL, OUT_OF_MEMORY, OUT_OF_SORTMEMORY, CON_COUNT, OUT_OF_RESOURCES,
        // BAD_HOST, HANDSHAKE, DBACCESS_DENIED, ACCESS_DENIED, BAD_DB, SERVER_SHUTDOWN,
        // NORMAL_SHUTDOWN, FORCING_CLOSE, RECORD_FILE_FULL, HOST_IS_BLOCKED,
        // HOST_NOT_PRIVILEGED, TOO_MANY_USER_CONNECTIONS, OPTION_PREVENTS_STATEMENT,
        // QUERY_INTERRUPTED, READ_ONLY_TRANSACTION, READ_ONLY_MODE, CONNECTION_KILLED,
        // STATEMENT_TIMEOUT of MariaDB, of MySQL; LOCK_NOWAIT; ERROR_ON_WRITE
        1021 | 1037 | 1038 | 1040 | 1041 | 1042 | 1043 | 1044 | 1045 | 1049 | 1053 | 1077
        | 1080 | 1114 | 1129 | 1130 | 1203 | 1290 | 1317 | 1792 | 1836 | 1927 | 1969 | 3024
        | 3572 | 1026 => Verdict::Refused,
        // NOT_FORM_FILE, NOT_KEYFILE, OLD_KEYFILE, BAD_NULL, BAD_FIELD, PARSE,
        // TABLE_EXISTS, NO_SUCH_TABLE, CRASHED_ON_USAGE, CRASHED_ON_REPAIR,
        // NO_DEFAULT_FOR_FIELD, INDEX_CORRUPT, UNKNOWN_COLLATION, CONSTRAINT_FAILED
        1033 | 1034 | 1035 | 1048 | 1054 | 1064 | 1050 | 1146 | 1194 | 1195 | 1364 | 1712
        | 1273 | 4025 => Verdict::Damaged,
        _ => Verdict::Unknown,
    }
}

/// By the primary code, the low byte of the extended one.
fn sqlite(code: i32) -> Verdict {
    const PRIMARY: i32 = 0xff;
    match code & PRIMARY {
        // PERM, BUSY, LOCKED, NOMEM, READONLY, FULL, CANTOPEN, AUTH
        3 | 5 | 6 | 7 | 8 | 13 | 14 | 23 => Verdict::Refused,
        // TOOBIG
        18 => Verdict::Poison,
        // ERROR, INTERNAL, CORRUPT, SCHEMA, CONSTRAINT, MISMATCH, MISUSE, RANGE, NOTADB
        1 | 2 | 11 | 17 | 19 | 20 | 21 | 25 | 26 => Verdict::Damaged,
        // IOERR, INTERRUPT, PROTOCOL and what is yet to come
        _ => Verdict::Unknown,
    }
}

/// Whether the error is the last thing that a connection said: the database is on its way
/// down, or an operator or a time limit of its own ended the session.
pub(crate) fn is_farewell(error: &dyn DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        return error.severity() != PgSeverity::Error && error.code().starts_with("57P");
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        // SERVER_SHUTDOWN, CONNECTION_KILLED, CLIENT_INTERACTION_TIMEOUT
        return matches!(error.number(), 1053 | 1927 | 4031);
    }
    false
}

/// Whether a transaction of SQLite cannot write, because it read before another wrote.
pub(crate) fn is_snapshot_outdated(error: &dyn DatabaseError) -> bool {
    const BUSY_SNAPSHOT: i32 = 5 | (2 << 8);
    sqlite_code(error) == Some(BUSY_SNAPSHOT)
}

/// Whether SQLite refuses what it refuses in a transaction only. It has no code for that.
pub(crate) fn says_in_transaction(error: &dyn DatabaseError) -> bool {
    sqlite_code(error).is_some() && error.message().contains("inside a transaction")
}

/// Whether a savepoint was refused because there is no transaction.
pub(crate) fn says_no_transaction(error: &dyn DatabaseError) -> bool {
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        // no_active_sql_transaction
        return error.code() == "25P01";
    }
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        // SP_DOES_NOT_EXIST
        return error.number() == 1305;
    }
    false
}

/// Whether PostgreSQL refuses everything, because a statement of the transaction failed.
pub(crate) fn says_over(error: &dyn DatabaseError) -> bool {
    // in_failed_sql_transaction
    error
        .try_downcast_ref::<PgDatabaseError>()
        .is_some_and(|error| error.code() == "25P02")
}

fn sqlite_code(error: &dyn DatabaseError) -> Option<i32> {
    error.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    error.code()?.parse().ok()
}

/// Whether SQLite says that somebody else holds the lock.
pub(crate) fn is_sqlite_busy(error: &sqlx::Error) -> bool {
    const PRIMARY: i32 = 0xff;
    error
        .as_database_error()
        .filter(|error| {
            error
                .try_downcast_ref::<sqlx::sqlite::SqliteError>()
                .is_some()
        })
        .and_then(|error| error.code()?.parse::<i32>().ok())
        .is_some_and(|code| matches!(code & PRIMARY, 5 | 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_sqlite_decides_what_the_caller_may_believe() {
        const BUSY_SNAPSHOT: i32 = 5 | (2 << 8);
        const FULL: i32 = 13;
        const IOERR_FSYNC: i32 = 10 | (4 << 8);
        const CORRUPT: i32 = 11;
        assert_eq!(sqlite(BUSY_SNAPSHOT), Verdict::Refused);
        assert_eq!(sqlite(FULL), Verdict::Refused);
        assert_eq!(sqlite(IOERR_FSYNC), Verdict::Unknown);
        assert_eq!(sqlite(CORRUPT), Verdict::Damaged);
    }

    #[test]
    fn a_code_of_postgresql_decides_what_the_caller_may_believe() {
        for (code, verdict) in [
            ("40001", Verdict::Race),
            ("40P01", Verdict::Race),
            ("23505", Verdict::Race),
            ("23502", Verdict::Damaged),
            ("22021", Verdict::Poison),
            ("57P01", Verdict::Refused),
            ("53300", Verdict::Refused),
            ("55P03", Verdict::Refused),
            ("42P01", Verdict::Damaged),
            ("XX001", Verdict::Damaged),
        ] {
            assert_eq!(postgres(code), verdict, "{code}");
        }
    }

    #[test]
    fn at_commit_only_a_session_that_goes_on_has_taken_back() {
        assert!(postgres_took_back(PgSeverity::Error, "40001"));
        assert!(!postgres_took_back(PgSeverity::Error, "40003"));
        assert!(!postgres_took_back(PgSeverity::Fatal, "57P01"));
        assert!(!postgres_took_back(PgSeverity::Panic, "58030"));
    }

    #[test]
    fn a_number_of_mariadb_decides_what_the_caller_may_believe() {
        for (number, verdict) in [
            (1213, Verdict::Race),
            (1205, Verdict::Race),
            (1062, Verdict::Race),
            (1406, Verdict::Poison),
            (1040, Verdict::Refused),
            (1053, Verdict::Refused),
            (1146, Verdict::Damaged),
            (1180, Verdict::Unknown),
        ] {
            assert_eq!(mysql(number), verdict, "{number}");
        }
    }
}
