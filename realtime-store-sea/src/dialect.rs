//! The one place that knows how databases differ: texts of statements for many
//! rows, options of transactions, column types, result codes. A new database is a
//! new variant, and the compiler then lists what it must decide.
//!
//! Many rows go into one statement as a table of their own, `v`:
//!
//! ```sql
//! WITH v(id, last_seq) AS (VALUES (?,?),(?,?)) UPDATE rt_room SET … FROM v WHERE …
//! ```
//!
//! The table is padded with rows of nulls to a power of two, so that a kind of
//! statement has ten texts in all and every one stays prepared. A null matches no
//! key, and inserts leave such rows out.
//!
//! `OR FAIL`: by default SQLite copies every page that a statement of many rows
//! touches aside first, so that the statement can be taken back alone. Ours never is:
//! after any failure the whole transaction is rolled back.

use std::fmt::Write;

use realtime_core::store::StoreError;
use sea_orm::{
    DbBackend, SqliteTransactionMode, Statement, TransactionOptions, Value,
    sea_query::{
        ColumnDef, ConditionalStatement, Expr, IndexCreateStatement, IntoIden, TableCreateStatement,
    },
};

use crate::{
    error::{Verdict, damaged},
    limits::STATEMENT_ROWS,
};

/// Which database is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite 3.35 or later; what is linked is newer.
    Sqlite,
}

/// Rows for one statement: values of the columns of `v`, row by row.
#[derive(Debug, Clone)]
pub(crate) struct Rows<const N: usize> {
    columns: [&'static str; N],
    values: Vec<Value>,
}

impl<const N: usize> Rows<N> {
    pub(crate) const fn new(columns: [&'static str; N]) -> Self {
        Self {
            columns,
            values: Vec::new(),
        }
    }

    /// Adds a row. Its first value must not be null.
    pub(crate) fn push(&mut self, row: [Value; N]) {
        self.values.extend(row);
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / N
    }
}

impl Dialect {
    /// The dialect of a database's URL.
    pub(crate) fn of(url: &str) -> Result<Self, StoreError> {
        if DbBackend::Sqlite.is_prefix_of(url) {
            Ok(Self::Sqlite)
        } else {
            Err(damaged("the database URL must begin with `sqlite:`"))
        }
    }

    pub(crate) fn of_backend(backend: DbBackend) -> Option<Self> {
        [Self::Sqlite]
            .into_iter()
            .find(|dialect| dialect.backend() == backend)
    }

    pub(crate) const fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
        }
    }

    /// A transaction that will write. SQLite takes its write lock at once: one
    /// that begins by reading and then wants to write fails when another wrote in
    /// between, and no waiting helps it.
    pub(crate) fn to_write(self) -> TransactionOptions {
        match self {
            Self::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
        }
    }

