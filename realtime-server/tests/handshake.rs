//! The handshake over real sockets: what reliability demands of it, one line each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use realtime_testkit::client::{Client, Head, upgrade_request};
use support::{start, token};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request and gives the head of the answer.
async fn asked(address: std::net::SocketAddr, request: &str) -> Head {
    let mut client = Client::dial(address).await.unwrap();
    client.send_raw(request.as_bytes()).await.unwrap();
    client.head().await.unwrap()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn what_is_wrong_with_a_request_is_told_by_its_status() {
    let server = start(&[]).await;
    let good = upgrade_request("/ws/", server.address, &[]);
    let host = format!("Host: {}\r\n", server.address);
    let long_protocol = format!("Sec-WebSocket-Protocol: {}", "x".repeat(10_000));
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let with = |line: &str| upgrade_request("/ws/", server.address, &[line]);
    let at = |path: &str| upgrade_request(path, server.address, &[]);
    let many_headers = "X: y\r\n".repeat(200);
    let large_header = format!("X: {}\r\n", "y".repeat(70_000));
    let cases = [
        ("a good one", good.clone(), 101),
        ("without the final slash", at("/ws"), 101),
        ("to the notifications", at("/ws/notifications/"), 101),
        (
            "to a room",
            at("/ws/chat/01999999-0000-7000-8000-000000000000/"),
            101,
        ),
        ("to no room", at("/ws/chat/1/"), 404),
        ("to a path", at("/ws/chat/..%2f..%2fetc/"), 404),
        ("elsewhere", at("/wss/"), 404),
        ("no Upgrade", replaced("Upgrade: websocket\r\n", ""), 426),
        ("version 8", replaced("Version: 13", "Version: 8"), 426),
        (
            "no version",
            replaced("Sec-WebSocket-Version: 13\r\n", ""),
            426,
        ),
        (
            "an empty key",
            replaced(KEY, "Sec-WebSocket-Key: \r\n"),
            400,
        ),
        (
            "a short key",
            replaced(KEY, "Sec-WebSocket-Key: c2hvcnQ=\r\n"),
            400,
        ),
        ("no base64", replaced("b25jZQ", "!!!!!!"), 400),
        ("no key", replaced(KEY, ""), 400),
        ("two keys", replaced(KEY, &KEY.repeat(2)), 400),
        ("POST", replaced("GET", "POST"), 405),
        ("HTTP/1.0", replaced("HTTP/1.1", "HTTP/1.0"), 400),
        (
            "Connection: close",
            replaced("Connection: Upgrade", "Connection: close"),
            400,
        ),
        ("two Hosts", replaced(&host, &host.repeat(2)), 400),
        ("no Host", replaced(&host, ""), 400),
        (
            "200 headers",
            replaced(KEY, &(KEY.to_owned() + &many_headers)),
            431,
        ),
        (
            "70 KB of headers",
            replaced(KEY, &(KEY.to_owned() + &large_header)),
            431,
        ),
        ("a foreign page", with("Origin: https://evil.example"), 403),
        ("no page", with("Origin: null"), 403),
        (
            "a look-alike",
            with(&format!("Origin: http://{}.evil.example", server.address)),
            403,
        ),
        ("another port", with("Origin: http://127.0.0.1:1"), 403),
        (
            "our own page",
            with(&format!("Origin: http://{}", server.address)),
            101,
        ),
        (
            "a foreign subprotocol",
            with("Sec-WebSocket-Protocol: soap"),
            400,
        ),
        ("a long subprotocol", with(&long_protocol), 400),
        (
            "our subprotocol",
            with("Sec-WebSocket-Protocol: soap, rt.v1.json"),
            101,
        ),
        ("a token in the URL", at("/ws/?token=abc"), 400),
        (
            "a good bearer",
            with(&format!("Authorization: Bearer {}", token("ann"))),
            101,
        ),
        ("a bad bearer", with("Authorization: Bearer abc"), 401),
        ("another scheme", with("Authorization: Basic abc"), 401),
    ];
    for (name, request, status) in cases {
        assert_eq!(
            asked(server.address, &request).await.status,
            status,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_refusal_says_what_would_be_right_and_ends_the_connection() {
    let server = start(&[]).await;
    let good = upgrade_request("/ws/", server.address, &[]);
    let cases = [
        (
            good.replace("Version: 13", "Version: 8"),
            "sec-websocket-version",
            "13",
        ),
        (
            good.replace("Upgrade: websocket\r\n", ""),
            "upgrade",
            "websocket",
        ),
        (good.replace("GET", "POST"), "allow", "GET"),
    ];
    for (request, name, value) in cases {
        let mut client = Client::dial(server.address).await.unwrap();
        client.send_raw(request.as_bytes()).await.unwrap();
        let head = client.head().await.unwrap();
        assert_eq!(head.header(name), Some(value));
        assert_eq!(head.header("connection"), Some("close"));
        assert_eq!(
            head.header("content-type"),
            Some("application/problem+json")
        );
        client.rest().await.unwrap();
    }
}

#[tokio::test]
async fn the_subprotocol_is_answered_only_when_it_was_offered() {
    let server = start(&[]).await;
    let offer = ["Sec-WebSocket-Protocol: rt.v1.json"];
    let offered = upgrade_request("/ws/", server.address, &offer);
    let head = asked(server.address, &offered).await;
    assert_eq!(head.header("sec-websocket-protocol"), Some("rt.v1.json"));
    let silent = upgrade_request("/ws/", server.address, &[]);
    let head = asked(server.address, &silent).await;
    assert_eq!(head.header("sec-websocket-protocol"), None);
}

#[tokio::test]
async fn who_sends_headers_slowly_or_nothing_is_closed() {
    let server = start(&[("SERVER__HEADER_TIMEOUT", "300ms")]).await;
    for beginning in ["", "GET /ws/ HTTP/1.1\r\nHost: x\r\n"] {
        let mut client = Client::dial(server.address).await.unwrap();
        let began = Instant::now();
        client.send_raw(beginning.as_bytes()).await.unwrap();
        let rest = client.rest().await.unwrap();
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{rest:?}"
        );
        let took = began.elapsed();
        assert!(
            took >= Duration::from_millis(290) && took < Duration::from_secs(5),
            "{took:?}"
        );
    }
}

#[tokio::test]
async fn there_is_a_limit_for_connections_and_their_places_come_back() {
    let server = start(&[("SERVER__CONNECTIONS", "2")]).await;
    let first = server.open().await;
    let _second = server.open().await;
    let request = upgrade_request("/ws/", server.address, &[]);
    let head = asked(server.address, &request).await;
    assert_eq!(head.status, 503);
    assert_eq!(head.header("retry-after"), Some("5"));
    drop(first);
    until(async || asked(server.address, &request).await.status == 101).await;
}

#[tokio::test]
async fn there_is_a_limit_for_one_address() {
    let limits = [
        ("SERVER__CONNECTIONS_PER_IP", "1"),
        ("SERVER__TRUST_FORWARDED_FOR", "true"),
    ];
    let server = start(&limits).await;
    let from = |address: &str| {
        let line = format!("X-Forwarded-For: {address}");
        upgrade_request("/ws/", server.address, &[&line])
    };
    let mut held = Client::dial(server.address).await.unwrap();
    held.send_raw(from("192.0.2.1").as_bytes()).await.unwrap();
    assert_eq!(held.head().await.unwrap().status, 101);
    assert_eq!(asked(server.address, &from("192.0.2.1")).await.status, 503);
    assert_eq!(asked(server.address, &from("192.0.2.2")).await.status, 101);
}

/// Waits until something is so.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let patience = realtime_testkit::PATIENCE;
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, waiting).await.unwrap();
}
