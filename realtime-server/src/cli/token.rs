//! `token`: a token for development, as the platform would issue it.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use realtime_core::time::{Clock, SystemClock};
use realtime_server::auth::{MintRequest, mint};

use super::{Failure, Flags, print};

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// Whose token it is
    #[arg(long, value_name = "NAME", required_unless_present = "service")]
    user: Option<String>,
    /// Lets the token act for the platform
    #[arg(long)]
    service: bool,
    /// How long it is valid
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// The server's configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: TokenArgs) -> Result<(), Failure> {
    let flags = Flags {
        config: args.config,
        ..Flags::default()
    };
    let auth = flags.load()?.auth;
    let secret = auth.secret.as_ref().ok_or_else(|| {
        Failure::usage("no secret to sign with: set REALTIME_JWT_SECRET (32 random bytes)")
    })?;
    let request = MintRequest {
        user: args.user,
        service: args.service,
        name: None,
        ttl: args.ttl,
        now_ms: SystemClock.now().as_millis(),
    };
    print(mint(secret, &auth.rules(), &request).map_err(Failure::usage)?)
}
