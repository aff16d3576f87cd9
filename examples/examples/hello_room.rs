//! Two people in one room, in one process, without a socket.
//!
//! ```sh
//! cargo run -p realtime-examples --example hello_room
//! cargo run -p realtime-examples --example hello_room -- sqlite://hello.db
//! ```
//!
//! One sees the message as Ben hears it. With a database, run it again: the room and
//! its messages are still there, and the numbers go on.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::sync::Arc;

use realtime_core::{Realtime, memory::MemoryStore, store::SharedBackend};
use realtime_examples::{Client, Failure, job_room};
use realtime_store_sea::{SeaOptions, SeaStore};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = std::env::args().nth(1);
    run(url.as_deref()).await?;
    Ok(())
}

/// Says hello; answers with what Ben heard.
pub(crate) async fn run(url: Option<&str>) -> Result<Value, Failure> {
    let store: SharedBackend = match url {
        None => Arc::new(MemoryStore::default()),
        Some(url) => Arc::new(SeaStore::connect(url, SeaOptions::default()).await?),
    };
    let realtime = Realtime::builder(store).start().await?;

    // A subject has one room: asking again answers with the one that is there.
    let opened = realtime.open(job_room("7421", ["ann", "ben"])?).await?;
    let room = opened.room.id;
    println!(
        "room {room} {}",
        if opened.created { "opened" } else { "found" }
    );

    let (mut ann, _) = Client::connect(&realtime, "ann", json!({})).await?;
    let (mut ben, _) = Client::connect(&realtime, "ben", json!({})).await?;

    // The client's own name for the message; a UUID in a real client.
    let client_id = format!("hello-{}", opened.room.last_seq);
    let hello = json!({"room": room, "client_id": client_id, "body": "Hello, Ben!"});
    let sent = ann.ask("send", hello).await?;
    println!("ann sent:  {sent}");

    let heard = ben.hear("message").await?;
    println!("ben heard: {heard}");

    realtime.shutdown().await;
    Ok(heard)
}
