//! Finding messages by their words.

use http::StatusCode;
use realtime_core::{
    id::RoomId,
    limits::SEARCH_PAGE,
    ports::Action,
    protocol::MessageView,
    search::{Mark, SearchQuery, SearchText},
};
use serde::Serialize;

use super::cursor;
use crate::http::{Answer, Problem, call::Call, json, query::Query};

/// Commands that a search counts for: it costs about as much as so many other reads.
const COST: u32 = 10;

#[derive(Serialize)]
struct Found<'a> {
    hits: Vec<HitView<'a>>,
    /// There while there may be more, also after a page with few hits or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct HitView<'a> {
    message: MessageView<'a>,
    marks: &'a [Mark],
}

pub(crate) async fn find(call: Call) -> Answer {
    let query = wanted(&call.query()?)?;
    // The route has taken the first.
    for _ in 1..COST {
        call.spend(Action::Command).await?;
    }
    let user = call.user()?;
    let page = call.app.realtime().search(user, &query).await?;
    let hits = page.hits.iter().map(|hit| HitView {
        message: MessageView::seen_by(&hit.message, Some(user)),
        marks: &hit.marks,
    });
    let found = Found {
        hits: hits.collect(),
        next_cursor: page.next.as_ref().map(cursor::encode_hit),
    };
    json(StatusCode::OK, &found)
}

fn wanted(query: &Query<'_>) -> Result<SearchQuery, Problem> {
    let text = query.text("q")?;
    let text = text.ok_or_else(|| Problem::field("q", "is missing"))?;
    let text = SearchText::parse(&text).map_err(|error| Problem::field("q", error.to_string()))?;
    let before = query.text("before")?.map(|text| {
        let position = cursor::decode_hit(&text);
        position.ok_or_else(|| Problem::field("before", "is not a next_cursor of a search"))
    });
    Ok(SearchQuery {
        text,
        room: query.text("room")?.map(|room| room_of(&room)).transpose()?,
        before: before.transpose()?,
        limit: query.limit(SEARCH_PAGE)?,
    })
}

/// What cannot be a room's id is one of no room.
fn room_of(text: &str) -> Result<RoomId, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}
