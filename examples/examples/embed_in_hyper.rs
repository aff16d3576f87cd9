//! The whole server mounted in a hyper service of the host's own, beside the host's own
//! routes and with the host's own sessions instead of JWTs.
//!
//! ```sh
//! cargo run -p realtime-examples --example embed_in_hyper
//! ```
//!
//! One sees the answer of the host's own route, the answer to `connect` over a WebSocket
//! on the same port, and what REST says about the same rooms.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use realtime_core::{
    Realtime,
    id::UserId,
    memory::MemoryStore,
    ports::{AuthError, Authenticator, Identity},
};
use realtime_examples::{Failure, job_room};
use realtime_server::{App, config::Config, handle, http::Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::Message;

/// Who is logged in, as the host knows it. A real one would ask its session table.
#[derive(Debug)]
struct HostSessions;

#[async_trait]
impl Authenticator for HostSessions {
    async fn authenticate(&self, token: &str) -> Result<Identity, AuthError> {
        let name = token.strip_prefix("session-of-");
        let user = name.and_then(|name| UserId::parse(name).ok());
        user.map(Identity::of)
            .ok_or(AuthError::Invalid("there is no such session"))
    }
}

/// The host's routes first; what it does not know is ours.
async fn answer(app: App, request: Request<Incoming>, peer: SocketAddr) -> Response {
    match request.uri().path() {
        "/jobs" => Response::new(Full::from("job 7421: cleaning on Monday\n").boxed_unsync()),
        _ => handle(app, request, peer).await,
    }
}

async fn serve(app: App, listener: TcpListener) {
    while let Ok((stream, peer)) = listener.accept().await {
        // A push is small: it must not wait for the ACK of the one before. Who does not
        // take this is merely slower.
        let _ = stream.set_nodelay(true);
        let app = app.clone();
        let service = service_fn(move |request| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(answer(app, request, peer).await) }
        });
        // Without `with_upgrades` there are no WebSockets.
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection.with_upgrades());
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer session-of-ann\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok(body.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    for answer in run().await? {
        println!("{answer}");
    }
    Ok(())
}

/// Answers with what the host's route, the WebSocket and REST said.
pub(crate) async fn run() -> Result<[String; 3], Failure> {
    let config = Config::default();
    let realtime = Realtime::builder(Arc::new(MemoryStore::default()))
        .limits(App::limits_of(&config))
        .start()
        .await?;
    realtime.open(job_room("7421", ["ann", "ben"])?).await?;
    let app = App::new(config, realtime, Arc::new(HostSessions));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(serve(app, listener));

    let jobs = get(address, "/jobs").await?;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws/")).await?;
    let connect = r#"{"id": 1, "connect": {"token": "session-of-ann"}}"#;
    socket.send(Message::text(connect)).await?;
    let welcome = socket
        .next()
        .await
        .ok_or("the connection ended")??
        .into_text()?;
    let rooms = get(address, "/api/v1/rooms").await?;

    server.abort();
    Ok([jobs, welcome.to_string(), rooms])
}
