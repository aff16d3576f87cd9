//! The REST calls, one by one, as the protocol tells them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use realtime_core::id::RoomId;
use serde_json::{Value, json};
use support::{Running, http::Api, service_token_of, start, token};

async fn room_of(server: &Running, people: &[&str]) -> String {
    server.room(people).await.to_string()
}

async fn say(api: &Api, room: &str, name: &str) -> Value {
    let body = json!({"client_id": name.replace(' ', "-"), "body": name});
    let sent = api.post(&format!("rooms/{room}/messages"), body).await;
    sent.ok(201)
}

fn ids(page: &Value) -> Vec<&str> {
    let rooms = page["rooms"].as_array().unwrap().iter();
    rooms.map(|room| room["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_room_list_is_paged_by_latest_activity() {
    let server = start(&[]).await;
    let ann = server.user("ann");
    let mut rooms = Vec::new();
    for _ in 0..5 {
        rooms.push(room_of(&server, &["ann", "ben"]).await);
    }
    let (mut found, mut path) = (Vec::new(), "rooms?limit=2".to_owned());
    let mut pages = 0;
    loop {
        let page = ann.get(&path).await.ok(200);
        found.extend(ids(&page).into_iter().map(str::to_owned));
        pages += 1;
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("rooms?limit=2&cursor={cursor}");
    }
    rooms.reverse();
    let by_id = |mut rooms: Vec<String>| {
        rooms.sort();
        rooms
    };
    // Rooms opened within one millisecond are ordered by id, which is as random.
    assert_eq!(by_id(found), by_id(rooms.clone()));
    assert_eq!(pages, 3);

    say(&server.user("ben"), &rooms[3], "newest").await;
    let first = ann.get("rooms?limit=1").await.ok(200);
    assert_eq!(ids(&first), [rooms[3].as_str()]);
    let unread = ann.get("rooms?unread=true").await.ok(200);
    assert_eq!(ids(&unread), [rooms[3].as_str()]);
    assert_eq!(unread["rooms"][0]["unread"]["count"], 1);
}

#[tokio::test]
async fn the_room_list_is_filtered_by_state() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let mut rooms = Vec::new();
    for action in ["reopen", "lock", "archive"] {
        let room = room_of(&server, &["ann"]).await;
        let path = format!("rooms/{room}/{action}");
        platform.post(&path, json!({})).await.ok(200);
        rooms.push(room);
    }
    for (state, room) in ["open", "locked", "archived"].into_iter().zip(&rooms) {
        let page = ann.get(&format!("rooms?state={state}")).await.ok(200);
        assert_eq!(ids(&page), [room.as_str()], "{state}");
    }
    let usual = ann.get("rooms").await.ok(200);
    assert!(!ids(&usual).contains(&rooms[2].as_str()));
    assert_eq!(ids(&usual).len(), 2);
}

#[tokio::test]
async fn what_a_query_asks_for_must_make_sense() {
    let server = start(&[]).await;
    let ann = server.user("ann");
    let room = room_of(&server, &["ann"]).await;
    for (path, field) in [
        ("rooms?limit=0", "limit"),
        ("rooms?limit=101", "limit"),
        ("rooms?limit=1&limit=2", "limit"),
        ("rooms?cursor=x", "cursor"),
        ("rooms?cursor=", "cursor"),
        ("rooms?state=gone", "state"),
        ("rooms?unread=yes", "unread"),
        ("rooms/{room}/messages?limit=201", "limit"),
        ("rooms/{room}/messages?before=x", "before"),
        ("rooms/{room}/messages?after=1&around=1", "before"),
        ("rooms/{room}/messages?before=9007199254740992", "before"),
        ("rooms/{room}/changes", "after_rev"),
        ("rooms/{room}/changes?after_rev=-1", "after_rev"),
        ("rooms/{room}/changes?after_rev=0&limit=501", "limit"),
        ("rooms/{room}/participants?limit=501", "limit"),
        ("rooms/{room}/participants?after=%00", "after"),
        ("presence", "users"),
        ("presence?users=%0a", "users"),
    ] {
        ann.get(&path.replace("{room}", &room)).await.refuses(field);
    }
    let many = vec!["u"; 101].join(",");
    ann.get(&format!("presence?users={many}"))
        .await
        .refuses("users");
    ann.get("rooms?colour=red").await.ok(200);
}

#[tokio::test]
async fn a_room_that_did_not_change_is_not_told_again() {
    let server = start(&[]).await;
    let ann = server.user("ann");
    let room = room_of(&server, &["ann", "ben"]).await;
    let path = format!("rooms/{room}");
    let seen = ann.get(&path).await;
    let rev = seen.ok(200)["rev"].as_u64().unwrap();
    let tag = seen.header("etag").to_owned();
    assert_eq!(tag, format!("\"{rev}\""));
    let again = ann
        .ask_with("GET", &path, None, &[("if-none-match", &tag)])
        .await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), tag);
    let head = ann.ask("HEAD", &path, None).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), seen.header("content-length"));

    say(&ann, &room, "news").await;
    let changed = ann
        .ask_with("GET", &path, None, &[("if-none-match", &tag)])
        .await;
    assert_eq!(changed.ok(200)["rev"], rev + 1);
    // A stranger learns nothing from a tag either.
    let eve = server.user("eve");
    let refused = eve
        .ask_with("GET", &path, None, &[("if-none-match", "*")])
        .await;
    refused.problem(404, "not_found");
}

