//! Server-sent events: the same pushes, a position with each, and how a stream ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use realtime_core::id::RoomId;
use serde_json::{Value, json};
use support::{Running, http::Api, http::Events, start, token_for};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

async fn say(api: &Api, room: RoomId, name: &str) -> u64 {
    let body = json!({"client_id": name.replace(' ', "-"), "body": name});
    let sent = api.post(&format!("rooms/{room}/messages"), body).await;
    sent.ok(201)["seq"].as_u64().unwrap()
}

/// All messages up to the one that says `last`.
async fn heard(events: &mut Events, last: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let message = events.push("message").await;
        bodies.push(message["body"].as_str().unwrap().to_owned());
        if message["body"] == last {
            return bodies;
        }
    }
}

/// The next so many messages, sorted: rooms are not waited for in turn.
async fn next(events: &mut Events, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        let message = events.push("message").await;
        bodies.push(message["body"].as_str().unwrap().to_owned());
    }
    bodies.sort();
    bodies
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_where_it_stands() {
    let server = start(&[]).await;
    let room = server.room(&["ann", "ben"]).await;
    let ann = server.user("ann");
    let mut events = server.user("ben").listen(None).await;
    let first = events.block().await.unwrap();
    assert!(first.retry.is_some());
    let connected = &first.data.as_ref().unwrap()["connected"];
    assert_eq!(connected["user"], "ben");
    assert_eq!(connected["rooms"][0]["id"], room.to_string());
    assert!(first.id.is_some());

    let seq = say(&ann, room, "hello").await;
    let message = events.push("message").await;
    assert_eq!(
        (&message["seq"], &message["body"]),
        (&json!(seq), &json!("hello"))
    );
    assert!(!events.last_id.is_empty());
    let mark = json!({"seq": 1});
    ann.put(&format!("rooms/{room}/read"), mark).await.ok(200);
    let new = server.room(&["ben"]).await;
    let told = events.push("room").await;
    assert_eq!(told["id"], new.to_string());
    let presence = ann.get("presence?users=ben").await.ok(200);
    assert_eq!(presence["users"][0]["online"], true);
}

#[tokio::test]
async fn who_comes_back_gets_exactly_what_was_missed() {
    let server = start(&[]).await;
    let (room, other) = (
        server.room(&["ann", "ben"]).await,
        server.room(&["ann", "ben"]).await,
    );
    let (ann, ben) = (server.user("ann"), server.user("ben"));
    let mut events = ben.listen(None).await;
    say(&ann, room, "before").await;
    assert_eq!(heard(&mut events, "before").await, ["before"]);
    let position = events.last_id.clone();
    drop(events);

    for name in ["missed-1", "missed-2"] {
        say(&ann, room, name).await;
        say(&ann, other, name).await;
    }
    let born = server.room(&["ann", "ben"]).await;
    let mut events = ben.listen(Some(&position)).await;
    let connected = events.push("connected").await;
    assert_eq!(connected["rooms"].as_array().unwrap().len(), 3);
    say(&ann, born, "after").await;
    assert_eq!(
        next(&mut events, 5).await,
        ["after", "missed-1", "missed-1", "missed-2", "missed-2"]
    );

    // A position that came before what was missed leads before it again.
    let mut again = ben.listen(Some(&position)).await;
    again.push("connected").await;
    let halfway = again.last_id.clone();
    drop(again);
    let mut again = ben.listen(Some(&halfway)).await;
    say(&ann, born, "end").await;
    assert_eq!(
        next(&mut again, 5).await,
        ["end", "missed-1", "missed-1", "missed-2", "missed-2"]
    );
    assert_eq!(heard(&mut events, "end").await, ["end"]);
    let mut late = ben.listen(Some(&events.last_id)).await;
    say(&ann, room, "only this").await;
    assert_eq!(heard(&mut late, "only this").await, ["only this"]);
}

#[tokio::test]
async fn a_position_of_nowhere_is_answered_with_resets() {
    let server = start(&[]).await;
    let rooms = [
        server.room(&["ann"]).await.to_string(),
        server.room(&["ann"]).await.to_string(),
    ];
    let mut events = server.user("ann").listen(Some("not a position")).await;
    events.push("connected").await;
    let mut reset = Vec::new();
    for _ in &rooms {
        // A position before the last reset would be one that the client has not.
        assert!(events.last_id.is_empty());
        let push = events.push("reset").await;
        assert_eq!(push["rev"], 1);
        reset.push(push["room"].as_str().unwrap().to_owned());
    }
    reset.sort();
    let mut rooms = rooms.to_vec();
    rooms.sort();
    assert_eq!(reset, rooms);
    assert!(!events.last_id.is_empty());

    // Another database: all that the client holds is void.
    let elsewhere = start(&[]).await;
    let room = elsewhere.room(&["ann"]).await;
    let mut foreign = elsewhere.user("ann").listen(None).await;
    foreign.push("connected").await;
    let restored = start(&[]).await;
    let mut events = restored.user("ann").listen(Some(&foreign.last_id)).await;
    let gone = events.push("unsubscribed").await;
    assert_eq!(gone["room"], room.to_string());
}

