//! What all requests share.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use hyper::{Request, body::Incoming};
use realtime_core::{Limits, Realtime, ports::Authenticator};
use realtime_store_sea::Durability;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admission::Admission,
    config::Config,
    http::{Exports, Response, router},
    ws::{Origins, Settings},
};

/// The server without a socket: clone it freely, all clones are one.
#[derive(Debug, Clone)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    realtime: Realtime,
    authenticator: Arc<dyn Authenticator>,
    config: Config,
    origins: Origins,
    socket_settings: Arc<Settings>,
    admission: Admission,
    exports: Exports,
    durability: OnceLock<Durability>,
    requests: TaskTracker,
    sockets: TaskTracker,
    stopping: CancellationToken,
}

/// Answers a request: everything that this server serves, WebSockets included.
/// `peer` is the other end of the TCP connection. Needs a tokio runtime, and a hyper
/// connection `with_upgrades`.
///
/// # Cancel safety
/// Not cancel safe: a request that changes something may have done so.
pub async fn handle(app: App, request: Request<Incoming>, peer: SocketAddr) -> Response {
    let began = Instant::now();
    let _under_way = app.requests().token();
    let response = router::route(&app, request, peer).await;
    app.realtime()
        .metrics()
        .http_seconds
        .observe(began.elapsed());
    response
}

impl App {
    /// Puts a server together. `config` should be the one that `realtime` has its
    /// limits from: see [`App::limits_of`].
    pub fn new(config: Config, realtime: Realtime, authenticator: Arc<dyn Authenticator>) -> Self {
        let server = &config.server;
        Self(Arc::new(Inner {
            origins: Origins::new(&server.allowed_origins),
            socket_settings: Arc::new(Settings::new(realtime.limits())),
            admission: Admission::new(server.connections, server.connections_per_ip),
            exports: Exports::default(),
            durability: OnceLock::new(),
            requests: TaskTracker::new(),
            sockets: TaskTracker::new(),
            stopping: CancellationToken::new(),
            realtime,
            authenticator,
            config,
        }))
    }

    /// The limits of the core, as a configuration sets them.
    pub fn limits_of(config: &Config) -> Limits {
        let (server, limits, hub) = (&config.server, &config.limits, &config.hub);
        Limits {
            frame_bytes: limits.frame_bytes,
            frame_objects: limits.frame_objects,
            body_bytes: limits.body_bytes,
            metadata_bytes: limits.metadata_bytes,
            rooms: limits.rooms,
            connections_per_user: server.connections_per_user,
            participants: limits.participants,
            messages_per_second: limits.messages_per_second,
            message_burst: limits.message_burst,
            commands_per_second: limits.commands_per_second,
            command_burst: limits.command_burst,
            in_flight: limits.in_flight,
            queue_bytes_soft: limits.queue_bytes_soft,
            queue_bytes_hard: limits.queue_bytes_hard,
            stall_timeout: server.stall_timeout,
            commit_queue: limits.commit_queue,
            commit_batch: limits.commit_batch,
            catch_up: limits.catch_up as u64,
            connect_timeout: server.connect_timeout,
            ping_interval: server.ping_interval,
            ping_timeout: server.ping_timeout,
            refresh_before: config.auth.refresh_before,
            reorder_window: hub.reorder_window,
            sweep_interval: hub.sweep_interval,
            sweep_interval_degraded: hub.sweep_interval_degraded,
            presence_grace: hub.presence_grace,
            typing_ttl: hub.typing_ttl,
            commit_timeout: Limits::default().commit_timeout,
            edit_window: limits.edit_window,
            delete_window: limits.delete_window,
            retention: limits.retention,
        }
    }

    /// The core.
    pub fn realtime(&self) -> &Realtime {
        &self.0.realtime
    }

    /// Lets the metrics and `/readyz` tell how durable an answer is: to be said once, by
    /// who knows the store, see [`SeaStore::durability`](realtime_store_sea::SeaStore::durability).
    /// Otherwise nothing is told of it.
    pub fn tell_durability(&self, durability: Durability) {
        // What is said later is not another truth.
        let _ = self.0.durability.set(durability);
    }

    pub(crate) fn durability(&self) -> Option<&Durability> {
        self.0.durability.get()
    }

    /// Who checks tokens.
    pub fn authenticator(&self) -> &Arc<dyn Authenticator> {
        &self.0.authenticator
    }

    /// What is configured.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Whether the server is going away: it is not ready any more.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.is_cancelled()
    }

    pub(crate) fn origins(&self) -> &Origins {
        &self.0.origins
    }

    pub(crate) fn socket_settings(&self) -> &Arc<Settings> {
        &self.0.socket_settings
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    pub(crate) fn exports(&self) -> &Exports {
        &self.0.exports
    }

    /// Requests being answered; streams that follow an answer do not count.
    pub(crate) fn requests(&self) -> &TaskTracker {
        &self.0.requests
    }

    /// Open WebSockets.
    pub(crate) fn sockets(&self) -> &TaskTracker {
        &self.0.sockets
    }

    /// Cancelled once the server is going away.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }
}