#[tokio::test]
async fn a_subject_has_one_room() {
    let server = start(&[]).await;
    let platform = server.platform();
    let body = json!({
        "participants": [{"user": "ann", "role": "owner", "name": "Ann"}, {"user": "ben"}],
        "title": "Deep clean", "metadata": {"floor": 3},
    });
    let path = "rooms/by-subject/job/7%2F21";
    let room = platform.put(path, body.clone()).await.ok(201);
    assert_eq!(room["subject"], json!({"type": "job", "id": "7/21"}));
    assert_eq!((&room["kind"], &room["rev"]), (&json!("direct"), &json!(1)));
    assert_eq!(room["metadata"], json!({"floor": 3}));
    let other = json!({"participants": [{"user": "eve"}]});
    let again = platform.put(path, other).await.ok(200);
    assert_eq!(
        (&again["id"], &again["title"]),
        (&room["id"], &json!("Deep clean"))
    );
    let seen = server.user("ann").get("rooms").await.ok(200);
    assert_eq!(seen["rooms"][0]["participants"][0]["name"], "Ann");
    let long = format!("rooms/by-subject/job/{}", "x".repeat(65));
    platform.put(&long, body).await.refuses("subject");
}

#[tokio::test]
async fn a_key_opens_one_room() {
    let server = start(&[]).await;
    let platform = server.platform();
    let body = json!({"kind": "group", "participants": [{"user": "ann"}, {"user": "ben"}]});
    let without = platform.post("rooms", body.clone()).await.ok(201);
    assert_ne!(
        platform.post("rooms", body.clone()).await.ok(201)["id"],
        without["id"]
    );
    let key = [("idempotency-key", "k1")];
    let ask = |body: Value| {
        let platform = platform.clone();
        async move { platform.ask_with("POST", "rooms", Some(body), &key).await }
    };
    let room = ask(body.clone()).await.ok(201);
    assert_eq!(ask(body).await.ok(200)["id"], room["id"]);
    let other = json!({"kind": "group", "participants": [{"user": "eve"}]});
    ask(other).await.problem(422, "client_id_reused");
    let twice = json!({"participants": [{"user": "ann"}, {"user": "ann"}]});
    let refused = platform
        .ask_with("POST", "rooms", Some(twice), &[("idempotency-key", "k2")])
        .await;
    refused.refuses("participants");
}

