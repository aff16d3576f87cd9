//! The platform's events and what they do to a job's room: accepted opens it, completed
//! locks it, and a repeated event changes nothing.
//!
//! ```sh
//! cargo run -p realtime-examples --example job_rooms
//! ```
//!
//! One sees the room open, a message of the platform and one of the cleaner, the lock,
//! and that nobody can write afterwards.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{hash::Hasher, sync::Arc};

use realtime_core::{
    Realtime,
    change::{Actor, DomainEvent, Draft, Fnv, NewRoom, RoomAction, SystemMessage},
    id::{ClientId, EventId, RoomId, UserId},
    memory::MemoryStore,
    message::{Body, MessageKind},
    room::Subject,
    service::Applied,
};
use realtime_examples::{Failure, job_room};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    run().await?;
    Ok(())
}

/// An event of the platform about a job. All that it asks for happens in one
/// transaction, or nothing.
fn event(id: &str, says: &str, open: Option<NewRoom>) -> Result<DomainEvent, Failure> {
    // Tells a repeat from another event under the same id.
    let mut digest = Fnv::default();
    digest.write(says.as_bytes());
    Ok(DomainEvent {
        id: EventId::parse(id)?,
        fingerprint: Fnv::finish(&digest),
        subject: Subject::parse("job", "7421")?,
        open,
        message: Some(SystemMessage {
            body: Body::parse(says.to_owned(), usize::MAX)?,
            metadata: None,
        }),
        roster: Vec::new(),
        action: None,
    })
}

fn accepted() -> Result<DomainEvent, Failure> {
    let room = job_room("7421", ["ann", "ben"])?;
    event("evt-1", "Ben accepted the job.", Some(room))
}

fn from_ben(room: RoomId, client_id: &str, text: &str) -> Result<Draft, Failure> {
    Ok(Draft {
        room,
        from: Actor::user(UserId::parse("ben")?),
        client_id: ClientId::parse(client_id)?,
        body: Body::parse(text.to_owned(), usize::MAX)?,
        kind: MessageKind::Text,
        reply_to: None,
        metadata: None,
    })
}

fn show(what: &str, applied: &Applied) {
    let state = applied.room.state;
    println!(
        "{what}: created {}, duplicate {}, message {:?}, {state:?}",
        applied.created, applied.duplicate, applied.seq
    );
}

/// Answers with what the events did, and how the last message was refused.
pub(crate) async fn run() -> Result<(Vec<Applied>, String), Failure> {
    let realtime = Realtime::builder(Arc::new(MemoryStore::default()))
        .start()
        .await?;

    let first = realtime.apply(accepted()?).await?;
    show("job.accepted", &first);
    let room = first.room.id;

    // The platform was not sure that its event had arrived.
    let again = realtime.apply(accepted()?).await?;
    show("job.accepted again", &again);

    let sent = realtime
        .send(from_ben(room, "1", "I am at the door.")?)
        .await?;
    println!("ben: message {}", sent.message.seq);

    let completed = DomainEvent {
        action: Some(RoomAction::Lock { at: None }),
        ..event("evt-2", "The job is done.", None)?
    };
    let completed = realtime.apply(completed).await?;
    show("job.completed", &completed);

    let refused = match realtime
        .send(from_ben(room, "2", "One more thing …")?)
        .await
    {
        Ok(sent) => return Err(format!("stored as {}", sent.message.seq).into()),
        Err(error) => error.code().to_string(),
    };
    println!("ben: {refused}");
    Ok((vec![first, again, completed], refused))
}
