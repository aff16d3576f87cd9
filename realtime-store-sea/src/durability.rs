//! What the database does to keep what it was told, read back from it.

use realtime_core::store::StoreError;
use sea_orm::DatabaseConnection;

use crate::{dialect::Dialect, error::damaged, query::Query, rows::single};

/// What a committed change survives, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an operator's warning must decide on each"
)]
pub enum Survives {
    /// Nothing: the database is in memory.
    Nothing,
    /// The end of the process, by any signal.
    ProcessCrash,
    /// The loss of power, as far as the disk tells the truth.
    PowerLoss,
}

/// How durable an answered change is, as the database itself states it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is read, never built")]
pub struct Durability {
    /// What a committed change survives.
    pub survives: Survives,
    /// The settings that say so, in the database's own words.
    pub settings: Vec<(&'static str, String)>,
}

/// Asks the connection that commits.
pub(crate) async fn read(
    writer: &DatabaseConnection,
    dialect: Dialect,
) -> Result<Durability, StoreError> {
    match dialect {
        Dialect::Sqlite => read_sqlite(writer).await,
    }
}

async fn read_sqlite(writer: &DatabaseConnection) -> Result<Durability, StoreError> {
    let query = Query {
        db: writer,
        dialect: Dialect::Sqlite,
    };
    let silent = || damaged("SQLite does not tell its settings");
    let journal_mode: String =
        single(query.one("PRAGMA journal_mode", []).await?)?.ok_or_else(silent)?;
    let synchronous: i64 =
        single(query.one("PRAGMA synchronous", []).await?)?.ok_or_else(silent)?;
    Ok(Durability {
        survives: sqlite_survives(&journal_mode, synchronous),
        settings: vec![
            ("journal_mode", journal_mode),
            ("synchronous", synchronous_name(synchronous).to_owned()),
        ],
    })
}

/// In write-ahead mode every commit is synced from `FULL` on; with `NORMAL` only
/// every checkpoint is. The other modes sync before they answer unless `OFF`.
fn sqlite_survives(journal_mode: &str, synchronous: i64) -> Survives {
    const NORMAL: i64 = 1;
    const FULL: i64 = 2;
    match journal_mode {
        "memory" | "off" => Survives::Nothing,
        "wal" if synchronous >= FULL => Survives::PowerLoss,
        "wal" => Survives::ProcessCrash,
        _ if synchronous >= NORMAL => Survives::PowerLoss,
        _ => Survives::ProcessCrash,
    }
}

fn synchronous_name(synchronous: i64) -> &'static str {
    match synchronous {
        0 => "off",
        1 => "normal",
        2 => "full",
        3 => "extra",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weaker_setting_is_told() {
        assert_eq!(sqlite_survives("wal", 2), Survives::PowerLoss);
        assert_eq!(sqlite_survives("wal", 1), Survives::ProcessCrash);
        assert_eq!(sqlite_survives("memory", 2), Survives::Nothing);
        assert_eq!(sqlite_survives("delete", 0), Survives::ProcessCrash);
        assert!(Survives::Nothing < Survives::PowerLoss);
    }
}
