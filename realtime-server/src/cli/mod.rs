//! The commands: a file for each.

mod check;
mod database;
mod demo;
mod logging;
mod migrate;
mod openapi;
mod restored;
mod serve;
mod token;

use std::{
    fmt,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use realtime_server::config::{Config, Override, Sources};

/// The exit code for wrong usage or configuration; clap's own.
const USAGE: u8 = 2;

#[derive(Debug, Parser)]
#[command(
    name = "realtime-server",
    version,
    about = "Chat and notifications over WebSocket"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server. The secret that signs tokens comes from REALTIME_JWT_SECRET or
    /// from files that the configuration names.
    Serve(Flags),
    /// Prints a token for development, signed with the server's secret.
    Token(token::TokenArgs),
    /// Brings the database's schema up to date, and prints what was changed. While servers
    /// run: changes only add. `serve` does it by itself unless it is configured not to.
    Migrate(migrate::MigrateArgs),
    /// Declares that the database was restored from a backup: clients, who may know of
    /// more than it holds now, are told to start afresh.
    Restored(DatabaseFlags),
    /// Checks the configuration and prints everything that is wrong with it.
    Check(Flags),
    /// Prints the OpenAPI document of the REST calls.
    Openapi,
    /// Runs everything in one process, with a job whose client and cleaner can talk:
    /// prints a link for each.
    Demo(demo::DemoArgs),
}

/// What the command line sets of the configuration.
#[derive(Debug, Default, Args)]
struct Flags {
    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Where messages are stored [default: sqlite://realtime.db]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Redis, for several servers as one
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

/// What the command line sets of the configuration, where only the database matters.
#[derive(Debug, Default, Args)]
struct DatabaseFlags {
    /// A configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Which database [default: sqlite://realtime.db]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

impl From<DatabaseFlags> for Flags {
    fn from(DatabaseFlags { config, database }: DatabaseFlags) -> Self {
        Self {
            config,
            database,
            ..Self::default()
        }
    }
}

impl Flags {
    /// Reads all layers of the configuration, these flags the last.
    fn load(self) -> Result<Config, Failure> {
        let overrides = [
            ("--listen", "server.listen", self.listen),
            ("--database", "database.url", self.database),
            ("--redis", "redis.url", self.redis),
        ];
        let given = |(flag, key, value): (_, _, Option<String>)| {
            value.map(|value| Override { flag, key, value })
        };
        let config = Config::load(Sources {
            file: self.config,
            env: std::env::vars_os(),
            overrides: overrides.into_iter().filter_map(given).collect(),
        });
        config.map_err(Failure::usage)
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The user must change something.
    fn usage(message: impl fmt::Display) -> Self {
        Self {
            code: USAGE,
            message: message.to_string(),
        }
    }

    /// It cannot be, as things are; the message says it all.
    const fn refused(message: String) -> Self {
        Self { code: 1, message }
    }

    /// It did not work; it may later.
    fn of(what: &str, error: &dyn std::error::Error) -> Self {
        let mut message = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self { code: 1, message }
    }
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(flags) => serve::run(flags),
        Command::Token(args) => token::run(args),
        Command::Migrate(args) => migrate::run(args),
        Command::Restored(flags) => restored::run(flags),
        Command::Check(flags) => check::run(flags),
        Command::Openapi => openapi::run(),
        Command::Demo(args) => demo::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Without a standard error output there is nobody to tell.
            let _ = writeln!(io::stderr(), "{}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Prints a line on the standard output and sees that it gets there.
fn print(line: impl fmt::Display) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::of("cannot write to the standard output", &error))
}
