//! What the platform tells: jobs on their way from accepted to done, and people who
//! go for good.

mod reaction;
#[cfg(test)]
mod tests;

use http::StatusCode;
use realtime_core::{
    Error, Realtime,
    change::{Fnv, History, Legacy, Once},
    id::{EventId, UserId},
    protocol::RoomSummary,
    room::{Metadata, Subject},
    seq::{Rev, Seq},
    service::Applied,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::reaction::{Todo, reaction_to};
use super::{input::Person, users::Erasure};
use crate::{
    config::Events,
    http::{Answer, Problem, body::Input, call::Call, json},
};

/// An event as it comes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) r#type: String,
    pub(crate) id: EventId,
    pub(crate) subject: Subject,
    /// Who is in the room that the event opens, or comes into it.
    pub(crate) participants: Option<Vec<Person>>,
    /// Who goes out of the room.
    pub(crate) leaves: Option<UserId>,
    /// What who comes into the room sees of before.
    pub(crate) history: Option<History>,
    /// What becomes of the messages of somebody who goes for good.
    pub(crate) messages: Option<Legacy>,
    /// What the room that the event opens is called.
    pub(crate) title: Option<String>,
    /// Anything; it goes into the message's metadata.
    #[serde(default)]
    pub(crate) data: Metadata,
}

impl Input for Event {
    const SAID_HERE: &'static [&'static str] = &["id"];
}

/// What came of an event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It changed a room, or had before.
    Applied(Box<Applied>),
    /// Somebody is erased, if they were known; `duplicate`: the event had been applied.
    Erased { erasure: Erasure, duplicate: bool },
}

#[derive(Serialize)]
struct EventResult<'a> {
    room: RoomSummary<'a>,
    rev: Rev,
    created: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    duplicate: bool,
}

#[derive(Serialize)]
struct ErasedResult {
    #[serde(flatten)]
    erasure: Erasure,
    duplicate: bool,
}

pub(crate) async fn receive(call: Call) -> Answer {
    let app = call.app.clone();
    let event: Event = call.input().await?;
    let applied = match apply(app.realtime(), &app.config().events, event).await? {
        Outcome::Applied(applied) => applied,
        Outcome::Erased { erasure, duplicate } => {
            let result = ErasedResult { erasure, duplicate };
            return json(StatusCode::ACCEPTED, &result);
        }
    };
    let status = if applied.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let result = EventResult {
        room: RoomSummary::bare(&applied.room, app.realtime().now()),
        rev: applied.room.rev,
        created: applied.created,
        seq: applied.seq,
        duplicate: applied.duplicate,
    };
    json(status, &result)
}

/// Does what an event leads to.
pub(crate) async fn apply(
    realtime: &Realtime,
    config: &Events,
    event: Event,
) -> Result<Outcome, Problem> {
    let event = match reaction_to(event, config, realtime.now())? {
        Todo::Apply(event) => event,
        Todo::Erase(erasure, once) => return erase(realtime, erasure, once).await,
    };
    let applied = realtime.apply(*event).await;
    let applied = applied.map_err(|error| {
        // The caller calls it `data`.
        if let Error::TooLarge { field, max } = &error
            && *field == "metadata"
        {
            return Error::TooLarge {
                field: "data",
                max: *max,
            };
        }
        error
    })?;
    Ok(Outcome::Applied(Box::new(applied)))
}

/// The platform need not know who was ever here: somebody unknown is erased already.
async fn erase(realtime: &Realtime, erasure: Erasure, once: Once) -> Result<Outcome, Problem> {
    let duplicate = realtime
        .erase_once(&erasure.user, erasure.messages, once)
        .await?;
    Ok(Outcome::Erased { erasure, duplicate })
}

/// Tells a repeat from another event under the same id. What an event of an earlier
/// version could not say is only digested where it is said: its digest stays.
fn fingerprint(event: &Event) -> i64 {
    let mut digest = Fnv::default();
    for text in [&event.r#type, &event.subject.kind, &event.subject.id] {
        digest.text(text);
    }
    digest.number(u64::from(event.title.is_some()));
    digest.text(event.title.as_deref().unwrap_or_default());
    let people = event.participants.as_deref().unwrap_or_default();
    digest.number(u64::try_from(people.len()).unwrap_or(u64::MAX));
    for person in people {
        digest.text(person.user.as_str());
        digest.text(&format!("{:?}", person.role));
    }
    // Keys in order, whatever order they came in.
    digest.text(&Value::Object(event.data.clone()).to_string());
    if let Some(leaves) = &event.leaves {
        digest.text("leaves");
        digest.text(leaves.as_str());
    }
    if let Some(history) = event.history {
        digest.text(&format!("{history:?}"));
    }
    if let Some(messages) = event.messages {
        digest.text(&format!("{messages:?}"));
    }
    digest.finish()
}
