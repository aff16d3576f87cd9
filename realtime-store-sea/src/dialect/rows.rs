//! Many rows in one statement, as a table of their own, `v`.
//!
//! ```sql
//! -- SQLite
//! WITH v(id, n) AS (VALUES (?,?),(?,?)) UPDATE OR FAIL t SET n = v.n FROM v WHERE …
//! -- PostgreSQL
//! WITH v(id, n) AS (SELECT * FROM unnest($1::uuid[], $2::bigint[])) UPDATE …
//! -- MariaDB and MySQL
//! UPDATE (SELECT ? AS id, ? AS n UNION ALL SELECT ?, ?) AS v STRAIGHT_JOIN t … SET …
//! ```
//!
//! **SQLite, MariaDB and MySQL**: the table is padded with rows of nulls to a power of
//! two, so that a kind of statement has ten texts in all and every one stays prepared. A
//! null matches no key, and inserts leave such rows out.
//!
//! **MariaDB and MySQL** insert by `VALUES (…),(…)`: rows of a table would be copied
//! aside first, bodies to a disk. Nothing can be left out of that, so the rows are cut
//! into powers of two instead: 13 are 8, 4 and 1.
//!
//! **PostgreSQL**: one parameter is a whole column, so that a kind of statement has one
//! text for any number of rows, and parsing does not depend on it. An array goes as text
//! (`{1,NULL,3}`), because the driver's own arrays hold no nulls.
//!
//! `OR FAIL`: by default SQLite copies every page that a statement of many rows
//! touches aside first, so that the statement can be taken back alone. Ours never is:
//! after any failure the whole transaction is rolled back.

use std::fmt::Write;

use sea_orm::{Statement, Value};

use super::Dialect;
use crate::limits::{COLUMN_ROWS, PACKET_BYTES, STATEMENT_BYTES, STATEMENT_ROWS};

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

    /// Adds a row. Its first value must not be null. A column's values are all of one
    /// type, null or not.
    pub(crate) fn push(&mut self, row: [Value; N]) {
        self.values.extend(row);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len() / N
    }
}

/// What stands around the rows of a statement.
#[derive(Debug)]
struct Frame {
    before: String,
    after: String,
    form: Form,
}

/// How rows are written into a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `(?,?),(?,?)`, padded with rows of nulls.
    PaddedValues,
    /// `(?,?),(?,?)`, exactly the rows.
    Values,
    /// `SELECT ? AS a, ? AS b UNION ALL SELECT ?, ?`, padded with rows of nulls.
    Selects,
    /// `SELECT * FROM unnest(?::bigint[], ?::text[])`
    Arrays,
}

impl Dialect {
    /// Statements that each see some of the rows as `v`, followed by a `SELECT`.
    pub(crate) fn with_rows<const N: usize>(
        self,
        rows: Rows<N>,
        select: &str,
    ) -> impl Iterator<Item = Statement> + use<N> {
        let frame = self.common_table(&rows.columns, select);
        self.statements(rows, frame)
    }

    /// `INSERT` for the rows, whose columns are the table's.
    pub(crate) fn insert<const N: usize>(
        self,
        table: &str,
        rows: Rows<N>,
    ) -> impl Iterator<Item = Statement> + use<N> {
        let columns = rows.columns.join(", ");
        let first = rows.columns[0];
        let from = format!("({columns}) SELECT {columns} FROM v WHERE v.{first} IS NOT NULL");
        let frame = match self {
            Self::Sqlite => self.common_table(
                &rows.columns,
                &format!("INSERT OR FAIL INTO {table} {from}"),
            ),
            Self::Postgres => {
                self.common_table(&rows.columns, &format!("INSERT INTO {table} {from}"))
            }
            Self::MySql => Frame {
                before: format!("INSERT INTO {table} ({columns}) VALUES "),
                after: String::new(),
                form: Form::Values,
            },
        };
        self.statements(rows, frame)
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
        let sets: Vec<String> = sets.iter().map(|c| self.assignment(table, c)).collect();
        let keys: Vec<String> = keys
            .iter()
            .map(|c| format!("{table}.{c} = v.{c}"))
            .collect();
        let frame = self.updating(&rows.columns, table, &sets.join(", "), &keys.join(" AND "));
        self.statements(rows, frame)
    }

