//! Logs go to the standard error output: the standard output says where the server
//! listens, and nothing else. Tokens and bodies are never handed to it; the records
//! of libraries that use `log`, which may hold frames, are not taken.

use std::io::{self, IsTerminal};

use realtime_server::config::{Log, LogFormat};
use tracing_subscriber::{EnvFilter, fmt};

use super::Failure;

/// What tells the parameters of a URL that it does not know, of which one may be a secret.
const QUIET: &str = "sqlx_postgres::options=off,sqlx_mysql::options=off";

pub(super) fn start(log: &Log) -> Result<(), Failure> {
    let filter = format!("{QUIET},{}", log.level);
    let filter = EnvFilter::try_new(filter).map_err(Failure::usage)?;
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if log.format == LogFormat::Json {
        builder.json().try_init()
    } else {
        builder.with_ansi(io::stderr().is_terminal()).try_init()
    };
    started.map_err(Failure::usage)
}
