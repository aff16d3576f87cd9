//! Listening, and going away in good order.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use realtime_core::{Realtime, ports::Authenticator};
#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use crate::{
    App,
    config::Config,
    handle,
    http::{
        ACCEPT_PAUSE, BACKLOG, BUFFER_BYTES, FAREWELL, FINISH_REQUESTS, HEAD_BYTES, HEADERS,
        HTTP_CONNECTIONS, HttpPlace, listen_for_operators,
    },
};

/// The least time after which clients come back to a server that stops: their other
/// server, or this one restarted, should be there.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened to.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// A listening server.
#[derive(Debug)]
pub struct Server {
    app: App,
    listener: TcpListener,
    local_addr: SocketAddr,
    /// For metrics and health, if they have an address of their own.
    operators: Option<TcpListener>,
    http: http1::Builder,
    /// Connections that are not WebSockets; waited for at the end.
    connections: TaskTracker,
    places: Arc<Semaphore>,
}

impl Server {
    /// Begins to listen on `config.server.listen`. Nothing is accepted before
    /// [`serve`](Self::serve). Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ServerError::Listen`] when the address is taken or not allowed.
    pub fn bind(
        config: Config,
        realtime: Realtime,
        authenticator: Arc<dyn Authenticator>,
    ) -> Result<Self, ServerError> {
        let address = config.server.listen;
        let failed = |source| ServerError::Listen { address, source };
        let listener = listen(address)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let operators = config.server.metrics_listen.map(listen).transpose()?;
        Ok(Self {
            http: http_settings(&config),
            app: App::new(config, realtime, authenticator),
            listener,
            local_addr,
            operators,
            connections: TaskTracker::new(),
            places: Arc::new(Semaphore::new(HTTP_CONNECTIONS)),
        })
    }

    /// Where it listens; the port is the real one when 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where metrics are served, if they have an address of their own.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.operators.as_ref()?.local_addr().ok()
    }

    /// What requests share.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Serves until `shutdown` is cancelled, then goes away in good order: no longer
    /// ready, nothing more accepted, requests under way finished, clients told to
    /// come back later, what was accepted stored. Takes at most the configured
    /// `drain_timeout`. A WebSocket that has not said `connect` yet is not told; it
    /// ends with the process, or with its `connect_timeout`.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropping it cuts all connections.
    pub async fn serve(mut self, shutdown: CancellationToken) {
        let pace = Pace::new(self.app.config().limits.connects_per_second);
        let operators = self.operators.take();
        // To the very end: whoever runs this wants to see it go.
        let operators = operators.map(|listener| {
            let app = self.app.clone();
            AbortOnDropHandle::new(tokio::spawn(listen_for_operators(listener, app)))
        });
        shutdown.run_until_cancelled(self.accept(pace)).await;
        let Self {
            app,
            listener,
            connections,
            ..
        } = self;
        app.stopping().cancel();
        drop(listener);
        let patience = app.config().server.drain_timeout;
        if timeout(patience, go_away(&app, &connections))
            .await
            .is_err()
        {
            tracing::warn!(?patience, "stopped before everything was finished");
        }
        drop(operators);
    }

    async fn accept(&self, mut pace: Pace) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                return;
            };
            pace.next().await;
            match self.listener.accept().await {
                Ok((stream, peer)) => self.start(stream, peer, place),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections; resting");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // Small frames must leave at once; a socket that refuses is on its way out.
        let _ = stream.set_nodelay(true);
        limit_stall(&stream, self.app.config().server.stall_timeout);
        let stopping = self.app.stopping().clone();
        let app = self.app.clone();
        let place = HttpPlace::new(place);
        let service = {
            let place = place.clone();
            service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(place.clone());
                let app = app.clone();
                async move { Ok::<_, Infallible>(handle(app, request, peer).await) }
            })
        };
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let connection = connection.with_upgrades();
        self.connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "an HTTP connection broke");
            }
            place.leave();
        });
    }
}

async fn go_away(app: &App, connections: &TaskTracker) {
    tracing::info!("stopping");
    app.requests().close();
    if timeout(FINISH_REQUESTS, app.requests().wait())
        .await
        .is_err()
    {
        tracing::warn!("some requests were not finished");
    }
    let window = app.config().server.drain_window;
    app.realtime()
        .drain(RECONNECT_AFTER.min(window), window)
        .await;
    app.sockets().close();
    connections.close();
    let farewell = async {
        app.sockets().wait().await;
        connections.wait().await;
    };
    if timeout(FAREWELL, farewell).await.is_err() {
        tracing::debug!(
            sockets = app.sockets().len(),
            "some clients did not say goodbye"
        );
    }
    app.realtime().shutdown().await;
    tracing::info!("stopped");
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    try_listen(address).map_err(|source| ServerError::Listen { address, source })
}

fn try_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // Restarting must not wait for the connections of the last run to time out.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Lets the kernel end a connection whose peer takes nothing of what is sent to it:
/// hyper would wait for ever. WebSockets have the same limit and say goodbye before, so
/// that this is twice as long.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_stall(stream: &TcpStream, patience: Duration) {
    let socket = SockRef::from(stream);
    if let Err(error) = socket.set_tcp_user_timeout(Some(patience.saturating_mul(2))) {
        tracing::debug!(%error, "a connection may stall");
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn limit_stall(_: &TcpStream, _: Duration) {}

fn http_settings(config: &Config) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(config.server.header_timeout)
        .max_headers(HEADERS)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES);
    http
}

/// Whether only the connection that was being accepted is lost.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Lets so many through in a second; the kernel holds the others.
#[derive(Debug)]
struct Pace {
    per_second: u32,
    passed: u32,
    second: Instant,
}

impl Pace {
    const SECOND: Duration = Duration::from_secs(1);

    /// 0: as many as come.
    fn new(per_second: u32) -> Self {
        Self {
            per_second,
            passed: 0,
            second: Instant::now(),
        }
    }

    async fn next(&mut self) {
        if self.per_second == 0 {
            return;
        }
        if self.second.elapsed() >= Self::SECOND {
            self.passed = 0;
            self.second = Instant::now();
        } else if self.passed >= self.per_second {
            self.second += Self::SECOND;
            self.passed = 0;
            sleep_until(self.second).await;
        }
        self.passed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_are_let_through_at_the_configured_pace() {
        let began = Instant::now();
        let mut pace = Pace::new(10);
        for _ in 0..35 {
            pace.next().await;
        }
        assert_eq!(began.elapsed().as_secs(), 3);
        let mut free = Pace::new(0);
        for _ in 0..1_000 {
            free.next().await;
        }
        assert_eq!(began.elapsed().as_secs(), 3);
    }
}
