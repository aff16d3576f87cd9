//! What the platform tells: jobs on their way from accepted to done, and what that
//! does to their rooms.

use std::time::Duration;

use http::StatusCode;
use realtime_core::{
    Error, Realtime,
    change::{DomainEvent, Fnv, NewRoom, SystemMessage},
    id::EventId,
    message::Body,
    protocol::RoomSummary,
    room::{Metadata, Subject},
    seq::{Rev, Seq},
    service::Applied,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::input::{Person, kind_for};
use crate::{
    config::Events,
    http::{Answer, Problem, body::Input, call::Call, json},
};

/// The key under which a system message says what it is about, for clients that say
/// it in their own words.
const CODE: &str = "code";

/// An event as it comes.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) r#type: String,
    pub(crate) id: EventId,
    pub(crate) subject: Subject,
    /// Who is in the room that the event opens.
    pub(crate) participants: Option<Vec<Person>>,
    /// What that room is called.
    pub(crate) title: Option<String>,
    /// Anything; it goes into the message's metadata.
    #[serde(default)]
    pub(crate) data: Metadata,
}

impl Input for Event {
    const SAID_HERE: &'static [&'static str] = &["id"];
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

/// What an event does.
#[derive(Debug, Clone, Copy)]
struct Reaction {
    code: &'static str,
    says: &'static str,
    opens: bool,
    locks_after: Option<fn(&Events) -> Duration>,
}

/// All that are known.
const REACTIONS: [Reaction; 5] = [
    Reaction {
        code: "job.accepted",
        says: "Job accepted",
        opens: true,
        locks_after: None,
    },
    Reaction {
        code: "job.started",
        says: "Job started",
        opens: false,
        locks_after: None,
    },
    Reaction {
        code: "job.rescheduled",
        says: "Job rescheduled",
        opens: false,
        locks_after: None,
    },
    Reaction {
        code: "job.completed",
        says: "Job completed",
        opens: false,
        locks_after: Some(|events| events.lock_after_completed),
    },
    Reaction {
        code: "job.cancelled",
        says: "Job cancelled",
        opens: false,
        locks_after: Some(|events| events.lock_after_cancelled),
    },
];

pub(crate) async fn receive(call: Call) -> Answer {
    let app = call.app.clone();
    let event: Event = call.input().await?;
    let applied = apply(app.realtime(), &app.config().events, event).await?;
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
) -> Result<Applied, Problem> {
    let event = domain_event(event, config, realtime.now())?;
    let applied = realtime.apply(event).await;
    applied.map_err(|error| {
        // The caller calls it `data`.
        if let Error::TooLarge { field, max } = &error
            && *field == "metadata"
        {
            return Error::TooLarge {
                field: "data",
                max: *max,
            }
            .into();
        }
        error.into()
    })
}

fn domain_event(event: Event, config: &Events, now: Timestamp) -> Result<DomainEvent, Problem> {
    let known = REACTIONS.iter().find(|it| it.code == event.r#type);
    let Reaction {
        code,
        says,
        opens,
        locks_after,
    } = *known.ok_or_else(unknown_type)?;
    let fingerprint = fingerprint(&event);
    let open = if opens { Some(new_room(&event)?) } else { None };
    let mut metadata = event.data;
    metadata.insert(CODE.to_owned(), Value::from(code));
    let body = Body::parse(says.to_owned(), says.len()).map_err(|_| Problem::internal())?;
    Ok(DomainEvent {
        id: event.id,
        fingerprint,
        subject: event.subject,
        open,
        message: Some(SystemMessage {
            body,
            metadata: Some(metadata),
        }),
        lock_at: locks_after.map(|after| now.after(after(config))),
    })
}

fn unknown_type() -> Problem {
    let known = REACTIONS.map(|reaction| reaction.code).join(", ");
    Problem::field("type", format!("must be one of {known}"))
}

fn new_room(event: &Event) -> Result<NewRoom, Problem> {
    let people = event.participants.clone();
    let people = people.ok_or_else(|| Problem::field("participants", "is missing"))?;
    Ok(NewRoom {
        kind: kind_for(None, people.len()),
        subject: Some(event.subject.clone()),
        key: None,
        title: event.title.clone(),
        metadata: None,
        participants: people.into_iter().map(Into::into).collect(),
    })
}

/// Tells a repeat from another event under the same id.
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
    digest.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str) -> Event {
        let event = json!({
            "type": kind, "id": "e1", "subject": {"type": "job", "id": "7"},
            "participants": [{"user": "ann", "role": "owner"}, {"user": "ben"}],
            "data": {"address": "14 Elm St", "code": "forged"},
        });
        serde_json::from_value(event).unwrap()
    }

    fn reaction(kind: &str) -> DomainEvent {
        domain_event(event(kind), &Events::default(), Timestamp::from_millis(0)).unwrap()
    }

    #[test]
    fn accepting_opens_and_finishing_locks() {
        let accepted = reaction("job.accepted");
        assert_eq!(accepted.open.unwrap().participants.len(), 2);
        assert_eq!(accepted.lock_at, None);
        let day = Duration::from_secs(24 * 60 * 60);
        let completed = reaction("job.completed").lock_at.unwrap();
        assert_eq!(completed.since(Timestamp::from_millis(0)), day);
        assert_eq!(
            reaction("job.cancelled").lock_at,
            Some(Timestamp::from_millis(0))
        );
        assert_eq!(reaction("job.started").lock_at, None);
        assert_eq!(reaction("job.rescheduled").open, None);
    }

    #[test]
    fn the_message_says_what_happened_in_words_and_in_a_code() {
        let message = reaction("job.accepted").message.unwrap();
        assert_eq!(message.body.as_str(), "Job accepted");
        let metadata = Value::from(message.metadata.unwrap());
        assert_eq!(
            metadata,
            json!({"code": "job.accepted", "address": "14 Elm St"})
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field() {
        let refused = |event: Event| {
            let refused = domain_event(event, &Events::default(), Timestamp::from_millis(0));
            format!("{:?}", refused.unwrap_err())
        };
        let unknown = refused(event("job.exploded"));
        for reaction in REACTIONS {
            assert!(unknown.contains(reaction.code), "{unknown}");
        }
        let nobody = Event {
            participants: None,
            ..event("job.accepted")
        };
        assert!(refused(nobody).contains("participants"));
    }

    #[test]
    fn another_event_has_another_fingerprint() {
        let mut other = event("job.accepted");
        assert_eq!(fingerprint(&other), fingerprint(&event("job.accepted")));
        other.data.insert("starts_at".into(), json!("nine"));
        assert_ne!(fingerprint(&other), fingerprint(&event("job.accepted")));
        let mut other = event("job.accepted");
        other.title = Some(String::new());
        assert_ne!(fingerprint(&other), fingerprint(&event("job.accepted")));
    }
}