#[tokio::test]
async fn who_is_put_out_hears_no_more() {
    let server = start(&[]).await;
    let room = server.room(&["ann", "ben"]).await;
    let mut events = server.user("ben").listen(None).await;
    events.push("connected").await;
    let place = format!("rooms/{room}/participants/ben");
    server.platform().delete(&place).await.ok(200);
    assert_eq!(events.push("unsubscribed").await["room"], room.to_string());
    say(&server.user("ann"), room, "secret").await;
    let open = server.room(&["ben"]).await;
    loop {
        let block = events.block().await.unwrap();
        let data = block.data.unwrap_or_default();
        assert!(data.get("message").is_none(), "{data}");
        if data["room"]["id"] == open.to_string() {
            break;
        }
    }
}

#[tokio::test]
async fn a_stream_lives_on_without_a_word_from_its_client() {
    let hasty = [
        ("SERVER__PING_INTERVAL", "100ms"),
        ("SERVER__PING_TIMEOUT", "100ms"),
    ];
    let server = start(&hasty).await;
    let mut events = server.user("ann").listen(None).await;
    let mut pings = 0;
    while pings < 5 {
        let block = events.block().await.expect("the stream has ended");
        pings += block.comments.iter().filter(|it| *it == "ping").count();
        let ping = block.data.as_ref().and_then(|data| data.get("ping"));
        assert_eq!(ping, None, "a ping is a comment");
    }
}

#[tokio::test]
async fn the_end_of_the_token_is_the_end_of_the_stream() {
    let server = start(&[]).await;
    let mut events = server.api(token_for("ann", 2)).listen(None).await;
    let last = last_block(&mut events).await;
    assert_eq!(
        last,
        (
            "close".to_owned(),
            json!({"code": 4300, "reason": "token_expired"})
        )
    );
}

async fn last_block(events: &mut Events) -> (String, Value) {
    let mut last = (String::new(), Value::Null);
    while let Some(block) = events.block().await {
        last = (block.name, block.data.unwrap_or_default());
    }
    last
}

#[tokio::test]
async fn a_server_that_goes_away_says_when_to_come_back() {
    let server = start(&[("SERVER__DRAIN_WINDOW", "3s")]).await;
    let mut events = server.user("ann").listen(None).await;
    events.push("connected").await;
    server.shutdown.cancel();
    let drain = events.block().await.unwrap();
    assert_eq!(
        drain.data.unwrap(),
        json!({"drain": {"min_ms": 1_000, "max_ms": 3_000}})
    );
    assert!((1_000..=3_000).contains(&drain.retry.unwrap()));
    let last = last_block(&mut events).await;
    assert_eq!(
        last,
        ("close".to_owned(), json!({"code": 4200, "reason": "drain"}))
    );
    server.serving.await.unwrap();
}

#[tokio::test]
async fn a_stream_is_refused_like_any_request() {
    let server = start(&[
        ("SERVER__CONNECTIONS_PER_USER", "1"),
        ("SERVER__CONNECTIONS", "2"),
    ])
    .await;
    let ann = server.user("ann");
    let json = [("accept", "application/json")];
    let refused = ann.ask_with("GET", "/sse/", None, &json).await;
    refused.problem(406, "bad_request");
    server
        .nobody()
        .get("/sse/")
        .await
        .problem(401, "unauthenticated");
    server
        .platform()
        .get("/sse")
        .await
        .problem(403, "forbidden");
    let _open = ann.listen(None).await;
    ann.get("/sse/").await.problem(409, "limit_exceeded");
    let _other = server.user("ben").listen(None).await;
    let full = server.user("eve").get("/sse/").await;
    full.problem(503, "busy");
    assert!(!full.header("retry-after").is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_is_cut() {
    let generous = [
        ("SERVER__STALL_TIMEOUT", "200ms"),
        ("LIMITS__MESSAGE_BURST", "100000"),
        ("LIMITS__COMMAND_BURST", "100000"),
    ];
    let server = start(&generous).await;
    let room = server.room(&["ann", "ben"]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stalled = socket.connect(server.address).await.unwrap();
    let token = support::token("ben");
    let request = format!("GET /sse HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    stalled.write_all(request.as_bytes()).await.unwrap();
    stalled.read_exact(&mut [0; 15]).await.unwrap();
    assert_eq!(streams(&server), 1);

    // More than any kernel buffers, and a reader beside it who misses nothing.
    let mut events = server.user("ann").listen(None).await;
    let body = "x".repeat(8_000);
    let ann = server.user("ann");
    let path = format!("rooms/{room}/messages");
    for n in 1..=1_500_u64 {
        let message = json!({"client_id": format!("m-{n}"), "body": body});
        ann.post(&path, message).await.ok(201);
        assert_eq!(events.push("message").await["seq"], n);
    }
    let cut = async {
        while streams(&server) > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patience = realtime_testkit::PATIENCE;
    tokio::time::timeout(patience, cut)
        .await
        .expect("it is still held");
}

fn streams(server: &Running) -> i64 {
    server.realtime.metrics().connections.of("sse").get()
}
