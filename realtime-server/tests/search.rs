//! Finding messages over REST.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use realtime_core::id::RoomId;
use serde_json::{Value, json};
use support::{http::Api, start};

/// How long a message may take until it is found. What is promised is about a second.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(20);

const GENEROUS: (&str, &str) = ("LIMITS__COMMAND_BURST", "100000");

async fn says(api: &Api, room: RoomId, name: &str, body: &str) {
    let message = json!({"client_id": name, "body": body});
    let path = format!("/api/v1/rooms/{room}/messages");
    assert_eq!(api.post(&path, message).await.status, 201);
}

async fn page(api: &Api, query: &str) -> Value {
    let reply = api.get(&format!("/api/v1/search?{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text());
    reply.json()
}

/// The bodies of a page, once there are so many.
async fn found(api: &Api, query: &str, count: usize) -> Vec<String> {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let page = page(api, query).await;
            let hits = page["hits"].as_array().unwrap();
            if hits.len() == count {
                let body = |hit: &Value| hit["message"]["body"].as_str().unwrap().to_owned();
                return hits.iter().map(body).collect();
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    waited.await.unwrap()
}

#[tokio::test]
async fn a_message_is_found_soon_after_it_was_sent() {
    let server = start(&[GENEROUS]).await;
    let room = server.room(&["ann", "ben"]).await;
    let other = server.room(&["cat"]).await;
    let (ann, ben, cat) = (server.user("ann"), server.user("ben"), server.user("cat"));
    says(&ann, room, "1", "The key is under the mat").await;
    says(&cat, other, "1", "My key is lost").await;
    let hits = found(&ben, "q=KEY", 1).await;
    assert_eq!(hits, ["The key is under the mat"]);
    let page = page(&ben, "q=%22the+key%22+ma").await;
    let hit = &page["hits"][0];
    assert_eq!(hit["message"]["room"], json!(room));
    assert_eq!(hit["message"]["sender"]["id"], "ann");
    assert!(hit["message"].get("client_id").is_none(), "it is ann's");
    assert_eq!(
        hit["marks"],
        json!([
            {"start": 0, "end": 3}, {"start": 4, "end": 7}, {"start": 21, "end": 24},
        ])
    );
    assert!(page.get("next_cursor").is_none());
    assert_eq!(found(&cat, "q=key", 1).await, ["My key is lost"]);
}

#[tokio::test]
async fn pages_follow_each_other() {
    let server = start(&[GENEROUS]).await;
    let room = server.room(&["ann"]).await;
    let ann = server.user("ann");
    for number in 0..5 {
        says(&ann, room, &format!("{number}"), &format!("key {number}")).await;
    }
    found(&ann, "q=key", 5).await;
    let (mut bodies, mut query) = (Vec::new(), "q=key&limit=2".to_owned());
    loop {
        let page = page(&ann, &query).await;
        for hit in page["hits"].as_array().unwrap() {
            bodies.push(hit["message"]["body"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("q=key&limit=2&before={next}");
    }
    assert_eq!(bodies, ["key 4", "key 3", "key 2", "key 1", "key 0"]);
}

#[tokio::test]
async fn a_room_that_one_does_not_see_is_not_there() {
    let server = start(&[GENEROUS]).await;
    let (own, others) = (server.room(&["ann"]).await, server.room(&["ben"]).await);
    let ann = server.user("ann");
    says(&ann, own, "1", "the key").await;
    assert_eq!(
        found(&ann, &format!("q=key&room={own}"), 1).await,
        ["the key"]
    );
    for room in [
        others.to_string(),
        "018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41".to_owned(),
        "x".to_owned(),
    ] {
        let reply = ann.get(&format!("/api/v1/search?q=key&room={room}")).await;
        reply.problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_is_no_question_is_refused() {
    let server = start(&[GENEROUS]).await;
    let room = server.room(&["ann"]).await;
    let ann = server.user("ann");
    says(&ann, room, "1", "the key").await;
    found(&ann, "q=key", 1).await;
    for (query, field) in [
        ("", "q"),
        ("q=", "q"),
        ("q=***", "q"),
        ("q=%22%22", "q"),
        ("q=%00", "q"),
        ("q=%F0%9F%91%8D", "q"),
        ("q=%ff", "q"),
        (&format!("q={}", "x".repeat(257)), "q"),
        (&format!("q={}", "x+".repeat(17)), "q"),
        ("q=key&before=x", "before"),
        ("q=key&limit=0", "limit"),
        ("q=key&limit=101", "limit"),
        ("q=key&q=key", "q"),
    ] {
        let reply = ann.get(&format!("/api/v1/search?{query}")).await;
        assert_eq!(reply.status, 400, "{query}: {}", reply.text());
        reply.refuses(field);
    }
    for hostile in [
        "key*",
        "-key",
        "key%20OR%20x",
        "NEAR(key%20x)",
        "key%27%3B--",
        "%22key",
        "(key",
        "key%29",
        "a:key",
        "%25key%25",
        "_key",
        "key%5C",
        "key%00",
        "%2Bkey",
        "~key",
        "@key",
        "key%40",
        "%3Ckey%3E",
        "key%26%21x",
    ] {
        page(&ann, &format!("q={hostile}")).await;
    }
}

#[tokio::test]
async fn searching_is_rationed() {
    let server = start(&[
        ("LIMITS__COMMAND_BURST", "25"),
        ("LIMITS__COMMANDS_PER_SECOND", "1"),
    ])
    .await;
    server.room(&["ann"]).await;
    let ann = server.user("ann");
    for expected in [200, 200, 429] {
        let reply = ann.get("/api/v1/search?q=key").await;
        assert_eq!(reply.status, expected);
    }
    assert_eq!(
        server.user("ben").get("/api/v1/search?q=key").await.status,
        200
    );
}

#[tokio::test]
async fn a_server_that_does_not_search_says_so() {
    let server = start(&[("SEARCH__ENABLED", "false")]).await;
    let reply = server.user("ann").get("/api/v1/search?q=key").await;
    reply.problem(409, "conflict");
}
