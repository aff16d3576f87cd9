//! What each event does: one table.

use std::time::Duration;

use realtime_core::{
    change::{
        DomainEvent, History, NewParticipant, NewRoom, Once, RoomAction, Roster, SystemMessage,
    },
    id::UserId,
    message::Body,
    time::Timestamp,
};
use serde_json::Value;

use super::{Event, fingerprint};
use crate::{
    config::Events,
    http::{
        Problem,
        api::{input::kind_for, users::Erasure},
    },
};

/// The key under which a system message says what it is about, for clients that say
/// it in their own words.
const CODE: &str = "code";
/// The type of subject of an event about a person.
const USER: &str = "user";

/// What is to be done about an event.
#[derive(Debug)]
pub(super) enum Todo {
    /// To the room of its subject.
    Apply(Box<DomainEvent>),
    /// To a person.
    Erase(Erasure, Once),
}

/// An event that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reaction {
    pub(super) code: &'static str,
    /// What it says in the room; `None`: nothing.
    says: Option<&'static str>,
    does: Does,
}

/// What it does beside saying so.
#[derive(Debug, Clone, Copy)]
enum Does {
    Nothing,
    /// Opens the room of its subject, if it has none.
    Open,
    /// Locks the room after a time.
    Lock(fn(&Events) -> Duration),
    /// Hands the room over from one to another.
    HandOver,
    Reopen,
    Archive,
    /// Erases a person.
    Erase,
}

/// All that are known.
pub(super) const REACTIONS: [Reaction; 9] = [
    says("job.accepted", "Job accepted", Does::Open),
    says("job.started", "Job started", Does::Nothing),
    says("job.rescheduled", "Job rescheduled", Does::Nothing),
    says("job.reassigned", "Job reassigned", Does::HandOver),
    says(
        "job.completed",
        "Job completed",
        Does::Lock(|events| events.lock_after_completed),
    ),
    says(
        "job.cancelled",
        "Job cancelled",
        Does::Lock(|events| events.lock_after_cancelled),
    ),
    says("job.reopened", "Job reopened", Does::Reopen),
    // Housekeeping, long after the job: nobody's phone should ring for it.
    Reaction {
        code: "job.archived",
        says: None,
        does: Does::Archive,
    },
    Reaction {
        code: "user.erased",
        says: None,
        does: Does::Erase,
    },
];

const fn says(code: &'static str, says: &'static str, does: Does) -> Reaction {
    Reaction {
        code,
        says: Some(says),
        does,
    }
}

/// What an event leads to.
pub(super) fn reaction_to(event: Event, config: &Events, now: Timestamp) -> Result<Todo, Problem> {
    let known = REACTIONS.iter().find(|it| it.code == event.r#type);
    let reaction = *known.ok_or_else(unknown_type)?;
    let (mut open, mut roster, mut action) = (None, Vec::new(), None);
    match reaction.does {
        Does::Nothing => {}
        Does::Open => open = Some(new_room(&event)?),
        Does::Lock(after) => {
            let at = Some(now.after(after(config)));
            action = Some(RoomAction::Lock { at });
        }
        Does::HandOver => roster.push(hand_over(&event)?),
        Does::Reopen => action = Some(RoomAction::Reopen),
        Does::Archive => action = Some(RoomAction::Archive),
        Does::Erase => {
            let once = Once {
                fingerprint: fingerprint(&event),
                id: event.id.clone(),
            };
            return Ok(Todo::Erase(erasure(&event)?, once));
        }
    }
    Ok(Todo::Apply(Box::new(DomainEvent {
        fingerprint: fingerprint(&event),
        message: message(reaction, event.data)?,
        id: event.id,
        subject: event.subject,
        open,
        roster,
        action,
    })))
}

fn unknown_type() -> Problem {
    let known = REACTIONS.map(|reaction| reaction.code).join(", ");
    Problem::field("type", format!("must be one of {known}"))
}

fn message(
    reaction: Reaction,
    mut metadata: realtime_core::room::Metadata,
) -> Result<Option<SystemMessage>, Problem> {
    let Some(says) = reaction.says else {
        return Ok(None);
    };
    metadata.insert(CODE.to_owned(), Value::from(reaction.code));
    let body = Body::parse(says.to_owned(), says.len()).map_err(|_| Problem::internal())?;
    Ok(Some(SystemMessage {
        body,
        metadata: Some(metadata),
    }))
}

fn new_room(event: &Event) -> Result<NewRoom, Problem> {
    let people = event.participants.clone().ok_or_else(nobody)?;
    Ok(NewRoom {
        kind: kind_for(None, people.len()),
        subject: Some(event.subject.clone()),
        key: None,
        title: event.title.clone(),
        metadata: None,
        participants: people.into_iter().map(Into::into).collect(),
    })
}

fn nobody() -> Problem {
    Problem::field("participants", "is missing")
}

/// The one who comes sees what is said from now on, unless the event says otherwise:
/// what was said before was said to somebody else.
fn hand_over(event: &Event) -> Result<Roster, Problem> {
    let leaves = event.leaves.clone();
    let leaves = leaves.ok_or_else(|| Problem::field("leaves", "is missing"))?;
    let [comes] = event.participants.as_deref().ok_or_else(nobody)? else {
        return Err(Problem::field("participants", "must be the one who comes"));
    };
    let comes: NewParticipant = comes.clone().into();
    if comes.user == leaves {
        return Err(Problem::field("leaves", "is the one who comes"));
    }
    Ok(Roster::Replace {
        leaves,
        comes,
        history: event.history.unwrap_or(History::FromNow),
    })
}

fn erasure(event: &Event) -> Result<Erasure, Problem> {
    if event.subject.kind != USER {
        return Err(Problem::field("subject.type", "must be user"));
    }
    let user = UserId::parse(&event.subject.id)
        .map_err(|error| Problem::field("subject.id", error.to_string()))?;
    Ok(Erasure {
        user,
        messages: event.messages.unwrap_or_default(),
    })
}