    /// A transaction whose statements all see the same state.
    pub(crate) fn to_read(self) -> TransactionOptions {
        match self {
            Self::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
                ..TransactionOptions::default()
            },
        }
    }

    /// A statement without rows of its own.
    pub(crate) fn statement<const N: usize>(self, sql: &str, values: [Value; N]) -> Statement {
        Statement::from_sql_and_values(self.backend(), sql, values)
    }

    /// Statements that each see up to [`STATEMENT_ROWS`] of the rows as `v`,
    /// followed by `tail`.
    pub(crate) fn with_rows<const N: usize>(
        self,
        rows: Rows<N>,
        tail: &str,
    ) -> impl Iterator<Item = Statement> + use<N> {
        let tail = tail.to_owned();
        let columns = rows.columns;
        let mut rest = rows.values.into_iter().peekable();
        std::iter::from_fn(move || {
            rest.peek()?;
            let values: Vec<Value> = rest.by_ref().take(STATEMENT_ROWS * N).collect();
            let sql = self.table_of(&columns, values.len() / N, &tail);
            Some(Statement::from_sql_and_values(self.backend(), sql, values))
        })
    }

    /// `INSERT` for the rows, whose columns are the table's.
    pub(crate) fn insert<const N: usize>(
        self,
        table: &str,
        rows: Rows<N>,
    ) -> impl Iterator<Item = Statement> + use<N> {
        let columns = rows.columns.join(", ");
        let tail = match self {
            Self::Sqlite => format!(
                "INSERT OR FAIL INTO {table} ({columns}) \
                 SELECT {columns} FROM v WHERE v.{} IS NOT NULL",
                rows.columns[0],
            ),
        };
        self.with_rows(rows, &tail)
    }

    /// `UPDATE` for the rows: the first `keys` columns find the row of the table,
    /// the others are what it becomes.
    pub(crate) fn update<const N: usize>(
        self,
        table: &str,
        keys: usize,
        rows: Rows<N>,
    ) -> impl Iterator<Item = Statement> + use<N> {
        let (keys, sets) = rows.columns.split_at(keys);
        let sets: Vec<String> = sets.iter().map(|c| format!("{c} = v.{c}")).collect();
        let keys: Vec<String> = keys
            .iter()
            .map(|c| format!("{table}.{c} = v.{c}"))
            .collect();
        let (sets, keys) = (sets.join(", "), keys.join(" AND "));
        let tail = match self {
            Self::Sqlite => format!("UPDATE OR FAIL {table} SET {sets} FROM v WHERE {keys}"),
        };
        self.with_rows(rows, &tail)
    }

    /// As [`Dialect::update`] of one column found by one key, but never to less than
    /// it is.
    pub(crate) fn raise(
        self,
        table: &str,
        rows: Rows<2>,
    ) -> impl Iterator<Item = Statement> + use<> {
        let [key, raised] = rows.columns;
        let tail = match self {
            Self::Sqlite => format!(
                "UPDATE OR FAIL {table} SET {raised} = v.{raised} FROM v WHERE {table}.{key} = v.{key} \
                 AND COALESCE({table}.{raised}, -1) < v.{raised}"
            ),
        };
        self.with_rows(rows, &tail)
    }

    fn table_of(self, columns: &[&str], rows: usize, tail: &str) -> String {
        let padded = rows.next_power_of_two().min(STATEMENT_ROWS);
        let width = "(?,),".len() + 2 * columns.len();
        let mut sql = String::with_capacity(padded * width + tail.len() + 64);
        match self {
            // What is not bound is null to SQLite, so the padding costs no values.
            Self::Sqlite => {
                // Writing to a string cannot fail.
                let _ = write!(sql, "WITH v({}) AS (VALUES ", columns.join(", "));
                let row = format!("({})", vec!["?"; columns.len()].join(","));
                for index in 0..padded {
                    if index > 0 {
                        sql.push(',');
                    }
                    sql.push_str(&row);
                }
                sql.push_str(") ");
            }
        }
        sql.push_str(tail);
        sql
    }

    /// The join that looks up a table by the keys in `v`, row by row. SQLite takes a
    /// cross join to mean that the table on the left comes first.
    pub(crate) const fn lookup(self) -> &'static str {
        match self {
            Self::Sqlite => "CROSS JOIN",
        }
    }

    /// How many rows `FROM … WHERE …` finds, counted up to `cap` and then no
    /// further. The `WHERE` may name columns of the statement around it.
    pub(crate) fn capped_count(self, from_where: &str, cap: u32) -> String {
        match self {
            Self::Sqlite => {
                format!("(SELECT COUNT(*) FROM (SELECT 1 FROM {from_where} LIMIT {cap}))")
            }
        }
    }

    /// Asks for a number that changes when another connection has written; none, if
    /// the database does not know.
    pub(crate) const fn others_wrote(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => Some("PRAGMA data_version"),
        }
    }

    /// A placeholder for a whole number, where nothing around it tells the type.
    pub(crate) const fn integer(self) -> &'static str {
        match self {
            Self::Sqlite => "?",
        }
    }

    /// Half of a whole number, rounded down.
    pub(crate) fn halved(self, number: &str) -> String {
        match self {
            Self::Sqlite => format!("({number}) / 2"),
        }
    }

    /// The last number given to a user. Read under the write lock.
    pub(crate) const fn last_user(self) -> &'static str {
        match self {
            Self::Sqlite => "SELECT COALESCE(MAX(id), 0) FROM rt_user",
        }
    }

    /// A column for a UUID.
    pub(crate) fn uuid(self, name: impl IntoIden) -> ColumnDef {
        const UUID_BYTES: u32 = 16;
        let mut column = ColumnDef::new(name);
        match self {
            Self::Sqlite => column.binary_len(UUID_BYTES).not_null(),
        };
        column
    }

    /// The primary key of a table that is looked up by a small number.
    pub(crate) fn number_key(self, name: impl IntoIden) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self {
            // "integer PRIMARY KEY" is SQLite's own row number: no second index.
            Self::Sqlite => column.big_integer().not_null().primary_key(),
        };
        column
    }

    /// Leaves rows out of an index for which the condition does not hold.
    pub(crate) fn partial(
        self,
        index: &mut IndexCreateStatement,
        condition: Expr,
    ) -> &mut IndexCreateStatement {
        match self {
            Self::Sqlite => index.and_where(condition),
        }
    }

    /// Stores the table's rows in the order of its primary key.
    pub(crate) fn clustered(self, table: &mut TableCreateStatement) -> &mut TableCreateStatement {
        match self {
            Self::Sqlite => table.extra("WITHOUT ROWID"),
        }
    }
}

