//! The program itself, on whichever database.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking; not every test program comes here"
)]

use std::{io, process::Output};

use realtime_core::time::{Clock, SystemClock};
use realtime_server::auth::{MintRequest, Rules, Secret, mint};
use realtime_testkit::{
    PATIENCE,
    client::Client,
    database::{Database, Product, mariadb, postgres},
    server::{SECRET, Server},
};
use serde_json::{Value, json};
use tokio::process::Command;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_realtime-server");
/// The variable that names the database.
pub const DATABASE: &str = "REALTIME_DATABASE__URL";

/// The database servers that every test of this program shares.
pub fn shared(product: Product) -> &'static Database {
    match product {
        Product::Postgres => postgres(),
        Product::MariaDb => mariadb(),
    }
}

/// A new, empty database on a shared server.
pub async fn fresh(product: Product) -> String {
    let made = tokio::task::spawn_blocking(move || shared(product).fresh_url());
    made.await.unwrap()
}

/// Runs a command to its end, in an empty directory, without a configuration.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let inherited =
        std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("REALTIME_"));
    let running = Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .envs(inherited)
        .env("REALTIME_JWT_SECRET", SECRET)
        .envs(environment.iter().copied())
        .current_dir(directory.path())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(PATIENCE, running).await;
    ended.unwrap().unwrap()
}

/// What a command that must succeed says.
pub async fn said(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = run(arguments, environment).await;
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out
}

/// The standard output and error output.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Starts a server on a database.
pub async fn serve(url: &str, more: &[(&str, &str)]) -> Server {
    let environment = [&[(DATABASE, url)], more].concat();
    let started = Server::start(PROGRAM.as_ref(), &environment).await;
    started.unwrap()
}

/// A token that a server of the testkit accepts.
pub fn token(user: Option<&str>) -> String {
    let request = MintRequest {
        user: user.map(str::to_owned),
        service: user.is_none(),
        ttl: std::time::Duration::from_secs(3_600),
        now_ms: SystemClock.now().as_millis(),
        ..MintRequest::default()
    };
    mint(&Secret::new(SECRET).unwrap(), &Rules::default(), &request).unwrap()
}

/// A WebSocket of this user; `more` is what else its `connect` says. With the answer.
pub async fn connect(server: &Server, user: &str, more: Value) -> (Client, Value) {
    try_connect(server, user, more).await.unwrap()
}

/// The same with a server that may be about to end.
pub async fn try_connect(server: &Server, user: &str, more: Value) -> io::Result<(Client, Value)> {
    let mut client = Client::open(server.address(), "/ws/", &[]).await?;
    let mut body = json!({"token": token(Some(user))});
    let more = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().unwrap().extend(more);
    client.say(&json!({"id": 1, "connect": body})).await?;
    loop {
        let answers = client.objects().await?;
        if let Some(answer) = answers.into_iter().find(|it| it["id"] == 1) {
            return Ok((client, answer["ok"].clone()));
        }
    }
}
