//! The one place that knows how databases differ: texts of statements, options of
//! transactions, column types, result codes. Each match names every database, so that
//! a new one is a new variant, and the compiler then lists what it must decide.
//!
//! - [`rows`]: many rows in one statement.
//! - [`columns`]: types of columns, and how tables are laid out.
//! - [`search`]: full-text search.
//! - [`verdict`]: what a failure says.
//!
//! Placeholders are written `?`; [`Dialect::statement`] numbers them where the
//! database wants that.

pub(crate) mod columns;
pub(crate) mod rows;
pub(crate) mod search;
pub(crate) mod verdict;

use std::{borrow::Cow, fmt::Write};

use realtime_core::store::StoreError;
use sea_orm::{DbBackend, SqliteTransactionMode, Statement, TransactionOptions, Value};

pub(crate) use self::rows::Rows;
use crate::error::damaged;

/// Which database is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite 3.35 or later; what is linked is newer.
    Sqlite,
    /// PostgreSQL 13 or later.
    Postgres,
    /// MariaDB 10.6 or MySQL 8.0, or later.
    MySql,
}

impl Dialect {
    /// The dialect of a database's URL.
    pub(crate) fn of(url: &str) -> Result<Self, StoreError> {
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" | "postgresql" => Ok(Self::Postgres),
            "mysql" | "mariadb" => Ok(Self::MySql),
            // The URL itself is not repeated: it may hold a password.
            _ => Err(damaged(
                "the database URL must begin with `sqlite:`, `postgres:` or `mysql:`",
            )),
        }
    }

    pub(crate) const fn of_backend(backend: DbBackend) -> Option<Self> {
        match backend {
            DbBackend::Sqlite => Some(Self::Sqlite),
            DbBackend::Postgres => Some(Self::Postgres),
            DbBackend::MySql => Some(Self::MySql),
            _ => None,
        }
    }

    pub(crate) const fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
            Self::MySql => DbBackend::MySql,
        }
    }

    /// A transaction that will write. SQLite takes its write lock at once: one
    /// that begins by reading and then wants to write fails when another wrote in
    /// between, and no waiting helps it. Elsewhere the connections of the writers are
    /// told their isolation once, see `connect`.
    pub(crate) fn to_write(self) -> TransactionOptions {
        match self {
            Self::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            Self::Postgres | Self::MySql => TransactionOptions::default(),
        }
    }

    /// A transaction whose statements all see the same state. Elsewhere than on SQLite
    /// the connections of the readers are told so once, see `connect`.
    pub(crate) fn to_read(self) -> TransactionOptions {
        match self {
            Self::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
                ..TransactionOptions::default()
            },
            Self::Postgres | Self::MySql => TransactionOptions::default(),
        }
    }

    /// A statement without rows of its own.
    pub(crate) fn statement(self, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.backend(), self.numbered(sql), values)
    }

    /// The text with its placeholders as the database writes them. None of our texts
    /// has a question mark of another meaning.
    pub(crate) fn numbered(self, sql: &str) -> Cow<'_, str> {
        match self {
            Self::Sqlite | Self::MySql => Cow::Borrowed(sql),
            Self::Postgres => {
                let mut numbered = String::with_capacity(sql.len() + 2 * sql.matches('?').count());
                for (number, part) in sql.split('?').enumerate() {
                    if number > 0 {
                        // Writing to a string cannot fail.
                        let _ = write!(numbered, "${number}");
                    }
                    numbered.push_str(part);
                }
                Cow::Owned(numbered)
            }
        }
    }

    /// The join that looks up a table by the keys in `v`, row by row. SQLite takes a
    /// cross join to mean that the table on the left comes first, MariaDB and MySQL
    /// have a word of their own for it; PostgreSQL decides by itself, and estimates a
    /// table such as `v` as small.
    pub(crate) const fn lookup(self) -> &'static str {
        match self {
            Self::Sqlite => "CROSS JOIN",
            Self::Postgres => "JOIN",
            Self::MySql => "STRAIGHT_JOIN",
        }
    }

    /// The table of participants as `alias`, joined by its whole key, and `ON` what: more
    /// conditions may follow. PostgreSQL would think that whoever is found by their number
    /// alone is in few rooms, as most people are, and read all rooms of those who are in a
    /// thousand; so it is not let to look at half of the key.
    pub(crate) fn seat(self, alias: &str, room: &str, user: &str) -> String {
        match self {
            Self::Sqlite | Self::MySql => format!(
                "rt_participant {alias} ON {alias}.room_id = {room} AND {alias}.user_id = {user}"
            ),
            Self::Postgres => format!(
                "LATERAL (SELECT * FROM rt_participant \
                 WHERE room_id = {room} AND user_id = {user} LIMIT 1) {alias} ON TRUE"
            ),
        }
    }

    /// The end of a query that locks the rows it finds of one table until the
    /// transaction ends, in the order of `key`. SQLite has one lock for everything, and
    /// who will write holds it. MariaDB and MySQL lock in the order in which they read,
    /// that of `v`: its rows must be sorted.
    pub(crate) fn lock(self, table: &str, key: &str) -> String {
        match self {
            Self::Sqlite => String::new(),
            Self::Postgres => format!(" ORDER BY {table}.{key} FOR UPDATE OF {table}"),
            Self::MySql => " FOR UPDATE".to_owned(),
        }
    }

    /// The end of a query that sees rows as they are, and keeps them so until the
    /// transaction ends. Only MariaDB and MySQL show a transaction rows as they were, and
    /// then let it change them as they are; elsewhere it reads what it may change.
    pub(crate) const fn share(self) -> &'static str {
        match self {
            Self::Sqlite | Self::Postgres => "",
            Self::MySql => " LOCK IN SHARE MODE",
        }
    }

    /// Whether rows must be locked one by one, and read when they are.
    pub(crate) const fn locks_rows(self) -> bool {
        match self {
            Self::Sqlite => false,
            Self::Postgres | Self::MySql => true,
        }
    }

    /// Whether a subquery finds by an index what lies between two columns of the statement
    /// around it. MariaDB goes by the part of the index before them, and would read a room
    /// from its first message on; there the ends must be values.
    pub(crate) const fn finds_ranges_of_rows(self) -> bool {
        match self {
            Self::Sqlite | Self::Postgres => true,
            Self::MySql => false,
        }
    }

    /// Of a message `m`: that it was edited or deleted, and by which `rev` it was last,
    /// between two values. It is the condition of an index, see
    /// [`columns`](Dialect::rewritten_index).
    pub(crate) const fn rewritten_between(self) -> &'static str {
        match self {
            Self::Sqlite | Self::Postgres => "m.rev BETWEEN ? AND ? AND m.rev <> m.sent_rev",
            Self::MySql => "m.rewritten_rev BETWEEN ? AND ?",
        }
    }

    /// Asks for a number that changes when another connection has written; none, if
    /// the database does not know.
    pub(crate) const fn others_wrote(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some("PRAGMA data_version"),
            Self::Postgres | Self::MySql => None,
        }
    }

    /// A placeholder for a whole number, where nothing around it tells the type.
    pub(crate) const fn integer(self) -> &'static str {
        match self {
            Self::Sqlite => "?",
            Self::Postgres => "CAST(? AS BIGINT)",
            Self::MySql => "CAST(? AS SIGNED)",
        }
    }

    /// The greater one of two numbers.
    pub(crate) fn greatest(self, a: &str, b: &str) -> String {
        match self {
            Self::Sqlite => format!("MAX({a}, {b})"),
            Self::Postgres | Self::MySql => format!("GREATEST({a}, {b})"),
        }
    }

    /// The end of a query that locks the rows it finds and passes over those that
    /// somebody else holds. On SQLite who will write holds everything.
    pub(crate) const fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres | Self::MySql => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Half of a whole number, rounded down.
    pub(crate) fn halved(self, number: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("({number}) / 2"),
            Self::MySql => format!("({number}) DIV 2"),
        }
    }
}

#[cfg(test)]
mod tests;
