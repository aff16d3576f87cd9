//! Logs go to the standard error output: the standard output says where the server
//! listens, and nothing else. Tokens and bodies are never handed to it; the records
//! of libraries that use `log`, which may hold frames, are not taken.

use std::io::{self, IsTerminal};

use realtime_server::config::{Log, LogFormat};
use tracing_subscriber::{EnvFilter, fmt};

use super::Failure;

pub(super) fn start(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.level).map_err(Failure::usage)?;
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if log.format == LogFormat::Json {
        builder.json().try_init()
    } else {
        builder.with_ansi(io::stderr().is_terminal()).try_init()
    };
    started.map_err(Failure::usage)
}
