//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Load generator for a Realtime server: drives it over real sockets, measures,
/// and checks that nothing is lost, doubled or out of order.
///
/// Exit codes: 0 clean, 1 violations found, 2 the run could not be made.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version)]
pub(crate) struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where and how.
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every run takes.
#[derive(Debug, Args, Serialize)]
pub(crate) struct Common {
    /// The server, as `http://HOST:PORT`.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// The HS256 secret with which the server checks tokens.
    #[arg(
        long,
        global = true,
        env = "REALTIME_JWT_SECRET",
        hide_env_values = true,
        default_value = ""
    )]
    #[serde(skip)]
    pub(crate) secret: String,
    /// The server's process: its memory and CPU time are read from `/proc`.
    #[arg(long, global = true)]
    pub(crate) server_pid: Option<u32>,
    /// Writes the results to this file as JSON.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Exits with 0 whatever the checks find.
    #[arg(long, global = true)]
    pub(crate) report_only: bool,
    /// Allows a server that is not on a loopback address.
    #[arg(long, global = true)]
    pub(crate) allow_remote: bool,
    /// Handshakes under way at a time.
    #[arg(long, global = true, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) parallel_connects: u32,
    /// Never spins: send times are exact to about a millisecond only. For a
    /// generator that shares its core with the server.
    #[arg(long, global = true)]
    pub(crate) no_spin: bool,
    /// Seeds the random numbers (masks, drop times).
    #[arg(long, global = true, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long to wait for what is still on its way after the last send.
    #[arg(long, global = true, default_value_t = 10.0, value_parser = positive)]
    pub(crate) drain_seconds: f64,
    /// Length of a message body in bytes; at least the stamp of about 25 bytes.
    #[arg(long, global = true, default_value_t = 64)]
    pub(crate) body_bytes: usize,
    /// The `kind` of the rooms that are created.
    #[arg(long, global = true, default_value = "group")]
    pub(crate) room_kind: String,
}

/// The runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Memory and connect rate of authenticated connections that do nothing.
    Idle(IdleArgs),
    /// Send-to-receive and send-to-ack latency of pairs, open loop.
    Latency(LatencyArgs),
    /// Acked messages a second of closed-loop senders.
    Durable(DurableArgs),
    /// One sender, one large room: deliveries a second and their CPU cost.
    Fanout(FanoutArgs),
    /// Clients that drop and resume while a sender keeps sending.
    Churn(ChurnArgs),
}

/// Which rooms idle users are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IdleRooms {
    /// None.
    None,
    /// Each two users share one.
    Pairs,
}

/// `idle`
#[derive(Debug, Args, Serialize)]
pub(crate) struct IdleArgs {
    /// How many connections, each of its own user.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Which rooms the users are in.
    #[arg(long, value_enum, default_value_t = IdleRooms::None)]
    pub(crate) rooms: IdleRooms,
    /// How long they stay before memory is read again.
    #[arg(long, default_value_t = 5.0, value_parser = positive)]
    pub(crate) hold_seconds: f64,
}

/// `latency`
#[derive(Debug, Args, Serialize)]
pub(crate) struct LatencyArgs {
    /// How many rooms of two users, both of whom send.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pairs: u32,
    /// Messages a second of each user.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub(crate) rate: f64,
    /// How long to send.
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub(crate) seconds: f64,
}

/// `durable`
#[derive(Debug, Args, Serialize)]
pub(crate) struct DurableArgs {
    /// How many senders, each on its own connection.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) senders: u32,
    /// Over how many rooms they are spread; a sender alone in its room gets an
    /// offline partner.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rooms: u32,
    /// How long to send.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub(crate) seconds: f64,
    /// Unacked sends of one sender at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) window: u32,
}

/// What frees a place in a sender's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Release {
    /// The ack: the server may fall behind with deliveries.
    Acked,
    /// The delivery to every member: the server is never asked for more than it delivers.
    Delivered,
}

/// `fanout`
#[derive(Debug, Args, Serialize)]
pub(crate) struct FanoutArgs {
    /// Members of the room, one of whom sends; every message is delivered to all.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..))]
    pub(crate) members: u32,
    /// Messages a second; 0 is `--flat-out`.
    #[arg(long, default_value_t = 20.0, value_parser = not_negative)]
    pub(crate) rate: f64,
    /// How long to send.
    #[arg(long, default_value_t = 20.0, value_parser = positive)]
    pub(crate) seconds: f64,
    /// Sends as fast as the window allows, whatever `--rate` says.
    #[arg(long)]
    pub(crate) flat_out: bool,
    /// Sends under way at a time when flat out.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) window: u32,
    /// What frees a place in the window when flat out.
    #[arg(long, value_enum, default_value_t = Release::Acked)]
    pub(crate) window_by: Release,
}

/// `churn`
#[derive(Debug, Args, Serialize)]
pub(crate) struct ChurnArgs {
    /// How many clients come and go; one more, the sender, stays.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) connections: u32,
    /// Messages a second of the sender.
    #[arg(long, default_value_t = 50.0, value_parser = positive)]
    pub(crate) rate: f64,
    /// How long to send.
    #[arg(long, default_value_t = 30.0, value_parser = positive)]
    pub(crate) seconds: f64,
    /// The longest that a client stays connected; the shortest is a tenth.
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    pub(crate) online_seconds: f64,
    /// The longest that a client stays away; the shortest is a tenth.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub(crate) offline_seconds: f64,
}

/// A day: a longer run is a slip of the finger.
const MAX_NUMBER: f64 = 86_400.0 * 1_000.0;

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=MAX_NUMBER).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!("expected a number from 0 to {MAX_NUMBER}")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match not_negative(text)? {
        number if number >= 0.001 => Ok(number),
        _ => Err("expected a number of at least 0.001".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        for text in ["0", "-1", "nan", "inf", "1e99", "x", ""] {
            let cli = Cli::try_parse_from(["loadgen", "latency", "--rate", text]);
            assert!(cli.is_err(), "{text}");
        }
        assert!(Cli::try_parse_from(["loadgen", "fanout", "--rate", "0"]).is_ok());
        assert!(Cli::try_parse_from(["loadgen", "fanout", "--members", "1"]).is_err());
    }

    #[test]
    fn the_secret_is_not_part_of_the_results() {
        let cli = Cli::parse_from(["loadgen", "idle", "--secret", "hush"]);
        assert_eq!(cli.common.secret, "hush");
        assert!(!serde_json::to_string(&cli.common).unwrap().contains("hush"));
    }
}
