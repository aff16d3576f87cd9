//! `serve`: runs the server until it is told to stop.

use std::{sync::Arc, time::Duration};

use realtime_core::{
    Realtime,
    time::{Clock, SystemClock},
};
use realtime_server::{
    App, Server,
    auth::{JwtAuthenticator, KeyError, STRONG_SECRET_BYTES, Secret},
    config::{Config, ConnectionUrl},
    durability,
};
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Failure, Flags, database, logging, print};

pub(super) const NO_REDIS: &str = "redis.url is set, but this build has no Redis yet: \
    run one server, without --redis and REALTIME_REDIS__URL";
/// How long tasks that were told to end may take when the process does.
pub(super) const LAST_MOMENT: Duration = Duration::from_secs(1);
/// The exit code of a process that was told twice to stop.
const NOW: i32 = 1;

pub(super) fn run(flags: Flags) -> Result<(), Failure> {
    let given = flags.database.clone().map(ConnectionUrl::new);
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
    if given.is_some_and(|url| url.has_password()) {
        tracing::warn!(
            "the password of the database stands on the command line, where everybody on this \
             machine sees it: give the URL as REALTIME_DATABASE__URL"
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
    let store = database::open(&config.database).await?;
    durability::log(store.durability());
    let mut realtime = Realtime::builder(store.clone())
        .limits(App::limits_of(&config))
        .lanes(store.lanes());
    if config.search.enabled {
        realtime = realtime.search(store.clone());
    }
    let realtime = realtime.start().await;
    let realtime = realtime.map_err(|error| Failure::of("cannot read the database", &error))?;
    let verifier = config.auth.verifier().map_err(Failure::usage)?;
    let clock = || SystemClock.now().as_millis();
    let authenticator = Arc::new(JwtAuthenticator::new(Arc::new(verifier), clock));
    let server = Server::bind(config, realtime, authenticator)
        .map_err(|error| Failure::of("cannot start", &error))?;
    server.app().tell_durability(store.durability().clone());
    print(format_args!("listening on http://{}", server.local_addr()))?;
    server.serve(shutdown).await;
    store
        .close()
        .await
        .map_err(|error| Failure::of("cannot close the database", &error))
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
