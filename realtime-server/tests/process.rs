//! The program itself: its command line, its output, its signals.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::Path, process::Output, time::Duration};

use realtime_testkit::{
    PATIENCE,
    client::{Client, End},
    frame::Frame,
    server::{SECRET, Server},
};
use serde_json::{Value, json};
use tokio::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_realtime-server");
const SECRET_VARIABLE: &str = "REALTIME_JWT_SECRET";

/// Runs a command to its end, in an empty directory, without a configuration.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let inherited =
        std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("REALTIME_"));
    let running = Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .envs(inherited)
        .envs(environment.iter().copied())
        .current_dir(directory.path())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(PATIENCE, running)
        .await
        .unwrap()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

async fn token(user: &str) -> String {
    let output = run(&["token", "--user", user], &[(SECRET_VARIABLE, SECRET)]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim_end().to_owned()
}

async fn connected(server: &Server, user: &str) -> Client {
    let mut client = Client::open(server.address(), "/ws/", &[]).await.unwrap();
    let token = token(user).await;
    client
        .say(&json!({"id": 1, "connect": {"token": token}}))
        .await
        .unwrap();
    let answer = client.objects().await.unwrap();
    assert_eq!(answer[0]["ok"]["user"], user, "{answer:?}");
    client
}

#[tokio::test]
async fn without_a_key_nothing_is_served() {
    let output = run(&["serve", "--listen", "127.0.0.1:0"], &[]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains(SECRET_VARIABLE),
        "{}",
        stderr(&output)
    );
    assert_eq!(stdout(&output), "");
}

#[tokio::test]
async fn redis_is_refused_as_long_as_there_is_none() {
    let secret = [(SECRET_VARIABLE, SECRET)];
    for command in ["serve", "check"] {
        let output = run(&[command, "--redis", "redis://127.0.0.1"], &secret).await;
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("no Redis yet"),
            "{}",
            stderr(&output)
        );
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let wrong = [
        (SECRET_VARIABLE, SECRET),
        ("REALTIME_LIMITS__ROOMS", "many"),
        ("REALTIME_SERVER__PING_INTERVAL", "0s"),
        ("REALTIME_NO__SUCH_KEY", "1"),
    ];
    for command in ["serve", "check"] {
        let output = run(&[command, "--listen", "nowhere"], &wrong).await;
        assert_eq!(output.status.code(), Some(2), "{command}");
        let told = stderr(&output);
        let places = [
            "REALTIME_LIMITS__ROOMS",
            "PING_INTERVAL",
            "NO__SUCH_KEY",
            "--listen",
        ];
        for place in places {
            assert!(
                told.contains(place),
                "{command}: {place} is missing in\n{told}"
            );
        }
    }
}

#[tokio::test]
async fn a_good_configuration_is_called_so() {
    let output = run(&["check"], &[(SECRET_VARIABLE, SECRET)]).await;
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "the configuration is valid\n");
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_failure_and_not_a_wrong_usage() {
    let server = Server::start(Path::new(PROGRAM), &[]).await.unwrap();
    let address = server.address().to_string();
    let database = ["--database", "sqlite::memory:"];
    let arguments = [&["serve", "--listen", &address], &database[..]].concat();
    let output = run(&arguments, &[(SECRET_VARIABLE, SECRET)]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_is_a_failure() {
    let url = "sqlite:///no/such/directory/realtime.db";
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database", url];
    let output = run(&arguments, &[(SECRET_VARIABLE, SECRET)]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("cannot open the database"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test]
async fn a_token_says_who_and_what_for() {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let secret = [(SECRET_VARIABLE, SECRET)];
    let arguments = ["token", "--user", "ann", "--service", "--ttl", "90m"];
    let output = run(&arguments, &secret).await;
    let token = stdout(&output);
    let payload = token.split('.').nth(1).unwrap();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["user_id"], "ann");
    assert_eq!(claims["token_type"], "access");
    assert_eq!(claims["scope"], "realtime:service");
    let seconds = |claim: &str| claims[claim].as_i64().unwrap();
    assert_eq!(seconds("exp") - seconds("iat"), 5_400);
    assert!(claims["jti"].is_string());
}

#[tokio::test]
async fn a_stop_signal_lets_clients_know_and_ends_with_success() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(Path::new(PROGRAM), &[]).await.unwrap();
        let mut client = connected(&server, "ann").await;
        server.signal(signal).await.unwrap();
        let told = client.objects().await.unwrap();
        assert!(told[0]["drain"]["max_ms"].is_u64(), "{told:?}");
        assert_eq!(client.end().await.unwrap(), End::Code(Some(4200)));
        let ended = server.ended(Duration::from_secs(15)).await.unwrap();
        assert_eq!(ended.code(), Some(0), "{}", server.log());
    }
}

#[tokio::test]
async fn a_second_stop_signal_is_now() {
    // A client that does not close its side keeps the first one waiting.
    let mut server = Server::start(Path::new(PROGRAM), &[]).await.unwrap();
    let mut client = connected(&server, "ann").await;
    server.signal("TERM").await.unwrap();
    assert_eq!(client.end().await.unwrap(), End::Code(Some(4200)));
    server.signal("TERM").await.unwrap();
    let ended = server.ended(PATIENCE).await.unwrap();
    assert_eq!(ended.code(), Some(1), "{}", server.log());
}

#[tokio::test]
async fn a_killed_server_starts_again_on_its_database() {
    let mut server = Server::start(Path::new(PROGRAM), &[]).await.unwrap();
    let incarnation = async |server: &Server| {
        let mut client = Client::open(server.address(), "/ws/", &[]).await.unwrap();
        let token = token("ann").await;
        client
            .say(&json!({"id": 1, "connect": {"token": token}}))
            .await
            .unwrap();
        client.objects().await.unwrap()[0]["ok"]["incarnation"].clone()
    };
    let before = incarnation(&server).await;
    assert!(before.is_string());
    server.kill().await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(incarnation(&server).await, before);
}

#[tokio::test]
async fn the_log_at_its_loudest_holds_no_token_and_no_body() {
    let loudest = [
        ("REALTIME_LOG__LEVEL", "trace"),
        ("REALTIME_LOG__FORMAT", "json"),
    ];
    let mut server = Server::start(Path::new(PROGRAM), &loudest).await.unwrap();
    let token = token("ann").await;
    let mut client = connected(&server, "ann").await;
    let room = "01999999-0000-7000-8000-000000000000";
    let send = json!({"room": room, "client_id": "c1", "body": "a secret told to nobody"});
    client.say(&json!({"id": 2, "send": send})).await.unwrap();
    assert!(client.objects().await.unwrap()[0]["error"].is_object());
    client.send(&Frame::close(1000)).await.unwrap();
    let mut dialled = Client::dial(server.address()).await.unwrap();
    let request = format!("GET /ws/?token={token} HTTP/1.1\r\nHost: x\r\n\r\n");
    dialled.send_raw(request.as_bytes()).await.unwrap();
    assert_eq!(dialled.head().await.unwrap().status, 400);
    server.signal("TERM").await.unwrap();
    server.ended(Duration::from_secs(15)).await.unwrap();
    let log = server.log();
    assert!(
        log.lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{log}"
    );
    let (_, signed) = token.split_once('.').unwrap();
    for secret in [SECRET, signed, "told to nobody"] {
        assert!(!log.contains(secret), "{secret}");
    }
    assert!(log.contains("\"level\":\"DEBUG\""));
}

#[tokio::test]
async fn the_standard_output_holds_the_address_and_nothing_else() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
    let directory = tempfile::tempdir().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env(SECRET_VARIABLE, SECRET)
        .current_dir(directory.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).await.unwrap();
    let address = line.strip_prefix("listening on http://").unwrap();
    let mut client = Client::dial(address.trim_end().parse().unwrap())
        .await
        .unwrap();
    client
        .send_raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    let pid = child.id().unwrap().to_string();
    Command::new("kill")
        .args(["-s", "TERM", &pid])
        .status()
        .await
        .unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "");
    assert!(child.wait().await.unwrap().success());
    assert!(directory.path().join("realtime.db").exists());
}

#[tokio::test]
async fn without_file_descriptors_accepting_rests_and_others_live() {
    let program = Path::new(PROGRAM);
    let server = Server::start_with_files(program, &[], Some(64))
        .await
        .unwrap();
    let mut client = connected(&server, "ann").await;
    let ask = json!({"id": 2, "presence": {"users": ["ann"]}});
    let mut crowd = Vec::new();
    // The kernel takes them all; the server cannot.
    for _ in 0..100 {
        crowd.push(Client::dial(server.address()).await.unwrap());
    }
    let resting = "cannot accept connections";
    while !server.log().contains(resting) {
        client.say(&ask).await.unwrap();
        assert!(client.objects().await.unwrap()[0]["id"].is_u64());
    }
    drop(crowd);
    let _new = connected(&server, "ben").await;
    client.say(&ask).await.unwrap();
    assert!(client.objects().await.unwrap()[0]["id"].is_u64());
}
