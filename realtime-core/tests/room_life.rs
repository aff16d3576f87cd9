//! A room's life as its participants see it: handed over, read by who has left, with an
//! end to editing, with fewer messages than there were.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;
#[path = "review/gate.rs"]
mod gate;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use common::{Client, Watch, close_code, group, member, room, server, store, user, wide};
use gate::Gate;
use realtime_core::{
    Limits, Realtime,
    change::{Actor, DomainEvent, History, Legacy, NewParticipant, Once, Pointer, Roster},
    conformance::faulty::{FaultPlan, FaultyBroker},
    id::{EventId, RoomId},
    memory::MemoryBroker,
    message::{Body, Sender},
    room::Subject,
    seq::{Rev, Seq},
    service::{Keep, RoomSeen},
    store::{RoomQuery, SharedBackend, Window},
    time::Timestamp,
};
use serde_json::{Value, json};

/// Long enough for everything but a sweep.
const MOMENT: Duration = Duration::from_millis(400);
/// Long enough for one sweep, and what follows from it.
const SWEEP: Duration = Duration::from_secs(6);

fn by(name: &str) -> Actor {
    Actor::user(user(name))
}

fn body(text: &str) -> Body {
    Body::parse(text.to_owned(), 8_192).unwrap()
}

async fn says(server: &Realtime, name: &str, room: RoomId, texts: &[&str]) {
    let listed = json!({"subscribe": "listed"});
    let mut speaker = Client::connect(server, name, listed).await.0;
    for text in texts {
        let sent = speaker.send(room, &text.replace(' ', "-"), text).await;
        assert!(sent["seq"].is_u64(), "{sent}");
    }
}

/// What was told, as one word for each push, of this room.
fn words(lines: &[Value]) -> Vec<&str> {
    let words = lines
        .iter()
        .filter_map(|line| line.as_object()?.keys().next());
    words
        .map(String::as_str)
        .filter(|word| !["presence", "typing", "id"].contains(word))
        .collect()
}

fn bodies(lines: &[Value]) -> Vec<&str> {
    let bodies = lines.iter();
    bodies
        .filter_map(|line| line["message"]["body"].as_str())
        .collect()
}

fn texts(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["body"].as_str().unwrap())
        .collect()
}

/// Ann talked to Ben; then Cat took over from him.
async fn handed_over(server: &Realtime) -> RoomId {
    let room = room(server, &["ann", "ben"]).await;
    says(server, "ann", room, &["one", "two", "three"]).await;
    server
        .replace(room, &user("ben"), member("cat"), History::FromNow)
        .await
        .unwrap();
    says(server, "ann", room, &["four", "five"]).await;
    room
}

