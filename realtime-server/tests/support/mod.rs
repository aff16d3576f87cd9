//! A server in this process, over the database that the test program is named after:
//! `on_postgresql` runs what is in it on PostgreSQL; others run on one in memory.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "each test program uses a part; `expect` would fail in those that use all"
)]

pub mod http;
pub mod process;

use std::{net::SocketAddr, sync::Arc};

use realtime_core::{
    Builder, Realtime,
    change::{Actor, Draft, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    memory::MemoryStore,
    message::{Body, MessageKind},
    participant::Role,
    room::RoomKind,
    time::{Clock, SystemClock},
};
use realtime_server::{
    App, Server,
    auth::{JwtAuthenticator, Keys, MintRequest, Rules, Secret, VerificationKey, Verifier, mint},
    config::{Config, Sources},
};
use realtime_store_sea::{SeaOptions, SeaStore};
use realtime_testkit::{
    client::Client,
    database::{self, Database},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "in-process-only-0123456789abcdefghijklmnopqrstuvwxyz";

/// Over what the servers of this test program run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Sqlite,
    Postgres,
    MariaDb,
}

impl Kind {
    /// That of this program.
    pub fn here() -> Self {
        match env!("CARGO_CRATE_NAME") {
            "on_sqlite" => Self::Sqlite,
            "on_postgresql" => Self::Postgres,
            "on_mariadb" => Self::MariaDb,
            _ => Self::Memory,
        }
    }

    /// A new, empty database, and what must be kept as long as it is used.
    async fn fresh(self) -> (String, Option<TempDir>) {
        let of = |server: fn() -> &'static Database| {
            tokio::task::spawn_blocking(move || server().fresh_url())
        };
        match self {
            Self::Memory => ("sqlite::memory:".to_owned(), None),
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("realtime.db");
                (format!("sqlite://{}", file.display()), Some(folder))
            }
            Self::Postgres => (of(database::postgres).await.unwrap(), None),
            Self::MariaDb => (of(database::mariadb).await.unwrap(), None),
        }
    }
}

/// A running server.
pub struct Running {
    _folder: Option<TempDir>,
    pub address: SocketAddr,
    pub metrics_address: Option<SocketAddr>,
    pub realtime: Realtime,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<()>,
}

/// Starts a server; `settings` are environment variables without their prefix.
pub async fn start(settings: &[(&str, &str)]) -> Running {
    if Kind::here() == Kind::Memory {
        let store = Arc::new(MemoryStore::default());
        let build = |config: &Config| {
            let builder = Realtime::builder(store.clone()).limits(App::limits_of(config));
            if config.search.enabled {
                builder.search(store)
            } else {
                builder
            }
        };
        return start_over(build, settings).await;
    }
    let (url, folder) = Kind::here().fresh().await;
    let running = start_on(&url, settings).await;
    Running {
        _folder: folder,
        ..running
    }
}

/// The same, over the database at a URL.
pub async fn start_on(url: &str, settings: &[(&str, &str)]) -> Running {
    let store = SeaStore::connect(url, SeaOptions::default()).await.unwrap();
    let store = Arc::new(store);
    let build = |config: &Config| {
        let lanes = store.lanes();
        let builder = Realtime::builder(store.clone())
            .lanes(lanes)
            .limits(App::limits_of(config));
        if config.search.enabled {
            builder.search(store)
        } else {
            builder
        }
    };
    start_over(build, settings).await
}

/// The same, over what `build` makes.
pub async fn start_over(
    build: impl FnOnce(&Config) -> Builder,
    settings: &[(&str, &str)],
) -> Running {
    let names = settings
        .iter()
        .map(|(name, value)| (format!("REALTIME_{name}"), *value));
    let listen = ("REALTIME_SERVER__LISTEN".to_owned(), "127.0.0.1:0");
    let env: Vec<_> = names.chain([listen]).collect();
    let config = Config::load(Sources {
        env,
        file: None,
        overrides: Vec::new(),
    });
    let config = config.unwrap();
    let realtime = build(&config).start().await.unwrap();
    let authenticator = Arc::new(JwtAuthenticator::new(Arc::new(verifier()), now));
    let server = Server::bind(config, realtime.clone(), authenticator).unwrap();
    let address = server.local_addr();
    let metrics_address = server.metrics_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));
    Running {
        _folder: None,
        address,
        metrics_address,
        realtime,
        shutdown,
        serving,
    }
}