#[tokio::test]
async fn ten_thousand_people_fit_into_one_request() {
    let server = start(&[]).await;
    let people: Vec<Value> = (0..10_000)
        .map(|n| json!({"user": format!("person-{n:05}"), "name": "Somebody", "role": "member"}))
        .collect();
    let body = json!({"kind": "group", "participants": people});
    let key = [("idempotency-key", "crowd")];
    let opened = server
        .platform()
        .ask_with("POST", "rooms", Some(body), &key)
        .await;
    let room = opened.ok(201);
    assert_eq!(room["participant_count"], 10_000);
    let path = format!(
        "rooms/{}/participants?limit=500",
        room["id"].as_str().unwrap()
    );
    let person = server.user("person-00000");
    let page = person.get(&path).await.ok(200);
    assert_eq!(page["participants"].as_array().unwrap().len(), 500);
    assert_eq!(page["next_after"], "person-00499");
    let next = person
        .get(&format!("{path}&after=person-09990"))
        .await
        .ok(200);
    assert_eq!(next["participants"].as_array().unwrap().len(), 9);
    assert_eq!(next.get("next_after"), None);
}

#[tokio::test]
async fn the_platform_names_locks_and_reopens() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann"]).await;
    let path = format!("rooms/{room}");
    let named = platform
        .patch(&path, json!({"title": "A", "metadata": {"a": 1}}))
        .await;
    assert_eq!(named.ok(200)["rev"], 2);
    let kept = platform
        .patch(&path, json!({"metadata": null}))
        .await
        .ok(200);
    assert_eq!((&kept["title"], kept.get("metadata")), (&json!("A"), None));
    let bare = platform.patch(&path, json!({"title": null})).await.ok(200);
    assert_eq!(bare.get("title"), None);
    platform
        .patch(&path, json!({"title": 7}))
        .await
        .refuses("title");
    platform
        .patch(&path, json!({"title": "a\nb"}))
        .await
        .refuses("title");

    let later = json!({"at": "2100-01-01T01:00:00+01:00"});
    let locking = platform.post(&format!("{path}/lock"), later).await.ok(200);
    assert_eq!(locking["state"], "open");
    assert_eq!(locking["locks_at"], "2100-01-01T00:00:00.000Z");
    say(&ann, &room, "still open").await;
    // No body at all is as `{}`.
    let locked = platform
        .ask("POST", &format!("{path}/lock"), None)
        .await
        .ok(200);
    assert_eq!(locked["state"], "locked");
    let message = json!({"client_id": "late", "body": "too late"});
    let refused = ann.post(&format!("{path}/messages"), message).await;
    refused.problem(409, "room_locked");
    say(&platform, &room, "the platform still writes").await;
    let open = platform
        .ask("POST", &format!("{path}/reopen"), None)
        .await
        .ok(200);
    assert_eq!(
        (&open["state"], open.get("locks_at")),
        (&json!("open"), None)
    );
    say(&ann, &room, "open again").await;
    platform
        .post(&format!("{path}/lock"), json!({"at": "tomorrow"}))
        .await
        .refuses("at");
}

#[tokio::test]
async fn who_is_put_out_is_out_at_once() {
    let server = start(&[]).await;
    let (ben, platform) = (server.user("ben"), server.platform());
    let room = room_of(&server, &["ann"]).await;
    let place = format!("rooms/{room}/participants/ben");
    ben.get(&format!("rooms/{room}"))
        .await
        .problem(404, "not_found");
    let admitted = platform
        .put(&place, json!({"role": "observer", "name": "Ben"}))
        .await;
    let admitted = admitted.ok(200);
    assert_eq!(
        (&admitted["rev"], &admitted["role"]),
        (&json!(2), &json!("observer"))
    );
    ben.get(&format!("rooms/{room}")).await.ok(200);
    let removed = platform.delete(&place).await.ok(200);
    assert_eq!(
        (&removed["rev"], &removed["state"]),
        (&json!(3), &json!("removed"))
    );
    ben.get(&format!("rooms/{room}"))
        .await
        .problem(404, "not_found");
    // What changes nothing has the room's head too, and who never was there is not found.
    assert_eq!(platform.delete(&place).await.ok(200)["rev"], 3);
    let nobody = format!("rooms/{room}/participants/nobody");
    platform.delete(&nobody).await.problem(404, "not_found");
    let god = platform.put(&place, json!({"role": "god"})).await;
    god.refuses("role");
}

