//! Whether this server lives, and whether it can serve.

use http::StatusCode;
use serde::Serialize;

use super::{Answer, call::Call, json};
use crate::{App, durability};

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    store: bool,
    broker: bool,
    commit_queue: usize,
    /// What an answered change survives, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    durability: Option<&'static str>,
    /// What an operator should look into, though the server serves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'static str>,
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
    let survives = app.durability().map(|durability| durability.survives);
    let ready = Ready {
        status: word,
        store: health.store,
        broker: health.broker,
        commit_queue: health.commit_queue,
        durability: survives.map(durability::word),
        warnings: survives.and_then(durability::warning).into_iter().collect(),
    };
    json(status, &ready)
}
