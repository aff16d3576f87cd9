//! Everything in one process, to look at: a database that is thrown away, and a
//! cleaning job whose client and cleaner can talk at once.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use realtime_core::{
    Realtime,
    id::RoomId,
    store::StoreError,
    time::{Clock, SystemClock},
};
use realtime_store_sea::{SeaOptions, SeaStore};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    App, Server, ServerError,
    auth::{JwtAuthenticator, KeyError, MintError, MintRequest, Secret, mint},
    config::Config,
    http::{Event, Outcome, apply_event},
};

/// How long the links work: a day of looking.
const LINK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of the secret that signs the tokens, new in every run.
const SECRET_BYTES: usize = 32;
/// The database's file, in a folder of its own.
const DATABASE_FILE: &str = "demo.db";

/// How to run the demo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "built with `..Default::default()`"
)]
pub struct DemoOptions {
    /// Where to listen. Default: 127.0.0.1:8080, or any free port if that is taken.
    pub listen: Option<SocketAddr>,
    /// A database to keep. Default: a file that is removed at the end.
    pub database: Option<String>,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// There is no place for the database.
    #[error("cannot make a folder for the database")]
    Folder(#[source] io::Error),
    /// The database cannot be opened, read or closed.
    #[error("cannot use the database")]
    Database(#[from] StoreError),
    /// The address cannot be listened to.
    #[error(transparent)]
    Listen(#[from] ServerError),
    /// Keys or tokens could not be made.
    #[error("cannot sign tokens")]
    Tokens(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The job was not accepted; the database may hold another one.
    #[error("the job was not accepted: {0}")]
    Job(String),
}

impl From<KeyError> for DemoError {
    fn from(error: KeyError) -> Self {
        Self::Tokens(error.into())
    }
}

impl From<MintError> for DemoError {
    fn from(error: MintError) -> Self {
        Self::Tokens(error.into())
    }
}

/// Somebody to play.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Player {
    /// What they are called.
    pub name: &'static str,
    /// What they are in the job.
    pub role: &'static str,
    /// The page, as they see it. Whoever has this link is them.
    pub link: String,
}

/// A demo that listens already.
#[derive(Debug)]
pub struct Demo {
    server: Server,
    store: Arc<SeaStore>,
    players: [Player; 2],
    /// Removed when it is dropped.
    folder: Option<TempDir>,
}

impl Demo {
    /// Sets everything up. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`DemoError`] says what could not be had.
    ///
    /// # Cancel safety
    /// Cancel safe; a given database may have been prepared.
    pub async fn start(options: DemoOptions) -> Result<Self, DemoError> {
        let folder = match options.database {
            Some(_) => None,
            None => Some(TempDir::new().map_err(DemoError::Folder)?),
        };
        let url = options.database.unwrap_or_else(|| url_in(folder.as_ref()));
        let store = Arc::new(SeaStore::connect(&url, SeaOptions::default()).await?);
        let mut config = Config::default();
        let secret = Secret::new(rand::random::<[u8; SECRET_BYTES]>())?;
        config.auth.secret = Some(secret.clone());
        let realtime = Realtime::builder(store.clone())
            .limits(App::limits_of(&config))
            .search(store.clone())
            .start()
            .await?;
        let server = bind(&mut config, &realtime, options.listen)?;
        let room = accept_job(&realtime, &config).await?;
        let address = reachable(server.local_addr());
        let link = |user: &str, name: &str| -> Result<String, DemoError> {
            let request = MintRequest {
                user: Some(user.to_owned()),
                service: false,
                name: Some(name.to_owned()),
                ttl: LINK_LIFE,
                now_ms: SystemClock.now().as_millis(),
            };
            let token = mint(&secret, &config.auth.rules(), &request)?;
            Ok(format!("http://{address}/#token={token}&room={room}"))
        };
        let player = |user, name, role| {
            let link = link(user, name)?;
            Ok::<_, DemoError>(Player { name, role, link })
        };
        let players = [
            player("ann", "Ann", "the client")?,
            player("ben", "Ben", "the cleaner")?,
        ];
        Ok(Self {
            server,
            store,
            players,
            folder,
        })
    }

    /// Who there is to play.
    pub const fn players(&self) -> &[Player; 2] {
        &self.players
    }

    /// Whether everything is forgotten at the end.
    pub const fn forgets(&self) -> bool {
        self.folder.is_some()
    }

    /// Serves until `shutdown` is cancelled, then removes what it made.
    ///
    /// # Errors
    /// [`DemoError::Database`] when the database cannot be closed.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropping it cuts all connections. Its folder is removed anyway.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), DemoError> {
        self.server.serve(shutdown).await;
        self.store.close().await?;
        drop(self.folder);
        Ok(())
    }
}

fn url_in(folder: Option<&TempDir>) -> String {
    let path = folder.map(|folder| folder.path().join(DATABASE_FILE));
    format!("sqlite://{}", path.unwrap_or_default().display())
}

/// Listens where it was asked to; where nothing was asked, also elsewhere.
fn bind(
    config: &mut Config,
    realtime: &Realtime,
    listen: Option<SocketAddr>,
) -> Result<Server, DemoError> {
    let verifier = Arc::new(config.auth.verifier()?);
    let clock = || SystemClock.now().as_millis();
    let authenticator = Arc::new(JwtAuthenticator::new(verifier, clock));
    if let Some(address) = listen {
        config.server.listen = address;
    }
    match Server::bind(config.clone(), realtime.clone(), authenticator.clone()) {
        Err(ServerError::Listen { source, .. })
            if listen.is_none() && source.kind() == io::ErrorKind::AddrInUse =>
        {
            config.server.listen.set_port(0);
            let server = Server::bind(config.clone(), realtime.clone(), authenticator);
            Ok(server?)
        }
        bound => Ok(bound?),
    }
}

/// Tells of a job as the platform would; told again, it is the same.
async fn accept_job(realtime: &Realtime, config: &Config) -> Result<RoomId, DemoError> {
    let event = json!({
        "type": "job.accepted",
        "id": "demo-job-accepted",
        "subject": {"type": "job", "id": "demo"},
        "title": "Deep clean, 14 Elm St",
        "participants": [
            {"user": "ann", "role": "owner", "name": "Ann"},
            {"user": "ben", "role": "member", "name": "Ben"},
        ],
        "data": {"address": "14 Elm St", "service": "Deep clean"},
    });
    let event: Event =
        serde_json::from_value(event).map_err(|error| DemoError::Job(error.to_string()))?;
    let applied = apply_event(realtime, &config.events, event).await;
    match applied.map_err(|problem| DemoError::Job(problem.to_string()))? {
        Outcome::Applied(applied) => Ok(applied.room.id),
        Outcome::Erased { .. } => Err(DemoError::Job("it is somebody's end".to_owned())),
    }
}

/// The address under which this machine itself reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_never_leads_to_everywhere() {
        let link_to = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(link_to("0.0.0.0:80"), "127.0.0.1:80");
        assert_eq!(link_to("[::]:80"), "[::1]:80");
        assert_eq!(link_to("192.0.2.1:80"), "192.0.2.1:80");
    }
}
