//! Who may what: every route that there is, tried by everybody. A route that is
//! missing here fails the test; so does an answer that is not as documented.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;

use realtime_core::{
    change::{Actor, Draft, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::RoomKind,
};
use realtime_server::http::openapi_document;
use serde_json::{Value, json};
use support::{Running, expired_token, http::Api, http::Reply, start};

const CALLERS: [&str; 9] = [
    "nobody", "expired", "stranger", "removed", "left", "member", "sender", "observer", "platform",
];

type Statuses = [u16; 9];

/// For everybody, whatever token they have.
const OPEN: Statuses = [200; 9];
/// For who is a user, wherever.
const USERS: Statuses = [401, 401, 200, 200, 200, 200, 200, 200, 403];
/// For who is in the room or has left it, and the platform.
const READERS: Statuses = [401, 401, 404, 404, 200, 200, 200, 200, 200];
/// For who is in the room, and the platform.
const MEMBERS: Statuses = [401, 401, 404, 404, 404, 200, 200, 200, 200];
/// For who is in the room and is seen to read.
const POINTERS: Statuses = [401, 401, 404, 404, 404, 200, 200, 403, 403];

const fn platform(status: u16) -> Statuses {
    [401, 401, 403, 403, 403, 403, 403, 403, status]
}

/// What each caller is to be answered.
fn expectations() -> BTreeMap<&'static str, Statuses> {
    BTreeMap::from([
        ("GET /api/openapi.json", OPEN),
        ("GET /healthz", OPEN),
        ("GET /readyz", OPEN),
        ("GET /metrics", OPEN),
        ("GET /sse", USERS),
        ("GET /api/v1/rooms", USERS),
        ("GET /api/v1/search", USERS),
        ("GET /api/v1/unread", USERS),
        ("GET /api/v1/presence", USERS),
        ("GET /api/v1/notifications", USERS),
        ("GET /api/v1/export", USERS),
        ("GET /api/v1/users/{user}/export", platform(200)),
        ("DELETE /api/v1/users/{user}", platform(202)),
        ("POST /api/v1/rooms/{room}/retention", platform(200)),
        (
            "POST /api/v1/rooms/{room}/participants/{user}/replace",
            platform(200),
        ),
        (
            "GET /api/v1/rooms/{room}/messages/{seq}/edits",
            platform(200),
        ),
        ("POST /api/v1/events", platform(201)),
        ("POST /api/v1/rooms", platform(201)),
        ("PUT /api/v1/rooms/by-subject/{type}/{id}", platform(201)),
        ("GET /api/v1/rooms/{room}", READERS),
        ("PATCH /api/v1/rooms/{room}", platform(200)),
        ("POST /api/v1/rooms/{room}/lock", platform(200)),
        ("POST /api/v1/rooms/{room}/reopen", platform(200)),
        ("POST /api/v1/rooms/{room}/archive", platform(200)),
        ("GET /api/v1/rooms/{room}/participants", MEMBERS),
        (
            "PUT /api/v1/rooms/{room}/participants/{user}",
            platform(200),
        ),
        (
            "DELETE /api/v1/rooms/{room}/participants/{user}",
            platform(200),
        ),
        ("GET /api/v1/rooms/{room}/messages", READERS),
        (
            "POST /api/v1/rooms/{room}/messages",
            [401, 401, 404, 404, 404, 201, 201, 403, 201],
        ),
        (
            "PATCH /api/v1/rooms/{room}/messages/{seq}",
            [401, 401, 404, 404, 404, 403, 200, 403, 200],
        ),
        (
            "DELETE /api/v1/rooms/{room}/messages/{seq}",
            [401, 401, 404, 404, 404, 403, 200, 403, 200],
        ),
        ("GET /api/v1/rooms/{room}/changes", MEMBERS),
        ("PUT /api/v1/rooms/{room}/read", POINTERS),
        ("PUT /api/v1/rooms/{room}/delivered", POINTERS),
    ])
}

