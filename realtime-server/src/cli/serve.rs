//! `serve`: runs the server until it is told to stop.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use realtime_core::{
    Realtime,
    time::{Clock, SystemClock},
};
use realtime_server::{
    App, Server,
    auth::{JwtAuthenticator, KeyError, STRONG_SECRET_BYTES, Secret},
    config::{Config, Database},
};
use realtime_store_sea::{SeaOptions, SeaStore, Survives};
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Failure, Flags, logging, print};

pub(super) const NO_REDIS: &str = "redis.url is set, but this build has no Redis yet: \
    run one server, without --redis and REALTIME_REDIS__URL";
/// How long tasks that were told to end may take when the process does.
pub(super) const LAST_MOMENT: Duration = Duration::from_secs(1);
/// Connections to the database that do not read: one writes, one keeps the log short.
const NOT_READING: u32 = 2;
/// The exit code of a process that was told twice to stop.
const NOW: i32 = 1;

pub(super) fn run(flags: Flags) -> Result<(), Failure> {
    let config = flags.load()?;
    if config.redis.url.is_some() {
        return Err(Failure::usage(NO_REDIS));
    }
    if !config.auth.has_keys() {
        return Err(Failure::usage(KeyError::NoKeys));
    }
    logging::start(&config.log)?;
    if config.auth.secret.as_ref().is_some_and(Secret::is_weak) {
        let bytes = STRONG_SECRET_BYTES;
        tracing::warn!(
            bytes,
            "the secret is shorter than it should be, and can be guessed from a token"
        );
    }
    let runtime = start_runtime()?;
    let served = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LAST_MOMENT);
    served
}

pub(super) fn start_runtime() -> Result<Runtime, Failure> {
    runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::of("cannot start", &error))
}

async fn serve(config: Config) -> Result<(), Failure> {
    let shutdown = stop_signals()?;
    let store = open_store(&config.database).await?;
    let realtime = Realtime::builder(store.clone())
        .limits(App::limits_of(&config))
        .start()
        .await;
    let realtime = realtime.map_err(|error| Failure::of("cannot read the database", &error))?;
    let verifier = config.auth.verifier().map_err(Failure::usage)?;
    let clock = || SystemClock.now().as_millis();
    let authenticator = Arc::new(JwtAuthenticator::new(Arc::new(verifier), clock));
    let server = Server::bind(config, realtime, authenticator)
        .map_err(|error| Failure::of("cannot start", &error))?;
    print(format_args!("listening on http://{}", server.local_addr()))?;
    server.serve(shutdown).await;
    store
        .close()
        .await
        .map_err(|error| Failure::of("cannot close the database", &error))
}

async fn open_store(database: &Database) -> Result<Arc<SeaStore>, Failure> {
    let readers = NonZeroU32::new(database.max_connections.saturating_sub(NOT_READING));
    let options = SeaOptions {
        readers: readers.unwrap_or(NonZeroU32::MIN),
        ..SeaOptions::default()
    };
    let opened = SeaStore::connect(database.url.expose(), options).await;
    let store = opened.map_err(|error| Failure::of("cannot open the database", &error))?;
    let durability = store.durability();
    let settings = &durability.settings;
    match durability.survives {
        Survives::PowerLoss => {
            tracing::info!(?settings, "what is acknowledged survives a loss of power");
        }
        Survives::ProcessCrash => {
            tracing::warn!(?settings, "what is acknowledged may be lost with the power");
        }
        Survives::Nothing => {
            tracing::warn!(?settings, "the database is in memory: nothing is kept");
        }
    }
    Ok(Arc::new(store))
}

/// Cancelled by the first SIGTERM or SIGINT; the second ends the process at once.
pub(super) fn stop_signals() -> Result<CancellationToken, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::of("cannot listen to signals", &error));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let first = shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first.is_cancelled() {
                tracing::warn!("told to stop again: ending now");
                std::process::exit(NOW);
            }
            first.cancel();
        }
    });
    Ok(shutdown)
}
