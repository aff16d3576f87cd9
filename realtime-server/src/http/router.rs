//! The way of a request: what no handler should see is refused, the table says which
//! handler it is for and who may call it, and every answer gets what all answers have.
//!
//! Queries, tokens and bodies are never logged; of the path, the route.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use realtime_core::{Error, Scope, ports::Action};
use tokio::time::{Instant, timeout};

use super::{
    Answer, Problem, REQUEST_TIME, RequestId, Response,
    body::Payload,
    call::Call,
    cors::Cors,
    request::REQUEST_ID,
    route::{self, Found, Route},
    table::ROUTES,
    websocket,
};
use crate::{App, ws};

/// What every answer carries unless its handler says something else: nothing is
/// guessed, kept, framed or told on.
const COMMON_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
];

/// Answers any request.
pub(crate) async fn route(app: &App, request: Request<Incoming>, peer: SocketAddr) -> Response {
    let began = Instant::now();
    let id = RequestId::of(request.headers());
    let cors = Cors::of(request.headers(), app.origins());
    let method = request.method().clone();
    let mut route = "";
    let answer = Box::pin(dispatch(app, request, peer, &cors, &mut route)).await;
    let mut response = answer.unwrap_or_else(|problem| problem.into_response(&id));
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        finish(response.headers_mut(), &id);
        cors.apply(response.headers_mut());
    }
    let (status, took) = (response.status().as_u16(), began.elapsed());
    tracing::debug!(request_id = %id, %method, route, status, ?took, "answered");
    response
}

async fn dispatch(
    app: &App,
    request: Request<Incoming>,
    peer: SocketAddr,
    cors: &Cors,
    route: &mut &'static str,
) -> Answer {
    check(&request)?;
    if let Some(scope) = socket_scope(request.uri().path()) {
        *route = "/ws";
        return websocket::open(app, request, peer, scope?)
            .await
            .map_err(Problem::closing);
    }
    let request = request.map(Payload::new);
    let found = route::find(ROUTES, request.uri().path()).ok_or_else(Problem::not_found)?;
    *route = found.routes.first().map_or("", |route| route.path);
    if *request.method() == Method::OPTIONS {
        return Ok(cors.options(request.headers(), found.allowed()));
    }
    let Some(chosen) = found.route(request.method()) else {
        return Err(Problem::method(found.allowed()));
    };
    answer(app, chosen, found, request, peer).await
}

async fn answer(
    app: &App,
    route: &'static Route,
    found: Found,
    request: Request<Payload>,
    peer: SocketAddr,
) -> Answer {
    let call = Call::admit(app, route, found.params, request.into_parts(), peer).await?;
    call.spend(route.action()).await?;
    let answered = timeout(REQUEST_TIME, (route.handler)(call)).await;
    answered.unwrap_or_else(|_| Err(Error::Timeout.into()))
}

impl Route {
    /// What a call takes from the ration of its user.
    fn action(&self) -> Action {
        let sends = self.method == Method::POST && self.path.ends_with("/messages");
        if sends {
            Action::Message
        } else {
            Action::Command
        }
    }
}

/// To what a WebSocket at this address is limited; `None`: there are none.
fn socket_scope(path: &str) -> Option<Result<Scope, Problem>> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        ["ws"] => Some(Ok(Scope::All)),
        ["ws", "notifications"] => Some(Ok(Scope::Notifications)),
        ["ws", "chat", room] => {
            let room = room.parse().map_err(|_| Problem::not_found());
            Some(room.map(Scope::Room))
        }
        _ => None,
    }
}

/// What no handler should have to look at.
fn check(request: &Request<Incoming>) -> Result<(), Problem> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == http::Version::HTTP_11) {
        return Err(Problem::bad_request("there must be one Host").closing());
    }
    if ws::has_token(request.uri().query().unwrap_or_default()) {
        return Err(Problem::bad_request("a token must not stand in the URL").closing());
    }
    Ok(())
}

/// Adds what all answers have.
pub(super) fn finish(headers: &mut HeaderMap, id: &RequestId) {
    for (name, value) in COMMON_HEADERS {
        headers.entry(name).or_insert(value);
    }
    headers.insert(REQUEST_ID, id.to_header());
}