#[tokio::test]
async fn a_message_is_sent_once() {
    let server = start(&[]).await;
    let (ann, ben) = (server.user("ann"), server.user("ben"));
    let room = room_of(&server, &["ann", "ben"]).await;
    let path = format!("rooms/{room}/messages");
    let body = json!({"client_id": "m-1", "body": "hello", "metadata": {"mood": "good"}});
    let sent = ann.post(&path, body.clone()).await.ok(201);
    assert_eq!(
        (&sent["seq"], &sent["duplicate"]),
        (&json!(1), &json!(false))
    );
    let again = ann.post(&path, body).await.ok(200);
    assert_eq!(
        (&again["id"], &again["duplicate"]),
        (&sent["id"], &json!(true))
    );
    let reused = json!({"client_id": "m-1", "body": "something else"});
    ann.post(&path, reused.clone())
        .await
        .problem(422, "client_id_reused");
    assert_eq!(ben.post(&path, reused).await.ok(201)["seq"], 2);

    let history = ann.get(&path).await.ok(200);
    let own = &history["messages"][0];
    assert_eq!(own["metadata"], json!({"mood": "good"}));
    assert_eq!(own["client_id"], "m-1");
    assert_eq!(history["messages"][1].get("client_id"), None, "another's");
}

#[tokio::test]
async fn messages_are_read_from_any_place() {
    let server = start(&[]).await;
    let ann = server.user("ann");
    let room = room_of(&server, &["ann"]).await;
    for n in 1..=9 {
        say(&ann, &room, &format!("m-{n}")).await;
    }
    let page = |query: &'static str| {
        let (ann, path) = (ann.clone(), format!("rooms/{room}/messages?limit=3{query}"));
        async move {
            let page = ann.get(&path).await.ok(200);
            let messages = page["messages"].as_array().unwrap().iter();
            let seqs: Vec<u64> = messages.map(|it| it["seq"].as_u64().unwrap()).collect();
            let older = page["has_older"].as_bool().unwrap();
            (seqs, older, page["has_newer"].as_bool().unwrap())
        }
    };
    assert_eq!(page("").await, (vec![7, 8, 9], true, false));
    assert_eq!(page("&before=3").await, (vec![1, 2], false, true));
    assert_eq!(page("&after=3").await, (vec![4, 5, 6], true, true));
    assert_eq!(page("&around=5").await, (vec![4, 5, 6], true, true));
}

#[tokio::test]
async fn a_message_is_changed_and_deleted_by_its_sender() {
    let server = start(&[]).await;
    let (ann, platform) = (server.user("ann"), server.platform());
    let room = room_of(&server, &["ann", "ben"]).await;
    say(&ann, &room, "se yuo").await;
    let path = format!("rooms/{room}/messages/1");
    let edited = ann.patch(&path, json!({"body": "see you"})).await.ok(200);
    assert_eq!((&edited["seq"], &edited["rev"]), (&json!(1), &json!(3)));
    let deleted = platform.delete(&path).await.ok(200);
    assert_eq!(deleted["rev"], 4);
    let gone = ann.patch(&path, json!({"body": "again"})).await;
    gone.problem(409, "conflict");
    for path in ["2", "0", "-1", "x", "1.5", "18446744073709551616"] {
        let path = format!("rooms/{room}/messages/{path}");
        ann.delete(&path).await.problem(404, "not_found");
    }

    let changes = format!("rooms/{room}/changes?after_rev=1&limit=2");
    let some = ann.get(&changes).await.ok(200);
    assert_eq!(
        (&some["rev"], &some["complete"]),
        (&json!(3), &json!(false))
    );
    let changes = format!("rooms/{room}/changes?after_rev=3");
    let rest = ann.get(&changes).await.ok(200);
    assert_eq!((&rest["rev"], &rest["complete"]), (&json!(4), &json!(true)));
    assert_eq!(rest["messages"][0]["change"], "deleted");
    assert_eq!(rest["messages"][0]["body"], Value::Null);
}

