//! A booking service that accepts a job and opens its room in one transaction.
//!
//! ```sh
//! cargo run -p realtime-booking                                        # a scene, then it ends
//! cargo run -p realtime-booking -- serve 127.0.0.1:8090 sqlite://booking.db
//! ```
//!
//! One sees a job accepted, and Ann told of its room over her WebSocket a few milliseconds
//! after the commit; and a job that somebody else has taken, of which no room is left.
//! PostgreSQL and MariaDB do as well: `postgres://…`, `mysql://…`.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{net::SocketAddr, time::Instant};

use futures::{SinkExt, StreamExt};
use realtime_booking::{Failure, web::Service};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => scene().await,
        ["serve", address, url] => {
            let service = Service::start(url, None).await?;
            let listener = TcpListener::bind(address).await?;
            println!("listening on http://{}", listener.local_addr()?);
            println!(
                "  curl -X POST -H 'Authorization: Bearer session-of-ann' http://{address}/jobs"
            );
            service.serve(listener).await;
            Ok(())
        }
        _ => Err("usage: realtime-booking [serve ADDRESS DATABASE-URL]".into()),
    }
}

async fn scene() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("booking.db").display());
    let service = Service::start(&url, None).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(service.serve(listener));

    let (mut ann, _) = tokio_tungstenite::connect_async(format!("ws://{address}/ws/")).await?;
    let connect = r#"{"id": 1, "connect": {"token": "session-of-ann"}}"#;
    ann.send(Message::text(connect)).await?;
    ann.next().await.ok_or("no answer")??;
    println!("Ann is connected, and is in no room.");

    let job = post(address, "/jobs", "ann").await?["job"].clone();
    println!("Ann books job {job}. Nothing is said: there is nobody to talk to.");

    let began = Instant::now();
    let accepted = post(address, &format!("/jobs/{job}/accept"), "ben").await?;
    println!(
        "Ben accepts it. In one transaction: the row of the job, the room, its first message."
    );
    println!("  answer after {:?}: {accepted}", began.elapsed());
    let mut heard = 0;
    while heard < 2 {
        let line = ann.next().await.ok_or("the connection ended")??;
        for line in line.into_text()?.lines() {
            let push: Value = serde_json::from_str(line)?;
            if push.get("room").is_some() || push.get("message").is_some() {
                println!("  Ann hears after {:?}: {push}", began.elapsed());
                heard += 1;
            }
        }
    }

    let refused = post(address, &format!("/jobs/{job}/accept"), "eve").await?;
    println!("Eve comes too late: {refused}. Her transaction left nothing behind.");
    println!(
        "Kill the service between the commit and the hand-over, and Ann hears of the room all \
         the same, from the sweep: tests/kill.rs does it."
    );
    server.abort();
    Ok(())
}

async fn post(address: SocketAddr, path: &str, user: &str) -> Result<Value, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer session-of-{user}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok(serde_json::from_str(body)?)
}
