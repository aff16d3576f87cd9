//! The database is restored from a backup while servers run: declared, and not.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;
#[path = "review/gate.rs"]
mod gate;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::{Client, close_code, group, store, user, wide};
use gate::Gate;
use realtime_core::{
    Realtime,
    change::{Actor, Change, Draft},
    id::{ClientId, IdGenerator, RoomId},
    memory::MemoryStore,
    message::{Body, MessageKind},
    store::Store,
    time::Timestamp,
};
use serde_json::json;
use uuid::Uuid;

/// Long enough for one sweep, and what follows from it.
const SWEEP: Duration = Duration::from_secs(6);

/// The same ids every time: two databases of which one is a backup of the other.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl IdGenerator for Count {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::Relaxed).into())
    }
}

/// A database in which these people said so many messages in their room.
async fn database(people: &[&str], messages: u64) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new(Arc::new(Count::default())));
    let now = Timestamp::default();
    let opened = store.commit(now, &[Change::Open(group(people))]).await;
    assert!(opened.unwrap()[0].is_ok());
    for n in 1..=messages {
        let draft = Draft {
            room: room(),
            from: Actor::user(user("ann")),
            client_id: ClientId::parse(&format!("c{n}")).unwrap(),
            body: Body::parse(format!("message {n}"), 100).unwrap(),
            kind: MessageKind::Text,
            reply_to: None,
            metadata: None,
        };
        let sent = store.commit(now, &[Change::Send(draft)]).await;
        assert!(sent.unwrap()[0].is_ok());
    }
    store
}

fn room() -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(1))
}

async fn server(gate: &Arc<Gate>) -> Realtime {
    let builder = Realtime::builder(gate.clone()).limits(wide());
    builder.start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_was_connected_starts_afresh_in_another_life() {
    let gate = Gate::before(database(&["ann", "ben"], 9).await);
    let servers = [server(&gate).await, server(&gate).await];
    let old = servers[0].incarnation();
    let (mut anns, mut bens) = (Vec::new(), Vec::new());
    for server in &servers {
        anns.push(Client::of(server, "ann").await);
        bens.push(Client::of(server, "ben").await);
    }
    let backup = database(&["ann", "ben"], 4).await;
    let new = backup.declare_restored();
    gate.replace(backup);
    tokio::time::sleep(SWEEP).await;
    for ((server, ann), ben) in servers.iter().zip(&anns).zip(&bens) {
        assert_eq!(server.incarnation(), new);
        // Their transports take their time: they still listen when they are back.
        assert_eq!(close_code(&ann.connection).await, 4000);
        assert_eq!(close_code(&ben.connection).await, 4000);
    }

    // They come back with what they held: 3 would be a rev of the new life, too.
    for (server, held) in servers.iter().zip([3, 10]) {
        let rooms = json!({room().to_string(): held});
        let with = |life| json!({"rooms": rooms, "incarnation": life});
        let (mut ann, welcome) = Client::connect(server, "ann", with(old)).await;
        assert_eq!(welcome["incarnation"], json!(new));
        assert_eq!(welcome["rooms"][0]["rev"], 5);
        let reset = ann.hear_push("reset").await;
        assert_eq!(reset, json!({"room": room(), "rev": 5}));
        ann.connection.finish(false).await;
    }
    let mut ann = Client::of(&servers[0], "ann").await;
    let mut ben = Client::of(&servers[1], "ben").await;
    let sent = ann.send(room(), "c5", "in another life").await;
    assert_eq!((&sent["seq"], &sent["rev"]), (&json!(5), &json!(6)));
    let heard = ben.hear_push("message").await;
    assert_eq!(
        (&heard["body"], &heard["rev"]),
        (&json!("in another life"), &json!(6))
    );
    assert!(
        heard.get("after_rev").is_none(),
        "nothing is left of the old life"
    );
    drop((anns, bens));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_old_life_is_told_from_memory() {
    let gate = Gate::before(database(&["ann", "ben"], 4).await);
    let server = server(&gate).await;
    let mut ann = Client::of(&server, "ann").await;
    for n in 5..=6 {
        ann.send(room(), &format!("c{n}"), "of the old life").await;
    }
    // As many changes as there were, but others.
    let backup = database(&["ann", "ben"], 6).await;
    let life = backup.declare_restored();
    gate.replace(backup);
    tokio::time::sleep(SWEEP).await;
    let with = json!({"rooms": {room().to_string(): 5}, "incarnation": life});
    let (mut ben, _) = Client::connect(&server, "ben", with).await;
    for n in 5..=6 {
        let heard = ben.hear_push("message").await;
        assert_eq!(heard["body"], format!("message {n}"));
    }
    drop(ann);
}

#[tokio::test(start_paused = true)]
async fn who_comes_in_the_same_life_goes_on() {
    let store = store();
    let server = common::server(store.clone(), wide()).await;
    let room = common::room(&server, &["ann", "ben"]).await;
    let life = server.incarnation();
    let mut ann = Client::of(&server, "ann").await;
    tokio::time::sleep(SWEEP).await;
    ann.send(room, "c1", "still here").await;
    let with = json!({"rooms": {room.to_string(): 1}, "incarnation": life});
    let (mut ben, _) = Client::connect(&server, "ben", with).await;
    assert_eq!(ben.hear().await["message"]["rev"], 2);
    assert_eq!(server.metrics().errors.of("store_set_back").get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_changes_is_noticed_and_believed() {
    let gate = Gate::before(database(&["ann", "ben", "cat"], 9).await);
    let server = server(&gate).await;
    let mut ann = Client::of(&server, "ann").await;
    let mut cat = Client::of(&server, "cat").await;
    ann.send(room(), "c10", "lost").await;
    tokio::time::sleep(SWEEP).await;
    ann.waiting();
    cat.waiting();
    assert_eq!(server.metrics().errors.of("store_set_back").get(), 0);

    // Nobody declares it; and Cat was not in the room yet.
    gate.replace(database(&["ann", "ben"], 4).await);
    tokio::time::sleep(SWEEP).await;
    assert_eq!(server.metrics().errors.of("store_set_back").get(), 1);
    let heard = ann.waiting();
    assert_eq!(heard, [json!({"reset": {"room": room(), "rev": 5}})]);
    let sent = ann.send(room(), "c5", "goes on").await;
    assert_eq!(sent["seq"], 5);
    let mut ben = Client::of(&server, "ben").await;
    ann.send(room(), "c6", "and on").await;
    assert_eq!(ben.hear_push("message").await["body"], "and on");
    tokio::time::sleep(SWEEP).await;
    assert_eq!(
        server.metrics().errors.of("store_set_back").get(),
        1,
        "once"
    );
    let told = cat.waiting();
    assert!(
        told.iter().any(|line| line.get("unsubscribed").is_some()),
        "{told:?}"
    );
    assert!(
        told.iter().all(|line| line.get("message").is_none()),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_whose_rooms_were_lost_is_put_out_of_them() {
    let gate = Gate::before(database(&["ann", "ben"], 2).await);
    let server = server(&gate).await;
    let mut ben = Client::of(&server, "ben").await;
    // The room is as long there, but Ben is not known.
    gate.replace(database(&["ann"], 2).await);
    tokio::time::sleep(SWEEP).await;
    let told = ben.waiting();
    assert!(
        told.iter().any(|line| line.get("unsubscribed").is_some()),
        "{told:?}"
    );
}
