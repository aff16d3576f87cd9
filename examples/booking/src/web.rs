//! The service's own two routes, and Realtime's on the same port.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode, body::Incoming, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;
use realtime_core::{
    Realtime,
    id::UserId,
    ports::{AuthError, Authenticator, Identity},
};
use realtime_server::{App, config::Config, handle, http::Response};
use realtime_store_sea::{SeaOptions, SeaStore};
use sea_orm::{ConnectOptions, Database};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    Failure,
    jobs::{HandOver, JobError, Jobs},
};

/// The whole service, without a socket.
#[derive(Debug, Clone)]
pub struct Service {
    /// The host's part.
    pub jobs: Jobs,
    /// Realtime's part.
    pub app: App,
}

impl Service {
    /// Opens the database and starts. `hand_over` is `None` for what one wants: committed
    /// changes are given to this service's own `Realtime`.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn start(url: &str, hand_over: Option<HandOver>) -> Result<Self, Failure> {
        let store = Arc::new(SeaStore::connect(url, SeaOptions::default()).await?);
        let config = Config::default();
        let realtime = Realtime::builder(store.clone())
            .limits(App::limits_of(&config))
            .lanes(store.lanes())
            .start()
            .await?;
        let hand_over = hand_over.unwrap_or_else(|| {
            let realtime = realtime.clone();
            Arc::new(move |handover| realtime.deliver(handover))
        });
        // The host has connections of its own, to the same database.
        let mut options = ConnectOptions::new(url);
        options.sqlx_logging(false);
        let jobs = Jobs::new(Database::connect(options).await?, store, hand_over).await?;
        let app = App::new(config, realtime, Arc::new(Sessions));
        Ok(Self { jobs, app })
    }

    /// Answers whoever connects, until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        while let Ok((stream, peer)) = listener.accept().await {
            // Otherwise a push waits until the one before it was acknowledged, 40 ms.
            let _ = stream.set_nodelay(true);
            let service = self.clone();
            let service = service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, Infallible>(service.answer(request, peer).await) }
            });
            // Without `with_upgrades` there are no WebSockets.
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    }

    async fn answer(self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        let path = request.uri().path().to_owned();
        let path: Vec<&str> = path.split('/').skip(1).collect();
        let (job, accepts) = match (request.method(), &path[..]) {
            (&Method::POST, ["jobs"]) => (None, false),
            (&Method::POST, ["jobs", id, "accept"]) => (id.parse().ok(), true),
            _ => return handle(self.app, request, peer).await,
        };
        let Some(user) = session(&request) else {
            return reply(StatusCode::UNAUTHORIZED, &json!({"error": "who are you?"}));
        };
        let done = match (job, accepts) {
            (None, false) => self.jobs.book(user).await.map(|job| json!({"job": job})),
            (Some(job), _) => {
                let room = self.jobs.accept(job, &user).await;
                room.map(|room| json!({"job": job, "room": room}))
            }
            (None, true) => Err(JobError::Unknown),
        };
        match done {
            Ok(body) => reply(StatusCode::OK, &body),
            Err(error) => reply(status_of(&error), &json!({"error": error.to_string()})),
        }
    }
}

const fn status_of(error: &JobError) -> StatusCode {
    match error {
        JobError::Unknown => StatusCode::NOT_FOUND,
        JobError::Taken => StatusCode::CONFLICT,
        JobError::Invalid(_) => StatusCode::BAD_REQUEST,
        JobError::Database(_) | JobError::Room(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn reply(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Full::from(format!("{body}\n")).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Who is logged in, as this service knows it. A real one would ask its session table.
#[derive(Debug)]
struct Sessions;

impl Sessions {
    fn user_of(token: &str) -> Option<UserId> {
        UserId::parse(token.strip_prefix("session-of-")?).ok()
    }
}

#[async_trait]
impl Authenticator for Sessions {
    async fn authenticate(&self, token: &str) -> Result<Identity, AuthError> {
        let user = Self::user_of(token);
        user.map(Identity::of)
            .ok_or(AuthError::Invalid("there is no such session"))
    }
}

fn session(request: &Request<Incoming>) -> Option<UserId> {
    let header = request.headers().get("authorization")?.to_str().ok()?;
    Sessions::user_of(header.strip_prefix("Bearer ")?)
}
