//! A room's whole life and a person's, over REST, as it is told live too.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use realtime_core::time::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};
use support::{
    Running,
    http::{Api, Reply},
    push, start,
};

/// Long enough that no test passes it, on the slowest machine.
const LATER: Duration = Duration::from_secs(3_600);

async fn room_of(server: &Running, people: &[&str]) -> String {
    server.room(people).await.to_string()
}

async fn say(api: &Api, room: &str, name: &str) -> Value {
    let body = json!({"client_id": name, "body": name});
    let sent = api.post(&format!("rooms/{room}/messages"), body).await;
    sent.ok(201)
}

async fn bodies(api: &Api, room: &str) -> Vec<String> {
    let history = api.get(&format!("rooms/{room}/messages")).await.ok(200);
    let messages = history["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["body"].as_str().unwrap_or("-").to_owned())
        .collect()
}

fn lines(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(reply.header("content-type"), "application/x-ndjson");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(
        reply
            .header("content-disposition")
            .starts_with("attachment;")
    );
    let lines = reply.text().lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Asks again until the room shows what is waited for: erasing goes on in the
/// background, and tells when it is done.
async fn seen_at_last(server: &Running, user: &str, room: &str, done: impl Fn(&Value) -> bool) {
    let ann = server.user(user);
    let mut told = server.connect(user).await;
    loop {
        let history = ann.get(&format!("rooms/{room}/messages")).await.ok(200);
        if done(&history) {
            return;
        }
        push(&mut told, "reset").await;
    }
}

#[tokio::test]
async fn a_lock_to_come_is_shown_and_taken_back() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    let mut told = server.connect("ben").await;
    let at = SystemClock.now().after(LATER).to_string();
    let lock = json!({"at": at});
    let locked = platform.post(&format!("rooms/{room}/lock"), lock).await;
    let locked = locked.ok(200);
    assert_eq!(
        (&locked["state"], &locked["rev"]),
        (&json!("open"), &json!(2))
    );
    assert_eq!(locked["locks_at"], at);
    let pushed = push(&mut told, "room").await;
    assert_eq!(
        (&pushed["locks_at"], &pushed["rev"]),
        (&json!(at), &json!(2))
    );
    say(&ann, &room, "still-open").await;

    let reopened = platform
        .post(&format!("rooms/{room}/reopen"), json!({}))
        .await;
    let reopened = reopened.ok(200);
    assert_eq!(reopened.get("locks_at"), None);
    assert_eq!(push(&mut told, "room").await.get("locks_at"), None);

    let now = platform
        .post(&format!("rooms/{room}/lock"), json!({}))
        .await;
    assert_eq!(now.ok(200)["state"], "locked");
    let late = json!({"client_id": "late", "body": "late"});
    let late = ann.post(&format!("rooms/{room}/messages"), late).await;
    late.problem(409, "room_locked");
    let archived = platform
        .post(&format!("rooms/{room}/archive"), json!({}))
        .await;
    assert_eq!(archived.ok(200)["state"], "archived");
    assert_eq!(ann.get("rooms").await.ok(200)["rooms"], json!([]));
    let archived = ann.get("rooms?state=archived").await.ok(200);
    assert_eq!(archived["rooms"][0]["id"], room);
    let reopened = platform
        .post(&format!("rooms/{room}/reopen"), json!({}))
        .await;
    assert_eq!(reopened.ok(200)["state"], "open");
    say(&ann, &room, "open-again").await;
}

#[tokio::test]
async fn a_room_is_handed_over_and_each_sees_their_own_time() {
    let server = start(&[]).await;
    let (ann, ben, cal) = (server.user("ann"), server.user("ben"), server.user("cal"));
    let room = room_of(&server, &["ann", "ben"]).await;
    say(&ann, &room, "before").await;
    say(&ben, &room, "also-before").await;
    let mut old = server.connect("ben").await;
    let mut new = server.connect("cal").await;
    let path = format!("rooms/{room}/participants/ben/replace");
    let body = json!({"user": "cal", "role": "cleaner", "name": "Cal"});
    let handed = server.platform().post(&path, body.clone()).await.ok(200);
    assert_eq!(handed["participant"]["user"], "cal");
    assert_eq!(handed["participant"]["state"], "active");
    assert_eq!(handed["rev"], 5, "two changes: one leaves, one comes");
    // Told again, nothing changes.
    let again = server.platform().post(&path, body).await.ok(200);
    assert_eq!(again["rev"], 5);

    let gone = push(&mut old, "unsubscribed").await;
    assert_eq!(gone["room"], room);
    assert_eq!(push(&mut new, "room").await["id"], room);
    say(&ann, &room, "after").await;
    assert_eq!(push(&mut new, "message").await["body"], "after");
    assert_eq!(
        bodies(&ann, &room).await,
        ["before", "also-before", "after"]
    );
    assert_eq!(bodies(&ben, &room).await, ["before", "also-before"]);
    assert_eq!(bodies(&cal, &room).await, ["after"]);

    // The one who left finds it among what they have left, and writes no more.
    assert_eq!(ben.get("rooms").await.ok(200)["rooms"], json!([]));
    let left = ben.get("rooms?membership=left").await.ok(200);
    assert_eq!(left["rooms"][0]["id"], room);
    assert_eq!(left["rooms"][0]["last_seq"], 2);
    assert_eq!(left["rooms"][0]["last_message"]["body"], "also-before");
    assert_eq!(
        ann.get("rooms?membership=left").await.ok(200)["rooms"],
        json!([])
    );
    let late = json!({"client_id": "late", "body": "late"});
    let late = ben.post(&format!("rooms/{room}/messages"), late).await;
    late.problem(404, "not_found");
    let edit = json!({"body": "rewritten"});
    let edit = ben.patch(&format!("rooms/{room}/messages/2"), edit).await;
    edit.problem(404, "not_found");
}

#[tokio::test]
async fn what_a_newcomer_sees_of_before_is_said_when_they_come() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    say(&ann, &room, "before").await;
    for (user, input, seen) in [
        ("all", json!({}), &["before"][..]),
        ("everything", json!({"history": "all"}), &["before"]),
        ("nothing", json!({"history": "from_now"}), &[]),
    ] {
        let path = format!("rooms/{room}/participants/{user}");
        platform.put(&path, input).await.ok(200);
        assert_eq!(bodies(&server.user(user), &room).await, seen, "{user}");
    }
    let handed = format!("rooms/{room}/participants/ben/replace");
    let everything = json!({"user": "dee", "history": "all"});
    platform.post(&handed, everything).await.ok(200);
    assert_eq!(bodies(&server.user("dee"), &room).await, ["before"]);
}

