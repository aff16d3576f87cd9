//! Listening, and going away in good order.

use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use realtime_core::{Realtime, ports::Authenticator};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    App,
    config::Config,
    handle,
    http::{
        ACCEPT_PAUSE, BACKLOG, BUFFER_BYTES, FAREWELL, FINISH_REQUESTS, HEAD_BYTES, HEADERS,
        HTTP_CONNECTIONS,
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
        let listener = listen(address).map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        Ok(Self {
            http: http_settings(&config),
            app: App::new(config, realtime, authenticator),
            listener,
            local_addr,
            connections: TaskTracker::new(),
            places: Arc::new(Semaphore::new(HTTP_CONNECTIONS)),
        })
    }

    /// Where it listens; the port is the real one when 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What requests share.
    pub const fn app(&self) -> &App {
        &self.app
    }

    /// Serves until `shutdown` is cancelled, then goes away in good order: no longer
    /// ready, nothing more accepted, requests under way finished, clients told to
    /// come back later, what was accepted stored. Takes at most the configured
    /// `drain_timeout`.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropping it cuts all connections.
    pub async fn serve(self, shutdown: CancellationToken) {
        let pace = Pace::new(self.app.config().limits.connects_per_second);
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
        let stopping = self.app.stopping().clone();
        let app = self.app.clone();
        let service = service_fn(move |request| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(handle(app, request, peer).await) }
        });
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
            drop(place);
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

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
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
