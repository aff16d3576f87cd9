//! A client goes away, comes back with the `rev` that it holds, and gets exactly what it
//! missed: once, in order, as it is now.
//!
//! ```sh
//! cargo run -p realtime-examples --example recover
//! ```
//!
//! One sees what Ben missed while he was away. The second message was edited three times
//! and is told once; "after" says that what lay between was superseded.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::sync::Arc;

use realtime_core::{Realtime, memory::MemoryStore};
use realtime_examples::{Client, Failure, job_room};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    run().await?;
    Ok(())
}

/// Of a push that tells of a change: its `rev`, and the `rev` on which it follows.
fn place(push: &Value) -> Option<(u64, u64)> {
    let rev = push["rev"].as_u64()?;
    Some((rev, push["after_rev"].as_u64().unwrap_or(rev - 1)))
}

/// Answers with what Ben was told when he came back.
pub(crate) async fn run() -> Result<Vec<(String, Value)>, Failure> {
    let store = Arc::new(MemoryStore::default());
    let realtime = Realtime::builder(store.clone()).start().await?;
    let room = realtime
        .open(job_room("7421", ["ann", "ben"])?)
        .await?
        .room
        .id;

    let (mut ann, _) = Client::connect(&realtime, "ann", json!({})).await?;
    let (mut ben, _) = Client::connect(&realtime, "ben", json!({})).await?;
    let say = |number: u32| json!({"room": room, "client_id": number.to_string(), "body": number.to_string()});
    ann.ask("send", say(1)).await?;

    // A client keeps the `rev` of the last push that it applied.
    let first = ben.hear("message").await?;
    let (mut held, _) = place(&first).ok_or("a message has a rev")?;
    println!("ben holds rev {held} and goes away");
    ben.vanish().await;

    ann.ask("send", say(2)).await?;
    for text in ["two", "two!", "two!!"] {
        ann.ask("edit", json!({"room": room, "seq": 2, "body": text}))
            .await?;
    }
    ann.ask("send", say(3)).await?;

    // Another server, which has nothing in memory.
    let realtime = Realtime::builder(store).start().await?;
    let (mut ben, welcome) =
        Client::connect(&realtime, "ben", json!({room.to_string(): held})).await?;
    let head = welcome["rooms"][0]["rev"].as_u64().ok_or("no head")?;
    println!("ben is back; the room is at rev {head}");

    let mut told = Vec::new();
    while held < head {
        let (word, body) = ben.next_push().await?;
        // Somebody comes online: nothing that a client holds.
        let Some((rev, after)) = place(&body) else {
            continue;
        };
        if after > held {
            return Err(format!("rev {rev} follows on {after}, not on {held}").into());
        }
        let says = body["body"].as_str().unwrap_or_default();
        println!("rev {rev}, after {after}: {word} {says}");
        held = rev;
        told.push((word, body));
    }
    Ok(told)
}
