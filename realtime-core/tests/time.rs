//! What happens because time passes: with tokio's clock paused, so that no test waits.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;

use std::{sync::Arc, time::Duration};

use common::{Client, close_code, room, server, store, user, wide};
use realtime_core::{
    Connection, Limits, Opening, Realtime, Scope,
    ports::{AuthError, Authenticator, Identity},
    time::{Clock, SystemClock},
};
use serde_json::{Value, json};

/// Lets time pass, and the connection do what is due, as its transport would.
async fn pass(connection: &Connection, span: Duration) {
    let end = tokio::time::Instant::now() + span;
    while let Some(deadline) = connection.deadline() {
        let deadline = tokio::time::Instant::from_std(deadline);
        if deadline > end {
            break;
        }
        tokio::time::sleep_until(deadline).await;
        connection.tick();
        if connection.is_closing() {
            return;
        }
    }
    tokio::time::sleep_until(end).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_token_is_closed_after_ten_seconds() {
    let server = server(store(), Limits::default()).await;
    let connection = server.accept(Opening::of(user("ann")));
    pass(&connection, Duration::from_millis(9_999)).await;
    assert!(!connection.is_closing());
    pass(&connection, Duration::from_millis(2)).await;
    assert_eq!(close_code(&connection).await, 4502);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_a_ping_is_closed() {
    let server = server(store(), Limits::default()).await;
    let mut ann = Client::of(&server, "ann").await;
    pass(&ann.connection, Duration::from_secs(26)).await;
    assert_eq!(ann.hear().await, json!({"ping": {}}));
    ann.connection.receive(r#"{"pong":{}}"#).await;
    pass(&ann.connection, Duration::from_secs(25)).await;
    assert_eq!(ann.hear().await, json!({"ping": {}}));
    pass(&ann.connection, Duration::from_secs(11)).await;
    assert_eq!(close_code(&ann.connection).await, 4001);
}

#[tokio::test(start_paused = true)]
async fn typing_ends_by_itself() {
    let server = server(store(), Limits::default()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut ben = Client::of(&server, "ben").await;
    ann.ask("typing", json!({"room": room, "active": true}))
        .await;
    assert_eq!(
        ben.hear_push("typing").await,
        json!({"room": room, "user": "ann", "active": true})
    );
    pass(&ann.connection, Duration::from_millis(6_001)).await;
    assert_eq!(ben.hear_push("typing").await["active"], false);
    assert!(
        ann.waiting()
            .iter()
            .all(|line| line.get("typing").is_none()),
        "not to oneself"
    );
}

#[tokio::test(start_paused = true)]
async fn offline_is_told_after_the_grace_and_not_when_coming_back() {
    let server = server(store(), wide()).await;
    let _room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let ben = Client::of(&server, "ben").await;
    assert_eq!(
        ann.hear_push("presence").await,
        json!({"user": "ben", "online": true})
    );
    ben.connection.finish(false).await;
    tokio::time::sleep(Duration::from_secs(14)).await;
    let ben = Client::of(&server, "ben").await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(ann.waiting().is_empty(), "no flap inside the grace");
    ben.connection.finish(false).await;
    tokio::time::sleep(Duration::from_millis(15_600)).await;
    let gone = ann.hear_push("presence").await;
    assert_eq!(gone["online"], false);
    assert!(gone["last_seen_at"].is_string());
    let asked = ann.ask("presence", json!({"users": ["ben", "eve"]})).await;
    assert_eq!(
        asked["users"].as_array().unwrap().len(),
        1,
        "nothing about strangers"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clean_goodbye_needs_no_grace() {
    let server = server(store(), wide()).await;
    let _room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let ben = Client::of(&server, "ben").await;
    ann.hear_push("presence").await;
    ben.connection.finish(true).await;
    assert_eq!(ann.hear_push("presence").await["online"], false);
}

/// Tokens are `user/seconds`.
#[derive(Debug)]
struct Toy;

#[async_trait::async_trait]
impl Authenticator for Toy {
    async fn authenticate(&self, token: &str) -> Result<Identity, AuthError> {
        let (name, seconds) = token
            .split_once('/')
            .ok_or(AuthError::Invalid("no slash"))?;
        let seconds = seconds.parse().map_err(|_| AuthError::Expired)?;
        let expires_at = Some(SystemClock.now().after(Duration::from_secs(seconds)));
        Ok(Identity {
            expires_at,
            ..Identity::of(user(name))
        })
    }
}

fn accept(server: &Realtime) -> Connection {
    server.accept(Opening {
        scope: Scope::All,
        identity: None,
        authenticator: Arc::new(Toy),
    })
}

async fn line(connection: &Connection) -> Value {
    serde_json::from_str(&connection.next_line().await.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_is_asked_for_and_then_missed() {
    let server = server(
        store(),
        Limits {
            ping_interval: Duration::from_secs(3_600),
            ..wide()
        },
    )
    .await;
    let connection = accept(&server);
    connection
        .receive(r#"{"id":1,"connect":{"token":"ann/300"}}"#)
        .await;
    assert!(line(&connection).await["ok"]["expires_at"].is_string());
    pass(&connection, Duration::from_secs(241)).await;
    let left = line(&connection).await["refresh"]["expires_in_ms"]
        .as_u64()
        .unwrap();
    assert!((58_000..=60_100).contains(&left), "{left}");
    connection
        .receive(r#"{"id":2,"refresh":{"token":"ben/300"}}"#)
        .await;
    assert_eq!(line(&connection).await["error"]["code"], "forbidden");
    connection
        .receive(r#"{"id":3,"refresh":{"token":"ann/300"}}"#)
        .await;
    assert!(line(&connection).await["ok"]["expires_at"].is_string());
    pass(&connection, Duration::from_secs(242)).await;
    assert!(line(&connection).await["refresh"].is_object());
    pass(&connection, Duration::from_secs(61)).await;
    assert_eq!(close_code(&connection).await, 4300);
}

#[tokio::test]
async fn a_token_that_does_not_do_is_told_and_closed() {
    let server = server(store(), wide()).await;
    for (token, code, close) in [
        ("nonsense", "unauthenticated", 4500),
        ("ann/expired", "token_expired", 4300),
    ] {
        let connection = accept(&server);
        connection
            .receive(&json!({"id": 1, "connect": {"token": token}}).to_string())
            .await;
        assert_eq!(line(&connection).await["error"]["code"], code);
        assert_eq!(close_code(&connection).await, close);
    }
    let connection = accept(&server);
    connection
        .receive(r#"{"id":1,"history":{"room":"01890a5d-ac96-774b-bcce-b302099a8057"}}"#)
        .await;
    assert_eq!(line(&connection).await["error"]["code"], "unauthenticated");
}