#[tokio::test]
async fn only_the_platform_speaks_for_itself() {
    let server = start(&[]).await;
    let room = room_of(&server, &["ann"]).await;
    let path = format!("rooms/{room}/messages");
    let body = json!({"client_id": "s-1", "body": "Welcome", "kind": "system"});
    let refused = server.user("ann").post(&path, body.clone()).await;
    refused.problem(403, "forbidden");
    server.platform().post(&path, body).await.ok(201);
    let history = server.user("ann").get(&path).await.ok(200);
    let message = &history["messages"][0];
    assert_eq!(
        (&message["kind"], &message["sender"]),
        (&json!("system"), &json!({"type": "system"}))
    );
}

#[tokio::test]
async fn pointers_move_forward_and_unread_follows() {
    let server = start(&[]).await;
    let (ann, ben) = (server.user("ann"), server.user("ben"));
    let room = room_of(&server, &["ann", "ben"]).await;
    for n in 1..=3 {
        say(&ann, &room, &format!("m-{n}")).await;
    }
    let totals = ben.get("unread").await.ok(200);
    assert_eq!(totals, json!({"rooms": 1, "messages": 3, "capped": false}));
    let path = |pointer: &str| format!("rooms/{room}/{pointer}");
    let moved = ben.put(&path("delivered"), json!({"seq": 2})).await.ok(200);
    assert_eq!(moved, json!({"read_seq": 0, "delivered_seq": 2, "rev": 5}));
    let moved = ben.put(&path("read"), json!({"seq": 2})).await.ok(200);
    let unread = json!({"count": 1, "capped": false});
    assert_eq!(
        moved,
        json!({"read_seq": 2, "delivered_seq": 2, "rev": 6, "unread": unread})
    );
    let back = ben.put(&path("read"), json!({"seq": 1})).await.ok(200);
    assert_eq!((&back["read_seq"], &back["rev"]), (&json!(2), &json!(6)));
    let far = ben
        .put(&path("read"), json!({"seq": 1_000_000}))
        .await
        .ok(200);
    assert_eq!(
        (&far["read_seq"], &far["unread"]["count"]),
        (&json!(3), &json!(0))
    );
    for wrong in [json!(-1), json!(1.5), json!("1"), json!(null), json!(true)] {
        let refused = ben.put(&path("read"), json!({"seq": wrong})).await;
        refused.refuses("seq");
    }
}

#[tokio::test]
async fn presence_is_told_among_acquaintances() {
    let server = start(&[]).await;
    room_of(&server, &["ann", "ben", "a,b"]).await;
    let _ben = server.connect("ben").await;
    let seen = server.user("ann").get("presence?users=ben,a%2Cb,eve").await;
    let seen = seen.ok(200);
    assert_eq!(seen["users"][0], json!({"user": "ben", "online": true}));
    assert_eq!(seen["users"][1], json!({"user": "a,b", "online": false}));
    assert_eq!(
        seen["users"].as_array().unwrap().len(),
        2,
        "eve is a stranger"
    );
}