fn body_of(schema: &str, number: usize) -> Value {
    let people = json!([{"user": "ann"}, {"user": "ben", "role": "owner", "name": "Ben"}]);
    match schema {
        "NewRoom" => json!({"participants": people, "title": "New"}),
        "RoomPatch" => json!({"title": "Changed"}),
        "Lock" => json!({}),
        "Retention" => json!({"keep": 1}),
        "Replacement" => json!({"user": "newcomer", "role": "cleaner"}),
        "ParticipantInput" => json!({"role": "observer"}),
        "NewMessage" => json!({"client_id": format!("c-{number}"), "body": "hello"}),
        "MessagePatch" => json!({"body": "changed"}),
        "Mark" => json!({"seq": 1}),
        "Event" => json!({
            "type": "job.accepted", "id": format!("event-{number}"), "participants": people,
            "subject": {"type": "job", "id": format!("of-event-{number}")},
        }),
        other => panic!("no example of {other}"),
    }
}

/// A room with a message of the sender's, with somebody who left and somebody who was
/// put out.
async fn furnished(server: &Running) -> RoomId {
    let person = |name: &str, role| NewParticipant {
        user: UserId::parse(name).unwrap(),
        role,
        name: None,
    };
    let new = NewRoom {
        kind: RoomKind::Group,
        subject: None,
        key: None,
        title: Some("Furnished".to_owned()),
        metadata: None,
        participants: vec![
            person("member", Role::Member),
            person("sender", Role::Member),
            person("observer", Role::Observer),
            person("removed", Role::Member),
            person("left", Role::Member),
        ],
    };
    let room = server.realtime.open(new).await.unwrap().room.id;
    let draft = Draft {
        room,
        from: Actor::user(UserId::parse("sender").unwrap()),
        client_id: ClientId::parse("first").unwrap(),
        body: Body::parse("first".to_owned(), 100).unwrap(),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    };
    server.realtime.send(draft).await.unwrap();
    for (name, keeps_history) in [("removed", false), ("left", true)] {
        let user = UserId::parse(name).unwrap();
        let gone = server.realtime.remove(room, &user, keeps_history).await;
        gone.unwrap();
    }
    room
}

struct Route<'a> {
    method: &'a str,
    path: &'a str,
    operation: &'a Value,
}

impl Route<'_> {
    async fn call(&self, api: &Api, room: &str, number: usize) -> Option<Reply> {
        let user = match (self.method, self.path) {
            // Erased for good: somebody of whom nothing else is asked here.
            ("DELETE", "/api/v1/users/{user}") => "sender",
            ("PUT", _) => "newcomer",
            _ => "member",
        };
        let path = self
            .path
            .replace("{room}", room)
            .replace("{user}", user)
            .replace("{seq}", "1")
            .replace("{type}", "job")
            .replace("{id}", &format!("subject-{number}"));
        let path = match path.rsplit('/').next().unwrap() {
            "changes" => format!("{path}?after_rev=0"),
            "search" => format!("{path}?q=first"),
            "presence" => format!("{path}?users=member,sender"),
            _ => path,
        };
        if path == "/sse" {
            return None;
        }
        let schema = self.operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            .as_str()
            .and_then(|reference| reference.rsplit('/').next());
        let body = schema.map(|schema| body_of(schema, number));
        let key = format!("key-{number}");
        let headers = [("idempotency-key", key.as_str())];
        Some(api.ask_with(self.method, &path, body, &headers).await)
    }
}

#[tokio::test]
async fn every_route_answers_everybody_as_it_should() {
    let generous = [
        ("LIMITS__COMMAND_BURST", "100000"),
        ("LIMITS__MESSAGE_BURST", "100000"),
    ];
    let server = start(&generous).await;
    let document = openapi_document();
    let mut expected = expectations();
    let mut number = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_uppercase();
            let name = format!("{method} {path}");
            let statuses = expected.remove(name.as_str());
            let statuses = statuses.unwrap_or_else(|| panic!("{name} has no expectations"));
            let route = Route {
                method: &method,
                path,
                operation,
            };
            for (caller, status) in CALLERS.into_iter().zip(statuses) {
                number += 1;
                let what = format!("{name} by {caller}");
                let api = as_caller(&server, caller);
                let room = furnished(&server).await.to_string();
                let Some(reply) = route.call(&api, &room, number).await else {
                    assert_eq!(api.status(&method, path).await, status, "{what}");
                    continue;
                };
                assert_eq!(reply.status, status, "{what}: {:?}", reply.body);
                check_headers(&reply, &what);
                check_documented(&document, operation, &reply, &what);
                if status == 404 {
                    let nowhere = "018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41";
                    let other = route.call(&api, nowhere, number).await.unwrap();
                    assert_eq!(told(&reply), told(&other), "{what}, compared with nowhere");
                }
            }
        }
    }
    assert!(
        expected.is_empty(),
        "there are no such routes: {expected:?}"
    );
}