#[tokio::test(start_paused = true)]
async fn a_room_is_handed_over_live() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    says(&server, "ann", room, &["one", "two", "three"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut ben = Client::of(&server, "ben").await;
    let mut cat = Client::of(&server, "cat").await;
    let (came, rev) = server
        .replace(room, &user("ben"), member("cat"), History::FromNow)
        .await
        .unwrap();
    assert_eq!(
        (came.user, came.visible_from.get(), rev.get()),
        (user("cat"), 4, 6)
    );
    tokio::time::sleep(MOMENT).await;

    let heard = ben.waiting();
    assert_eq!(words(&heard), ["participant", "unsubscribed"]);
    assert_eq!(heard[0]["participant"]["state"], "left");
    let heard = ann.waiting();
    assert_eq!(words(&heard), ["participant", "participant"]);

    let introduced = cat.waiting();
    assert_eq!(words(&introduced), ["room"]);
    let told = &introduced[0]["room"];
    assert_eq!(
        (&told["first_seq"], &told["last_seq"]),
        (&json!(4), &json!(3))
    );
    assert_eq!(told["me"]["visible_from_seq"], 4);
    assert!(told["me"].get("state").is_none());
    assert!(told.get("last_message").is_none(), "{told}");

    let edit = json!({"room": room, "seq": 2, "body": "two, edited"});
    ann.ask("edit", edit).await;
    ann.send(room, "four", "four").await;
    tokio::time::sleep(MOMENT).await;
    assert!(ben.waiting().is_empty());
    let heard = cat.waiting();
    assert_eq!(bodies(&heard), ["four"]);
    let four = &heard[0]["message"];
    assert_eq!((&four["rev"], &four["after_rev"]), (&json!(8), &json!(6)));
    assert_eq!(cat.send(room, "five", "five").await["seq"], 5);
    assert_eq!(ben.send(room, "six", "six").await["code"], "not_found");
}

#[tokio::test(start_paused = true)]
async fn each_reads_the_part_that_is_theirs() {
    let server = server(store(), wide()).await;
    let room = handed_over(&server).await;
    let mut cat = Client::of(&server, "cat").await;
    let mut ben = Client::of(&server, "ben").await;

    let all = cat.ask("history", json!({"room": room})).await;
    assert_eq!(texts(&all), ["four", "five"]);
    assert_eq!(
        (&all["has_older"], &all["last_seq"]),
        (&json!(false), &json!(5))
    );
    let before = cat.ask("history", json!({"room": room, "before": 3})).await;
    assert_eq!(
        (texts(&before).len(), &before["has_newer"]),
        (0, &json!(true))
    );
    let around = cat
        .ask("history", json!({"room": room, "around": 1, "limit": 2}))
        .await;
    assert_eq!(texts(&around), ["four"]);
    let changes = cat
        .ask("changes", json!({"room": room, "after_rev": 1}))
        .await;
    assert_eq!(texts(&changes), ["four", "five"]);
    let edit = json!({"room": room, "seq": 1, "body": "not hers"});
    assert_eq!(cat.ask("edit", edit).await["code"], "not_found");

    let all = ben.ask("history", json!({"room": room})).await;
    assert_eq!(texts(&all), ["one", "two", "three"]);
    let seen = (&all["has_newer"], &all["last_seq"], &all["rev"]);
    assert_eq!(
        seen,
        (&json!(false), &json!(3), &json!(5)),
        "as it was when he left"
    );
    let after = ben.ask("history", json!({"room": room, "after": 3})).await;
    assert_eq!(
        (texts(&after).len(), &after["has_older"]),
        (0, &json!(true))
    );
    let around = ben
        .ask("history", json!({"room": room, "around": 5, "limit": 2}))
        .await;
    assert_eq!(texts(&around), ["three"]);
}

#[tokio::test(start_paused = true)]
async fn who_has_left_reads_and_hears_nothing_more() {
    let server = server(store(), wide()).await;
    let room = handed_over(&server).await;
    let seen = server.room(&by("ben"), room).await.unwrap();
    let summary = serde_json::to_value(seen.summary(server.now())).unwrap();
    let me = &summary["me"];
    assert_eq!(
        (&me["state"], &me["visible_to_seq"]),
        (&json!("left"), &json!(3))
    );
    assert!(
        me.get("visible_from_seq").is_none(),
        "he was there from the first"
    );
    let RoomSeen::Mine(view) = seen else {
        unreachable!("he is no service");
    };
    assert_eq!((view.room.last_seq.get(), view.room.rev.get()), (3, 5));
    assert_eq!(view.last_message.unwrap().body.unwrap(), "three");
    let people: Vec<&str> = view
        .participants
        .iter()
        .map(|one| one.user.as_str())
        .collect();
    assert_eq!(people, ["ann"], "he never met Cat");

    let left = RoomQuery {
        left: true,
        ..RoomQuery::default()
    };
    let list = server.rooms(&user("ben"), &left).await.unwrap();
    assert_eq!(list.len(), 1);
    let active = server.rooms(&user("ben"), &RoomQuery::default()).await;
    assert!(active.unwrap().is_empty());

    let mut ben = Client::of(&server, "ben").await;
    let refused = ben
        .ask("subscribe", json!({"rooms": [{"room": room, "rev": 3}]}))
        .await;
    assert_eq!(refused["refused"][0]["code"], "not_found");
    for (command, more) in [
        ("changes", json!({"after_rev": 0})),
        ("typing", json!({"active": true})),
        ("read", json!({"seq": 3})),
        ("send", json!({"client_id": "x", "body": "x"})),
    ] {
        let mut body = more;
        body["room"] = json!(room);
        assert_eq!(
            ben.ask(command, body).await["code"],
            "not_found",
            "{command}"
        );
    }
    let people = server.participants(&by("ben"), room, None, 10).await;
    assert_eq!(people.unwrap_err().to_string(), "not found");
    let listed = json!({"rooms": {room.to_string(): 3}});
    let (mut ben, welcome) = Client::connect(&server, "ben", listed).await;
    assert_eq!(welcome["rooms"], json!([]));
    assert_eq!(words(&ben.waiting()), ["unsubscribed"]);
    says(&server, "ann", room, &["six"]).await;
    tokio::time::sleep(SWEEP).await;
    assert!(ben.waiting().is_empty());
}

#[tokio::test]
async fn a_stranger_and_who_was_removed_are_told_the_same() {
    let server = server(store(), wide()).await;
    let real = handed_over(&server).await;
    server.remove(real, &user("ben"), false).await.unwrap();
    let unreal: RoomId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let mut told = Vec::new();
    for (name, room) in [("ben", real), ("eve", real), ("eve", unreal)] {
        let by = by(name);
        let latest = Window::Latest;
        let history = server.history(&by, room, latest, 9).await;
        let changes = server.changes(&by, room, Rev::ZERO, 9).await;
        let seen = server.room(&by, room).await;
        told.push([
            history.unwrap_err().to_wire(),
            changes.unwrap_err().to_wire(),
            seen.unwrap_err().to_wire(),
        ]);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[1], told[2]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_to_a_part_of_a_room_catches_up_on_that_part() {
    let store = store();
    let one = server(store.clone(), wide()).await;
    let room = handed_over(&one).await;
    for seq in 1..=5 {
        let edited = body(&format!("edited {seq}"));
        let seq = Seq::new(seq);
        one.edit(by("ann"), room, seq, edited).await.unwrap();
    }
    one.describe(room, Some(Some("A title".into())), None)
        .await
        .unwrap();
    // Nothing is in memory there.
    let two = server(store, wide()).await;
    for (server, held) in [(&one, 6), (&two, 6), (&two, 3), (&two, 1)] {
        let listed = json!({"rooms": {room.to_string(): held}});
        let mut cat = Client::connect(server, "cat", listed).await.0;
        tokio::time::sleep(MOMENT).await;
        let heard = cat.waiting();
        for line in &heard {
            let push = line.as_object().unwrap().values().next().unwrap();
            assert!(push["seq"].as_u64().is_none_or(|seq| seq >= 4), "{push}");
            if push.get("first_seq").is_some() {
                assert_eq!(push["first_seq"], 4, "{push}");
            }
        }
        assert_eq!(linked(&heard, held), 14, "{heard:?}");
        assert!(bodies(&heard).ends_with(&["edited 4", "edited 5"]));
    }
}

/// Each push follows on the one before; answers what is held in the end.
fn linked(lines: &[Value], mut held: u64) -> u64 {
    for line in lines {
        let push = line.as_object().unwrap().values().next().unwrap();
        let Some(rev) = push["rev"].as_u64() else {
            continue;
        };
        let after = push["after_rev"].as_u64().unwrap_or(rev - 1);
        assert_eq!(after, held, "{push}");
        held = rev;
    }
    held
}

#[tokio::test(start_paused = true)]
async fn pages_of_what_is_hidden_are_skipped_by_what_follows() {
    let store = store();
    let one = server(store.clone(), wide()).await;
    let room = room(&one, &["ann"]).await;
    let texts: Vec<String> = (1..=300).map(|n| format!("secret-{n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    says(&one, "ann", room, &texts).await;
    let admitted = one.admit(room, member("cat"), History::FromNow).await;
    let held = admitted.unwrap().1.get();
    for seq in 1..=300 {
        let edited = one.edit(by("ann"), room, Seq::new(seq), body("still secret"));
        edited.await.unwrap();
    }
    says(&one, "ann", room, &["first"]).await;
    for seq in 1..=20 {
        let edited = one.edit(by("ann"), room, Seq::new(seq), body("secret for ever"));
        edited.await.unwrap();
    }
    // Nothing is in memory there: two pages from the store, then live.
    let two = server(store, wide()).await;
    let listed = json!({"rooms": {room.to_string(): held}});
    let mut cat = Client::connect(&two, "cat", listed).await.0;
    tokio::time::sleep(MOMENT).await;
    says(&two, "ann", room, &["second"]).await;
    tokio::time::sleep(MOMENT).await;
    let heard = cat.waiting();
    assert_eq!(bodies(&heard), ["first", "second"]);
    linked(&heard, held);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_while_somebody_was_out_is_not_told_by_a_repair() {
    for secrets in [1, 600] {
        let store = store();
        // No hint comes from there.
        let here = server(store.clone(), wide()).await;
        let there = server(store, wide()).await;
        let room = room(&here, &["ann", "ben"]).await;
        let mut ann = Client::of(&here, "ann").await;
        let mut ben = Client::of(&here, "ben").await;
        there.remove(room, &user("ann"), true).await.unwrap();
        let texts: Vec<String> = (1..=secrets).map(|n| format!("secret-{n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        says(&there, "ben", room, &texts).await;
        let back = there.admit(room, member("ann"), History::FromNow);
        back.await.unwrap();
        says(&there, "ben", room, &["welcome back"]).await;
        tokio::time::sleep(SWEEP).await;
        assert_eq!(bodies(&ann.waiting()), ["welcome back"]);
        let heard = ben.waiting();
        assert_eq!(bodies(&heard).len(), secrets + 1);
        linked(&heard, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_let_in_again_sees_as_was_decided_then() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ben = Client::of(&server, "ben").await;
    says(&server, "ann", room, &["one"]).await;
    server.remove(room, &user("ben"), true).await.unwrap();
    says(&server, "ann", room, &["two"]).await;
    server
        .admit(room, member("ben"), History::FromNow)
        .await
        .unwrap();
    tokio::time::sleep(MOMENT).await;
    server
        .edit(by("ann"), room, Seq::new(1), body("one!"))
        .await
        .unwrap();
    server
        .edit(by("ann"), room, Seq::new(2), body("two!"))
        .await
        .unwrap();
    says(&server, "ann", room, &["three"]).await;
    tokio::time::sleep(MOMENT).await;
    let heard = ben.waiting();
    assert_eq!(bodies(&heard), ["one", "three"]);
    assert_eq!(
        words(&heard),
        ["message", "participant", "unsubscribed", "room", "message"]
    );
}

#[tokio::test]
async fn what_is_too_old_is_no_longer_edited_or_deleted() {
    let watch = Watch::at(Timestamp::from_millis(1_800_000_000_000));
    let limits = Limits {
        edit_window: Some(Duration::from_secs(60)),
        delete_window: Some(Duration::from_secs(600)),
        ..wide()
    };
    let builder = Realtime::builder(store()).clock(watch.clone());
    let server = builder.limits(limits).start().await.unwrap();
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    ann.send(room, "c1", "one").await;
    let edit = |text: &str| json!({"room": room, "seq": 1, "body": text});
    watch.tick(Duration::from_secs(59));
    assert_eq!(ann.ask("edit", edit("in time")).await["seq"], 1);
    watch.tick(Duration::from_secs(2));
    assert_eq!(ann.ask("edit", edit("too late")).await["code"], "conflict");
    let late = server.edit(by("ann"), room, Seq::FIRST, body("late")).await;
    assert_eq!(late.unwrap_err().code().as_str(), "conflict");
    let platform = server.edit(Actor::Service, room, Seq::FIRST, body("moderated"));
    assert_eq!(
        platform.await.unwrap().message.body.as_deref(),
        Some("moderated")
    );
    watch.tick(Duration::from_secs(600));
    let delete = json!({"room": room, "seq": 1});
    assert_eq!(ann.ask("delete", delete).await["code"], "conflict");
    let late = server.delete(by("ann"), room, Seq::FIRST).await;
    assert_eq!(late.unwrap_err().code().as_str(), "conflict");

    let editions = server
        .editions(room, Seq::FIRST, Rev::ZERO, 10)
        .await
        .unwrap();
    let said: Vec<&str> = editions.iter().map(|one| one.body.as_str()).collect();
    assert_eq!(said, ["one", "in time"]);
    server
        .delete(Actor::Service, room, Seq::FIRST)
        .await
        .unwrap();
}

fn event(id: &str, subject: &str, roster: Vec<Roster>) -> DomainEvent {
    DomainEvent {
        id: EventId::parse(id).unwrap(),
        fingerprint: 1,
        subject: Subject::parse("job", subject).unwrap(),
        open: Some(group(&["ann", "ben"])),
        roster,
        message: None,
        action: None,
    }
}

#[tokio::test]
async fn a_full_room_takes_only_who_comes_for_another() {
    let limits = Limits {
        participants: 2,
        ..wide()
    };
    let server = server(store(), limits).await;
    let admit = |name: &str| Roster::Admit {
        participant: member(name),
        history: History::All,
    };
    let remove = |name: &str| Roster::Remove {
        user: user(name),
        keeps_history: false,
    };
    let too_many = server.apply(event("e0", "1", vec![admit("cat")])).await;
    assert_eq!(too_many.unwrap_err().code().as_str(), "limit_exceeded");
    let swapped = vec![remove("ben"), admit("cat"), admit("ann")];
    let room = server
        .apply(event("e1", "1", swapped))
        .await
        .unwrap()
        .room
        .id;
    let too_many = server.apply(event("e2", "1", vec![admit("dan")])).await;
    assert_eq!(too_many.unwrap_err().code().as_str(), "limit_exceeded");
    let late = vec![admit("dan"), remove("cat")];
    let too_many = server.apply(event("e3", "1", late)).await;
    assert_eq!(too_many.unwrap_err().code().as_str(), "limit_exceeded");
    let handover = Roster::Replace {
        leaves: user("cat"),
        comes: member("dan"),
        history: History::FromNow,
    };
    server
        .apply(event("e4", "1", vec![handover]))
        .await
        .unwrap();

    let replaced = server
        .replace(room, &user("dan"), member("eve"), History::All)
        .await;
    assert_eq!(replaced.unwrap().0.user, user("eve"));
    // Dan is out already: nobody would go.
    let too_many = server
        .replace(room, &user("dan"), member("fay"), History::All)
        .await;
    assert_eq!(too_many.unwrap_err().code().as_str(), "limit_exceeded");
}

#[tokio::test]
async fn nobody_is_called_what_is_not_a_name() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let odd = || NewParticipant {
        name: Some("new\nline".into()),
        ..member("cat")
    };
    let admitted = server.admit(room, odd(), History::All).await;
    let replaced = server
        .replace(room, &user("ben"), odd(), History::All)
        .await;
    let applied = event(
        "e1",
        "1",
        vec![Roster::Admit {
            participant: odd(),
            history: History::All,
        }],
    );
    let applied = server.apply(applied).await;
    let by_name = Actor::User {
        id: user("ann"),
        name: Some("x".repeat(201)),
    };
    let deleted = server.delete(by_name, room, Seq::FIRST).await;
    for refused in [
        admitted.map(drop),
        replaced.map(drop),
        applied.map(drop),
        deleted.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().field(), Some("name"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_gone_for_everybody_at_once() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    says(&server, "ann", room, &["one", "two", "three", "four"]).await;
    let mut ben = Client::of(&server, "ben").await;
    let kept = server.retain(room, Keep::Newest(3)).await.unwrap();
    assert_eq!(kept.first_seq.get(), 2);
    assert_eq!(ben.hear_push("room").await["first_seq"], 2);
    let page = ben.ask("history", json!({"room": room})).await;
    assert_eq!(texts(&page), ["two", "three", "four"]);
    assert_eq!(page["has_older"], false);
    let kept = server.retain(room, Keep::From(Seq::new(4))).await.unwrap();
    assert_eq!(kept.first_seq.get(), 4);
    let kept = server.retain(room, Keep::Newest(9)).await.unwrap();
    assert_eq!(kept.first_seq.get(), 4, "nothing comes back");
    tokio::time::sleep(MOMENT).await;
    let mut ann = Client::of(&server, "ann").await;
    let again = ann.send(room, "one", "one").await;
    assert_eq!(again["seq"], 5, "its row is gone, and its client_id");
    let nowhere = RoomId::from_uuid(uuid::Uuid::nil());
    let refused = server.retain(nowhere, Keep::Newest(1)).await;
    assert_eq!(refused.unwrap_err().code().as_str(), "not_found");
}

#[tokio::test(start_paused = true)]
async fn what_has_passed_its_time_is_given_up_by_itself() {
    let watch = Watch::at(Timestamp::from_millis(1_800_000_000_000));
    let limits = Limits {
        retention: Some(Duration::from_secs(3_600)),
        ..wide()
    };
    let builder = Realtime::builder(store()).clock(watch.clone());
    let server = builder.limits(limits).start().await.unwrap();
    let (old, new) = (
        room(&server, &["ann", "ben"]).await,
        room(&server, &["ann"]).await,
    );
    for n in 0..600 {
        says(&server, "ann", old, &[&format!("old {n}")]).await;
    }
    watch.tick(Duration::from_secs(3_000));
    says(&server, "ann", old, &["newer"]).await;
    says(&server, "ann", new, &["new"]).await;
    watch.tick(Duration::from_secs(601));
    let mut ben = Client::of(&server, "ben").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let firsts: Vec<u64> = ben
        .waiting()
        .iter()
        .filter_map(|line| line["room"]["first_seq"].as_u64())
        .collect();
    assert_eq!(firsts.last(), Some(&601), "{firsts:?}");
    let bare = server.room(&Actor::Service, new).await.unwrap();
    assert_eq!(bare.rev().get(), 2, "nothing there has passed its time");
    watch.tick(Duration::from_secs(3_600));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(ben.hear_push("room").await["first_seq"], 602);
    assert!(server.metrics().retained.get() >= 3);
}

#[tokio::test(start_paused = true)]
async fn who_is_erased_is_gone_and_the_others_start_afresh() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben", "cat"]).await;
    says(&server, "ben", room, &["one", "two"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let ben = Client::of(&server, "ben").await;
    let erased = tokio::time::Instant::now();
    server.erase(&user("ben"), Legacy::Tombstone).await.unwrap();
    assert_eq!(close_code(&ben.connection).await, 4504);
    let reset = ann.hear_push("reset").await;
    assert_eq!(reset, json!({"room": room, "rev": 4}));
    let took = erased.elapsed();
    assert!(took < MOMENT, "not only by the sweep: {took:?}");
    says(&server, "cat", room, &["three"]).await;
    let three = ann.hear_push("message").await;
    assert_eq!((&three["rev"], three.get("after_rev")), (&json!(5), None));
    let history = ann.ask("history", json!({"room": room, "limit": 2})).await;
    assert_eq!(history["messages"][0]["sender"], json!({"type": "erased"}));
    assert_eq!(history["messages"][0]["body"], Value::Null);
    let changes = ann
        .ask("changes", json!({"room": room, "after_rev": 2}))
        .await;
    assert_eq!(changes["reset"], true);
    assert_eq!(server.export(&user("ben"), None).await.unwrap(), None);
    let again = server.erase(&user("ben"), Legacy::Keep).await;
    assert_eq!(again.unwrap_err().code().as_str(), "not_found");

    // Who was away holds what is void.
    let listed = json!({"rooms": {room.to_string(): 2}});
    let mut cat = Client::connect(&server, "cat", listed).await.0;
    assert_eq!(cat.hear_push("reset").await["rev"], 5);
    cat.send(room, "c", "four").await;
    assert_eq!(ann.hear_push("message").await["body"], "four");
}

struct Three {
    servers: Vec<Realtime>,
    brokers: Vec<Arc<FaultyBroker>>,
}

async fn three(store: &SharedBackend, plan: &FaultPlan) -> Three {
    let bus = MemoryBroker::default();
    let (mut servers, mut brokers) = (Vec::new(), Vec::new());
    for seed in 0..3 {
        let broker = Arc::new(FaultyBroker::new(Arc::new(bus.join()), plan.clone(), seed));
        let builder = Realtime::builder(store.clone()).broker(broker.clone());
        servers.push(builder.limits(wide()).start().await.unwrap());
        brokers.push(broker);
    }
    Three { servers, brokers }
}

async fn erased_everywhere(plan: FaultPlan, cut: bool) {
    let Three { servers, brokers } = three(&store(), &plan).await;
    let room = room(&servers[0], &["ann", "ben"]).await;
    let (mut anns, mut bens) = (Vec::new(), Vec::new());
    for server in &servers {
        anns.push(Client::of(server, "ann").await);
        bens.push(Client::of(server, "ben").await);
    }
    says(&servers[1], "ann", room, &["one"]).await;
    tokio::time::sleep(SWEEP).await;
    if cut {
        brokers.iter().for_each(|broker| broker.cut());
    }
    servers[0].erase(&user("ben"), Legacy::Keep).await.unwrap();
    tokio::time::sleep(SWEEP).await;
    bens.iter_mut().for_each(|ben| _ = ben.waiting());
    anns.iter_mut().for_each(|ann| {
        let heard = ann.waiting();
        assert!(words(&heard).contains(&"reset"), "{heard:?}");
    });
    says(&servers[2], "ann", room, &["two"]).await;
    tokio::time::sleep(SWEEP).await;
    for ben in &mut bens {
        assert_eq!(bodies(&ben.waiting()), [""; 0]);
    }
    for ann in &mut anns {
        assert_eq!(bodies(&ann.waiting()), ["two"]);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_erased_hears_no_more_on_any_server() {
    erased_everywhere(FaultPlan::default(), false).await;
    erased_everywhere(FaultPlan::everything(0.3), false).await;
    erased_everywhere(FaultPlan::default(), true).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_closes_nobodys_connection_and_counts_as_a_repeat() {
    let server = server(store(), wide()).await;
    room(&server, &["ann", "ben"]).await;
    let event = || Once {
        id: EventId::parse("evt-1").unwrap(),
        fingerprint: 1,
    };
    let who = user("ben");
    let erase = || server.erase_once(&who, Legacy::Keep, event());
    assert!(!erase().await.unwrap());
    assert_eq!(server.metrics().duplicates.get(), 0);
    // Somebody else, under the same id.
    let room = room(&server, &["cleo", "ben"]).await;
    let mut ben = Client::of(&server, "ben").await;
    assert!(erase().await.unwrap());
    assert_eq!(server.metrics().duplicates.get(), 1);
    ben.waiting();
    says(&server, "cleo", room, &["still here"]).await;
    tokio::time::sleep(MOMENT).await;
    assert_eq!(bodies(&ben.waiting()), ["still here"]);
}

#[tokio::test(start_paused = true)]
async fn a_reset_puts_out_at_once_who_was_erased() {
    let Three { servers, .. } = three(&store(), &FaultPlan::default()).await;
    let room = room(&servers[0], &["ann", "ben"]).await;
    let mut ben = Client::of(&servers[1], "ben").await;
    servers[0].erase(&user("ben"), Legacy::Keep).await.unwrap();
    // Long before the next sweep.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(words(&ben.waiting()), ["reset", "unsubscribed"]);
    says(&servers[0], "ann", room, &["without him"]).await;
    tokio::time::sleep(MOMENT).await;
    assert!(ben.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_row_was_erased_stops_nobody() {
    let gate = Gate::before(store());
    let (here, there) = (
        server(gate.clone(), wide()).await,
        server(gate.clone(), wide()).await,
    );
    let room = room(&here, &["ann", "ben"]).await;
    says(&here, "ann", room, &["one"]).await;
    let mut ann = Client::of(&here, "ann").await;
    // No hint comes from there; and what tells of 3 is gone before anybody reads it.
    let read = there
        .mark(&user("ben"), room, Pointer::Read, Seq::FIRST)
        .await;
    assert_eq!(read.unwrap().rev.get(), 3);
    gate.fail_tidy.store(true, Ordering::SeqCst);
    there.erase(&user("ben"), Legacy::Keep).await.unwrap();
    tokio::time::sleep(SWEEP).await;
    assert!(here.metrics().hub_store_reads.get() < 10);
    assert!(there.metrics().errors.of("upkeep").get() > 0);
    ann.waiting();
    ann.tell(
        "send",
        json!({"room": room, "client_id": "two", "body": "two"}),
    )
    .await;
    let two = ann.hear_push("message").await;
    assert_eq!((&two["rev"], &two["after_rev"]), (&json!(4), &json!(2)));
    gate.fail_tidy.store(false, Ordering::SeqCst);
    assert_eq!(ann.hear_push("reset").await["rev"], 5, "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_room_is_handed_over_across_servers() {
    let Three { servers, .. } = three(&store(), &FaultPlan::everything(0.2)).await;
    let room = room(&servers[0], &["ann", "ben"]).await;
    says(&servers[0], "ann", room, &["one", "two"]).await;
    let mut ben = Client::of(&servers[1], "ben").await;
    let mut cat = Client::of(&servers[2], "cat").await;
    let comes = member("cat");
    servers[0]
        .replace(room, &user("ben"), comes, History::FromNow)
        .await
        .unwrap();
    tokio::time::sleep(SWEEP).await;
    let heard = ben.waiting();
    assert_eq!(words(&heard).last(), Some(&"unsubscribed"), "{heard:?}");
    servers[1]
        .edit(by("ann"), room, Seq::new(2), body("secret"))
        .await
        .unwrap();
    says(&servers[0], "ann", room, &["three"]).await;
    tokio::time::sleep(SWEEP).await;
    assert!(ben.waiting().is_empty());
    let heard = cat.waiting();
    assert_eq!(bodies(&heard), ["three"], "{heard:?}");
}

#[tokio::test]
async fn what_is_known_of_somebody_is_handed_out() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    says(&server, "ben", room, &["one"]).await;
    assert_eq!(server.export(&user("eve"), None).await.unwrap(), None);
    let (mut items, mut after) = (Vec::new(), None);
    while let Some(page) = server.export(&user("ben"), after).await.unwrap() {
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(items.len(), 3, "he, the room, his message");
    let line = serde_json::to_value(&items[2]).unwrap();
    assert_eq!(line["message"]["body"], "one");
    server.erase(&user("ben"), Legacy::Keep).await.unwrap();
    let page = server
        .history(&Actor::Service, room, Window::Latest, 1)
        .await
        .unwrap();
    let [kept] = &page.messages[..] else {
        unreachable!("{page:?}")
    };
    assert_eq!(
        (&kept.sender, kept.body.as_deref()),
        (&Sender::Erased, Some("one"))
    );
}
