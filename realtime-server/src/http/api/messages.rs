//! Messages: reading, sending, changing.

use http::StatusCode;
use realtime_core::{
    change::Draft,
    id::ClientId,
    limits::{CHANGES_PAGE, EDITIONS_PAGE, HISTORY_PAGE},
    message::{Body, MessageKind},
    protocol::{ChangesView, HistoryView, SentView},
    room::Metadata,
    seq::{Rev, Seq},
    service::Sent,
    store::{Edition, Window},
};
use serde::{Deserialize, Serialize};

use crate::http::{Answer, Problem, body::Input, call::Call, json, query::Query};

#[derive(Debug, Deserialize)]
struct NewMessage {
    client_id: ClientId,
    body: Body,
    #[serde(default)]
    kind: MessageKind,
    reply_to: Option<Seq>,
    metadata: Option<Metadata>,
}

impl Input for NewMessage {}

#[derive(Debug, Deserialize)]
struct MessagePatch {
    body: Body,
}

impl Input for MessagePatch {}

/// What a message said before.
#[derive(Debug, Serialize)]
struct Edits {
    edits: Vec<Edition>,
    /// There when the page is full: the `after_rev` of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after_rev: Option<Rev>,
}

pub(crate) async fn history(call: Call) -> Answer {
    let query = call.query()?;
    let (window, limit) = (window(&query)?, query.limit(HISTORY_PAGE)?);
    let (by, realtime) = (call.actor()?, call.app.realtime());
    let page = realtime.history(&by, call.room()?, window, limit).await?;
    json(StatusCode::OK, &HistoryView::seen_by(&page, by.user_id()))
}

fn window(query: &Query<'_>) -> Result<Window, Problem> {
    let positions = (
        query.seq("before")?,
        query.seq("after")?,
        query.seq("around")?,
    );
    match positions {
        (None, None, None) => Ok(Window::Latest),
        (Some(seq), None, None) => Ok(Window::Before(seq)),
        (None, Some(seq), None) => Ok(Window::After(seq)),
        (None, None, Some(seq)) => Ok(Window::Around(seq)),
        _ => Err(Problem::field(
            "before",
            "only one of before, after and around",
        )),
    }
}

pub(crate) async fn changes(call: Call) -> Answer {
    let query = call.query()?;
    let limit = query.limit(CHANGES_PAGE)?;
    let after = query.rev("after_rev")?;
    let after = after.ok_or_else(|| Problem::field("after_rev", "is missing"))?;
    let (by, realtime) = (call.actor()?, call.app.realtime());
    let set = realtime.changes(&by, call.room()?, after, limit).await?;
    let view = ChangesView::seen_by(&set, by.user_id(), realtime.now());
    json(StatusCode::OK, &view)
}

pub(crate) async fn send(call: Call) -> Answer {
    let (app, from, room) = (call.app.clone(), call.actor()?, call.room()?);
    let input: NewMessage = call.input().await?;
    let draft = Draft {
        room,
        from,
        client_id: input.client_id,
        body: input.body,
        kind: input.kind,
        reply_to: input.reply_to,
        metadata: input.metadata,
    };
    let sent = app.realtime().send(draft).await?;
    let status = if sent.duplicate {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    answer(status, sent)
}

pub(crate) async fn edit(call: Call) -> Answer {
    let (app, by) = (call.app.clone(), call.actor()?);
    let (room, seq) = (call.room()?, call.seq()?);
    let MessagePatch { body } = call.input().await?;
    let sent = app.realtime().edit(by, room, seq, body).await?;
    answer(StatusCode::OK, sent)
}

pub(crate) async fn delete(call: Call) -> Answer {
    let (by, room, seq) = (call.actor()?, call.room()?, call.seq()?);
    let sent = call.app.realtime().delete(by, room, seq).await?;
    answer(StatusCode::OK, sent)
}

pub(crate) async fn edits(call: Call) -> Answer {
    let query = call.query()?;
    let limit = query.limit(EDITIONS_PAGE)?;
    let after = query.rev("after_rev")?.unwrap_or(Rev::ZERO);
    let (realtime, room, seq) = (call.app.realtime(), call.room()?, call.seq()?);
    let edits = realtime.editions(room, seq, after, limit).await?;
    let is_full = u32::try_from(edits.len()).is_ok_and(|count| count >= limit);
    let next_after_rev = edits.last().filter(|_| is_full).map(|last| last.rev);
    let page = Edits {
        edits,
        next_after_rev,
    };
    json(StatusCode::OK, &page)
}

fn answer(status: StatusCode, sent: Sent) -> Answer {
    let Sent {
        message, duplicate, ..
    } = sent;
    let answer = realtime_core::change::Answer::Message { message, duplicate };
    let view = SentView::of(&answer).ok_or_else(Problem::internal)?;
    json(status, &view)
}
