//! Server-sent events: the pushes of the WebSocket protocol for networks that break
//! WebSockets. Commands go over REST.
//!
//! Each push is one event, its JSON the `data`. The `id` of an event is a resume
//! position: opaque, self-contained, no server remembers it. `ping` is a comment;
//! the last event before the server closes is `close`, with the close code.

mod position;
mod stream;
mod tracker;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use realtime_core::{Opening, Realtime, Scope, protocol::Connect};

use self::{position::Position, stream::Events, tracker::Tracker};
use super::{
    Answer, HttpPlace, Problem, Response, call::Call, client_address, websocket::full_house,
};

/// The address of the stream.
pub(crate) const PATH: &str = "/sse";

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/event-stream");
const LAST_EVENT_ID: &str = "last-event-id";
/// The same for clients that cannot set headers.
const LAST_EVENT_ID_PARAMETER: &str = "last_event_id";

/// Opens a stream.
pub(crate) async fn open(mut call: Call) -> Answer {
    check_accept(&call.head.headers)?;
    if call.app.is_stopping() {
        return Err(full_house("the server is stopping"));
    }
    let realtime = call.app.realtime().clone();
    let held = held(&call)?;
    let headers = &call.head.headers;
    let trust = call.app.config().server.trust_forwarded_for;
    let address = client_address(headers, call.peer.ip(), trust);
    let place = call.app.admission().enter(address);
    let place = place.ok_or_else(|| full_house("there is no place left for a connection"))?;
    let connection = realtime.accept(Opening {
        scope: Scope::All,
        identity: call.take_identity(),
        authenticator: call.app.authenticator().clone(),
    });
    let connect = connect(&held, &realtime);
    let tracker = Tracker::new(held, realtime.incarnation());
    Box::pin(connection.listen(connect)).await?;
    if let Some(http_place) = call.head.extensions.get::<HttpPlace>() {
        http_place.leave();
    }
    let metrics = realtime.metrics().clone();
    let events = Events::new(connection, tracker, metrics, place);
    let mut response = Response::new(events.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    // Proxies that collect answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn check_accept(headers: &HeaderMap) -> Result<(), Problem> {
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    let allows = |range: &str| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        ["text/event-stream", "text/*", "*/*"]
            .iter()
            .any(|good| essence.eq_ignore_ascii_case(good))
    };
    let is_accepted = accepted.peek().is_none()
        || accepted
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(allows));
    if is_accepted {
        return Ok(());
    }
    let detail = "this address answers with text/event-stream only";
    Err(Problem::bad_request(detail).status(StatusCode::NOT_ACCEPTABLE))
}

/// What the client holds; `None` when it begins. A position that cannot be read, from
/// another version perhaps, holds nothing and so gets a reset of every room.
fn held(call: &Call) -> Result<Option<Position>, Problem> {
    let query = call.query()?.text(LAST_EVENT_ID_PARAMETER)?;
    let header = call.head.headers.get(LAST_EVENT_ID);
    let header = header.map(|value| value.to_str().unwrap_or_default());
    let given = header.filter(|id| !id.is_empty()).or(query.as_deref());
    Ok(given
        .filter(|id| !id.is_empty())
        .map(|id| Position::decode(id).unwrap_or_default()))
}

fn connect(held: &Option<Position>, realtime: &Realtime) -> Connect {
    let mut connect = Connect::default();
    if let Some(position) = held {
        let max = realtime.limits().rooms;
        connect.rooms = position.rooms.iter().copied().take(max).collect();
        connect.incarnation = position.incarnation;
    }
    connect
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_must_want_events() {
        let accepts = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::ACCEPT, HeaderValue::from_static(value));
            }
            check_accept(&headers).is_ok()
        };
        assert!(accepts(None));
        assert!(accepts(Some("text/event-stream")));
        assert!(accepts(Some("application/json, */*;q=0.1")));
        assert!(!accepts(Some("application/json")));
        assert!(!accepts(Some("text/html")));
    }
}
