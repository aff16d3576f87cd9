//! What the database does to keep what it was told, read back from it.

use realtime_core::store::StoreError;
use sea_orm::DatabaseConnection;

use crate::{connect::Connections, dialect::Dialect, error::damaged, query::Query, rows::single};

/// What a committed change survives, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an operator's warning must decide on each"
)]
pub enum Survives {
    /// Nothing for sure: what was committed last is in the memory of the database's own
    /// process, or all of it is.
    Nothing,
    /// The end of the process, by any signal; of the database's where that is another.
    ProcessCrash,
    /// The loss of power, as far as the disk tells the truth.
    PowerLoss,
}

/// How durable an answered change is, as the database itself states it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is read, never built")]
pub struct Durability {
    /// Which database says so: `sqlite`, `postgresql`, `mariadb` or `mysql`.
    pub database: &'static str,
    /// What a committed change survives.
    pub survives: Survives,
    /// The settings that say so, in the database's own words.
    pub settings: Vec<(&'static str, String)>,
}

/// Asks a connection that commits.
pub(crate) async fn read(connections: &Connections) -> Result<Durability, StoreError> {
    let query = Query {
        db: &connections.writer,
        dialect: connections.dialect,
    };
    match query.dialect {
        Dialect::Sqlite => read_sqlite(&query).await,
        Dialect::Postgres => read_postgres(&query).await,
        Dialect::MySql => read_mysql(&query).await,
    }
}

type Writer<'a> = Query<'a, DatabaseConnection>;

async fn read_sqlite(query: &Writer<'_>) -> Result<Durability, StoreError> {
    let silent = || damaged("SQLite does not tell its settings");
    let journal_mode: String =
        single(query.one("PRAGMA journal_mode", []).await?)?.ok_or_else(silent)?;
    let synchronous: i64 =
        single(query.one("PRAGMA synchronous", []).await?)?.ok_or_else(silent)?;
    Ok(Durability {
        database: "sqlite",
        survives: sqlite_survives(&journal_mode, synchronous),
        settings: vec![
            ("journal_mode", journal_mode),
            ("synchronous", synchronous_name(synchronous).to_owned()),
        ],
    })
}

/// As a session of ours has it: an operator may have set it for our user alone.
async fn read_postgres(query: &Writer<'_>) -> Result<Durability, StoreError> {
    let mut settings = Vec::new();
    for name in ["fsync", "synchronous_commit", "full_page_writes"] {
        let sql = "SELECT current_setting(?)";
        let value: Option<String> = single(query.one(sql, [name.into()]).await?)?;
        let value = value.ok_or_else(|| damaged("PostgreSQL does not tell its settings"))?;
        settings.push((name, value));
    }
    Ok(Durability {
        database: "postgresql",
        survives: postgres_survives(&settings),
        settings,
    })
}

async fn read_mysql(query: &Writer<'_>) -> Result<Durability, StoreError> {
    let mut settings = Vec::new();
    for name in [
        "innodb_flush_log_at_trx_commit",
        "log_bin",
        "sync_binlog",
        "innodb_doublewrite",
    ] {
        let sql = format!("SELECT CAST(@@GLOBAL.{name} AS CHAR)");
        let value: Option<String> = single(query.one(&sql, []).await?)?;
        let value = value.ok_or_else(|| damaged("MariaDB does not tell its settings"))?;
        settings.push((name, value));
    }
    let version: Option<String> = single(query.one("SELECT VERSION()", []).await?)?;
    let version = version.unwrap_or_default();
    Ok(Durability {
        database: if version.contains("MariaDB") {
            "mariadb"
        } else {
            "mysql"
        },
        survives: mysql_survives(&settings),
        settings,
    })
}

/// What a setting is; of one that was not asked for, nothing.
fn of<'a>(settings: &'a [(&'static str, String)], name: &str) -> &'a str {
    settings
        .iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, value)| value)
}

/// Without `fsync` a crash of the machine may leave a database that cannot be read;
/// without `synchronous_commit` it loses the last commits, and so does the crash of the
/// database alone, which keeps them in its own memory for up to three times
/// `wal_writer_delay`. A page that was written by half is mended from its full copy.
fn postgres_survives(settings: &[(&'static str, String)]) -> Survives {
    match of(settings, "synchronous_commit") {
        "off" => Survives::Nothing,
        _ if of(settings, "fsync") != "on" => Survives::ProcessCrash,
        _ if of(settings, "full_page_writes") != "on" => Survives::ProcessCrash,
        _ => Survives::PowerLoss,
    }
}

/// 1 writes and syncs the log with every commit, 2 only writes it, 0 leaves it in the
/// database's own memory for a second. With a binary log that is not synced, a crash of the
/// machine may bring the two apart, and recovery goes by the binary log.
fn mysql_survives(settings: &[(&'static str, String)]) -> Survives {
    let off = |name| matches!(of(settings, name), "0" | "OFF");
    match of(settings, "innodb_flush_log_at_trx_commit") {
        "1" | "3" if off("innodb_doublewrite") => Survives::ProcessCrash,
        "1" | "3" if !off("log_bin") && of(settings, "sync_binlog") != "1" => {
            Survives::ProcessCrash
        }
        "1" | "3" => Survives::PowerLoss,
        "2" => Survives::ProcessCrash,
        _ => Survives::Nothing,
    }
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

    #[test]
    fn a_weaker_setting_of_postgresql_is_told() {
        let survives = |fsync: &str, synchronous_commit: &str, full_page_writes: &str| {
            postgres_survives(&[
                ("fsync", fsync.to_owned()),
                ("synchronous_commit", synchronous_commit.to_owned()),
                ("full_page_writes", full_page_writes.to_owned()),
            ])
        };
        assert_eq!(survives("on", "on", "on"), Survives::PowerLoss);
        assert_eq!(survives("on", "local", "on"), Survives::PowerLoss);
        assert_eq!(survives("on", "off", "on"), Survives::Nothing);
        assert_eq!(survives("off", "on", "on"), Survives::ProcessCrash);
        assert_eq!(survives("on", "on", "off"), Survives::ProcessCrash);
    }

    #[test]
    fn a_weaker_setting_of_mariadb_is_told() {
        let survives = |flush: &str, log_bin: &str, sync_binlog: &str, doublewrite: &str| {
            mysql_survives(&[
                ("innodb_flush_log_at_trx_commit", flush.to_owned()),
                ("log_bin", log_bin.to_owned()),
                ("sync_binlog", sync_binlog.to_owned()),
                ("innodb_doublewrite", doublewrite.to_owned()),
            ])
        };
        assert_eq!(survives("1", "0", "0", "1"), Survives::PowerLoss);
        assert_eq!(survives("1", "1", "1", "ON"), Survives::PowerLoss);
        assert_eq!(survives("1", "1", "0", "1"), Survives::ProcessCrash);
        assert_eq!(survives("1", "0", "0", "0"), Survives::ProcessCrash);
        assert_eq!(survives("2", "0", "0", "1"), Survives::ProcessCrash);
        assert_eq!(survives("0", "0", "0", "1"), Survives::Nothing);
    }
}
