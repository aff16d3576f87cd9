//! What an operator's Prometheus asks for, at its own address if one is configured.

use std::{convert::Infallible, path::Path};

use http::{Method, Request, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::{encoding::text::encode, metrics::gauge::Gauge, registry::Registry};
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    ACCEPT_PAUSE, Answer, OPERATOR_CONNECTIONS, OPERATOR_SILENCE, Problem, RequestId, Response,
    call::Call, health, router, typed,
};
use crate::{App, durability};

/// The text format that every Prometheus reads.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics at the address of everything else.
pub(crate) async fn serve(call: Call) -> Answer {
    if call.app.config().server.metrics_listen.is_some() {
        return Err(Problem::not_found());
    }
    scrape(&call.app)
}

fn scrape(app: &App) -> Answer {
    let mut registry = Registry::default();
    app.realtime().metrics().register(&mut registry);
    if let Some(durability) = app.durability() {
        durability::register(durability, &mut registry);
    }
    register_process(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| Problem::internal())?;
    Ok(typed(StatusCode::OK, CONTENT_TYPE, text))
}

/// What the process takes of the machine, where the machine tells.
fn register_process(registry: &mut Registry) {
    let mut told = |name: &str, help: &str, value: Option<i64>| {
        if let Some(value) = value {
            let gauge: Gauge = Gauge::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
    };
    let resident = resident_bytes();
    told("process_resident_memory_bytes", "Resident memory", resident);
    told("process_open_fds", "Open file descriptors", open_files());
}

fn resident_bytes() -> Option<i64> {
    const KIB: i64 = 1024;
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(KIB)
}

fn open_files() -> Option<i64> {
    let files = std::fs::read_dir(Path::new("/proc/self/fd")).ok()?;
    i64::try_from(files.count()).ok()
}

/// Serves metrics and health, and nothing else, to who runs this server.
///
/// # Cancel safety
/// Dropping it cuts its connections.
pub(crate) async fn listen(listener: TcpListener, app: App) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= OPERATOR_CONNECTIONS {
            connections.join_next().await;
        }
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an operator's connection; resting");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let app = app.clone();
        let service = service_fn(move |request| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(operator(&app, &request).await) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(OPERATOR_SILENCE);
        connections.spawn(async move {
            // Who scrapes and goes away in the middle has nothing to tell us.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn operator(app: &App, request: &Request<Incoming>) -> Response {
    let is_read = *request.method() == Method::GET || *request.method() == Method::HEAD;
    let answer = match request.uri().path() {
        "/metrics" if is_read => scrape(app),
        "/healthz" if is_read => health::alive(),
        "/readyz" if is_read => health::readiness(app).await,
        _ => Err(Problem::not_found()),
    };
    let id = RequestId::of(request.headers());
    let mut response = answer.unwrap_or_else(|problem| problem.into_response(&id));
    router::finish(response.headers_mut(), &id);
    response
}
