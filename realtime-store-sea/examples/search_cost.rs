//! What searching costs: senders with and without an index being filled behind them,
//! and searches among 100,000 messages.
//!
//! `cargo run --release -p realtime-store-sea --example search_cost [-- URL]`
//!
//! Prints acked messages a second and the p99 of an answer for 64 senders in rooms of their
//! own, without search and with it; how long the index then takes to catch up; and how
//! long searches for rare and common words take, for somebody in all of these rooms.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "an example that measures, and says what it measured"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use realtime_core::{
    Limits, Realtime,
    change::{Actor, Draft, NewParticipant, NewRoom},
    id::{ClientId, RoomId, UserId},
    message::{Body, MessageKind},
    participant::Role,
    room::RoomKind,
    search::{Search, SearchQuery, SearchText},
};
use realtime_store_sea::{SeaOptions, SeaStore};

const SENDERS: usize = 64;
/// Messages that each sends.
const MESSAGES: usize = 800;
/// Times that each search is run.
const SEARCHES: usize = 20;
/// The words that are said: the first is in every message.
const WORDS: usize = 5_000;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}", folder.path().join("search.db").display());
    let url = std::env::args().nth(1).unwrap_or(file);
    let store = Arc::new(
        SeaStore::connect(&url, SeaOptions::default())
            .await
            .unwrap(),
    );
    println!("{:?}", store.durability());
    for searches in [false, true, false, true] {
        let mut builder = Realtime::builder(store.clone())
            .lanes(store.lanes())
            .limits(Limits::default());
        if searches {
            builder = builder.search(store.clone());
        }
        let realtime = builder.start().await.unwrap();
        if searches {
            // What the round before left.
            caught_up(&store).await;
        }
        let (rate, p99) = send(&realtime).await;
        let before = Instant::now();
        if searches {
            caught_up(&store).await;
        }
        println!(
            "search {searches}: {rate:.0} acked/s, p99 {p99:?}, index caught up after {:?}",
            before.elapsed()
        );
        realtime.shutdown().await;
    }
    search(&store).await;
    store.close().await.unwrap();
}

/// Searches as somebody who is in all rooms.
async fn search(store: &SeaStore) {
    for words in [
        "common",
        "w17",
        "\"common w17\"",
        "w17 w18",
        "w1 nothing",
        "nothing",
    ] {
        let mut took: Vec<Duration> = Vec::new();
        let mut hits = 0;
        for _ in 0..SEARCHES {
            let query = SearchQuery {
                text: SearchText::parse(words).unwrap(),
                room: None,
                before: None,
                limit: 0,
            };
            let started = Instant::now();
            hits = store
                .search(&user("reader"), &query)
                .await
                .unwrap()
                .hits
                .len();
            took.push(started.elapsed());
        }
        took.sort_unstable();
        println!(
            "{words}: {hits} hits, p50 {:?}, worst {:?}",
            took[SEARCHES / 2],
            took[SEARCHES - 1]
        );
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

async fn room(realtime: &Realtime, number: usize) -> RoomId {
    let person = |name: &str| NewParticipant {
        user: user(name),
        role: Role::Member,
        name: None,
    };
    let new = NewRoom {
        kind: RoomKind::Group,
        subject: None,
        key: None,
        title: None,
        metadata: None,
        participants: vec![person("reader"), person(&format!("sender-{number}"))],
    };
    realtime.open(new).await.unwrap().room.id
}

/// All send at once, each waiting for its answers; answers a second and their p99.
async fn send(realtime: &Realtime) -> (f64, Duration) {
    let started = Instant::now();
    let senders = (0..SENDERS).map(|number| {
        let realtime = realtime.clone();
        tokio::spawn(async move {
            let room = room(&realtime, number).await;
            let mut took = Vec::with_capacity(MESSAGES);
            for message in 0..MESSAGES {
                let asked = Instant::now();
                realtime.send(draft(room, number, message)).await.unwrap();
                took.push(asked.elapsed());
            }
            took
        })
    });
    let mut took: Vec<Duration> = Vec::new();
    for sender in senders.collect::<Vec<_>>() {
        took.extend(sender.await.unwrap());
    }
    let rate = took.len() as f64 / started.elapsed().as_secs_f64();
    took.sort_unstable();
    (rate, took[took.len() * 99 / 100])
}

/// Some 100 bytes of words, of which some are rarer than others.
fn draft(room: RoomId, sender: usize, message: usize) -> Draft {
    let mut text = "common".to_owned();
    let mut seed = sender * MESSAGES + message;
    for _ in 0..16 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let word = (seed >> 33) % WORDS;
        text.push_str(&format!(" w{}", word * word / WORDS));
    }
    Draft {
        room,
        from: Actor::user(user(&format!("sender-{sender}"))),
        client_id: ClientId::parse(&format!("c-{message}")).unwrap(),
        body: Body::parse(text, 1_000).unwrap(),
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    }
}

async fn caught_up(store: &SeaStore) {
    while !store.behind(None).await.unwrap().rooms.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