/// What a result code of SQLite says, by its primary code, the low byte of the
/// extended one.
pub(crate) fn sqlite_verdict(code: i32) -> Verdict {
    const PRIMARY: i32 = 0xff;
    match code & PRIMARY {
        // PERM, BUSY, LOCKED, NOMEM, READONLY, FULL, CANTOPEN, AUTH
        3 | 5 | 6 | 7 | 8 | 13 | 14 | 23 => Verdict::Refused,
        // ERROR, INTERNAL, CORRUPT, SCHEMA, TOOBIG, CONSTRAINT, MISMATCH, MISUSE,
        // RANGE, NOTADB
        1 | 2 | 11 | 17 | 18 | 19 | 20 | 21 | 25 | 26 => Verdict::Damaged,
        // IOERR, INTERRUPT, PROTOCOL and what is yet to come
        _ => Verdict::Unknown,
    }
}

/// Whether SQLite says that somebody else holds the lock.
pub(crate) const fn sqlite_busy(code: i32) -> bool {
    const PRIMARY: i32 = 0xff;
    matches!(code & PRIMARY, 5 | 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(rows: usize) -> Vec<String> {
        let mut table = Rows::new(["id", "n"]);
        for row in 0..rows {
            let n = i64::try_from(row).unwrap();
            table.push([n.into(), n.into()]);
        }
        assert_eq!(table.len(), rows);
        Dialect::Sqlite
            .update("t", 1, table)
            .map(|statement| statement.sql)
            .collect()
    }

    #[test]
    fn statements_of_a_kind_have_few_texts() {
        let distinct: std::collections::HashSet<String> =
            (0..=2 * STATEMENT_ROWS).flat_map(texts).collect();
        assert_eq!(distinct.len(), 10);
        assert!(texts(0).is_empty());
        assert_eq!(
            texts(3),
            [
                "WITH v(id, n) AS (VALUES (?,?),(?,?),(?,?),(?,?)) UPDATE OR FAIL t SET n = v.n FROM v WHERE t.id = v.id"
            ]
        );
    }

    #[test]
    fn a_batch_is_one_statement() {
        assert_eq!(texts(STATEMENT_ROWS).len(), 1);
        assert_eq!(texts(STATEMENT_ROWS + 1).len(), 2);
    }

    #[test]
    fn a_code_decides_what_the_caller_may_believe() {
        const BUSY_SNAPSHOT: i32 = 5 | (2 << 8);
        const FULL: i32 = 13;
        const IOERR_FSYNC: i32 = 10 | (4 << 8);
        const CORRUPT: i32 = 11;
        assert_eq!(sqlite_verdict(BUSY_SNAPSHOT), Verdict::Refused);
        assert!(sqlite_busy(BUSY_SNAPSHOT));
        assert_eq!(sqlite_verdict(FULL), Verdict::Refused);
        assert_eq!(sqlite_verdict(IOERR_FSYNC), Verdict::Unknown);
        assert_eq!(sqlite_verdict(CORRUPT), Verdict::Damaged);
        assert!(!sqlite_busy(CORRUPT));
    }

    #[test]
    fn a_foreign_database_is_refused() {
        assert!(Dialect::of("sqlite://realtime.db").is_ok());
        assert!(Dialect::of("postgres://localhost/realtime").is_err());
    }
}
