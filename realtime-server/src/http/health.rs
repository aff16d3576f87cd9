//! Whether this server lives, and whether it can serve.

use http::StatusCode;
use serde::Serialize;

use super::{Answer, call::Call, json};
use crate::App;

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    store: bool,
    broker: bool,
    commit_queue: usize,
}

/// The process lives: it answers.
pub(crate) async fn live(_: Call) -> Answer {
    alive()
}

/// The server can serve. Without its broker it is `degraded`: slower between servers,
/// but serving.
pub(crate) async fn ready(call: Call) -> Answer {
    readiness(&call.app).await
}

pub(super) fn alive() -> Answer {
    json(StatusCode::OK, &serde_json::json!({ "status": "ok" }))
}

pub(super) async fn readiness(app: &App) -> Answer {
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
    json(status, &ready)
}
