//! Rooms: the list, one of them, and their life.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use realtime_core::{
    change::{NewRoom, RoomAction},
    id::{EventId, UserId},
    limits::ROOMS_PAGE,
    participant::Role,
    protocol::RoomSummary,
    room::{Metadata, Room, RoomState, Subject},
    seq::Seq,
    service::{Keep, Opened, RoomSeen},
    store::{RoomCursor, RoomQuery, RoomView},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    cursor,
    input::{Person, RoomInput, kind_for, present},
};
use crate::http::{
    Answer, Problem, Response, body::Input, call::Call, full, json, query::Query, typed,
};

/// The header that names a request to open a room.
const KEY: &str = "idempotency-key";

#[derive(Serialize)]
struct RoomPage<'a> {
    rooms: Vec<RoomSummary<'a>>,
    /// There when the page is full: there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RoomPatch {
    #[serde(default, deserialize_with = "present")]
    title: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    metadata: Option<Option<Metadata>>,
}

impl Input for RoomPatch {}

#[derive(Debug, Default, Deserialize)]
struct Lock {
    at: Option<Timestamp>,
}

impl Input for Lock {
    const MAY_BE_MISSING: bool = true;
}

/// Which messages are kept: one of the two.
#[derive(Debug, Deserialize)]
struct Retention {
    from_seq: Option<Seq>,
    keep: Option<u64>,
}

impl Input for Retention {}

pub(crate) async fn list(call: Call) -> Answer {
    let query = room_query(&call.query()?)?;
    let realtime = call.app.realtime();
    let views = realtime.rooms(call.user()?, &query).await?;
    let is_full = u32::try_from(views.len()).is_ok_and(|count| count >= query.limit);
    let last = views.last().filter(|_| is_full).map(place);
    let now = realtime.now();
    let page = RoomPage {
        rooms: views
            .iter()
            .map(|view| RoomSummary::of(view, now))
            .collect(),
        next_cursor: last.as_ref().map(cursor::encode),
    };
    json(StatusCode::OK, &page)
}

fn room_query(query: &Query<'_>) -> Result<RoomQuery, Problem> {
    let state = match query.text("state")?.as_deref() {
        None => None,
        Some("open") => Some(RoomState::Open),
        Some("locked") => Some(RoomState::Locked),
        Some("archived") => Some(RoomState::Archived),
        Some(_) => return Err(Problem::field("state", "must be open, locked or archived")),
    };
    let after = match query.text("cursor")? {
        Some(text) => {
            let position = cursor::decode(&text);
            Some(position.ok_or_else(|| Problem::field("cursor", "is not one of this list"))?)
        }
        None => None,
    };
    let left = match query.text("membership")?.as_deref() {
        None | Some("active") => false,
        Some("left") => true,
        Some(_) => return Err(Problem::field("membership", "must be active or left")),
    };
    Ok(RoomQuery {
        state,
        left,
        unread_only: query.flag("unread")?,
        after,
        limit: query.limit(ROOMS_PAGE)?,
    })
}

/// Where a room stands in the list.
fn place(view: &RoomView) -> RoomCursor {
    let room = &view.room;
    RoomCursor {
        activity: room.last_message_at.unwrap_or(room.created_at),
        room: room.id,
    }
}

pub(crate) async fn create(call: Call) -> Answer {
    let mut keys = call.head.headers.get_all(KEY).iter();
    let (given, another) = (keys.next(), keys.next());
    let text = |key: &HeaderValue| key.to_str().map(str::to_owned);
    let key = match (given.map(text), another) {
        (None, _) => None,
        (Some(Ok(key)), None) => Some(key),
        (Some(_), _) => return Err(Problem::field("Idempotency-Key", "one, in ASCII")),
    };
    let opener = if call.is_service() {
        None
    } else {
        Some(call.user()?.clone())
    };
    let key = key.map(|key| key_of(&key, opener.as_ref())).transpose()?;
    let app = call.app.clone();
    let mut input: RoomInput = call.input().await?;
    if let Some(opener) = opener {
        add_opener(&mut input.participants, opener);
    }
    let new = NewRoom {
        key,
        ..new_room(input, None)
    };
    opened(&app.realtime().open(new).await?, app.realtime().now())
}