    /// `DELETE` of the rows of a table that the rows of `v` name by a key of theirs.
    pub(crate) fn delete<const N: usize>(
        self,
        table: &str,
        keys: Rows<N>,
    ) -> impl Iterator<Item = Statement> + use<N> {
        let columns = keys.columns.join(", ");
        let found: Vec<String> = keys
            .columns
            .iter()
            .map(|c| format!("{table}.{c} = v.{c}"))
            .collect();
        let found = found.join(" AND ");
        let frame = match self {
            Self::Sqlite => self.common_table(
                &keys.columns,
                &format!("DELETE FROM {table} WHERE ({columns}) IN (SELECT {columns} FROM v)"),
            ),
            Self::Postgres => self.common_table(
                &keys.columns,
                &format!("DELETE FROM {table} USING v WHERE {found}"),
            ),
            Self::MySql => Frame {
                before: format!("DELETE {table} FROM ("),
                after: format!(") AS v STRAIGHT_JOIN {table} ON {found}"),
                form: Form::Selects,
            },
        };
        self.statements(keys, frame)
    }

    /// As [`Dialect::update`] of one column found by one key, but never to less than
    /// it is.
    pub(crate) fn raise(
        self,
        table: &str,
        rows: Rows<2>,
    ) -> impl Iterator<Item = Statement> + use<> {
        let [key, raised] = rows.columns;
        let found =
            format!("{table}.{key} = v.{key} AND COALESCE({table}.{raised}, -1) < v.{raised}");
        let set = self.assignment(table, raised);
        let frame = self.updating(&rows.columns, table, &set, &found);
        self.statements(rows, frame)
    }

    /// In an update of several tables a column must say whose it is; in one of a single
    /// table it must not.
    fn assignment(self, table: &str, column: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("{column} = v.{column}"),
            Self::MySql => format!("{table}.{column} = v.{column}"),
        }
    }

    fn updating(self, columns: &[&str], table: &str, sets: &str, found: &str) -> Frame {
        match self {
            Self::Sqlite => {
                let tail = format!("UPDATE OR FAIL {table} SET {sets} FROM v WHERE {found}");
                self.common_table(columns, &tail)
            }
            Self::Postgres => {
                let tail = format!("UPDATE {table} SET {sets} FROM v WHERE {found}");
                self.common_table(columns, &tail)
            }
            Self::MySql => Frame {
                before: "UPDATE (".to_owned(),
                after: format!(") AS v STRAIGHT_JOIN {table} ON {found} SET {sets}"),
                form: Form::Selects,
            },
        }
    }

    fn common_table(self, columns: &[&str], tail: &str) -> Frame {
        let form = match self {
            Self::Sqlite => Form::PaddedValues,
            Self::Postgres => Form::Arrays,
            Self::MySql => Form::Selects,
        };
        let values = if form == Form::PaddedValues {
            "VALUES "
        } else {
            ""
        };
        Frame {
            before: format!("WITH v({}) AS ({values}", columns.join(", ")),
            after: format!(") {tail}"),
            form,
        }
    }

    fn statements<const N: usize>(
        self,
        rows: Rows<N>,
        frame: Frame,
    ) -> impl Iterator<Item = Statement> + use<N> {
        let columns = rows.columns;
        let mut rest = rows.values.into_iter().peekable();
        let mut left = rest.len() / N;
        std::iter::from_fn(move || {
            rest.peek()?;
            let (mut values, mut bytes) = (Vec::new(), 0);
            for _ in 0..frame.form.most(left) {
                let begin = values.len();
                values.extend(rest.by_ref().take(N));
                bytes += values[begin..].iter().map(bytes_of).sum::<usize>();
                if bytes > STATEMENT_BYTES {
                    break;
                }
            }
            left -= values.len() / N;
            Some(self.framed(&frame, &columns, values))
        })
    }

    fn framed(self, frame: &Frame, columns: &[&str], mut values: Vec<Value>) -> Statement {
        let width = columns.len();
        let rows = values.len() / width;
        let padded = rows.next_power_of_two();
        let mut sql = String::with_capacity(
            frame.before.len() + frame.after.len() + padded * width * "?,".len() * 2,
        );
        sql.push_str(&frame.before);
        match frame.form {
            // What is not bound is null to SQLite, so the padding costs no values.
            Form::PaddedValues => push_values(&mut sql, width, padded),
            Form::Values => push_values(&mut sql, width, rows),
            Form::Selects => {
                push_selects(&mut sql, columns, &values, padded);
                let nulls: Vec<Value> = values[..width].iter().map(Value::as_null).collect();
                for _ in rows..padded {
                    values.extend(nulls.iter().cloned());
                }
            }
            Form::Arrays => {
                push_arrays(&mut sql, &values[..width]);
                values = (0..width)
                    .map(|column| array(values.iter().skip(column).step_by(width)).into())
                    .collect();
            }
        }
        sql.push_str(&frame.after);
        self.statement(&sql, values)
    }
}