fn now() -> i64 {
    SystemClock.now().as_millis()
}

fn secret() -> Secret {
    Secret::new(SECRET).unwrap()
}

fn verifier() -> Verifier {
    let key = VerificationKey::hs256(None, &secret()).unwrap();
    Verifier::new(Keys::new(vec![key]).unwrap(), None, Rules::default()).unwrap()
}

/// A token of this user, valid for so many seconds.
pub fn token_for(user: &str, seconds: u64) -> String {
    let request = MintRequest {
        user: Some(user.to_owned()),
        ttl: std::time::Duration::from_secs(seconds),
        now_ms: now(),
        ..MintRequest::default()
    };
    mint(&secret(), &Rules::default(), &request).unwrap()
}

pub fn token(user: &str) -> String {
    token_for(user, 3_600)
}

/// A token of the platform, which names no user.
pub fn service_token() -> String {
    service_token_of(None)
}

/// A token of the platform that may name a user too.
pub fn service_token_of(user: Option<&str>) -> String {
    let request = MintRequest {
        user: user.map(str::to_owned),
        service: true,
        ttl: std::time::Duration::from_secs(3_600),
        now_ms: now(),
        ..MintRequest::default()
    };
    mint(&secret(), &Rules::default(), &request).unwrap()
}

/// A token that ended an hour ago.
pub fn expired_token(user: &str) -> String {
    let request = MintRequest {
        user: Some(user.to_owned()),
        ttl: std::time::Duration::from_secs(3_600),
        now_ms: now() - 7_200_000,
        ..MintRequest::default()
    };
    mint(&secret(), &Rules::default(), &request).unwrap()
}

impl Running {
    /// A WebSocket that has said nothing yet.
    pub async fn open(&self) -> Client {
        Client::open(self.address, "/ws/", &[]).await.unwrap()
    }

    /// A WebSocket of this user, connected.
    pub async fn connect(&self, user: &str) -> Client {
        let mut client = self.open().await;
        connect(&mut client, user).await;
        client
    }

    /// A group room with these members.
    pub async fn room(&self, members: &[&str]) -> RoomId {
        let participant = |name: &&str| NewParticipant {
            user: UserId::parse(name).unwrap(),
            role: Role::Member,
            name: None,
        };
        let new = NewRoom {
            kind: RoomKind::Group,
            subject: None,
            key: None,
            title: None,
            metadata: None,
            participants: members.iter().map(participant).collect(),
        };
        self.realtime.open(new).await.unwrap().room.id
    }

    /// A message of the platform in this room.
    pub async fn post(&self, room: RoomId, name: &str, body: &str) {
        let draft = Draft {
            room,
            from: Actor::Service,
            client_id: ClientId::parse(name).unwrap(),
            body: Body::parse(body.to_owned(), body.len()).unwrap(),
            kind: MessageKind::System,
            reply_to: None,
            metadata: None,
        };
        self.realtime.send(draft).await.unwrap();
    }
}

/// Says `connect` and waits for its answer.
pub async fn connect(client: &mut Client, user: &str) -> Value {
    let token = token(user);
    client
        .say(&json!({"id": 1, "connect": {"token": token}}))
        .await
        .unwrap();
    answer(client, 1).await
}

/// The answer to a command; pushes before it are passed over.
pub async fn answer(client: &mut Client, id: u32) -> Value {
    loop {
        for object in client.objects().await.unwrap() {
            if object["id"] == id {
                return object;
            }
        }
    }
}

/// The next push of this kind; everything before it is passed over.
pub async fn push(client: &mut Client, kind: &str) -> Value {
    loop {
        for object in client.objects().await.unwrap() {
            if let Some(body) = object.get(kind) {
                return body.clone();
            }
        }
    }
}
