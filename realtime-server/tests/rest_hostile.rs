//! What no client of ours would send, and what answers must never tell.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use realtime_core::{
    Realtime,
    broker::{Broker, BrokerError, BrokerEvent, BrokerHealth, Hint},
    event::Topic,
    memory::MemoryStore,
};
use realtime_server::App;
use realtime_store_sea::{SeaOptions, SeaStore};
use serde_json::json;
use support::{Running, http::Reply, start, start_over, token};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn only_plain_json_is_read() {
    let server = start(&[]).await;
    let ann = server.user("ann");
    let path = format!("rooms/{}/messages", server.room(&["ann"]).await);
    let body = r#"{"client_id": "x", "body": "hello"}"#;
    let send = |headers: &'static [(&'static str, &'static str)]| {
        let (ann, path) = (ann.clone(), path.clone());
        async move { ann.ask_raw("POST", &path, body, headers).await }
    };
    for kind in [
        &[("content-type", "text/plain")][..],
        &[("content-type", "application/jsonp")],
        &[
            ("content-type", "application/json"),
            ("content-type", "text/plain"),
        ],
        &[],
        &[JSON, ("content-encoding", "gzip")],
        &[JSON, ("content-encoding", "identity, gzip")],
    ] {
        send(kind).await.problem(415, "bad_request");
    }
    send(&[("content-type", "Application/JSON; charset=utf-8")])
        .await
        .ok(201);
    send(&[JSON, ("content-encoding", "identity")])
        .await
        .ok(200);
}

