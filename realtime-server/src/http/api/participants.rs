//! Who is in a room.

use http::StatusCode;
use realtime_core::{
    change::{History, NewParticipant},
    id::UserId,
    limits::PARTICIPANTS_PAGE,
    participant::{Participant, Role},
    protocol::ParticipantView,
    seq::Rev,
};
use serde::{Deserialize, Serialize};

use crate::http::{Answer, Problem, body::Input, call::Call, json};

#[derive(Serialize)]
struct ParticipantPage<'a> {
    participants: Vec<ParticipantView<'a>>,
    /// There when the page is full: the `after` of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<&'a UserId>,
}

#[derive(Debug, Deserialize)]
struct ParticipantInput {
    #[serde(default, deserialize_with = "super::input::role")]
    role: Role,
    name: Option<String>,
    #[serde(default)]
    history: History,
}

impl Input for ParticipantInput {}

/// Who comes in somebody's place.
#[derive(Debug, Deserialize)]
struct Replacement {
    user: UserId,
    #[serde(default, deserialize_with = "super::input::role")]
    role: Role,
    name: Option<String>,
    /// What was said before was said to somebody else.
    #[serde(default = "from_now")]
    history: History,
}

impl Input for Replacement {}

const fn from_now() -> History {
    History::FromNow
}

#[derive(Serialize)]
struct Replaced<'a> {
    participant: ParticipantView<'a>,
    /// The room's head.
    rev: Rev,
}

pub(crate) async fn list(call: Call) -> Answer {
    let query = call.query()?;
    let limit = query.limit(PARTICIPANTS_PAGE)?;
    let after = query.text("after")?.map(|text| user_id("after", &text));
    let after = after.transpose()?;
    let realtime = call.app.realtime();
    let found = realtime
        .participants(&call.actor()?, call.room()?, after.as_ref(), limit)
        .await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let page = ParticipantPage {
        participants: found.iter().map(ParticipantView::entry).collect(),
        next_after: found.last().filter(|_| is_full).map(|last| &last.user),
    };
    json(StatusCode::OK, &page)
}

pub(crate) async fn admit(call: Call) -> Answer {
    let (app, room) = (call.app.clone(), call.room()?);
    let user = user_id("user", call.param("user"))?;
    let ParticipantInput {
        role,
        name,
        history,
    } = call.input().await?;
    let new = NewParticipant { user, role, name };
    let (participant, rev) = app.realtime().admit(room, new, history).await?;
    changed(&participant, rev)
}

pub(crate) async fn remove(call: Call) -> Answer {
    let (room, user) = (call.room()?, user_id("user", call.param("user"))?);
    let keeps_history = match call.query()?.text("history")?.as_deref() {
        None | Some("none") => false,
        Some("keep") => true,
        Some(_) => return Err(Problem::field("history", "must be keep or none")),
    };
    let realtime = call.app.realtime();
    let (participant, rev) = realtime.remove(room, &user, keeps_history).await?;
    changed(&participant, rev)
}

pub(crate) async fn replace(call: Call) -> Answer {
    let (app, room) = (call.app.clone(), call.room()?);
    let leaves = user_id("user", call.param("user"))?;
    let Replacement {
        user,
        role,
        name,
        history,
    } = call.input().await?;
    let comes = NewParticipant { user, role, name };
    let replaced = app.realtime().replace(room, &leaves, comes, history).await;
    let (participant, rev) = replaced?;
    let participant = ParticipantView::whole(&participant);
    json(StatusCode::OK, &Replaced { participant, rev })
}

pub(super) fn user_id(field: &'static str, text: &str) -> Result<UserId, Problem> {
    UserId::parse(text).map_err(|error| Problem::field(field, error.to_string()))
}

/// The participant, with the room's head.
fn changed(participant: &Participant, rev: Rev) -> Answer {
    let view = ParticipantView::whole(participant).following(rev, rev.previous());
    json(StatusCode::OK, &view)
}
