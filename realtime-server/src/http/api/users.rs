//! A person as a whole: everything that is known of them, and their end.

use http::StatusCode;
use realtime_core::{change::Legacy, id::UserId};
use serde::Serialize;

use super::participants::user_id;
use crate::http::{Answer, Problem, call::Call, export, json};

/// Who is erased, and what becomes of what they said.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Erasure {
    pub(crate) user: UserId,
    pub(crate) messages: Legacy,
}

/// At once nobody finds them any more; their messages follow room by room.
pub(crate) async fn erase(call: Call) -> Answer {
    let erasure = Erasure {
        user: user_id("user", call.param("user"))?,
        messages: legacy(&call)?,
    };
    let realtime = call.app.realtime();
    realtime.erase(&erasure.user, erasure.messages).await?;
    json(StatusCode::ACCEPTED, &erasure)
}

fn legacy(call: &Call) -> Result<Legacy, Problem> {
    match call.query()?.text("messages")?.as_deref() {
        None | Some("tombstone") => Ok(Legacy::Tombstone),
        Some("keep") => Ok(Legacy::Keep),
        Some(_) => Err(Problem::field("messages", "must be tombstone or keep")),
    }
}

/// What is known of somebody, for the platform.
pub(crate) async fn export(call: Call) -> Answer {
    let user = user_id("user", call.param("user"))?;
    let found = export::of(&call.app, &user).await?;
    found.ok_or_else(Problem::not_found)
}

/// What is known of who asks; of somebody of whom nothing is known, that.
pub(crate) async fn export_own(call: Call) -> Answer {
    match export::of(&call.app, call.user()?).await? {
        Some(found) => Ok(found),
        None => export::nothing(),
    }
}