impl Form {
    /// Rows that the next statement takes at most, of those that are left.
    fn most(self, left: usize) -> usize {
        match self {
            Self::PaddedValues | Self::Selects => STATEMENT_ROWS,
            Self::Values => {
                let power = left.checked_ilog2().unwrap_or_default();
                (1 << power).min(STATEMENT_ROWS)
            }
            Self::Arrays => COLUMN_ROWS,
        }
    }
}

fn push_values(sql: &mut String, width: usize, rows: usize) {
    let row = format!("({})", vec!["?"; width].join(","));
    for index in 0..rows {
        if index > 0 {
            sql.push(',');
        }
        sql.push_str(&row);
    }
}

/// The type of a number and of an id is said: MySQL takes a placeholder in a list of
/// columns for text, and a number compared with text uses no index.
fn push_selects(sql: &mut String, columns: &[&str], values: &[Value], rows: usize) {
    let typed: Vec<&str> = values.iter().take(columns.len()).map(cast).collect();
    let named: Vec<String> = typed
        .iter()
        .zip(columns)
        .map(|(value, column)| format!("{value} AS {column}"))
        .collect();
    sql.push_str("SELECT ");
    sql.push_str(&named.join(","));
    let row = format!(" UNION ALL SELECT {}", typed.join(","));
    for _ in 1..rows {
        sql.push_str(&row);
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is the library's, and we use five of its variants"
)]
const fn cast(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) | Value::SmallInt(_) | Value::BigInt(_) => "CAST(? AS SIGNED)",
        Value::Uuid(_) => "CAST(? AS BINARY(16))",
        _ => "?",
    }
}

fn push_arrays(sql: &mut String, first: &[Value]) {
    sql.push_str("SELECT * FROM unnest(");
    for (index, value) in first.iter().enumerate() {
        if index > 0 {
            sql.push_str(", ");
        }
        // Writing to a string cannot fail.
        let _ = write!(sql, "CAST(? AS {}[])", element(value));
    }
    sql.push(')');
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is the library's, and we use five of its variants"
)]
const fn element(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "BOOLEAN",
        Value::SmallInt(_) => "SMALLINT",
        Value::BigInt(_) => "BIGINT",
        Value::Uuid(_) => "UUID",
        _ => "TEXT",
    }
}

/// An array as PostgreSQL reads it from text.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is the library's, and we use five of its variants"
)]
fn array<'a>(values: impl Iterator<Item = &'a Value>) -> String {
    let mut array = String::from("{");
    for value in values {
        if array.len() > 1 {
            array.push(',');
        }
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Bool(Some(value)) => write!(array, "{value}"),
            Value::SmallInt(Some(value)) => write!(array, "{value}"),
            Value::BigInt(Some(value)) => write!(array, "{value}"),
            Value::Uuid(Some(value)) => write!(array, "{value}"),
            Value::String(Some(value)) => {
                push_quoted(&mut array, value);
                Ok(())
            }
            _ => write!(array, "NULL"),
        };
    }
    array.push('}');
    array
}

fn push_quoted(array: &mut String, text: &str) {
    array.reserve(text.len() + 2);
    array.push('"');
    let mut rest = text;
    while let Some(place) = rest.find(['"', '\\']) {
        let (before, from) = rest.split_at(place);
        array.push_str(before);
        array.push('\\');
        // Both are a single byte.
        let (special, after) = from.split_at(1);
        array.push_str(special);
        rest = after;
    }
    array.push_str(rest);
    array.push('"');
}

impl Dialect {
    /// Whether the database hears a statement out. MariaDB and MySQL hang up on whoever
    /// sends a packet that is too large, which looks as if they had died.
    pub(crate) fn takes(self, statement: &Statement) -> bool {
        match self {
            Self::Sqlite | Self::Postgres => true,
            Self::MySql => {
                let values = statement.values.iter().flat_map(|values| &values.0);
                values.map(bytes_of).sum::<usize>() <= PACKET_BYTES
            }
        }
    }
}

/// About how much of a statement a value takes.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum is the library's, and only texts are long"
)]
fn bytes_of(value: &Value) -> usize {
    match value {
        Value::String(Some(text)) => text.len(),
        _ => size_of::<u64>(),
    }
}
