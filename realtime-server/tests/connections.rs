//! Connections as the network and the clock treat them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use realtime_testkit::{
    client::{Client, End},
    frame::{Frame, opcode},
};
use serde_json::json;
use support::{answer, connect, push, start, token, token_for};

#[tokio::test]
async fn who_does_not_connect_in_time_is_closed() {
    let server = start(&[("SERVER__CONNECT_TIMEOUT", "200ms")]).await;
    let mut client = server.open().await;
    assert_eq!(client.end().await.unwrap(), End::Code(Some(4502)));
}

#[tokio::test]
async fn a_bad_token_closes_and_an_expired_one_says_so() {
    let server = start(&[]).await;
    for bad in ["", "abc", "eyJhbGciOiJub25lIn0.e30."] {
        let mut client = server.open().await;
        client
            .say(&json!({"id": 1, "connect": {"token": bad}}))
            .await
            .unwrap();
        assert_eq!(
            answer(&mut client, 1).await["error"]["code"],
            "unauthenticated"
        );
        assert_eq!(client.end().await.unwrap(), End::Code(Some(4500)));
    }
}

#[tokio::test]
async fn a_token_on_the_upgrade_request_need_not_be_repeated() {
    let server = start(&[]).await;
    let bearer = format!("Authorization: Bearer {}", token("ann"));
    let mut client = Client::open(server.address, "/ws/", &[&bearer])
        .await
        .unwrap();
    client.say(&json!({"id": 1, "connect": {}})).await.unwrap();
    assert_eq!(answer(&mut client, 1).await["ok"]["user"], "ann");
}

#[tokio::test]
async fn a_token_that_ends_is_asked_for_and_then_the_connection_ends() {
    let server = start(&[]).await;
    let mut client = server.open().await;
    // Accepted for a few seconds more: that is the leeway for clocks.
    let token = token_for("ann", 2);
    client
        .say(&json!({"id": 1, "connect": {"token": token}}))
        .await
        .unwrap();
    assert!(answer(&mut client, 1).await["ok"].is_object());
    push(&mut client, "refresh").await;
    let began = Instant::now();
    assert_eq!(client.end().await.unwrap(), End::Code(Some(4300)));
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn who_answers_no_ping_is_closed() {
    let limits = [
        ("SERVER__PING_INTERVAL", "200ms"),
        ("SERVER__PING_TIMEOUT", "200ms"),
    ];
    let server = start(&limits).await;
    let mut silent = server.connect("ann").await;
    assert_eq!(silent.end().await.unwrap(), End::Code(Some(4001)));
}

#[tokio::test]
async fn any_frame_answers_a_ping() {
    let limits = [
        ("SERVER__PING_INTERVAL", "100ms"),
        ("SERVER__PING_TIMEOUT", "2s"),
    ];
    let server = start(&limits).await;
    let mut client = server.connect("ann").await;
    for _ in 0..5 {
        push(&mut client, "ping").await;
        client.send(&Frame::new(opcode::PONG, "")).await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_closed_and_the_others_are_not_held_up() {
    let server = start(&[("SERVER__STALL_TIMEOUT", "500ms")]).await;
    let room = server.room(&["ann", "ben"]).await;
    let mut stalled = server.connect("ann").await;
    let mut reading = server.connect("ben").await;
    let body = "x".repeat(8_000);
    let began = Instant::now();
    // More than the kernel's buffers hold, so that something must wait here.
    for number in 0..1_500 {
        server.post(room, &format!("m{number}"), &body).await;
        assert_eq!(push(&mut reading, "message").await["seq"], number + 1);
    }
    let closed = || {
        server
            .realtime
            .metrics()
            .connections_closed
            .of("4002")
            .get()
    };
    while closed() == 0 {
        assert!(began.elapsed() < realtime_testkit::PATIENCE, "not closed");
        tokio::task::yield_now().await;
    }
    // It sees the code, if it reads in the end.
    assert_eq!(stalled.end().await.unwrap(), End::Code(Some(4002)));
}

#[tokio::test]
async fn who_does_not_read_answers_is_not_read_from() {
    const ASKS: u32 = 600;
    let server = start(&[
        ("SERVER__STALL_TIMEOUT", "60s"),
        ("LIMITS__COMMAND_BURST", "100000"),
        ("LIMITS__BODY_BYTES", "8192"),
    ])
    .await;
    let room = server.room(&["ann"]).await;
    for number in 0..20 {
        server
            .post(room, &format!("m{number}"), &"x".repeat(8_000))
            .await;
    }
    let mut client = server.connect("ann").await;
    // 36 MB, and each of them asks for 160 KB.
    let ask = |id: u32| json!({"id": id, "history": {"room": room, "limit": 20}}).to_string();
    let padding = " ".repeat(60_000);
    let asks: Vec<u8> = (2..2 + ASKS)
        .flat_map(|id| Frame::text(&(ask(id) + &padding)).to_bytes())
        .collect();
    let patience = Duration::from_secs(1);
    let sent = client.send_until_stuck(&asks, patience).await.unwrap();
    assert!(sent < asks.len() / 2, "{sent} of {} were read", asks.len());
    let waiting = server.realtime.metrics().queue_bytes.get();
    assert!(waiting < 8 * 1024 * 1024, "{waiting} bytes wait");
    // Once it reads, it is read from again, and every whole question is answered.
    let whole = u32::try_from(sent / (asks.len() / ASKS as usize)).unwrap();
    assert!(whole > 10);
    for id in 2..whole {
        assert!(answer(&mut client, id).await["ok"]["messages"].is_array());
    }
}

#[tokio::test]
async fn clients_are_told_when_the_server_goes_away() {
    let server = start(&[("SERVER__DRAIN_WINDOW", "4s")]).await;
    let mut client = server.connect("ann").await;
    server.shutdown.cancel();
    let drain = push(&mut client, "drain").await;
    assert_eq!(drain, json!({"min_ms": 1_000, "max_ms": 4_000}));
    assert_eq!(client.end().await.unwrap(), End::Code(Some(4200)));
    drop(client);
    server.serving.await.unwrap();
    assert!(Client::dial(server.address).await.is_err());
}

#[tokio::test]
async fn a_second_connection_too_many_of_one_user_is_told_the_limit() {
    let server = start(&[("SERVER__CONNECTIONS_PER_USER", "1")]).await;
    let _first = server.connect("ann").await;
    let mut second = server.open().await;
    assert_eq!(
        connect(&mut second, "ann").await["error"]["code"],
        "limit_exceeded"
    );
    assert_eq!(second.end().await.unwrap(), End::Code(Some(4503)));
}