/// The name of a request over all callers: one user's keys are not another's, nor the
/// platform's.
fn key_of(key: &str, opener: Option<&UserId>) -> Result<EventId, Problem> {
    let bad = |reason: String| Problem::field("Idempotency-Key", reason);
    let own = EventId::parse(key).map_err(|error| bad(error.to_string()))?;
    let Some(opener) = opener else {
        return Ok(own);
    };
    let mut digest = Sha256::new();
    // No user id has a control character: the two cannot run together.
    for part in [opener.as_str(), "\0", key] {
        digest.update(part.as_bytes());
    }
    let hex = hex(&digest.finalize());
    EventId::parse(&format!("user:{hex}")).map_err(|error| bad(error.to_string()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who opens a room is in it.
fn add_opener(participants: &mut Vec<Person>, opener: UserId) {
    if participants.iter().all(|person| person.user != opener) {
        participants.push(Person {
            user: opener,
            role: Role::Owner,
            name: None,
        });
    }
}

pub(crate) async fn by_subject(call: Call) -> Answer {
    let subject = Subject::parse(call.param("type"), call.param("id"));
    let subject = subject.map_err(|error| Problem::field("subject", error.to_string()))?;
    let app = call.app.clone();
    let input: RoomInput = call.input().await?;
    let new = new_room(input, Some(subject));
    opened(&app.realtime().open(new).await?, app.realtime().now())
}

fn new_room(input: RoomInput, subject: Option<Subject>) -> NewRoom {
    NewRoom {
        kind: kind_for(input.kind, input.participants.len()),
        subject,
        key: None,
        title: input.title,
        metadata: input.metadata,
        participants: input.participants.into_iter().map(Into::into).collect(),
    }
}

fn opened(opened: &Opened, now: Timestamp) -> Answer {
    let status = if opened.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    json(status, &RoomSummary::bare(&opened.room, now))
}

pub(crate) async fn read(call: Call) -> Answer {
    let realtime = call.app.realtime();
    let seen = realtime.room(&call.actor()?, call.room()?).await?;
    let now = realtime.now();
    let summary = serde_json::to_vec(&seen.summary(now)).map_err(|_| Problem::internal())?;
    let tag = tag(&seen, &summary, now);
    let mut response = if knows(&call.head.headers, &tag) {
        not_modified()
    } else {
        typed(StatusCode::OK, "application/json", summary)
    };
    let value = HeaderValue::from_str(&tag).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::ETAG, value);
    Ok(response)
}

/// The room's `rev`, and what of the answer can change without it: a lock that has
/// come by itself, and pointers in a large room. To who has left, the room goes on
/// without a `rev` that they are told: then the answer itself says what it is.
fn tag(seen: &RoomSeen, summary: &[u8], now: Timestamp) -> String {
    let mut tag = format!("\"{}", seen.rev());
    let room = match seen {
        RoomSeen::Mine(view) => &view.room,
        RoomSeen::Bare { room, .. } => room,
    };
    if room.state_at(now) != room.state {
        tag.push_str("-locked");
    }
    if let RoomSeen::Mine(view) = seen {
        if !view.me.is_active() {
            tag.push_str(&format!("-{}", hex(&Sha256::digest(summary))));
        } else if !room.is_small() {
            tag.push_str(&format!("-{}-{}", view.me.delivered_seq, view.me.read_seq));
        }
    }
    tag.push('"');
    tag
}

/// Whether `If-None-Match` names this tag; compared weakly, as RFC 9110 wants.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter();
    given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

fn not_modified() -> Response {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

pub(crate) async fn describe(call: Call) -> Answer {
    let (app, id) = (call.app.clone(), call.room()?);
    let RoomPatch { title, metadata } = call.input().await?;
    let room = app.realtime().describe(id, title, metadata).await?;
    summary(&room, app.realtime().now())
}

pub(crate) async fn lock(call: Call) -> Answer {
    let (app, id) = (call.app.clone(), call.room()?);
    let Lock { at } = call.input().await?;
    let room = app.realtime().act(id, RoomAction::Lock { at }).await?;
    summary(&room, app.realtime().now())
}

pub(crate) async fn reopen(call: Call) -> Answer {
    act(&call, RoomAction::Reopen).await
}

pub(crate) async fn archive(call: Call) -> Answer {
    act(&call, RoomAction::Archive).await
}

async fn act(call: &Call, action: RoomAction) -> Answer {
    let realtime = call.app.realtime();
    let room = realtime.act(call.room()?, action).await?;
    summary(&room, realtime.now())
}

pub(crate) async fn retain(call: Call) -> Answer {
    let (app, id) = (call.app.clone(), call.room()?);
    let Retention { from_seq, keep } = call.input().await?;
    let keep = match (from_seq, keep) {
        (Some(from), None) => Keep::From(from),
        (None, Some(count)) => Keep::Newest(count),
        (None, None) => return Err(Problem::field("from_seq", "this or keep is missing")),
        (Some(_), Some(_)) => return Err(Problem::field("keep", "not beside from_seq")),
    };
    let room = app.realtime().retain(id, keep).await?;
    summary(&room, app.realtime().now())
}

fn summary(room: &Room, now: Timestamp) -> Answer {
    json(StatusCode::OK, &RoomSummary::bare(room, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_one_of_several_is_enough() {
        let fits = |given: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(given));
            knows(&headers, "\"7\"")
        };
        for yes in ["\"7\"", "W/\"7\"", "\"6\", \"7\"", "*"] {
            assert!(fits(yes), "{yes}");
        }
        for no in ["\"6\"", "7", "\"77\"", ""] {
            assert!(!fits(no), "{no}");
        }
    }

    #[test]
    fn a_users_key_is_neither_the_platforms_nor_another_users() {
        let user = |id: &str| UserId::parse(id).unwrap();
        let keys = [
            key_of("k", None).unwrap(),
            key_of("k", Some(&user("ann"))).unwrap(),
            key_of("k", Some(&user("ben"))).unwrap(),
            key_of("nk", Some(&user("an"))).unwrap(),
        ];
        for (place, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(place));
        }
        assert!(key_of("", None).is_err());
        assert!(key_of(&"k".repeat(200), Some(&user("ann"))).is_err());
    }
}
