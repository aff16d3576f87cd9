//! The steps of which changes of the schema are made. Each is written as the statements
//! of its database, so that a dry run can show them, and can be done again after it was
//! interrupted.

use realtime_core::store::StoreError;
use sea_orm::{
    ConnectionTrait,
    sea_query::{
        ColumnDef, Index, IndexCreateStatement, MysqlQueryBuilder, PostgresQueryBuilder,
        SqliteQueryBuilder, Table, TableCreateStatement,
    },
};

use super::{MIGRATIONS, number};
use crate::{
    dialect::{Dialect, columns::Schema},
    error::failed,
    query::Query,
    rows::single,
};

/// One step of a change.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A new table and its indexes.
    Table {
        table: TableCreateStatement,
        /// Without the table's name.
        indexes: Vec<IndexCreateStatement>,
    },
    /// A new column of a table that has rows: nullable, or with a default, because an
    /// older server goes on writing rows without it.
    Column {
        table: &'static str,
        name: &'static str,
        column: ColumnDef,
    },
    /// A statement that only this database has, and that does nothing where it was done.
    Sql(String),
}

/// The table that notes which changes were made.
pub(super) fn migrations_table(schema: Schema) -> Step {
    let table = schema.plain(
        Table::create()
            .table(MIGRATIONS)
            .col(ColumnDef::new("version").string().not_null().primary_key())
            .col(number("applied_at").not_null()),
    );
    Step::Table {
        table,
        indexes: Vec::new(),
    }
}

impl Step {
    /// A new table without further indexes.
    pub(super) const fn table(table: TableCreateStatement) -> Self {
        Self::Table {
            table,
            indexes: Vec::new(),
        }
    }

    /// A new column of a table, of a name that must be said twice.
    pub(super) fn column(
        table: &'static str,
        name: &'static str,
        column: impl FnOnce(&'static str) -> ColumnDef,
    ) -> Self {
        Self::Column {
            table,
            name,
            column: column(name),
        }
    }

    /// The statements that take it.
    pub(super) fn statements(&self, dialect: Dialect) -> Vec<String> {
        match self {
            Self::Table { table, indexes } => created(dialect, table.clone(), indexes),
            Self::Column { table, column, .. } => {
                let mut altered = Table::alter();
                altered.table(*table).add_column(column.clone());
                vec![match dialect {
                    Dialect::Sqlite => altered.to_string(SqliteQueryBuilder),
                    Dialect::Postgres => altered.to_string(PostgresQueryBuilder),
                    Dialect::MySql => altered.to_string(MysqlQueryBuilder),
                }]
            }
            Self::Sql(statement) => vec![statement.clone()],
        }
    }
}

/// On MariaDB and MySQL the indexes are part of the table: who was killed in between
/// would find the table there, and no way to ask for an index only if it is missing.
fn created(
    dialect: Dialect,
    mut table: TableCreateStatement,
    indexes: &[IndexCreateStatement],
) -> Vec<String> {
    let named = |index: &IndexCreateStatement| {
        let mut index = index.clone();
        if let Some(sea_orm::sea_query::TableRef::Table(name, _)) = table.get_table_name() {
            index.table(name.clone());
        }
        index.if_not_exists().take()
    };
    match dialect {
        Dialect::Sqlite => {
            let rest = indexes
                .iter()
                .map(|one| named(one).to_string(SqliteQueryBuilder));
            std::iter::once(table.to_string(SqliteQueryBuilder))
                .chain(rest)
                .collect()
        }
        Dialect::Postgres => {
            let rest = indexes
                .iter()
                .map(|one| named(one).to_string(PostgresQueryBuilder));
            std::iter::once(table.to_string(PostgresQueryBuilder))
                .chain(rest)
                .collect()
        }
        Dialect::MySql => {
            for index in indexes {
                table.index(&mut index.clone());
            }
            vec![table.to_string(MysqlQueryBuilder)]
        }
    }
}

/// Takes a step, unless it was taken.
pub(super) async fn take<C: ConnectionTrait>(
    step: &Step,
    query: &Query<'_, C>,
    schema: Schema,
) -> Result<(), StoreError> {
    let taken = match step {
        // Asked by the statements themselves.
        Step::Table { .. } | Step::Sql(_) => false,
        Step::Column { table, name, .. } => has_column(query, table, name).await?,
    };
    if taken {
        return Ok(());
    }
    for statement in step.statements(schema.dialect) {
        query
            .db
            .execute_unprepared(&statement)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

/// Whether there is a table of this name where ours are.
pub(super) async fn has_table<C: ConnectionTrait>(
    query: &Query<'_, C>,
    table: &str,
) -> Result<bool, StoreError> {
    let sql = match query.dialect {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_name = ?"
        }
        Dialect::MySql => {
            "SELECT COUNT(*) FROM information_schema.tables \
             WHERE table_schema = DATABASE() AND table_name = ?"
        }
    };
    let found: Option<i64> = single(query.one(sql, [table.into()]).await?)?;
    Ok(found.is_some_and(|count| count > 0))
}

async fn has_column<C: ConnectionTrait>(
    query: &Query<'_, C>,
    table: &str,
    column: &str,
) -> Result<bool, StoreError> {
    let sql = match query.dialect {
        Dialect::Sqlite => "SELECT COUNT(*) FROM pragma_table_info(?) WHERE name = ?",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = ? AND column_name = ?"
        }
        Dialect::MySql => {
            "SELECT COUNT(*) FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = ? AND column_name = ?"
        }
    };
    let found: Option<i64> = single(query.one(sql, [table.into(), column.into()]).await?)?;
    Ok(found.is_some_and(|count| count > 0))
}

/// An index of a table to come.
pub(super) fn index(name: &str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name(name);
    for column in columns {
        index.col(*column);
    }
    index
}
