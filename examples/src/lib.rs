//! What the examples share: a client in the same process. The programs themselves are in
//! `examples/`; each begins with its purpose, its command, and what one sees.

use std::error::Error;

use realtime_core::{
    Connection, Opening, Realtime,
    change::{NewParticipant, NewRoom},
    id::UserId,
    participant::Role,
    room::{RoomKind, Subject},
};
use serde_json::{Value, json};

/// Why an example did not do what it should.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Somebody with an open connection. It speaks the protocol of `docs/protocol.md`, as a
/// browser would over a WebSocket.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    last_id: u32,
}

impl Client {
    /// Connects a user whom the host knows. `rooms` says what the client holds:
    /// `{"<room>": rev}`. Answers with what the server said to it too.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn connect(
        realtime: &Realtime,
        user: &str,
        rooms: Value,
    ) -> Result<(Self, Value), Failure> {
        let mut client = Self {
            connection: realtime.accept(Opening::of(UserId::parse(user)?)),
            last_id: 0,
        };
        let welcome = client.ask("connect", json!({"rooms": rooms})).await?;
        Ok((client, welcome))
    }

    /// Gives a command and waits for its answer; pushes before it are left out.
    ///
    /// # Errors
    /// The server refuses: its error, as it is on the wire.
    pub async fn ask(&mut self, command: &str, body: Value) -> Result<Value, Failure> {
        self.last_id += 1;
        let frame = json!({"id": self.last_id, command: body});
        self.connection.receive(&frame.to_string()).await;
        loop {
            let mut line = self.line().await?;
            if line["id"] == self.last_id {
                return match line.get("error") {
                    Some(error) => Err(error.to_string().into()),
                    None => Ok(line["ok"].take()),
                };
            }
        }
    }

    /// The body of the next push of this kind; others before it are left out.
    ///
    /// # Errors
    /// The connection ends before.
    pub async fn hear(&mut self, push: &str) -> Result<Value, Failure> {
        loop {
            let (word, body) = self.next_push().await?;
            if word == push {
                return Ok(body);
            }
        }
    }

    /// The next push, by its word; answers are left out.
    ///
    /// # Errors
    /// The connection ends before.
    pub async fn next_push(&mut self) -> Result<(String, Value), Failure> {
        loop {
            let line = self.line().await?;
            let Value::Object(line) = line else { continue };
            if line.contains_key("id") {
                continue;
            }
            if let Some(push) = line.into_iter().next() {
                return Ok(push);
            }
        }
    }

    /// The connection breaks, as it does in a tunnel.
    pub async fn vanish(self) {
        self.connection.finish(false).await;
    }

    async fn line(&self) -> Result<Value, Failure> {
        let line = self.connection.next_line().await;
        Ok(serde_json::from_str(&line.ok_or("the connection ended")?)?)
    }
}

/// A room for a job, with its client and its cleaner.
///
/// # Errors
/// A name or the number cannot be one.
pub fn job_room(number: &str, people: [&str; 2]) -> Result<NewRoom, Failure> {
    let mut participants = Vec::new();
    for name in people {
        participants.push(NewParticipant {
            user: UserId::parse(name)?,
            role: Role::Member,
            name: None,
        });
    }
    Ok(NewRoom {
        kind: RoomKind::Direct,
        subject: Some(Subject::parse("job", number)?),
        key: None,
        title: None,
        metadata: None,
        participants,
    })
}

/// The programs of the README, compiled and run by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[derive(Debug)]
pub struct Readme;
