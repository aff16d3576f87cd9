//! Requests and event streams, as an ordinary client sends them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking; not every test program comes here"
)]

use std::{collections::VecDeque, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use realtime_testkit::PATIENCE;
use serde_json::Value;
use tokio::time::timeout;

use super::Running;

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default()
    }

    /// The JSON of a success.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/json");
        self.json()
    }

    /// The JSON of a refusal in the form of RFC 9457.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        for field in ["type", "title", "detail"] {
            assert!(problem[field].is_string(), "{problem}");
        }
        problem
    }

    /// The refusal of one field.
    #[track_caller]
    pub fn refuses(&self, field: &str) {
        let problem = self.problem(400, "bad_request");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    token: Option<String>,
}

impl Running {
    /// Requests with this token.
    pub fn api(&self, token: impl Into<Option<String>>) -> Api {
        Api::new(self.address, token)
    }

    /// Requests of this user.
    pub fn user(&self, name: &str) -> Api {
        self.api(super::token(name))
    }

    /// Requests of the platform.
    pub fn platform(&self) -> Api {
        self.api(super::service_token())
    }

    /// Requests of nobody.
    pub fn nobody(&self) -> Api {
        self.api(None)
    }
}

impl Api {
    /// Requests to a server with this token.
    pub fn new(address: SocketAddr, token: impl Into<Option<String>>) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            address,
            token: token.into(),
        }
    }

    /// A request to another listener.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self {
            address,
            ..self.clone()
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask("POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.ask("PUT", path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.ask("PATCH", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.ask("DELETE", path, None).await
    }

    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.ask_with(method, path, body, &[]).await
    }

    pub async fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut all = headers.to_vec();
        if body.is_some() {
            all.push(("content-type", "application/json"));
        }
        let bytes = body.map(|body| body.to_string()).unwrap_or_default();
        self.ask_raw(method, path, bytes, &all).await
    }

    /// Any bytes with any headers. Paths that do not begin with a slash are below
    /// `/api/v1/`.
    pub async fn ask_raw(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Reply {
        let response = self.send(method, path, body.into(), headers).await;
        let (head, body) = response.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes(),
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> http::Response<Incoming> {
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/api/v1/{path}"),
        };
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let sent = timeout(PATIENCE, self.client.request(request)).await;
        sent.unwrap().unwrap()
    }

    /// The status of an answer, the rest of which is not waited for.
    pub async fn status(&self, method: &str, path: &str) -> u16 {
        let response = self.send(method, path, Bytes::new(), &[]).await;
        response.status().as_u16()
    }

    /// Opens an event stream.
    pub async fn listen(&self, last_event_id: Option<&str>) -> Events {
        let headers: Vec<_> = last_event_id
            .into_iter()
            .map(|id| ("last-event-id", id))
            .chain([("accept", "text/event-stream")])
            .collect();
        let response = self.send("GET", "/sse/", Bytes::new(), &headers).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events {
            body: response.into_body(),
            text: String::new(),
            blocks: VecDeque::new(),
            last_id: String::new(),
        }
    }
}

/// One block of an event stream.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Event {
    /// Its `event`, empty for a push.
    pub name: String,
    /// Its `data`.
    pub data: Option<Value>,
    /// Its `id`, if it carries one.
    pub id: Option<String>,
    /// Its comments.
    pub comments: Vec<String>,
    /// Its `retry`, in milliseconds.
    pub retry: Option<u64>,
}

/// An open event stream.
#[derive(Debug)]
pub struct Events {
    body: Incoming,
    text: String,
    blocks: VecDeque<Event>,
    /// What a browser would send as `Last-Event-ID`.
    pub last_id: String,
}

impl Events {
    /// The next block; `None` at the end of the stream.
    pub async fn block(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.blocks.pop_front() {
                if let Some(id) = &event.id {
                    self.last_id.clone_from(id);
                }
                return Some(event);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.expect("no event in time")?;
            let bytes = frame.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            while let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                self.blocks.push_back(parse(&block));
            }
        }
    }

    /// The next push of this kind; what comes before it is passed over.
    pub async fn push(&mut self, kind: &str) -> Value {
        loop {
            let block = self.block().await.expect("the stream has ended");
            if let Some(body) = block.data.as_ref().and_then(|data| data.get(kind)) {
                return body.clone();
            }
        }
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap();
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => event.comments.push(value.to_owned()),
            "data" => event.data = Some(serde_json::from_str(value).unwrap()),
            "event" => value.clone_into(&mut event.name),
            "id" => event.id = Some(value.to_owned()),
            "retry" => event.retry = Some(value.parse().unwrap()),
            other => panic!("an unknown field {other:?}"),
        }
    }
    event
}
