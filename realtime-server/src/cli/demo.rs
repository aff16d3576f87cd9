//! `demo`: everything in one process, to look at.

use std::net::SocketAddr;

use clap::Args;
use realtime_server::{
    config::Log,
    demo::{Demo, DemoError, DemoOptions},
};

use super::{Failure, logging, print, serve};

/// Who looks at a demo wants to see its links and not its log.
const LOG_LEVEL: &str = "warn";

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where to listen [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// A database to keep [default: a file that is removed at the end]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

pub(super) fn run(args: DemoArgs) -> Result<(), Failure> {
    logging::start(&Log {
        level: LOG_LEVEL.to_owned(),
        ..Log::default()
    })?;
    let runtime = serve::start_runtime()?;
    let ran = runtime.block_on(show(args));
    runtime.shutdown_timeout(serve::LAST_MOMENT);
    ran
}

async fn show(args: DemoArgs) -> Result<(), Failure> {
    let failed = |error: DemoError| Failure::of("there is no demo", &error);
    let shutdown = serve::stop_signals()?;
    let DemoArgs { listen, database } = args;
    let demo = Demo::start(DemoOptions { listen, database }).await;
    let demo = demo.map_err(failed)?;
    print(welcome(&demo))?;
    demo.run(shutdown).await.map_err(failed)
}

fn welcome(demo: &Demo) -> String {
    let mut text =
        "A cleaning job was accepted; its two people can talk. Open both links:\n\n".to_owned();
    for player in demo.players() {
        text.push_str(&format!(
            "  {}, {}:\n  {}\n\n",
            player.name, player.role, player.link
        ));
    }
    text.push_str("The links work for 24 hours, on this machine. Ctrl-C ends it");
    text.push_str(if demo.forgets() {
        ", and nothing is kept."
    } else {
        "."
    });
    text
}