fn as_caller(server: &Running, caller: &str) -> Api {
    match caller {
        "nobody" => server.nobody(),
        "expired" => server.api(expired_token("sender")),
        "platform" => server.platform(),
        user => server.user(user),
    }
}

/// Everything that a client can see, but for what names the request.
fn told(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let headers = reply.headers.iter();
    let headers = headers.filter(|(name, _)| *name != "x-request-id" && *name != "date");
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let body = reply.text().replace(reply.header("x-request-id"), "");
    (reply.status, headers, body)
}

fn check_headers(reply: &Reply, what: &str) {
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(reply.header("cache-control"), "no-store", "{what}");
    assert!(!reply.header("x-request-id").is_empty(), "{what}");
    let is_challenged = reply.headers.contains_key("www-authenticate");
    assert_eq!(is_challenged, reply.status == 401, "{what}");
}

/// An answer must be what the document says of its status.
fn check_documented(document: &Value, operation: &Value, reply: &Reply, what: &str) {
    if reply.status >= 400 {
        let problem = &document["components"]["schemas"]["Problem"];
        return check_schema(document, problem, &reply.json(), what);
    }
    let response = &operation["responses"][reply.status.to_string()];
    assert!(
        response.is_object(),
        "{what}: {} is not documented",
        reply.status
    );
    let Some(content) = response.get("content") else {
        return;
    };
    let schema = &content[reply.header("content-type")]["schema"];
    if reply.header("content-type") == "application/json" {
        return check_schema(document, schema, &reply.json(), what);
    }
    for line in reply.text().lines() {
        let line = serde_json::from_str(line).unwrap();
        check_schema(document, schema, &line, what);
    }
}

/// As much of JSON Schema as our document uses.
fn check_schema(document: &Value, schema: &Value, value: &Value, what: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.strip_prefix('#').unwrap());
        return check_schema(document, target.unwrap(), value, what);
    }
    let is_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no check for {other}"),
    };
    let types = schema["type"].as_array().cloned();
    let types = types.unwrap_or_else(|| vec![schema["type"].clone()]);
    let fits = types.iter().any(|name| is_type(name.as_str().unwrap()));
    assert!(fits, "{what}: {value} is no {types:?}");
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(
            allowed.contains(value),
            "{what}: {value} is none of {allowed:?}"
        );
    }
    for item in value.as_array().into_iter().flatten() {
        check_schema(document, &schema["items"], item, what);
    }
    let Some(fields) = value.as_object() else {
        return;
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap();
        assert!(
            fields.contains_key(name),
            "{what}: {name} is missing in {value}"
        );
    }
    for (name, field) in fields {
        match schema["properties"].get(name) {
            Some(property) => check_schema(document, property, field, &format!("{what}.{name}")),
            None => assert_ne!(
                schema["additionalProperties"], false,
                "{what}: {name} is not documented"
            ),
        }
    }
}

#[tokio::test]
async fn the_program_prints_the_document_that_it_serves() {
    let program = env!("CARGO_BIN_EXE_realtime-server");
    let output = tokio::process::Command::new(program)
        .arg("openapi")
        .output()
        .await
        .unwrap();
    assert!(output.status.success());
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, openapi_document());
    let server = start(&[]).await;
    let served = server.nobody().get("/api/openapi.json").await;
    assert_eq!(served.ok(200), printed);
}

#[tokio::test]
async fn users_open_rooms_only_where_they_may_and_are_in_them() {
    let server = start(&[("SERVER__USER_ROOMS", "true")]).await;
    let ann = server.user("ann");
    let body = json!({"kind": "direct", "participants": [{"user": "ben"}]});
    let key = [("idempotency-key", "hello-ben")];
    let opened = ann
        .ask_with("POST", "rooms", Some(body.clone()), &key)
        .await;
    let room = opened.ok(201)["id"].clone();
    let again = ann
        .ask_with("POST", "rooms", Some(body.clone()), &key)
        .await;
    assert_eq!(again.ok(200)["id"], room);
    let seen = ann.get(&format!("rooms/{}", room.as_str().unwrap())).await;
    assert_eq!(seen.ok(200)["me"]["role"], "owner");
    // Another user's request of the same name is another request.
    let other = server
        .user("eve")
        .ask_with("POST", "rooms", Some(body), &key)
        .await;
    assert_ne!(other.ok(201)["id"], room);
}