#[tokio::test]
async fn bodies_that_are_none_are_refused_with_their_field() {
    let server = start(&[("LIMITS__JSON_DEPTH", "8")]).await;
    let ann = server.user("ann");
    let path = format!("rooms/{}/messages", server.room(&["ann"]).await);
    let deep = format!(
        r#"{{"client_id":"x","body":"a","metadata":{}1{}}}"#,
        r#"{"a":"#.repeat(8),
        "}".repeat(8)
    );
    for (body, field) in [
        ("", None),
        ("null", None),
        ("[]", None),
        ("{", None),
        ("[[[[[[[[[[", None),
        (deep.as_str(), None),
        ("{}", Some("client_id")),
        (r#"{"client_id":"x"}"#, Some("body")),
        (r#"{"client_id":"x","body":""}"#, Some("body")),
        (r#"{"client_id":"x","body":"a\u0000b"}"#, Some("body")),
        (r#"{"client_id":"x","body":["a"]}"#, Some("body")),
        (r#"{"client_id":"../x","body":"a"}"#, Some("client_id")),
        (r#"{"client_id":"x","body":"a","kind":"god"}"#, Some("kind")),
        (
            r#"{"client_id":"x","body":"a","reply_to":-1}"#,
            Some("reply_to"),
        ),
        (
            r#"{"client_id":"x","body":"a","reply_to":7}"#,
            Some("reply_to"),
        ),
        (
            r#"{"client_id":"x","body":"a","metadata":[]}"#,
            Some("metadata"),
        ),
        (r#"{"client_id":"x","body":"a","seq":1}"#, Some("seq")),
        (
            r#"{"client_id":"x","body":"a","sender":{}}"#,
            Some("sender"),
        ),
        (
            r#"{"client_id":"x","body":"a","sent_at":null}"#,
            Some("sent_at"),
        ),
        (r#"{"client_id":"x","body":"a","id":"y"}"#, Some("id")),
        (r#"{"client_id":"x","body":"a","rev":2}"#, Some("rev")),
    ] {
        let reply = ann.ask_raw("POST", &path, body.to_owned(), &[JSON]).await;
        match field {
            Some(field) => reply.refuses(field),
            None => drop(reply.problem(400, "bad_request")),
        }
    }
    let twice = r#"{"client_id":"x","body":"a","body":"b"}"#;
    let twice = ann.ask_raw("POST", &path, twice, &[JSON]).await;
    twice.problem(400, "bad_request");
    let invalid = ann.ask_raw("POST", &path, &b"\xff"[..], &[JSON]).await;
    invalid.problem(400, "bad_request");
    let history = ann.get(&path).await.ok(200);
    assert_eq!(history["messages"], json!([]), "nothing was stored");
}

#[tokio::test]
async fn sizes_have_ends() {
    let server = start(&[("LIMITS__REQUEST_BYTES", "65536")]).await;
    let ann = server.user("ann");
    let path = format!("rooms/{}/messages", server.room(&["ann"]).await);
    let with_body = |bytes: usize| json!({"client_id": "x", "body": "y".repeat(bytes)});
    let long = ann.post(&path, with_body(8_193)).await;
    assert_eq!(long.problem(413, "too_large")["errors"][0]["field"], "body");
    let metadata = json!({"client_id": "x", "body": "a", "metadata": {"a": "y".repeat(5_000)}});
    let large = ann.post(&path, metadata).await;
    assert_eq!(
        large.problem(413, "too_large")["errors"][0]["field"],
        "metadata"
    );
    let huge = ann.post(&path, with_body(70_000)).await;
    huge.problem(413, "too_large");
    assert_eq!(huge.header("connection"), "close");
    ann.post(&path, with_body(8_192)).await.ok(201);
}

/// A connection by hand.
struct Raw(TcpStream);

impl Raw {
    async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next answer, whose body is as long as it says.
    async fn answer(&mut self) -> (String, String) {
        let mut text = String::new();
        let mut buffer = [0; 4096];
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap_or("0").parse().unwrap();
                if body.len() >= length {
                    assert_eq!(body.len(), length, "an answer that nobody asked for");
                    return (head.to_owned(), body.to_owned());
                }
            }
            let read = self.0.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "the connection ended after {text:?}");
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
    }
}

#[tokio::test]
async fn a_refused_request_does_not_end_the_connection_under_its_body() {
    let server = start(&[]).await;
    let mut raw = Raw(TcpStream::connect(server.address).await.unwrap());
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    raw.write(&format!("{head}Content-Length: 20\r\n\r\n"))
        .await;
    let (refused, _) = raw.answer().await;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    raw.write("{\"type\": \"job.start\"}"[..20].as_ref()).await;
    raw.write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (next, _) = raw.answer().await;
    assert!(next.starts_with("HTTP/1.1 200 "), "{next}");
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_where_it_is_too_long() {
    let server = start(&[("LIMITS__REQUEST_BYTES", "65536")]).await;
    let mut raw = Raw(TcpStream::connect(server.address).await.unwrap());
    let head = format!(
        "POST /api/v1/rooms/{}/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.room(&["ann"]).await,
        token("ann"),
    );
    raw.write(&head).await;
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    // More than allowed, and less than what is thrown away.
    for _ in 0..40 {
        raw.write(&chunk).await;
    }
    let (refused, body) = raw.answer().await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    assert!(body.contains("too_large"));
}

#[tokio::test]
async fn a_body_that_is_announced_too_long_is_not_asked_for() {
    let server = start(&[]).await;
    for expectation in ["", "Expect: 100-continue\r\n"] {
        let mut raw = Raw(TcpStream::connect(server.address).await.unwrap());
        let head = format!(
            "POST /api/v1/rooms/{}/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: 10000000\r\n{expectation}\r\n",
            server.room(&["ann"]).await,
            token("ann"),
        );
        raw.write(&head).await;
        let (refused, _) = raw.answer().await;
        assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let server = start(&[]).await;
    let mut raw = Raw(TcpStream::connect(server.address).await.unwrap());
    let room = server.room(&["ann"]).await;
    let head = format!(
        "POST /api/v1/rooms/{room}/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"client",
        token("ann"),
    );
    raw.write(&head).await;
    // Once the server waits for the rest, there is nothing to do but to let time pass.
    tokio::time::pause();
    let (refused, _) = raw.answer().await;
    assert!(refused.starts_with("HTTP/1.1 408 "), "{refused}");
    assert!(refused.contains("connection: close"), "{refused}");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = start(&[]).await;
    let nobody = server.nobody();
    for (method, path, allow) in [
        ("DELETE", "rooms", "GET, HEAD, POST, OPTIONS"),
        ("POST", "unread", "GET, HEAD, OPTIONS"),
        ("POST", "/sse/", "GET, OPTIONS"),
        ("HEAD", "/sse/", "GET, OPTIONS"),
        ("BREW", "/healthz", "GET, HEAD, OPTIONS"),
        ("POST", "/", "GET, HEAD, OPTIONS"),
    ] {
        let refused = nobody.ask(method, path, None).await;
        assert_eq!(refused.status, 405, "{method} {path}");
        assert_eq!(refused.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn pages_of_others_are_let_in_only_by_name() {
    let server = start(&[("SERVER__ALLOWED_ORIGINS", "https://app.example")]).await;
    let nobody = server.nobody();
    let preflight = |origin: &'static str| {
        let nobody = nobody.clone();
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ];
        async move { nobody.ask_with("OPTIONS", "rooms", None, &headers).await }
    };
    let friend = preflight("https://app.example").await;
    assert_eq!(friend.status, 204);
    assert_eq!(
        friend.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert!(
        friend
            .header("access-control-allow-methods")
            .contains("POST")
    );
    assert!(
        friend
            .header("access-control-allow-headers")
            .contains("authorization")
    );
    assert_eq!(friend.header("vary"), "origin");
    for stranger in [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
    ] {
        let answer = preflight(stranger).await;
        assert!(
            !answer.headers.contains_key("access-control-allow-origin"),
            "{stranger}"
        );
        assert!(
            !answer.headers.contains_key("access-control-allow-methods"),
            "{stranger}"
        );
    }
}

#[tokio::test]
async fn a_page_that_is_let_in_reads_answers_and_refusals_without_cookies() {
    let server = start(&[("SERVER__ALLOWED_ORIGINS", "https://app.example")]).await;
    let origin = [("origin", "https://app.example")];
    let read = server
        .user("ann")
        .ask_with("GET", "rooms", None, &origin)
        .await;
    assert_eq!(
        read.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert!(
        !read
            .headers
            .contains_key("access-control-allow-credentials")
    );
    let refused = server
        .nobody()
        .ask_with("GET", "rooms", None, &origin)
        .await;
    assert_eq!(
        refused.header("access-control-allow-origin"),
        "https://app.example"
    );
}

#[tokio::test]
async fn a_request_has_one_name() {
    let server = start(&[]).await;
    let ann = server.user("ann");
    let given = |id: &'static str| {
        let ann = ann.clone();
        async move {
            ann.ask_with("GET", "rooms/x", None, &[("x-request-id", id)])
                .await
        }
    };
    let kept = given("edge-1.7").await;
    assert_eq!(kept.problem(404, "not_found")["request_id"], "edge-1.7");
    let replaced = given("<b>x</b>").await;
    replaced.problem(404, "not_found");
    assert_ne!(replaced.header("x-request-id"), "<b>x</b>");
    let fine = ann
        .ask_with("GET", "rooms", None, &[("x-request-id", "ok")])
        .await;
    assert_eq!(fine.header("x-request-id"), "ok");
}

fn tells_no_insides(reply: &Reply) {
    let text = reply.text().to_lowercase();
    for word in [
        "sql", "select", "rt_", "sea", ".rs", "/tmp", "panic", "closed",
    ] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test]
async fn without_its_store_a_server_says_so_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("gone.db").display());
    let store = Arc::new(
        SeaStore::connect(&url, SeaOptions::default())
            .await
            .unwrap(),
    );
    let opened = store.clone();
    let server = start_over(
        |config| Realtime::builder(opened).limits(App::limits_of(config)),
        &[],
    )
    .await;
    let ann = server.user("ann");
    let room = server.room(&["ann"]).await;
    assert_eq!(ann.get("/readyz").await.ok(200)["status"], "ok");
    store.close().await.unwrap();

    let ready = ann.get("/readyz").await;
    assert_eq!(ready.ok(503)["status"], "unavailable");
    ann.get("/healthz").await.ok(200);
    let body = json!({"client_id": "x", "body": "hello"});
    for reply in [
        ann.get("rooms").await,
        ann.post(&format!("rooms/{room}/messages"), body).await,
    ] {
        let problem = reply.problem(503, "busy");
        assert!(problem["retry_after_ms"].as_u64().unwrap() > 0);
        assert!(!reply.header("retry-after").is_empty());
        tells_no_insides(&reply);
    }
}

/// Messages that are more than sockets hold.
const MANY: usize = 1_500;

/// Asks for an export and takes no more than its head.
async fn begin_export(server: &Running, user: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    let request = format!(
        "GET /api/v1/export HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n",
        token(user),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stream
}

/// Reads on until a word comes.
async fn read_until(stream: &mut TcpStream, word: &str) -> String {
    let mut text = String::new();
    let mut buffer = vec![0; 65_536];
    while !text.contains(word) {
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "it ended without {word}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        // The end of it is enough.
        let from = text.len().saturating_sub(200_000);
        text.drain(..from);
    }
    text
}

/// A user of many long messages.
async fn wordy(server: &Running) {
    let (ann, room) = (server.user("ann"), server.room(&["ann"]).await);
    let path = format!("rooms/{room}/messages");
    let body = "y".repeat(8_000);
    for part in (0..MANY).collect::<Vec<_>>().chunks(100) {
        let sends = part.iter().map(|n| {
            let message = json!({"client_id": format!("c-{n}"), "body": body});
            ann.post(&path, message)
        });
        for sent in futures::future::join_all(sends).await {
            sent.ok(201);
        }
    }
}

const WORDY: [(&str, &str); 3] = [
    ("LIMITS__MESSAGES_PER_SECOND", "100000"),
    ("LIMITS__MESSAGE_BURST", "100000"),
    ("SERVER__STALL_TIMEOUT", "300s"),
];

#[tokio::test]
async fn an_export_waits_for_its_reader_and_is_one_at_a_time() {
    let server = start(&WORDY).await;
    wordy(&server).await;
    let mut stream = begin_export(&server, "ann").await;
    // As long as nobody takes it, it is not done: it waits where it was read from.
    let second = server.user("ann").get("export").await;
    second.problem(503, "busy");
    assert!(!second.header("retry-after").is_empty());
    let other = server.platform().get("users/ann/export").await;
    other.problem(503, "busy");
    let end = read_until(&mut stream, "\"complete\"").await;
    let lines = format!("{{\"complete\":{{\"lines\":{}}}}}", MANY + 2);
    assert!(end.contains(&lines), "{}", &end[end.len() - 200..]);
    assert_eq!(server.user("ann").get("export").await.status, 200);
    // Who goes away in the middle leaves their place.
    let stream = begin_export(&server, "ann").await;
    drop(stream);
    while server.user("ann").get("export").await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_export_that_cannot_go_on_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("gone.db").display());
    let store = SeaStore::connect(&url, SeaOptions::default()).await;
    let store = Arc::new(store.unwrap());
    let opened = store.clone();
    let build = |config: &_| Realtime::builder(opened).limits(App::limits_of(config));
    let server = start_over(build, &WORDY).await;
    wordy(&server).await;
    let mut stream = begin_export(&server, "ann").await;
    store.close().await.unwrap();
    let end = read_until(&mut stream, "\"error\"").await;
    assert!(
        end.contains("\"code\":\"busy\""),
        "{}",
        &end[end.len() - 200..]
    );
    assert!(!end.contains("\"complete\""), "it is not");
}

/// A broker that is never there.
#[derive(Debug)]
struct Gone;

#[async_trait]
impl Broker for Gone {
    async fn publish(&self, _: &[Hint]) -> Result<(), BrokerError> {
        Err(BrokerError::Unavailable("gone".into()))
    }

    async fn subscribe(&self, _: &[Topic]) -> Result<(), BrokerError> {
        Err(BrokerError::Unavailable("gone".into()))
    }

    async fn unsubscribe(&self, _: &[Topic]) -> Result<(), BrokerError> {
        Ok(())
    }

    fn events(&self) -> BoxStream<'static, BrokerEvent> {
        futures::stream::pending().boxed()
    }

    fn health(&self) -> BrokerHealth {
        BrokerHealth {
            up: false,
            last_proof: None,
        }
    }
}

#[tokio::test]
async fn without_its_broker_a_server_is_degraded_and_serves() {
    let server = start_over(
        |config| {
            Realtime::builder(Arc::new(MemoryStore::default()))
                .broker(Arc::new(Gone))
                .limits(App::limits_of(config))
        },
        &[],
    )
    .await;
    let ready = server.nobody().get("/readyz").await.ok(200);
    assert_eq!(ready["status"], "degraded");
    let room = server.room(&["ann"]).await;
    let body = json!({"client_id": "x", "body": "hello"});
    let sent = server
        .user("ann")
        .post(&format!("rooms/{room}/messages"), body)
        .await;
    sent.ok(201);
}

#[tokio::test]
async fn the_page_is_served_under_a_strict_policy() {
    let server = start(&[]).await;
    let nobody = server.nobody();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
    ] {
        let file = nobody.get(path).await;
        assert_eq!((file.status, file.header("content-type")), (200, kind));
        let policy = file.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"));
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        let tag = file.header("etag").to_owned();
        let known = [("if-none-match", tag.as_str())];
        let again = nobody.ask_raw("GET", path, Bytes::new(), &known).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
    nobody
        .get("/assets/index.html")
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn metrics_are_told_where_they_are_configured() {
    let server = start(&[]).await;
    let told = server.nobody().get("/metrics").await;
    assert_eq!(told.status, 200);
    assert!(
        told.header("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "# TYPE realtime_messages counter",
        "process_open_fds ",
        "# EOF",
    ] {
        assert!(told.text().contains(line), "{line}");
    }

    let server = start(&[("SERVER__METRICS_LISTEN", "127.0.0.1:0")]).await;
    let nobody = server.nobody();
    nobody.get("/metrics").await.problem(404, "not_found");
    let operator = nobody.at(server.metrics_address.unwrap());
    assert_eq!(operator.get("/metrics").await.status, 200);
    assert_eq!(operator.get("/readyz").await.status, 200);
    assert_eq!(operator.get("/healthz").await.status, 200);
    operator
        .get("/api/v1/rooms")
        .await
        .problem(404, "not_found");
}
