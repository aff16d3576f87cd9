//! What concerns a user over all rooms.

use http::StatusCode;
use realtime_core::{
    id::UserId, limits::PRESENCE_USERS, presence::PresenceState, protocol::NotificationsView,
};
use serde::Serialize;

use crate::http::{Answer, Problem, call::Call, json};

#[derive(Serialize)]
struct PresenceList {
    users: Vec<PresenceState>,
}

#[derive(Serialize)]
struct Feed {
    items: [(); 0],
    #[serde(flatten)]
    head: NotificationsView,
    has_older: bool,
}

pub(crate) async fn unread(call: Call) -> Answer {
    let totals = call.app.realtime().unread(call.user()?).await?;
    json(StatusCode::OK, &totals)
}

pub(crate) async fn presence(call: Call) -> Answer {
    let of = users(&call)?;
    let users = call.app.realtime().presence(call.user()?, &of).await?;
    json(StatusCode::OK, &PresenceList { users })
}

fn users(call: &Call) -> Result<Vec<UserId>, Problem> {
    let texts = call.query()?.list("users")?;
    let texts = texts.ok_or_else(|| Problem::field("users", "is missing"))?;
    if texts.len() > PRESENCE_USERS {
        let reason = format!("at most {PRESENCE_USERS}");
        return Err(Problem::field("users", reason));
    }
    let ids = texts.iter().map(|text| UserId::parse(text));
    ids.collect::<Result<_, _>>()
        .map_err(|error| Problem::field("users", error.to_string()))
}

/// There is no feed yet: it is empty, as the WebSocket says too.
pub(crate) async fn notifications(_: Call) -> Answer {
    let feed = Feed {
        items: [],
        head: NotificationsView::default(),
        has_older: false,
    };
    json(StatusCode::OK, &feed)
}
