//! Two people chat, in process: the promises that one server alone must keep.

mod common;

use common::{Client, group, room, server, store, user, wide};
use realtime_core::{
    Limits,
    change::{Actor, Draft, History, NewParticipant, RoomAction},
    id::ClientId,
    message::{Body, MessageKind},
    participant::Role,
    store::Store,
};
use serde_json::json;

#[tokio::test]
async fn what_one_says_the_other_hears() {
    let server = server(store(), Limits::default()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut ben = Client::of(&server, "ben").await;

    let answer = ann.send(room, "c1", "hi").await;
    assert_eq!(
        (answer["seq"].as_u64(), answer["duplicate"].as_bool()),
        (Some(1), Some(false))
    );

    let heard = ben.hear_push("message").await;
    assert_eq!(heard["body"], "hi");
    assert_eq!(heard["rev"], 2);
    assert_eq!(heard["change"], "sent");
    assert_eq!(heard["sender"], json!({"type": "user", "id": "ann"}));
    assert!(
        heard.get("client_id").is_none(),
        "the client_id is the sender's own"
    );
}

#[tokio::test]
async fn the_sender_s_other_devices_hear_it_with_the_client_id() {
    let server = server(store(), Limits::default()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut phone = Client::of(&server, "ann").await;
    let mut laptop = Client::of(&server, "ann").await;
    phone.send(room, "c1", "hi").await;
    assert_eq!(laptop.hear_push("message").await["client_id"], "c1");
}

#[tokio::test]
async fn a_message_sent_twice_under_one_client_id_is_delivered_once() {
    let server = server(store(), Limits::default()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut ben = Client::of(&server, "ben").await;
    let first = ann.send(room, "c1", "hi").await;
    let again = ann.send(room, "c1", "hi").await;
    assert_eq!((&again["seq"], &again["id"]), (&first["seq"], &first["id"]));
    assert_eq!(again["duplicate"], true);
    let reused = ann.send(room, "c1", "something else").await;
    assert_eq!(reused["code"], "client_id_reused");
    ann.send(room, "c2", "next").await;
    assert_eq!(ben.hear_until(2).await, [(1, 2), (2, 3)]);
}

#[tokio::test]
async fn who_comes_back_with_a_rev_gets_exactly_what_was_missed() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut ben = Client::of(&server, "ben").await;
    ann.send(room, "c1", "before").await;
    ben.hear_until(1).await;
    ben.connection.finish(false).await;
    for n in 2..=300 {
        ann.send(room, &format!("c{n}"), "missed").await;
    }
    let (mut ben, welcome) =
        Client::connect(&server, "ben", json!({"rooms": {room.to_string(): 2}})).await;
    assert_eq!(welcome["rooms"][0]["last_seq"], 300);
    let expected: Vec<_> = (2..=300).map(|seq| (seq, seq + 1)).collect();
    assert_eq!(ben.hear_until(300).await, expected);
    ann.send(room, "live", "live").await;
    assert_eq!(ben.hear_until(301).await, [(301, 302)]);
}

#[tokio::test]
async fn what_was_superseded_meanwhile_is_told_once_and_says_so() {
    let store = store();
    let first = server(store.clone(), wide()).await;
    let room = room(&first, &["ann", "ben"]).await;
    let mut ann = Client::of(&first, "ann").await;
    ann.send(room, "c1", "one").await;
    ann.send(room, "c2", "two").await;
    for n in 0..5 {
        ann.ask(
            "edit",
            json!({"room": room, "seq": 1, "body": format!("one, {n}")}),
        )
        .await;
    }
    // A server that was just started has nothing in memory.
    let server = server(store, wide()).await;
    let (mut ben, _) =
        Client::connect(&server, "ben", json!({"rooms": {room.to_string(): 1}})).await;
    // Ann's pointers moved along with her messages; the place of the first is free.
    let receipt = ben.hear_push("receipt").await;
    assert_eq!(
        (receipt["rev"].as_u64(), receipt["read_seq"].as_u64()),
        (Some(2), Some(2))
    );
    let two = ben.hear_push("message").await;
    assert_eq!(
        (
            two["seq"].as_u64(),
            two["rev"].as_u64(),
            two.get("after_rev")
        ),
        (Some(2), Some(3), None)
    );
    let one = ben.hear_push("message").await;
    assert_eq!(
        (
            one["seq"].as_u64(),
            one["rev"].as_u64(),
            one["after_rev"].as_u64()
        ),
        (Some(1), Some(8), Some(3))
    );
    assert_eq!(
        (one["change"].as_str(), one["body"].as_str()),
        (Some("edited"), Some("one, 4"))
    );
}

#[tokio::test]
async fn who_missed_too_much_or_claims_the_future_is_told_to_start_afresh() {
    let server = server(
        store(),
        Limits {
            catch_up: 10,
            ..wide()
        },
    )
    .await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    for n in 1..=20 {
        ann.send(room, &format!("c{n}"), "x").await;
    }
    for held in [1, 22, 9_007_199_254_740_991_u64] {
        let (mut ben, _) =
            Client::connect(&server, "ben", json!({"rooms": {room.to_string(): held}})).await;
        let reset = ben.hear_push("reset").await;
        assert_eq!(
            (reset["room"].clone(), reset["rev"].as_u64()),
            (json!(room), Some(21)),
            "{held}"
        );
    }
    let other_life = json!({"rooms": {room.to_string(): 20}, "incarnation": "01890a5d-ac96-774b-bcce-b302099a8057"});
    let (mut ben, _) = Client::connect(&server, "ben", other_life).await;
    ben.hear_push("reset").await;
}

#[tokio::test]
async fn a_reader_too_slow_loses_nothing_and_its_memory_is_bounded() {
    let limits = Limits {
        queue_bytes_soft: 2_000,
        queue_bytes_hard: 10_000,
        ..wide()
    };
    let server = server(store(), limits).await;
    let room = room(&server, &["ann", "ben", "cat"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut slow = Client::of(&server, "ben").await;
    let mut fast = Client::of(&server, "cat").await;
    for n in 1..=1_000 {
        ann.send(room, &format!("c{n}"), "something to say").await;
        fast.hear_until(n).await;
        assert!(slow.connection.waiting_bytes() <= 10_000);
    }
    let heard = slow.hear_until(1_000).await;
    let expected: Vec<_> = (1..=1_000).map(|seq| (seq, seq + 1)).collect();
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn who_is_taken_out_hears_so_and_then_nothing_more() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben", "cat"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut ben = Client::of(&server, "ben").await;
    server.remove(room, &user("ben"), false).await.unwrap();
    assert_eq!(
        ben.hear_push("unsubscribed").await,
        json!({"room": room, "code": "not_found"})
    );
    ann.send(room, "c1", "without ben").await;
    assert!(ben.waiting().is_empty());
    assert_eq!(ben.send(room, "c1", "let me in").await["code"], "not_found");
    assert_eq!(
        ben.ask("history", json!({"room": room})).await["code"],
        "not_found"
    );
}

#[tokio::test]
async fn a_room_opened_meanwhile_is_told_from_its_beginning() {
    let server = server(store(), wide()).await;
    let mut ann = Client::of(&server, "ann").await;
    let room = room(&server, &["ann", "ben"]).await;
    let told = ann.hear_push("room").await;
    assert_eq!(
        (told["id"].clone(), told["rev"].as_u64()),
        (json!(room), Some(1))
    );
    assert_eq!(told["participants"].as_array().unwrap().len(), 2);
    let mut ben = Client::of(&server, "ben").await;
    ben.send(room, "c1", "hello").await;
    assert_eq!(ann.hear_until(1).await, [(1, 2)]);
}

#[tokio::test]
async fn who_is_put_into_a_room_later_follows_it_from_there() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut cat = Client::of(&server, "cat").await;
    ann.send(room, "c1", "before cat").await;
    let cat_in = NewParticipant {
        user: user("cat"),
        role: Role::Observer,
        name: Some("Cat".into()),
    };
    server.admit(room, cat_in, History::All).await.unwrap();
    let told = cat.hear_push("room").await;
    assert_eq!(
        (told["me"]["role"].as_str(), told["rev"].as_u64()),
        (Some("observer"), Some(3))
    );
    assert_eq!(ann.hear_push("participant").await["name"], "Cat");
    ann.send(room, "c2", "with cat").await;
    assert_eq!(cat.hear_until(2).await, [(2, 4)]);
    assert_eq!(cat.send(room, "c1", "may I?").await["code"], "forbidden");
}

#[tokio::test]
async fn a_locked_room_takes_no_messages_but_the_platform_s() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    server
        .act(room, RoomAction::Lock { at: None })
        .await
        .unwrap();
    assert_eq!(ann.hear_push("room").await["state"], "locked");
    assert_eq!(ann.send(room, "c1", "hello?").await["code"], "room_locked");
    let notice = Draft {
        room,
        from: Actor::Service,
        client_id: ClientId::parse("done").unwrap(),
        body: Body::parse("Job completed".into(), 100).unwrap(),
        kind: MessageKind::System,
        reply_to: None,
        metadata: None,
    };
    server.send(notice).await.unwrap();
    assert_eq!(
        ann.hear_push("message").await["sender"],
        json!({"type": "system"})
    );
}

#[tokio::test]
async fn receipts_are_told_as_they_move() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut ben = Client::of(&server, "ben").await;
    ann.send(room, "c1", "one").await;
    ann.send(room, "c2", "two").await;
    let read = ben.ask("read", json!({"room": room, "seq": 1})).await;
    assert_eq!(
        (read["read_seq"].as_u64(), &read["unread"]),
        (Some(1), &json!({"count": 1, "capped": false}))
    );
    let receipt = ann.hear_push("receipt").await;
    assert_eq!(
        (receipt["user"].as_str(), receipt["read_seq"].as_u64()),
        (Some("ben"), Some(1))
    );
    assert_eq!(receipt["delivered_seq"], 1);
    let back = ben.ask("read", json!({"room": room, "seq": 0})).await;
    assert_eq!(back["read_seq"], 1);
    let ahead = ben.ask("read", json!({"room": room, "seq": 999})).await;
    assert_eq!(
        (
            ahead["read_seq"].as_u64(),
            ahead["unread"]["count"].as_u64()
        ),
        (Some(2), Some(0))
    );
}

#[tokio::test]
async fn messages_of_one_connection_keep_their_order() {
    let server = server(
        store(),
        Limits {
            queue_bytes_soft: 1 << 20,
            ..wide()
        },
    )
    .await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut ben = Client::of(&server, "ben").await;
    for n in 1..=200 {
        ann.tell(
            "send",
            json!({"room": room, "client_id": format!("c{n}"), "body": n.to_string()}),
        )
        .await;
    }
    for n in 1..=200 {
        let message = ben.hear_push("message").await;
        assert_eq!(
            (message["seq"].as_u64(), message["body"].as_str()),
            (Some(n), Some(n.to_string().as_str()))
        );
    }
}

#[tokio::test]
async fn who_is_limited_to_a_room_hears_of_no_other() {
    let server = server(store(), wide()).await;
    let (one, two) = (
        room(&server, &["ann", "ben"]).await,
        room(&server, &["ann", "ben"]).await,
    );
    let opening = realtime_core::Opening {
        scope: realtime_core::Scope::Room(one),
        ..realtime_core::Opening::of(user("ann"))
    };
    let connection = server.accept(opening);
    connection.receive(r#"{"id":1,"connect":{}}"#).await;
    let welcome: serde_json::Value =
        serde_json::from_str(&connection.next_line().await.unwrap()).unwrap();
    assert_eq!(welcome["ok"]["rooms"].as_array().unwrap().len(), 1);
    connection
        .receive(&json!({"id": 2, "history": {"room": two}}).to_string())
        .await;
    let refused: serde_json::Value =
        serde_json::from_str(&connection.next_line().await.unwrap()).unwrap();
    assert_eq!(refused["error"]["code"], "forbidden");
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_a_room() {
    let server = server(store(), wide()).await;
    let real = room(&server, &["ann", "ben"]).await;
    let unreal = "01890a5d-ac96-774b-bcce-b302099a8057";
    let mut eve = Client::of(&server, "eve").await;
    for (command, more) in [
        ("send", json!({"client_id": "a", "body": "x"})),
        ("edit", json!({"seq": 1, "body": "x"})),
        ("delete", json!({"seq": 1})),
        ("history", json!({})),
        ("changes", json!({"after_rev": 0})),
        ("read", json!({"seq": 1})),
        ("delivered", json!({"seq": 1})),
        ("typing", json!({"active": true})),
    ] {
        let mut told = Vec::new();
        for room in [real.to_string(), unreal.to_owned()] {
            let mut body = more.clone();
            body["room"] = json!(room);
            told.push(eve.ask(command, body).await);
        }
        assert_eq!(told[0]["code"], "not_found", "{command}");
        assert_eq!(told[0], told[1], "{command}");
    }
    let subscribed = eve
        .ask(
            "subscribe",
            json!({"rooms": [{"room": real}, {"room": unreal}]}),
        )
        .await;
    assert!(subscribed["rooms"].as_array().unwrap().is_empty());
    assert_eq!(subscribed["refused"].as_array().unwrap().len(), 2);
    let head = server
        .changes(&Actor::Service, real, realtime_core::seq::Rev::ZERO, 10)
        .await
        .unwrap()
        .rev;
    assert_eq!(head, realtime_core::seq::Rev::FIRST, "nothing changed");
}

#[tokio::test]
async fn too_fast_is_answered_and_changes_nothing() {
    let server = server(
        store(),
        Limits {
            message_burst: 3,
            messages_per_second: 1,
            ..wide()
        },
    )
    .await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut ann = Client::of(&server, "ann").await;
    for n in 1..=3 {
        assert_eq!(ann.send(room, &format!("c{n}"), "x").await["seq"], n);
    }
    let refused = ann.send(room, "c4", "x").await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retry_after_ms"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_room_of_ten_thousand_is_opened_at_once() {
    let store = store();
    let server = server(store.clone(), wide()).await;
    let names: Vec<String> = (0..10_000).map(|n| format!("user-{n}")).collect();
    let people: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = server.open(group(&people)).await.unwrap().room;
    assert_eq!(room.participant_count, 10_000);
    let mut one = Client::of(&server, "user-7").await;
    let answer = one.send(room.id, "c1", "hello, all").await;
    assert_eq!(answer["seq"], 1);
    let marked = one.ask("read", json!({"room": room.id, "seq": 1})).await;
    assert_eq!(marked["read_seq"], 1);
    let heads = Store::heads(&*store, &[realtime_core::event::Topic::Room(room.id)])
        .await
        .unwrap();
    assert_eq!(heads[0].get(), 2, "in a large room receipts burn no rev");
}

#[tokio::test]
async fn a_connection_to_a_room_that_is_not_one_s_own_is_refused() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let opening = realtime_core::Opening {
        scope: realtime_core::Scope::Room(room),
        ..realtime_core::Opening::of(user("eve"))
    };
    let connection = server.accept(opening);
    connection.receive(r#"{"id":1,"connect":{}}"#).await;
    let refused = connection.next_line().await.unwrap();
    assert!(refused.contains("not_found"), "{refused}");
    assert!(connection.is_closing());
}

#[tokio::test]
async fn the_name_of_the_token_is_told_with_the_message() {
    let server = server(store(), wide()).await;
    let room = room(&server, &["ann", "ben"]).await;
    let mut opening = realtime_core::Opening::of(user("ann"));
    if let Some(identity) = &mut opening.identity {
        identity.name = Some("Ann of Elm Street".to_owned());
    }
    let ann = server.accept(opening);
    ann.receive(r#"{"id":1,"connect":{}}"#).await;
    let mut ben = Client::of(&server, "ben").await;
    ann.receive(&json!({"send": {"room": room, "client_id": "c1", "body": "hi"}}).to_string())
        .await;
    assert_eq!(
        ben.hear_push("message").await["sender"]["name"],
        "Ann of Elm Street"
    );
}
