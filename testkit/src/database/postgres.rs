//! How a PostgreSQL is made and reached.

use std::process::Command;

use super::{
    Durable, Options,
    binaries::{self, Account},
    guardian::Guardian,
};

pub(super) const READY: &str = "database system is ready to accept connections";

/// The superuser, who needs no password.
const USER: &str = "realtime";

/// Its own client, but for the database.
pub(super) fn client(port: u16) -> Command {
    let mut client = Command::new(binaries::postgres("psql"));
    client.args(["--host=127.0.0.1", "--username", USER]);
    client.arg(format!("--port={port}"));
    client
}

pub(super) fn url(port: u16, database: &str) -> String {
    format!("postgres://{USER}@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// By copying files: the other way writes the whole template into the log.
pub(super) fn create_database(name: &str) -> String {
    format!("CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
}

/// A new data folder, and who will start the server in it.
pub(super) fn initialised(options: Options, port: u16) -> Guardian {
    let account = Account::instead_of_root();
    let folder = tempfile::tempdir().expect("a folder can be made");
    if let Some(account) = &account {
        std::os::unix::fs::chown(folder.path(), Some(account.uid), Some(account.gid))
            .expect("root may give a folder away");
    }
    let data = folder.path().join("data");
    let mut initdb = binaries::command(&binaries::postgres("initdb"), account.as_ref());
    initdb
        .args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .args(["--username", USER])
        .arg("--pgdata")
        .arg(&data)
        .current_dir("/");
    let done = initdb.output().expect("initdb can be started");
    assert!(
        done.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let mut server = binaries::command(&binaries::postgres("postgres"), account.as_ref());
    server.arg("-D").arg(data).arg("-k").arg(folder.path());
    for setting in settings(options, port) {
        server.args(["-c", &setting]);
    }
    // At once, without a checkpoint, but tidily: `kill -9` leaves shared memory behind.
    Guardian::new(folder, "QUIT", &server)
}

fn settings(options: Options, port: u16) -> Vec<String> {
    let port = format!("port={port}");
    let mut settings = vec![port.as_str(), "listen_addresses=127.0.0.1"];
    settings.extend([
        "max_connections=200",
        "shared_buffers=32MB",
        "max_wal_size=256MB",
        "autovacuum_naptime=10s",
        "log_min_messages=warning",
        "log_checkpoints=off",
        "timezone=UTC",
    ]);
    settings.extend(match options.durable {
        Durable::Full => ["fsync=on", "synchronous_commit=on", "full_page_writes=on"],
        Durable::Fast => [
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        ],
    });
    settings.into_iter().map(str::to_owned).collect()
}
