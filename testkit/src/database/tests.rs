//! The servers do what the tests that use them rely on.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::PATIENCE;
use super::{Console, Database, Durable, Options, Product};

/// Makes a test start a server, tell its pid, and then wait to be killed.
const WAIT_FOR_DEATH: &str = "REALTIME_TESTKIT_WAIT_FOR_DEATH";

const FULL: Options = Options {
    durable: Durable::Full,
};

fn fills(console: &mut Console) {
    console.run("CREATE TABLE kept (id integer PRIMARY KEY, body varchar(20))");
    console.run("INSERT INTO kept VALUES (1, 'one'), (2, 'two')");
}

fn holds(console: &mut Console) {
    assert_eq!(
        console.run("SELECT id, body FROM kept ORDER BY id"),
        "1\tone\n2\ttwo"
    );
}

#[test]
fn postgres_keeps_its_data_and_port_over_a_kill() {
    let mut server = Database::start(Product::Postgres, FULL);
    let database = server.fresh();
    let mut console = server.console(&database);
    fills(&mut console);
    assert_eq!(console.run("SHOW fsync"), "on");
    assert_eq!(console.run("SHOW synchronous_commit"), "on");
    let (pid, port) = (server.pid(), server.port());
    server.kill();
    assert!(server.pid().is_none());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    server.restart();
    assert_ne!(server.pid(), pid);
    holds(&mut server.console(&database));
    assert_ne!(server.fresh(), database);
    assert!(
        server.log().contains("automatic recovery"),
        "{}",
        server.log()
    );
}

#[test]
fn mariadb_keeps_its_data_and_port_over_a_kill() {
    let mut server = Database::start(Product::MariaDb, FULL);
    let database = server.fresh();
    let mut console = server.console(&database);
    fills(&mut console);
    assert_eq!(console.run("SELECT @@innodb_flush_log_at_trx_commit"), "1");
    assert_eq!(console.run("SELECT @@log_bin"), "0");
    let (pid, port) = (server.pid(), server.port());
    server.kill();
    assert!(server.pid().is_none());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    server.restart();
    assert_ne!(server.pid(), pid);
    holds(&mut server.console(&database));
    assert_ne!(server.fresh(), database);
    assert!(server.log().contains("crash recovery"), "{}", server.log());
}

#[test]
fn an_error_is_an_answer_and_the_connection_goes_on() {
    let (postgres, mariadb) = (super::postgres(), super::mariadb());
    let consoles = [
        postgres.console(&postgres.fresh()),
        mariadb.console(&mariadb.fresh()),
    ];
    for mut console in consoles {
        console.start("SELECT nothing FROM nowhere");
        let error = console.answer().unwrap_err();
        assert!(error.contains("nowhere"), "{error}");
        assert_eq!(console.run("SELECT 1"), "1");
        assert_eq!(console.run("CREATE TABLE empty (id integer)"), "");
        assert_eq!(console.run("SELECT id FROM empty"), "");
    }
}

#[test]
fn a_paused_server_answers_when_it_goes_on() {
    let (postgres, mariadb) = (
        Database::start(Product::Postgres, FULL),
        Database::start(Product::MariaDb, FULL),
    );
    let mut consoles = [postgres.console("postgres"), mariadb.console("mysql")];
    for console in &mut consoles {
        console.run("SELECT 1");
    }
    postgres.pause();
    mariadb.pause();
    for console in &mut consoles {
        console.start("SELECT 2");
    }
    for pid in [postgres.pid(), mariadb.pid()] {
        assert_eq!(state(pid.unwrap()), Some('T'));
    }
    postgres.resume();
    mariadb.resume();
    for console in &mut consoles {
        assert_eq!(console.answer().unwrap(), "2");
    }
}

#[test]
fn a_server_ends_with_its_value_also_when_paused_and_when_the_test_panics() {
    let (postgres, mariadb) = (
        Database::start(Product::Postgres, FULL),
        Database::start(Product::MariaDb, FULL),
    );
    postgres.pause();
    mariadb.pause();
    let pids = [postgres.pid().unwrap(), mariadb.pid().unwrap()];
    let folders = pids.map(folder);
    let panicked = std::thread::spawn(move || {
        let _both = (postgres, mariadb);
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    for (pid, folder) in pids.into_iter().zip(folders) {
        assert_eq!(state(pid), None);
        assert!(!folder.exists(), "{folder:?}");
    }
}

/// Not a test by itself: it is what the next one kills.
#[test]
fn waits_for_its_death_if_told_so() {
    if std::env::var_os(WAIT_FOR_DEATH).is_some() {
        let (postgres, mariadb) = (super::postgres(), super::mariadb());
        let pids = [postgres.pid().unwrap(), mariadb.pid().unwrap()];
        println!("\npids {} {}", pids[0], pids[1]);
        std::thread::park();
    }
}

#[test]
fn a_test_that_is_killed_leaves_no_server_and_no_folder() {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "database::tests::waits_for_its_death_if_told_so"])
        .arg("--nocapture")
        .env(WAIT_FOR_DEATH, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(test.stdout.take().unwrap()).lines();
    let pids = lines.map(Result::unwrap).find_map(|line| {
        let (postgres, mariadb) = line.strip_prefix("pids ")?.split_once(' ')?;
        Some([postgres.parse().unwrap(), mariadb.parse().unwrap()])
    });
    let pids: [u32; 2] = pids.unwrap();
    let folders = pids.map(folder);
    test.kill().unwrap();
    test.wait().unwrap();
    let deadline = Instant::now() + PATIENCE;
    for (pid, folder) in pids.into_iter().zip(folders) {
        while state(pid).is_some() || folder.exists() {
            assert!(Instant::now() < deadline, "{pid} is left, or {folder:?}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// The state of a process, by its letter; `None` once it is gone.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.chars().next()
}

/// The folder of a server's data.
fn folder(pid: u32) -> PathBuf {
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let data = command.split('\0').find_map(|word| {
        let path = word.strip_prefix("--datadir=").unwrap_or(word);
        path.strip_suffix("/data")
    });
    let folder = Path::new(data.unwrap()).to_owned();
    assert!(folder.exists());
    folder
}
