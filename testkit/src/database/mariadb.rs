//! How a MariaDB is made and reached.

use std::{fs, process::Command};

use super::{Durable, Options, binaries, guardian::Guardian};

pub(super) const READY: &str = "ready for connections";

/// The one who may do everything, without a password.
const USER: &str = "root";

/// Its own client, but for the database.
pub(super) fn client(port: u16) -> Command {
    let mut client = Command::new(binaries::mariadb("mariadb", "mariadb-client"));
    client.args(["--no-defaults", "--protocol=TCP", "--host=127.0.0.1"]);
    client.args(["--user", USER, "--default-character-set=utf8mb4"]);
    client.arg(format!("--port={port}"));
    client
}

pub(super) fn url(port: u16, database: &str) -> String {
    format!("mysql://{USER}@127.0.0.1:{port}/{database}?ssl-mode=disabled")
}

pub(super) fn create_database(name: &str) -> String {
    format!("CREATE DATABASE {name}")
}

/// A new data folder, and who will start the server in it.
pub(super) fn initialised(options: Options, port: u16) -> Guardian {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let datadir = format!("--datadir={}", folder.path().join("data").display());
    // A server that starts removes what it takes for its own leftovers from there: in a
    // common folder, the tables that another one is just using.
    let scratch = folder.path().join("tmp");
    fs::create_dir(&scratch).expect("a folder can be made");
    let install = binaries::mariadb("mariadb-install-db", "mariadb-server");
    // Root must say that it means it; nobody else may.
    let account = binaries::is_root().then_some("--user=root");
    let done = Command::new(install)
        .args(["--no-defaults", &datadir])
        .args(account)
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .env("TMPDIR", &scratch)
        .current_dir("/")
        .output()
        .expect("mariadb-install-db can be started");
    assert!(
        done.status.success(),
        "mariadb-install-db: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    let mut server = Command::new(binaries::mariadb("mariadbd", "mariadb-server"));
    server.args(["--no-defaults", &datadir]).args(account);
    let socket = folder.path().join("socket");
    server.arg(format!("--socket={}", socket.display()));
    server.arg(format!("--tmpdir={}", scratch.display()));
    server.arg(format!("--port={port}"));
    server.args(settings(options));
    Guardian::new(folder, "KILL", &server)
}

fn settings(options: Options) -> Vec<&'static str> {
    let mut settings = vec![
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--max-connections=200",
        "--character-set-server=utf8mb4",
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=64M",
        "--skip-log-bin",
        "--performance-schema=OFF",
    ];
    settings.extend(match options.durable {
        Durable::Full => [
            "--innodb-flush-log-at-trx-commit=1",
            "--innodb-doublewrite=ON",
        ],
        Durable::Fast => [
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=OFF",
        ],
    });
    settings
}
