//! What the platform tells of its jobs, and what that does to their rooms.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use realtime_core::time::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use support::{Running, http::Reply, start};

fn accepted(id: &str, job: &str) -> Value {
    json!({
        "type": "job.accepted", "id": id, "subject": {"type": "job", "id": job},
        "participants": [{"user": "ann", "role": "owner", "name": "Ann"}, {"user": "ben"}],
        "title": "Deep clean", "data": {"address": "14 Elm St"},
    })
}

fn about(kind: &str, id: &str, job: &str) -> Value {
    json!({"type": kind, "id": id, "subject": {"type": "job", "id": job}})
}

async fn tell(server: &Running, event: Value) -> Reply {
    server.platform().post("events", event).await
}

#[tokio::test]
async fn an_accepted_job_opens_its_room_once() {
    let server = start(&[]).await;
    let first = tell(&server, accepted("e-1", "7")).await.ok(201);
    assert_eq!(
        (&first["created"], &first["seq"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(
        (&first["duplicate"], &first["rev"]),
        (&json!(false), &json!(2))
    );
    assert_eq!(first["room"]["title"], "Deep clean");
    let again = tell(&server, accepted("e-1", "7")).await.ok(200);
    assert_eq!(
        (&again["duplicate"], &again["created"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&again["seq"], &again["room"]["id"]),
        (&json!(1), &first["room"]["id"])
    );

    let other = tell(&server, accepted("e-1", "8")).await;
    other.problem(422, "client_id_reused");
    let rooms = server.user("ben").get("rooms").await.ok(200);
    assert_eq!(rooms["rooms"].as_array().unwrap().len(), 1);
    let room = first["room"]["id"].as_str().unwrap();
    let history = server
        .user("ben")
        .get(&format!("rooms/{room}/messages"))
        .await
        .ok(200);
    let message = &history["messages"][0];
    assert_eq!(
        (&message["kind"], &message["body"]),
        (&json!("system"), &json!("Job accepted"))
    );
    let metadata = json!({"code": "job.accepted", "address": "14 Elm St"});
    assert_eq!(message["metadata"], metadata);
}

#[tokio::test]
async fn fifty_tellings_at_once_are_one() {
    let server = start(&[]).await;
    let tellings = (0..50).map(|_| tell(&server, accepted("e-1", "7")));
    let replies = futures::future::join_all(tellings).await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(created, 1);
    assert!(
        replies
            .iter()
            .all(|reply| [200, 201].contains(&reply.status))
    );
    let rooms = server.user("ann").get("rooms").await.ok(200);
    assert_eq!(rooms["rooms"][0]["last_seq"], 1);
}

#[tokio::test]
async fn a_job_on_its_way_says_so_and_a_finished_one_is_locked_later() {
    let server = start(&[]).await;
    tell(&server, accepted("e-1", "7")).await.ok(201);
    for (number, kind) in ["job.started", "job.rescheduled"].iter().enumerate() {
        let told = tell(&server, about(kind, &format!("w-{number}"), "7"))
            .await
            .ok(201);
        assert_eq!(told["seq"], number + 2);
        assert_eq!(told["room"].get("locks_at"), None);
    }
    let before = SystemClock.now();
    let done = tell(&server, about("job.completed", "e-2", "7"))
        .await
        .ok(201);
    let day = Duration::from_secs(24 * 60 * 60);
    let locks_at = Timestamp::parse(done["room"]["locks_at"].as_str().unwrap()).unwrap();
    assert!(locks_at >= before.after(day) && locks_at <= SystemClock.now().after(day));
    assert_eq!(done["room"]["state"], "open");
    let path = format!("rooms/{}/messages", done["room"]["id"].as_str().unwrap());
    let thanks = json!({"client_id": "t", "body": "Thank you"});
    server.user("ann").post(&path, thanks).await.ok(201);
    // Told again later, it does not move the lock.
    let again = tell(&server, about("job.completed", "e-2", "7"))
        .await
        .ok(200);
    assert_eq!(again["room"]["locks_at"], done["room"]["locks_at"]);
}

#[tokio::test]
async fn a_cancelled_job_is_locked_at_once() {
    let server = start(&[]).await;
    tell(&server, accepted("e-1", "7")).await.ok(201);
    let done = tell(&server, about("job.cancelled", "e-2", "7"))
        .await
        .ok(201);
    assert_eq!(
        (&done["room"]["state"], &done["seq"]),
        (&json!("locked"), &json!(2))
    );
    let path = format!("rooms/{}/messages", done["room"]["id"].as_str().unwrap());
    let late = json!({"client_id": "t", "body": "Why?"});
    server
        .user("ann")
        .post(&path, late)
        .await
        .problem(409, "room_locked");
    // The platform goes on telling.
    tell(&server, about("job.started", "e-3", "7"))
        .await
        .ok(201);
}

#[tokio::test]
async fn when_rooms_are_locked_is_configured() {
    let settings = [
        ("EVENTS__LOCK_AFTER_COMPLETED", "0s"),
        ("EVENTS__LOCK_AFTER_CANCELLED", "1h"),
    ];
    let server = start(&settings).await;
    for job in ["7", "8"] {
        tell(&server, accepted(job, job)).await.ok(201);
    }
    let done = tell(&server, about("job.completed", "c-7", "7"))
        .await
        .ok(201);
    assert_eq!(done["room"]["state"], "locked");
    let off = tell(&server, about("job.cancelled", "c-8", "8"))
        .await
        .ok(201);
    assert_eq!(off["room"]["state"], "open");
    assert!(off["room"]["locks_at"].is_string());
}

#[tokio::test]
async fn strange_events_do_nothing() {
    let server = start(&[]).await;
    let unknown = tell(&server, about("job.exploded", "e", "7")).await;
    let problem = unknown.problem(400, "bad_request");
    assert!(
        problem["detail"].as_str().unwrap().contains("job.accepted"),
        "{problem}"
    );
    unknown.refuses("type");
    tell(&server, about("job.started", "e", "7"))
        .await
        .problem(404, "not_found");
    tell(&server, about("job.accepted", "e", "7"))
        .await
        .refuses("participants");
    for (field, value) in [
        ("id", json!("")),
        ("id", json!("x".repeat(10_000))),
        ("subject", json!({"type": "job"})),
        ("subject", json!(null)),
        ("participants", json!("ann")),
        ("participants", json!([{"user": "ann", "role": "god"}])),
        ("participants", json!([{"user": "ann"}, {"user": "ann"}])),
        ("type", json!(["job.accepted"])),
        ("data", json!([1])),
        ("title", json!("x".repeat(201))),
        ("sent_at", json!("2001-01-01T00:00:00Z")),
    ] {
        let mut event = accepted("e", "7");
        event[field] = value.clone();
        tell(&server, event).await.problem(400, "bad_request");
    }
    let mut large = accepted("e", "7");
    large["data"] = json!({"a": "x".repeat(5_000)});
    let refused = tell(&server, large).await;
    let problem = refused.problem(413, "too_large");
    assert_eq!(problem["errors"][0]["field"], "data");
    let rooms = server.user("ann").get("rooms").await.ok(200);
    assert_eq!(rooms["rooms"], json!([]), "nothing came of all that");
}

#[tokio::test]
async fn the_sides_of_a_job_are_members_and_other_words_are_refused() {
    let server = start(&[]).await;
    let with = |id: &str, role: &str| {
        let mut event = accepted(id, id);
        event["participants"] =
            json!([{"user": "ann", "role": role}, {"user": "ben", "role": "cleaner"}]);
        event
    };
    let told = tell(&server, with("e-1", "client")).await.ok(201);
    let room = told["room"]["id"].as_str().unwrap();
    let ann = server
        .user("ann")
        .get(&format!("rooms/{room}"))
        .await
        .ok(200);
    assert_eq!(ann["me"]["role"], "member");
    tell(&server, with("e-2", "boss"))
        .await
        .refuses("participants[0].role");
}
