//! From method and path to a handler.
//!
//! One match over the path's segments: a new group of routes is one more arm. Paths
//! are the same with and without a final slash; queries are never logged.

use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use realtime_core::Scope;

use super::{Problem, Response, health, websocket};
use crate::{App, ws};

/// Answers any request.
pub(crate) async fn route(
    app: &App,
    request: Request<Incoming>,
    peer: std::net::SocketAddr,
) -> Response {
    if let Some(problem) = nonsense(&request) {
        return problem.into_response();
    }
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let method = request.method().clone();
    tracing::trace!(%method, path, "a request");
    match segments.as_slice() {
        ["ws"] => websocket::open(app, request, peer, Scope::All).await,
        ["ws", "notifications"] => websocket::open(app, request, peer, Scope::Notifications).await,
        ["ws", "chat", room] => match room.parse() {
            Ok(room) => websocket::open(app, request, peer, Scope::Room(room)).await,
            Err(_) => Problem::not_found().into_response(),
        },
        ["healthz"] => only_get(&method, health::live()),
        ["readyz"] => only_get(&method, health::ready(app).await),
        _ => Problem::not_found().into_response(),
    }
}

/// What no handler should have to look at.
fn nonsense(request: &Request<Incoming>) -> Option<Problem> {
    use realtime_core::protocol::ErrorCode::BadRequest;
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == http::Version::HTTP_11) {
        return Some(Problem::new(BadRequest, "there must be one Host"));
    }
    if ws::has_token(request.uri().query().unwrap_or_default()) {
        let detail = "a token must not stand in the URL";
        return Some(Problem::new(BadRequest, detail));
    }
    None
}

fn only_get(method: &Method, response: Response) -> Response {
    if *method == Method::GET || *method == Method::HEAD {
        response
    } else {
        Problem::method("GET, HEAD")
            .status(StatusCode::METHOD_NOT_ALLOWED)
            .into_response()
    }
}
