//! Private PostgreSQL and MariaDB servers, from the binaries that are installed.
//!
//! Each has a data folder, a port and a socket folder of its own, and nothing of the
//! machine's configuration. It ends with the value that stands for it, also when the
//! test panics; and with the test's process, also when that is killed with -9,
//! because a guardian (a small shell) waits for the end of a pipe.
//!
//! A binary that is missing fails the test, and tells which package has it.
//!
//! These functions block for as long as the database takes. In a test on tokio that
//! must go on meanwhile, call them in `spawn_blocking`, or have several threads.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test whose database does not do what it must fails there and then"
)]

mod binaries;
mod console;
mod guardian;
mod mariadb;
mod port;
mod postgres;

use std::{
    fmt,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use console::Console;
use guardian::Guardian;

/// How long a server may take to start, to recover after a kill or to answer: longer
/// than elsewhere, for it does much at once, and other tests' servers do too.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test needs of a server.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built with `..Options::default()` by tests"
)]
pub struct Options {
    /// What a commit outlives. Default: everything.
    pub durable: Durable,
}

/// What a commit outlives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "durable or not, nothing else")]
pub enum Durable {
    /// `fsync` before a commit is answered, as in production.
    #[default]
    Full,
    /// Nothing is synced: for tests of everything but durability.
    Fast,
}

impl Options {
    /// For tests of everything but durability.
    pub const fn fast() -> Self {
        Self {
            durable: Durable::Fast,
        }
    }
}

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "tests decide what each must be put through"
)]
pub enum Product {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

/// The one PostgreSQL of this test binary, not durable. It ends with the process.
/// Whoever kills or pauses a server starts one of their own.
pub fn postgres() -> &'static Database {
    static SHARED: OnceLock<Database> = OnceLock::new();
    SHARED.get_or_init(|| Database::start(Product::Postgres, Options::fast()))
}

/// The one MariaDB of this test binary, not durable. It ends with the process.
/// Whoever kills or pauses a server starts one of their own.
pub fn mariadb() -> &'static Database {
    static SHARED: OnceLock<Database> = OnceLock::new();
    SHARED.get_or_init(|| Database::start(Product::MariaDb, Options::fast()))
}

/// A database server of one's own.
#[derive(Debug)]
pub struct Database {
    product: Product,
    guardian: Guardian,
    port: u16,
    /// Creates databases; opened when the first is needed.
    console: Mutex<Option<Console>>,
    databases: AtomicU64,
}

impl Database {
    /// Starts a new, empty server.
    ///
    /// # Panics
    /// It is not installed, or does not start; then the message has its log.
    pub fn start(product: Product, options: Options) -> Self {
        let (guardian, port) = port::with_a_free_one(|port| {
            let mut guardian = match product {
                Product::Postgres => postgres::initialised(options, port),
                Product::MariaDb => mariadb::initialised(options, port),
            };
            guardian.start(ready(product)).map(|()| guardian)
        });
        Self {
            product,
            guardian,
            port,
            console: Mutex::default(),
            databases: AtomicU64::new(0),
        }
    }

    /// Which one it is.
    pub const fn product(&self) -> Product {
        self.product
    }

    /// The port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How a database is reached.
    pub fn url(&self, database: &str) -> String {
        self.url_through(database, self.port)
    }

    /// The same by another port of 127.0.0.1: that of a proxy.
    pub fn url_through(&self, database: &str, port: u16) -> String {
        match self.product {
            Product::Postgres => postgres::url(port, database),
            Product::MariaDb => mariadb::url(port, database),
        }
    }

    /// Creates an empty database, and tells its name.
    ///
    /// # Panics
    /// The server does not do it.
    pub fn fresh(&self) -> String {
        let name = format!("fresh_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let (system, create) = match self.product {
            Product::Postgres => ("postgres", postgres::create_database(&name)),
            Product::MariaDb => ("mysql", mariadb::create_database(&name)),
        };
        let mut console = self.console.lock().unwrap_or_else(PoisonError::into_inner);
        let console = console.get_or_insert_with(|| self.console(system));
        console.run(&create);
        name
    }

    /// Creates an empty database, and tells how it is reached.
    ///
    /// # Panics
    /// The server does not do it.
    pub fn fresh_url(&self) -> String {
        self.url(&self.fresh())
    }

    /// A connection to `database`, to look or to disturb.
    ///
    /// # Panics
    /// The client cannot be started.
    pub fn console(&self, database: &str) -> Console {
        match self.product {
            Product::Postgres => Console::psql(postgres::client(self.port), database),
            Product::MariaDb => Console::mariadb(mariadb::client(self.port), database),
        }
    }

    /// Kills the whole server, as `kill -9` of each of its processes does.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self) {
        let console = self.console.get_mut();
        *console.unwrap_or_else(PoisonError::into_inner) = None;
        self.guardian.kill();
    }

    /// Starts it again after [`kill`](Self::kill): same data, same port.
    ///
    /// # Panics
    /// It does not start, or runs already.
    pub fn restart(&mut self) {
        if let Err(error) = self.guardian.start(ready(self.product)) {
            panic!("{} does not start again: {error}", self.product);
        }
    }

    /// Stops all its processes in their tracks: connections stay, nobody answers.
    ///
    /// # Panics
    /// It does not run.
    pub fn pause(&self) {
        self.guardian.pause();
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Panics
    /// It does not run.
    pub fn resume(&self) {
        self.guardian.resume();
    }

    /// Its main process, while it runs.
    pub const fn pid(&self) -> Option<u32> {
        self.guardian.pid()
    }

    /// The end of what it has logged, for a failure's message.
    pub fn log(&self) -> String {
        self.guardian.log()
    }
}

const fn ready(product: Product) -> &'static str {
    match product {
        Product::Postgres => postgres::READY,
        Product::MariaDb => mariadb::READY,
    }
}

#[cfg(test)]
mod tests;
