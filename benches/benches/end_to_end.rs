//! From one client's socket to the other's: the real server in this process, WebSockets
//! over loopback, every message committed before it is delivered.
//!
//! One message is under way at a time, so this is the time it takes at the least; the
//! load generator measures what it takes while the server is busy.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot do its work must stop"
)]

#[path = "support/backends.rs"]
mod backends;
#[path = "support/rooms.rs"]
mod rooms;

use std::{
    cell::{LazyCell, RefCell},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use futures::{SinkExt, StreamExt};
use realtime_core::{
    Realtime,
    id::{RoomId, UserId},
    time::{Clock, SystemClock},
};
use realtime_server::{
    App, Server,
    auth::{JwtAuthenticator, MintRequest, mint},
    config::{Config, Sources},
};
use tokio::{
    net::TcpStream,
    runtime::{self, Runtime},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

use self::backends::{Backend, Kind};

/// What differs from the defaults: a free port, rations for no people, and no pings
/// between what is measured.
const SETTINGS: [(&str, &str); 7] = [
    ("REALTIME_JWT_SECRET", "only-for-benches-0123456789abcdef"),
    ("REALTIME_SERVER__LISTEN", "127.0.0.1:0"),
    ("REALTIME_SERVER__PING_INTERVAL", "1h"),
    ("REALTIME_LIMITS__MESSAGES_PER_SECOND", "1000000"),
    ("REALTIME_LIMITS__MESSAGE_BURST", "1000000"),
    ("REALTIME_LIMITS__COMMANDS_PER_SECOND", "1000000"),
    ("REALTIME_LIMITS__COMMAND_BURST", "1000000"),
];
/// How long the tokens are good for: longer than the bench runs.
const TOKEN: Duration = Duration::from_secs(3_600);
/// How long anything may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// How a message begins on the wire.
const MESSAGE: &str = r#"{"message":"#;

/// A server as `serve` starts it, on threads of its own.
struct Served {
    runtime: Runtime,
    backend: Backend,
    realtime: Realtime,
    config: Config,
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Served {
    fn start(kind: Kind) -> Self {
        let runtime = Runtime::new().expect("the process takes a runtime");
        let config = Config::load(Sources::from_env(SETTINGS)).expect("the settings are right");
        let shutdown = CancellationToken::new();
        let (backend, realtime, server) = runtime.block_on(async {
            let backend = Backend::open(kind).await;
            let builder = Realtime::builder(backend.shared()).limits(App::limits_of(&config));
            let realtime = builder.start().await.expect("the store answers");
            let verifier = Arc::new(config.auth.verifier().expect("there is a secret"));
            let authenticator = JwtAuthenticator::new(verifier, || SystemClock.now().as_millis());
            let server = Server::bind(config.clone(), realtime.clone(), Arc::new(authenticator));
            (backend, realtime, server.expect("there is a free port"))
        });
        let address = server.local_addr();
        let serving = runtime.spawn(server.serve(shutdown.clone()));
        Self {
            runtime,
            backend,
            realtime,
            config,
            address,
            shutdown,
            serving: Some(serving),
        }
    }

    fn token(&self, user: &UserId) -> String {
        let secret = self.config.auth.secret.as_ref().expect("there is a secret");
        let request = MintRequest {
            user: Some(user.to_string()),
            service: false,
            name: None,
            ttl: TOKEN,
            now_ms: SystemClock.now().as_millis(),
        };
        mint(secret, &self.config.auth.rules(), &request).expect("the request is right")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
        let serving = self.serving.take().expect("it is dropped once");
        self.runtime.block_on(async {
            serving.await.expect("the server ends in good order");
            self.backend.close().await;
        });
    }
}

struct Client {
    socket: WebSocketStream<TcpStream>,
    /// Lines that came and were not asked for yet.
    heard: Vec<String>,
}

impl Client {
    async fn connect(server: &Served, user: &UserId) -> Self {
        let stream = TcpStream::connect(server.address).await;
        let stream = stream.expect("the server listens");
        stream.set_nodelay(true).expect("loopback sends at once");
        let url = format!("ws://{}/ws/", server.address);
        let (socket, _) = client_async(url, stream).await.expect("it is a WebSocket");
        let mut client = Self {
            socket,
            heard: Vec::new(),
        };
        let token = server.token(user);
        client
            .say(format!(r#"{{"id":1,"connect":{{"token":"{token}"}}}}"#))
            .await;
        client.hear(r#"{"id":1,"ok":"#).await;
        client
    }

    async fn say(&mut self, frame: String) {
        let said = self.socket.send(Message::text(frame)).await;
        said.expect("the connection is open");
    }

    /// Waits for the line that begins so.
    async fn hear(&mut self, beginning: &str) {
        loop {
            let found = self
                .heard
                .iter()
                .position(|line| line.starts_with(beginning));
            if let Some(index) = found {
                self.heard.swap_remove(index);
                return;
            }
            let frame = self.socket.next().await.expect("the connection is open");
            let frame = frame.expect("the connection is open");
            let lines = frame.to_text().expect("frames are text").lines();
            self.heard.extend(lines.map(ToOwned::to_owned));
        }
    }
}

/// Two people in a room, each with a connection.
struct Talk {
    ann: Client,
    ben: Client,
    room: RoomId,
    turn: u64,
}

/// What is waited for.
#[derive(Debug, Clone, Copy)]
enum Until {
    /// The other one has it.
    Received,
    /// The sender knows that it is stored.
    Acked,
}

impl Talk {
    async fn begin(server: &Served) -> Self {
        let people = rooms::users(2);
        let room = rooms::open(&server.realtime, &people).await;
        Self {
            ann: Client::connect(server, &people[0]).await,
            ben: Client::connect(server, &people[1]).await,
            room,
            turn: 1,
        }
    }

    /// Sends messages, one after the other, and adds up the times until …
    async fn run(&mut self, messages: u64, until: Until) -> Duration {
        let mut sum = Duration::ZERO;
        for _ in 0..messages {
            let turn = timeout(PATIENCE, self.say_and_hear(until)).await;
            sum += turn.expect("a message was lost");
        }
        sum
    }

    async fn say_and_hear(&mut self, until: Until) -> Duration {
        self.turn += 1;
        let Self { room, turn, .. } = self;
        let frame = format!(
            r#"{{"id":{turn},"send":{{"room":"{room}","client_id":"{turn:036}","body":"{:x>64}"}}}}"#,
            ""
        );
        let answer = format!(r#"{{"id":{turn},"ok":"#);
        let started = Instant::now();
        self.ann.say(frame).await;
        let took = match until {
            Until::Received => {
                self.ben.hear(MESSAGE).await;
                let took = started.elapsed();
                self.ann.hear(&answer).await;
                took
            }
            Until::Acked => {
                self.ann.hear(&answer).await;
                let took = started.elapsed();
                self.ben.hear(MESSAGE).await;
                took
            }
        };
        self.ann.hear(MESSAGE).await;
        // What nobody waits for, such as who is online.
        self.ann.heard.clear();
        self.ben.heard.clear();
        took
    }
}

fn latency(criterion: &mut Criterion) {
    for kind in [Kind::Sqlite, Kind::Memory] {
        // Their own thread, as if they were elsewhere.
        let clients = runtime::Builder::new_current_thread().enable_all().build();
        let clients = clients.expect("a thread takes a runtime");
        let server = LazyCell::new(|| Served::start(kind));
        let talk = LazyCell::new(|| RefCell::new(clients.block_on(Talk::begin(&server))));
        let mut group = criterion.benchmark_group(format!("end_to_end/{}", kind.name()));
        for (name, until) in [
            ("send_to_received", Until::Received),
            ("send_to_acked", Until::Acked),
        ] {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|messages| {
                    clients.block_on(talk.borrow_mut().run(messages, until))
                });
            });
        }
    }
}

criterion_group!(
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .without_plots();
    targets = latency
);
criterion_main!(benches);
