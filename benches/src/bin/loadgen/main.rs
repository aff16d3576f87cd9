//! Load generator for a Realtime server; see `benches/README.md`.
//!
//! One thread drives all connections by readiness, so that server and generator
//! can each have a core of their own. Layers, from the socket up: `frame` and
//! `connection` speak WebSocket, `wire` drives all connections, `scan` reads
//! deliveries, `checker` judges them, `traffic` keeps the books, and `chat`,
//! `idle` and `churn` are the runs.

mod chat;
mod checker;
mod churn;
mod cli;
mod connection;
mod course;
mod failure;
mod frame;
mod idle;
mod lab;
mod latency;
mod limits;
mod process;
mod report;
mod rest;
mod rng;
mod scan;
mod schedule;
mod token;
mod traffic;
mod wire;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::failure::Failure;
use crate::report::Report;

/// The checks found something.
const VIOLATIONS: u8 = 1;

/// The run could not be made.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(report) if report.is_clean() || cli.common.report_only => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(VIOLATIONS),
        Err(failure) => {
            // Nothing is left to do when even standard error is closed.
            drop(writeln!(io::stderr(), "loadgen: {}", failure.chain()));
            ExitCode::from(FAILED)
        }
    }
}

fn run(cli: &Cli) -> Result<Report, Failure> {
    let common = &cli.common;
    let report = match &cli.command {
        Command::Idle(args) => idle::idle(common, args),
        Command::Latency(args) => chat::latency(common, args),
        Command::Durable(args) => chat::durable(common, args),
        Command::Fanout(args) => chat::fanout(common, args),
        Command::Churn(args) => churn::churn(common, args),
    }?;
    report.show().map_err(Failure::io("writing the report"))?;
    if let Some(path) = &common.json {
        report.save(path)?;
    }
    Ok(report)
}