#[tokio::test]
async fn a_user_has_a_ration_and_the_platform_has_none() {
    let scarce = [
        ("LIMITS__MESSAGES_PER_SECOND", "1"),
        ("LIMITS__MESSAGE_BURST", "2"),
        ("LIMITS__COMMANDS_PER_SECOND", "1"),
        ("LIMITS__COMMAND_BURST", "2"),
    ];
    let server = start(&scarce).await;
    let (ann, ben) = (server.user("ann"), server.user("ben"));
    let room = room_of(&server, &["ann", "ben"]).await;
    let path = format!("rooms/{room}/messages");
    // All at once: on a slow machine a second brings another one.
    let sends = (0..8).map(|n| {
        let body = json!({"client_id": format!("m-{n}"), "body": "one of many"});
        let (ann, path) = (&ann, &path);
        async move { ann.post(path, body).await }
    });
    let replies = futures::future::join_all(sends).await;
    let (sent, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|it| it.status == 201);
    assert!(sent.len() >= 2, "the burst");
    let problem = refused[0].problem(429, "rate_limited");
    let pause = problem["retry_after_ms"].as_u64().unwrap();
    assert!((1..=1_000).contains(&pause), "{problem}");
    assert_eq!(refused[0].header("retry-after"), "1");
    // Another purse, and another user.
    let lists = futures::future::join_all((0..8).map(|_| ann.get("rooms"))).await;
    assert!(lists.iter().filter(|list| list.status == 200).count() >= 2);
    let refused = lists.iter().find(|list| list.status != 200);
    refused.unwrap().problem(429, "rate_limited");
    ben.get("rooms").await.ok(200);
    // Even if its token names a user who has nothing left.
    let platform = [server.platform(), server.api(service_token_of(Some("ann")))];
    for (api, name) in platform.iter().zip(["p", "q"]) {
        for n in 0..10 {
            say(api, &room, &format!("{name}-{n}")).await;
        }
    }
    let history = ben.get(&path).await.ok(200);
    let last = &history["messages"][sent.len() + 19];
    assert_eq!(last["sender"]["type"], "system");
}

#[tokio::test]
async fn tokens_are_checked_and_their_refusal_says_why() {
    let server = start(&[]).await;
    let none = server.nobody().get("rooms").await;
    none.problem(401, "unauthenticated");
    assert_eq!(none.header("www-authenticate"), "Bearer");
    let expired = server.api(support::expired_token("ann")).get("rooms").await;
    expired.problem(401, "token_expired");
    let forged = server.api("a.b.c".to_owned()).get("rooms").await;
    forged.problem(401, "unauthenticated");
    assert_eq!(
        forged.header("www-authenticate"),
        "Bearer error=\"invalid_token\""
    );
    let in_url = server
        .nobody()
        .get(&format!("rooms?token={}", token("ann")))
        .await;
    in_url.problem(400, "bad_request");
    let basic = [("authorization", "Basic YW5uOmFubg==")];
    let basic = server.nobody().ask_with("GET", "rooms", None, &basic).await;
    basic.problem(401, "unauthenticated");
}

#[tokio::test]
async fn the_feed_is_empty_and_the_rest_of_it_is_not_there_yet() {
    let server = start(&[]).await;
    let ann = server.user("ann");
    let feed = ann.get("notifications").await.ok(200);
    let empty = json!({"items": [], "rev": 0, "unread": 0, "unseen": 0, "has_older": false});
    assert_eq!(feed, empty);
    for (method, path) in [
        ("POST", "notifications/read"),
        ("GET", "preferences"),
        ("GET", "push-subscriptions"),
        ("GET", "/api/v2/rooms"),
        ("GET", "/api/v1"),
        ("GET", "/assets/../Cargo.toml"),
        ("GET", "/assets/%2e%2e%2fCargo.toml"),
    ] {
        ann.ask(method, path, None).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn a_rooms_name_that_is_none_is_as_one_that_does_not_exist() {
    let server = start(&[]).await;
    let ann = server.user("ann");
    let nowhere = "018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41"
        .parse::<RoomId>()
        .unwrap();
    for room in [
        nowhere.to_string().as_str(),
        "x",
        "%00",
        "%ff%fe",
        "..%2f..%2fetc%2fpasswd",
        &"x".repeat(5_000),
    ] {
        ann.get(&format!("rooms/{room}"))
            .await
            .problem(404, "not_found");
    }
}
