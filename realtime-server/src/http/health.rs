//! Whether this server lives, and whether it can serve.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{Response, json};
use crate::App;

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    store: bool,
    broker: bool,
    commit_queue: usize,
}

/// The process lives: it answers.
pub(super) fn live() -> Response {
    uncached(json(StatusCode::OK, &serde_json::json!({ "status": "ok" })))
}

/// The server can serve. Without its broker it is `degraded`: slower between servers,
/// but serving.
pub(super) async fn ready(app: &App) -> Response {
    let health = app.realtime().health().await;
    let (status, word) = match (app.is_stopping(), health.store, health.broker) {
        (true, _, _) => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        (false, false, _) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        (false, true, false) => (StatusCode::OK, "degraded"),
        (false, true, true) => (StatusCode::OK, "ok"),
    };
    let ready = Ready {
        status: word,
        store: health.store,
        broker: health.broker,
        commit_queue: health.commit_queue,
    };
    uncached(json(status, &ready))
}

fn uncached(mut response: Response) -> Response {
    let value = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}
