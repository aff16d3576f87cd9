//! Types of columns, and how tables are laid out.
//!
//! Ids and subjects are compared and sorted byte by byte, whatever the database's own
//! language: `COLLATE "C"` on PostgreSQL, on MariaDB and MySQL a binary collation that
//! does not take a space at the end for nothing, see [`Schema::collation`].

use sea_orm::sea_query::{
    Alias, ColumnDef, ConditionalStatement, Expr, Index, IndexCreateStatement, IntoIden,
    TableCreateStatement,
};

use super::Dialect;

/// Bytes of a UUID.
const UUID_BYTES: u32 = 16;

/// For which database the tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) dialect: Dialect,
    /// How texts are compared on MariaDB and MySQL, each of which has a name of its own
    /// for it. Our connections compare what they send by the same, or no index would fit.
    pub(crate) collation: &'static str,
}

impl Schema {
    /// Of MariaDB.
    pub(crate) const MARIADB_COLLATION: &'static str = "utf8mb4_nopad_bin";
    /// Of MySQL.
    pub(crate) const MYSQL_COLLATION: &'static str = "utf8mb4_0900_bin";

    pub(crate) const fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            collation: Self::MARIADB_COLLATION,
        }
    }

    /// A column for a UUID.
    pub(crate) fn uuid(self, name: impl IntoIden) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.dialect {
            Dialect::Sqlite | Dialect::MySql => column.binary_len(UUID_BYTES),
            Dialect::Postgres => column.uuid(),
        };
        column.not_null().take()
    }

    /// The primary key of a table that is looked up by a small number, which the
    /// database gives.
    pub(crate) fn number_key(self, name: impl IntoIden) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        column.big_integer().not_null();
        match self.dialect {
            // "integer PRIMARY KEY" is SQLite's own row number: no second index.
            Dialect::Sqlite => column.primary_key(),
            Dialect::Postgres | Dialect::MySql => column.auto_increment().primary_key(),
        };
        column
    }

    /// A column for an identifier of the host's or a client's.
    pub(crate) fn name(self, name: impl IntoIden, max_chars: u32) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        column.string_len(max_chars);
        match self.dialect {
            Dialect::Sqlite | Dialect::MySql => {}
            Dialect::Postgres => {
                column.extra("COLLATE \"C\"");
            }
        }
        column
    }

    /// A column for a text whose length others limit.
    pub(crate) fn text(self, name: impl IntoIden) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        match self.dialect {
            Dialect::Sqlite | Dialect::Postgres => column.text(),
            // The plain one ends at 64 KiB.
            Dialect::MySql => column.custom(Alias::new("longtext")),
        };
        column
    }

    /// A key that is one of our own words.
    pub(crate) fn text_key(self, name: impl IntoIden) -> ColumnDef {
        const WORD_CHARS: u32 = 64;
        let mut column = ColumnDef::new(name);
        match self.dialect {
            Dialect::Sqlite | Dialect::Postgres => column.text(),
            Dialect::MySql => column.string_len(WORD_CHARS),
        };
        column
    }

    /// The table, in the order of its primary key where the database can do that.
    /// MariaDB and MySQL always do.
    pub(crate) fn clustered(self, table: &mut TableCreateStatement) -> TableCreateStatement {
        match self.dialect {
            Dialect::Sqlite => {
                table.extra("WITHOUT ROWID");
            }
            Dialect::Postgres | Dialect::MySql => {}
        }
        self.plain(table)
    }

    /// As [`Schema::clustered`], for rows that change often without changing what an
    /// index holds. PostgreSQL writes a changed row beside the old one: with room on its
    /// page for that, no index is touched.
    pub(crate) fn restless(self, table: &mut TableCreateStatement) -> TableCreateStatement {
        match self.dialect {
            Dialect::Postgres => {
                table.extra("WITH (fillfactor = 70)");
            }
            Dialect::Sqlite | Dialect::MySql => {}
        }
        self.clustered(table)
    }

    /// The table as the database lays it out by itself.
    pub(crate) fn plain(self, table: &mut TableCreateStatement) -> TableCreateStatement {
        match self.dialect {
            Dialect::Sqlite | Dialect::Postgres => {}
            Dialect::MySql => {
                table
                    .engine("InnoDB")
                    .character_set("utf8mb4")
                    .collate(self.collation);
            }
        }
        table.if_not_exists().take()
    }

    /// An index of the messages that were edited or deleted, by `rev`: so that the many
    /// which were only sent cost nothing in it. MariaDB and MySQL cannot leave rows out
    /// of an index. There a column is null for what was only sent, and the index holds
    /// an entry for it, too; but these stand side by side at the room's beginning, in the
    /// order in which they are sent, so that a batch dirties one page more for a room and
    /// reads none. (A table of its own that edits alone write would spare that page, and
    /// be forgotten by the first statement that edits in a way of its own.)
    pub(crate) fn rewritten(
        self,
        table: &mut TableCreateStatement,
        name: &str,
    ) -> IndexCreateStatement {
        let mut index = Index::create().name(name).col("room_id").take();
        match self.dialect {
            Dialect::Sqlite | Dialect::Postgres => {
                index.col("rev").and_where(Expr::cust("rev <> sent_rev"));
            }
            Dialect::MySql => {
                table.col(
                    ColumnDef::new("rewritten_rev").big_integer().extra(
                        "GENERATED ALWAYS AS (CASE WHEN rev <> sent_rev THEN rev END) STORED",
                    ),
                );
                index.col("rewritten_rev");
            }
        }
        index
    }
}
