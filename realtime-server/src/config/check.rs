//! What no single type or bound can say.

use std::time::Duration;

use http::Uri;
use tracing_subscriber::EnvFilter;

use super::{
    Config,
    reader::Reader,
    sections::{Auth, Database, Limits, Log, Redis, Server},
    values::ConnectionUrl,
};

const DATABASES: [&str; 5] = ["sqlite", "postgres", "postgresql", "mysql", "mariadb"];
const SQLITE: &str = "sqlite";
/// Transactions at once: beyond that, they wait for each other in the database.
const MOST_LANES: u32 = 64;
/// What keeps messages for a shorter time than this is a mistake.
const LEAST_RETENTION: Duration = Duration::from_secs(60 * 60);
const REDIS_KINDS: [&str; 6] = [
    "redis",
    "rediss",
    "redis-cluster",
    "rediss-cluster",
    "redis-sentinel",
    "rediss-sentinel",
];

pub(super) fn all(config: &Config, reader: &mut Reader) {
    server(&config.server, reader);
    scheme(reader, Database::NAME, &config.database.url, &DATABASES);
    database(&config.database, reader);
    if let Some(url) = &config.redis.url {
        scheme(reader, Redis::NAME, url, &REDIS_KINDS);
    }
    claim_names(&config.auth, reader);
    limits(&config.limits, reader);
    if !is_log_filter(&config.log.level) {
        let message = "must be error, warn, info, debug or trace, also by module: \
                       \"info,realtime_core=debug\"";
        reader.complain(Log::NAME, "level", message);
    }
}

fn server(server: &Server, reader: &mut Reader) {
    for origin in &server.allowed_origins {
        if origin != "*" && !is_origin(origin) {
            let message = format!(
                "{origin:?} is not an origin: scheme and host, in small letters, with the port \
                 only if it is not the usual one, such as \"https://app.example\"; or \"*\""
            );
            reader.complain(Server::NAME, "allowed_origins", message);
        }
    }
    let is_same = server
        .metrics_listen
        .is_some_and(|metrics| metrics == server.listen);
    if is_same && server.listen.port() != 0 {
        let message = "is the same as server.listen; leave it empty to serve both there";
        reader.complain(Server::NAME, "metrics_listen", message);
    }
}

/// Whether a browser could send this as `Origin`: it is compared as text.
fn is_origin(origin: &str) -> bool {
    let Ok(uri) = origin.parse::<Uri>() else {
        return false;
    };
    let (scheme, usual_port) = match uri.scheme_str() {
        Some("http") => ("http", 80),
        Some("https") => ("https", 443),
        _ => return false,
    };
    let host = uri.host().unwrap_or_default().to_lowercase();
    let port = uri.port_u16().filter(|port| *port != usual_port);
    let spelled = match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    !host.is_empty() && spelled == origin
}

fn scheme(reader: &mut Reader, section: &str, url: &ConnectionUrl, known: &[&str]) {
    if !known.contains(&url.scheme()) {
        let message = format!("must begin with one of: {}", known.join(":, ") + ":");
        reader.complain(section, "url", message);
    }
}

fn database(database: &Database, reader: &mut Reader) {
    let Some(lanes) = database.lanes else { return };
    if lanes == 0 || lanes > MOST_LANES {
        let message = format!("must be 1 to {MOST_LANES}, or empty");
        reader.complain(Database::NAME, "lanes", message);
    } else if database.url.scheme() != SQLITE && lanes >= database.max_connections {
        let message = format!(
            "must be below max_connections ({}), so that somebody can read",
            database.max_connections
        );
        reader.complain(Database::NAME, "lanes", message);
    }
}

/// A word alone is a level here; to the library it could also be a module.
fn is_log_filter(filter: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_known = |part: &str| part.contains('=') || LEVELS.contains(&part);
    filter.split(',').all(is_known) && EnvFilter::try_new(filter).is_ok()
}

fn claim_names(auth: &Auth, reader: &mut Reader) {
    for (key, name) in [
        ("user_claim", &auth.user_claim),
        ("name_claim", &auth.name_claim),
        ("scope_claim", &auth.scope_claim),
        ("token_type_claim", &auth.token_type_claim),
    ] {
        if name.is_empty() {
            reader.complain(Auth::NAME, key, "must not be empty");
        }
    }
}

fn limits(limits: &Limits, reader: &mut Reader) {
    if limits.retention.is_some_and(|kept| kept < LEAST_RETENTION) {
        let message = "must be at least 1h, or empty: what is removed does not come back";
        reader.complain(Limits::NAME, "retention", message);
    }
    in_order(
        reader,
        ("queue_bytes_soft", limits.queue_bytes_soft),
        ("queue_bytes_hard", limits.queue_bytes_hard),
    );
    in_order(
        reader,
        ("commit_batch", limits.commit_batch),
        ("commit_queue", limits.commit_queue),
    );
}

/// Complains about whichever of two limits was given when they are the wrong way
/// round.
fn in_order(reader: &mut Reader, low: (&str, usize), high: (&str, usize)) {
    if low.1 > high.1 {
        let message = format!(
            "{} ({}) must not be above {} ({})",
            low.0, low.1, high.0, high.1
        );
        let key = if reader.is_given(Limits::NAME, high.0) {
            high.0
        } else {
            low.0
        };
        reader.complain(Limits::NAME, key, message);
    }
}