#[tokio::test]
async fn who_is_put_out_sees_nothing_and_who_leaves_keeps_what_was() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben", "cal"]).await;
    say(&ann, &room, "before").await;
    let path = |user: &str, query: &str| format!("rooms/{room}/participants/{user}{query}");
    let left = platform.delete(&path("ben", "?history=keep")).await.ok(200);
    assert_eq!(left["state"], "left");
    let out = platform.delete(&path("cal", "")).await.ok(200);
    assert_eq!(out["state"], "removed");
    let (ben, cal) = (server.user("ben"), server.user("cal"));
    assert_eq!(bodies(&ben, &room).await, ["before"]);
    let nothing = cal.get(&format!("rooms/{room}/messages")).await;
    nothing.problem(404, "not_found");
    // On second thoughts, nothing is left to them either.
    let out = platform.delete(&path("ben", "?history=none")).await.ok(200);
    assert_eq!(out["state"], "removed");
    let nothing = ben.get(&format!("rooms/{room}/messages")).await;
    nothing.problem(404, "not_found");
    assert_eq!(
        ben.get("rooms?membership=left").await.ok(200)["rooms"],
        json!([])
    );
}

#[tokio::test]
async fn the_tag_of_a_room_that_was_left_changes_when_what_is_told_does() {
    let server = start(&[]).await;
    let (ben, platform) = (server.user("ben"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    say(&server.user("ann"), &room, "before").await;
    let out = format!("rooms/{room}/participants/ben?history=keep");
    platform.delete(&out).await.ok(200);
    let path = format!("rooms/{room}");
    let seen = ben.get(&path).await;
    seen.ok(200);
    let tag = seen.header("etag").to_owned();
    let known = [("if-none-match", tag.as_str())];
    let same = ben.ask_with("GET", &path, None, &known).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    // What is said later is not told, and changes nothing.
    say(&server.user("ann"), &room, "after").await;
    let same = ben.ask_with("GET", &path, None, &known).await;
    assert_eq!(same.status, 304);
    let title = json!({"title": "Another"});
    platform.patch(&path, title).await.ok(200);
    let changed = ben.ask_with("GET", &path, None, &known).await;
    let now = ben.get(&path).await;
    assert_eq!(changed.status, 200, "or else the new title is not told");
    assert_eq!(changed.ok(200), now.ok(200));
}

#[tokio::test]
async fn old_messages_are_given_up_for_everybody_at_once() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    for name in ["one", "two", "three", "four", "five"] {
        say(&ann, &room, name).await;
    }
    let path = format!("rooms/{room}/retention");
    let kept = platform.post(&path, json!({"from_seq": 3})).await.ok(200);
    assert_eq!((&kept["first_seq"], &kept["rev"]), (&json!(3), &json!(7)));
    for reader in [&ann, &server.user("ben"), &platform] {
        assert_eq!(bodies(reader, &room).await, ["three", "four", "five"]);
    }
    let history = ann.get(&format!("rooms/{room}/messages")).await.ok(200);
    assert_eq!(history["has_older"], false);
    // It is never taken back.
    let same = platform.post(&path, json!({"from_seq": 1})).await.ok(200);
    assert_eq!((&same["first_seq"], &same["rev"]), (&json!(3), &json!(7)));
    platform.post(&path, json!({"keep": 1})).await.ok(200);
    assert_eq!(bodies(&ann, &room).await, ["five"]);
    let all = platform.post(&path, json!({"keep": 0})).await.ok(200);
    assert_eq!(all["first_seq"], 6);
    assert_eq!(bodies(&ann, &room).await, Vec::<String>::new());
    assert_eq!(say(&ann, &room, "six").await["seq"], 6);
    let more = platform.post(&path, json!({"keep": 9_007_199_254_740_991_u64}));
    assert_eq!(more.await.ok(200)["first_seq"], 6);
}

#[tokio::test]
async fn what_a_message_said_before_is_kept_for_the_platform() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    say(&ann, &room, "first").await;
    let message = format!("rooms/{room}/messages/1");
    for body in ["second", "third"] {
        ann.patch(&message, json!({"body": body})).await.ok(200);
    }
    ann.delete(&message).await.ok(200);
    let edits = platform.get(&format!("{message}/edits")).await.ok(200);
    let said = |page: &Value| -> Vec<String> {
        let edits = page["edits"].as_array().unwrap().iter();
        edits
            .map(|edit| edit["body"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(said(&edits), ["first", "second", "third"]);
    assert_eq!(edits["edits"][0]["rev"], 2);
    for time in ["written_at", "replaced_at"] {
        Timestamp::parse(edits["edits"][0][time].as_str().unwrap()).unwrap();
    }
    assert_eq!(edits.get("next_after_rev"), None);
    let page = platform
        .get(&format!("{message}/edits?limit=2"))
        .await
        .ok(200);
    assert_eq!(said(&page), ["first", "second"]);
    let next = page["next_after_rev"].as_u64().unwrap();
    let rest = format!("{message}/edits?limit=2&after_rev={next}");
    let page = platform.get(&rest).await;
    assert_eq!(said(&page.ok(200)), ["third"]);
    let none = platform
        .get(&format!("rooms/{room}/messages/99/edits"))
        .await;
    assert_eq!(none.ok(200)["edits"], json!([]));
    let nowhere = "rooms/018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41/messages/1/edits";
    platform.get(nowhere).await.problem(404, "not_found");
}

#[tokio::test]
async fn windows_close_for_users_and_not_for_the_platform() {
    let closed = [
        ("LIMITS__EDIT_WINDOW", "0s"),
        ("LIMITS__DELETE_WINDOW", "0s"),
    ];
    let server = start(&closed).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    let sent = say(&ann, &room, "first").await;
    let message = format!("rooms/{room}/messages/1");
    // A window of nothing closes with the millisecond in which the message was sent.
    let sent_at = Timestamp::parse(sent["sent_at"].as_str().unwrap()).unwrap();
    while SystemClock.now() <= sent_at {
        tokio::task::yield_now().await;
    }
    let edit = json!({"body": "second"});
    let late = ann.patch(&message, edit.clone()).await;
    late.problem(409, "conflict");
    ann.delete(&message).await.problem(409, "conflict");
    platform.patch(&message, edit).await.ok(200);
    platform.delete(&message).await.ok(200);

    let open = [
        ("LIMITS__EDIT_WINDOW", "1h"),
        ("LIMITS__DELETE_WINDOW", "1h"),
    ];
    let server = start(&open).await;
    let ann = server.user("ann");
    let room = room_of(&server, &["ann", "ben"]).await;
    say(&ann, &room, "first").await;
    let message = format!("rooms/{room}/messages/1");
    ann.patch(&message, json!({"body": "second"})).await.ok(200);
    ann.delete(&message).await.ok(200);
}

#[tokio::test]
async fn a_person_is_erased_and_their_messages_with_them() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    say(&server.user("ben"), &room, "my-address-is-12-Elm").await;
    say(&ann, &room, "thanks").await;
    let erased = platform.delete("users/ben").await.ok(202);
    assert_eq!(erased, json!({"user": "ben", "messages": "tombstone"}));
    // At once nobody is told who it was …
    let history = ann.get(&format!("rooms/{room}/messages")).await.ok(200);
    assert_eq!(history["messages"][0]["sender"], json!({"type": "erased"}));
    let seen = ann.get(&format!("rooms/{room}")).await;
    assert!(!seen.text().contains("ben"), "{}", seen.text());
    platform.delete("users/ben").await.problem(404, "not_found");
    platform
        .get("users/ben/export")
        .await
        .problem(404, "not_found");
    let ben = server.user("ben");
    assert_eq!(ben.get("rooms").await.ok(200)["rooms"], json!([]));
    let nothing = ben.get(&format!("rooms/{room}")).await;
    nothing.problem(404, "not_found");
    // … and soon nobody what they said.
    seen_at_last(&server, "ann", &room, |history| {
        history["messages"][0]["body"].is_null()
    })
    .await;
    let history = ann.get(&format!("rooms/{room}/messages")).await.ok(200);
    assert_eq!(history["messages"][0]["change"], "deleted");
    assert_eq!(history["messages"][1]["body"], "thanks");
    let edits = platform
        .get(&format!("rooms/{room}/messages/1/edits"))
        .await;
    assert_eq!(edits.ok(200)["edits"], json!([]));
}

#[tokio::test]
async fn of_somebody_erased_the_messages_may_stay_without_a_name() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    say(&server.user("ben"), &room, "at-nine").await;
    let erased = platform.delete("users/ben?messages=keep").await.ok(202);
    assert_eq!(erased["messages"], "keep");
    seen_at_last(&server, "ann", &room, |_| true).await;
    let history = ann.get(&format!("rooms/{room}/messages")).await.ok(200);
    let message = &history["messages"][0];
    assert_eq!(message["sender"], json!({"type": "erased"}));
    assert_eq!(message["body"], "at-nine");
}

#[tokio::test]
async fn everything_that_is_known_of_a_person_is_handed_out() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let first = room_of(&server, &["ann", "ben"]).await;
    let second = room_of(&server, &["ann", "cal"]).await;
    say(&ann, &first, "hello-ben").await;
    say(&server.user("ben"), &first, "not-hers").await;
    say(&ann, &second, "hello-cal").await;
    let edit = json!({"body": "hello-again"});
    ann.patch(&format!("rooms/{second}/messages/1"), edit)
        .await
        .ok(200);

    let export = ann.get("export").await;
    let told = lines(&export);
    let kind = |line: &Value| line.as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(kind(&told[0]), "person");
    assert_eq!(told[0]["person"]["id"], "ann");
    let (last, before) = told.split_last().unwrap();
    assert_eq!(last, &json!({"complete": {"lines": before.len()}}));
    let of_kind = |wanted: &str| before.iter().filter(|line| kind(line) == wanted).count();
    assert_eq!(
        (of_kind("room"), of_kind("message"), of_kind("edition")),
        (2, 2, 1),
        "{}",
        export.text()
    );
    for said in ["hello-ben", "hello-cal", "hello-again"] {
        assert!(export.text().contains(said), "{said}");
    }
    assert!(!export.text().contains("not-hers"), "another's words");
    let by_platform = platform.get("users/ann/export").await;
    assert_eq!(lines(&by_platform), told);
    // Somebody of whom nothing is known.
    let nothing = json!({"complete": {"lines": 0}});
    assert_eq!(lines(&server.user("nobody").get("export").await), [nothing]);
    platform
        .get("users/nobody/export")
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_long_export_comes_page_by_page_and_whole() {
    const MESSAGES: usize = 1_200;
    let generous = [
        ("LIMITS__MESSAGES_PER_SECOND", "100000"),
        ("LIMITS__MESSAGE_BURST", "100000"),
    ];
    let server = start(&generous).await;
    let ann = server.user("ann");
    let room = room_of(&server, &["ann", "ben"]).await;
    let names: Vec<String> = (0..MESSAGES).map(|n| format!("m-{n}")).collect();
    for part in names.chunks(100) {
        let sends = part.iter().map(|name| say(&ann, &room, name));
        futures::future::join_all(sends).await;
    }
    let told = lines(&ann.get("export").await);
    let mut bodies: Vec<&str> = told
        .iter()
        .filter_map(|line| line["message"]["body"].as_str())
        .collect();
    bodies.sort_unstable();
    let mut wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(bodies, wanted);
    let last = json!({"complete": {"lines": told.len() - 1}});
    assert_eq!(told.last(), Some(&last));
}

/// A room with one message, and everything that is needed to try to harm it.
struct Target {
    server: Running,
    room: String,
}

impl Target {
    async fn new() -> Self {
        let server = start(&[]).await;
        let room = room_of(&server, &["ann", "ben"]).await;
        say(&server.user("ann"), &room, "before").await;
        Self { server, room }
    }

    /// Asks for something below the room that must be refused because of one field.
    async fn refuses(&self, method: &str, rest: &str, body: Option<Value>, field: &str) {
        let path = format!("rooms/{}/{rest}", self.room);
        let what = format!("{method} {rest} {body:?}");
        let refused = self.server.platform().ask(method, &path, body).await;
        let problem = refused.problem(400, "bad_request");
        assert_eq!(problem["errors"][0]["field"], field, "{what}: {problem}");
    }

    async fn is_unharmed(&self) {
        let path = format!("rooms/{}", self.room);
        let seen = self.server.platform().get(&path).await.ok(200);
        assert_eq!((&seen["rev"], &seen["first_seq"]), (&json!(2), &json!(1)));
        assert_eq!(seen["participant_count"], 2);
    }
}

#[tokio::test]
async fn bodies_that_make_no_sense_change_nothing() {
    let target = Target::new().await;
    for (call, body, field) in [
        ("retention", json!({}), "from_seq"),
        ("retention", json!({"from_seq": 1, "keep": 1}), "keep"),
        ("retention", json!({"from_seq": -1}), "from_seq"),
        ("retention", json!({"from_seq": "2"}), "from_seq"),
        ("retention", json!({"from_seq": 1.5}), "from_seq"),
        ("retention", json!({"from_seq": null}), "from_seq"),
        ("retention", json!({"keep": -1}), "keep"),
        ("retention", json!({"keep": [1]}), "keep"),
        ("retention", json!({"keep": 1, "seq": 1}), "seq"),
        ("lock", json!({"at": "tomorrow"}), "at"),
        ("lock", json!({"at": 7}), "at"),
    ] {
        target.refuses("POST", call, Some(body), field).await;
    }
    for (more, field) in [
        (json!({"user": null}), "user"),
        (json!({"user": ""}), "user"),
        (json!({"user": "ben"}), "user"),
        (json!({"user": ["cal"]}), "user"),
        (json!({"user": "x".repeat(65)}), "user"),
        (json!({"role": "god"}), "role"),
        (json!({"history": "some"}), "history"),
        (json!({"history": true}), "history"),
        (json!({"rev": 7}), "rev"),
        (json!({"id": "x"}), "id"),
        (json!({"name": "x".repeat(201)}), "name"),
    ] {
        let mut body = json!({"user": "cal"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let call = "participants/ben/replace";
        target.refuses("POST", call, Some(body), field).await;
    }
    target
        .refuses("POST", "participants/ben/replace", Some(json!({})), "user")
        .await;
    target.is_unharmed().await;
}

#[tokio::test]
async fn addresses_that_make_no_sense_change_nothing() {
    let target = Target::new().await;
    for (method, call, field) in [
        ("DELETE", "participants/ben?history=some", "history"),
        ("DELETE", "participants/%00", "user"),
        ("GET", "messages/1/edits?limit=101", "limit"),
        ("GET", "messages/1/edits?limit=0", "limit"),
        ("GET", "messages/1/edits?after_rev=x", "after_rev"),
    ] {
        target.refuses(method, call, None, field).await;
    }
    for (method, path, field) in [
        ("DELETE", "users/ann?messages=burn", "messages"),
        ("DELETE", "users/%0a", "user"),
        ("GET", "users/%0a/export", "user"),
    ] {
        let refused = target.server.platform().ask(method, path, None).await;
        refused.refuses(field);
    }
    for query in [
        "membership=gone",
        "membership=",
        "membership=left&membership=left",
    ] {
        let refused = target
            .server
            .user("ann")
            .get(&format!("rooms?{query}"))
            .await;
        refused.refuses("membership");
    }
    let platform = target.server.platform();
    let edits = format!("rooms/{}/messages/0/edits", target.room);
    platform.get(&edits).await.problem(404, "not_found");
    let nobody = format!("rooms/{}/participants/eve/replace", target.room);
    let nobody = platform.post(&nobody, json!({"user": "cal"})).await;
    nobody.problem(404, "not_found");
    target.is_unharmed().await;
}

#[tokio::test]
async fn nobody_makes_a_past_for_themselves() {
    let target = Target::new().await;
    let path = format!("rooms/{}/participants/cal", target.room);
    let input = json!({
        "role": "member", "history": "from_now",
        "visible_from": 1, "visible_to": 9, "state": "active", "read_seq": 1,
    });
    target.server.platform().put(&path, input).await.ok(200);
    let seen = bodies(&target.server.user("cal"), &target.room).await;
    assert_eq!(seen, Vec::<String>::new());
}

async fn tell(server: &Running, event: Value) -> Reply {
    server.platform().post("events", event).await
}

fn about(kind: &str, more: &Value) -> Value {
    let mut event = json!({
        "type": kind, "id": kind, "subject": {"type": "job", "id": "7"},
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

async fn accepted(server: &Running) -> String {
    let people = json!([
        {"user": "ann", "role": "client", "name": "Ann"},
        {"user": "ben", "role": "cleaner", "name": "Ben"},
    ]);
    let told = tell(
        server,
        about("job.accepted", &json!({"participants": people})),
    )
    .await;
    told.ok(201)["room"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_job_that_is_reassigned_hands_its_room_over() {
    let server = start(&[]).await;
    let room = accepted(&server).await;
    say(&server.user("ben"), &room, "the-key-is-under-the-mat").await;
    let change = json!({"leaves": "ben", "participants": [{"user": "cal", "role": "cleaner"}]});
    let told = tell(&server, about("job.reassigned", &change))
        .await
        .ok(201);
    assert_eq!(told["seq"], 3);
    let rev = told["rev"].clone();
    let again = tell(&server, about("job.reassigned", &change))
        .await
        .ok(200);
    assert_eq!((&again["duplicate"], &again["rev"]), (&json!(true), &rev));
    // The newcomer begins with the message that says so; the one who left ends before it.
    assert_eq!(bodies(&server.user("cal"), &room).await, ["Job reassigned"]);
    assert_eq!(
        bodies(&server.user("ben"), &room).await,
        ["Job accepted", "the-key-is-under-the-mat"]
    );
    assert_eq!(bodies(&server.user("ann"), &room).await.len(), 3);
    for (change, field) in [
        (json!({"participants": [{"user": "cal"}]}), "leaves"),
        (json!({"leaves": "ben"}), "participants"),
        (json!({"leaves": "ben", "participants": []}), "participants"),
        (
            json!({"leaves": 7, "participants": [{"user": "cal"}]}),
            "leaves",
        ),
        (
            json!({"leaves": "ben", "participants": [{"user": "cal"}], "history": "x"}),
            "history",
        ),
    ] {
        let mut event = about("job.reassigned", &change);
        event["id"] = json!("another");
        tell(&server, event).await.refuses(field);
    }
}

#[tokio::test]
async fn a_job_is_reopened_and_archived() {
    let server = start(&[]).await;
    let room = accepted(&server).await;
    let nothing = json!({});
    tell(&server, about("job.cancelled", &nothing))
        .await
        .ok(201);
    let ann = server.user("ann");
    let late = json!({"client_id": "late", "body": "late"});
    let path = format!("rooms/{room}/messages");
    ann.post(&path, late.clone())
        .await
        .problem(409, "room_locked");
    let reopened = tell(&server, about("job.reopened", &nothing)).await.ok(201);
    assert_eq!(reopened["room"]["state"], "open");
    ann.post(&path, late).await.ok(201);
    let archived = tell(&server, about("job.archived", &nothing)).await.ok(201);
    assert_eq!(archived["room"]["state"], "archived");
    assert_eq!(archived.get("seq"), None, "nobody's phone rings for it");
    assert_eq!(ann.get("rooms").await.ok(200)["rooms"], json!([]));
}

#[tokio::test]
async fn an_event_erases_a_person_once() {
    let server = start(&[]).await;
    let room = accepted(&server).await;
    let event = json!({
        "type": "user.erased", "id": "e", "subject": {"type": "user", "id": "ben"},
        "messages": "keep",
    });
    let told = tell(&server, event.clone()).await.ok(202);
    let expected = json!({"user": "ben", "messages": "keep", "duplicate": false});
    assert_eq!(told, expected);
    let again = tell(&server, event).await.ok(202);
    assert_eq!(again["duplicate"], true);
    // Its name is not another's.
    let other = json!({"type": "user.erased", "id": "e", "subject": {"type": "user", "id": "ann"}});
    let other = tell(&server, other).await;
    other.problem(422, "client_id_reused");
    let seen = server.user("ann").get(&format!("rooms/{room}")).await;
    seen.ok(200);
    assert!(!seen.text().contains("Ben"), "{}", seen.text());
    let job = json!({"subject": {"type": "job", "id": "7"}});
    let job = tell(&server, about("user.erased", &job)).await;
    job.refuses("subject.type");
}
