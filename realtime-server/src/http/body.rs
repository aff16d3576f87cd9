//! The body of a request: bounded in bytes, time and depth before anything is made
//! of it.

use std::{borrow::Cow, collections::HashMap};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use realtime_core::protocol::ErrorCode;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::{Instant, timeout, timeout_at};

use super::{BODY_TIME, DETAIL_CHARS, DRAIN_BYTES, DRAIN_TIME, Problem};
use crate::config::Limits;

/// What the server decides about what it stores: said by a client, it is refused
/// rather than ignored, so that nobody believes it was taken.
const SERVER_OWNED: [&str; 5] = ["sender", "seq", "sent_at", "id", "rev"];

/// What a body may hold. Unknown fields are ignored.
pub(crate) trait Input: DeserializeOwned {
    /// Those of the server's own fields that mean something else here.
    const SAID_HERE: &'static [&'static str] = &[];
    /// Whether there may be no body at all, which then stands for `{}`.
    const MAY_BE_MISSING: bool = false;
}

/// A body on its way. What nobody reads of it is read and thrown away beside the
/// answer: hyper would close the connection under a client that is about to use it
/// again, or is still writing and would not see why it was refused.
#[derive(Debug)]
pub(crate) struct Payload(Option<Incoming>);

impl Payload {
    pub(crate) const fn new(body: Incoming) -> Self {
        Self(Some(body))
    }

    fn is_missing(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn announced(&self) -> usize {
        let lower = self.0.as_ref().map_or(0, |body| body.size_hint().lower());
        usize::try_from(lower).unwrap_or(usize::MAX)
    }

    /// The next part; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        let frame = self.0.as_mut()?.frame().await?;
        Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    /// Leaves it to hyper to close the connection.
    fn abandon(mut self) {
        self.0 = None;
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        if self.is_missing() {
            return;
        }
        if let Some(body) = self.0.take() {
            throw_away(body);
        }
    }
}

/// Reads on for a while. Whoever sends on after that sees a reset.
fn throw_away(mut body: Incoming) {
    let draining = async move {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    tokio::spawn(timeout(DRAIN_TIME, draining));
}

/// Reads a body and makes `T` of it.
pub(crate) async fn read<T: Input>(
    head: &Parts,
    body: Payload,
    limits: &Limits,
) -> Result<T, Problem> {
    check_encoding(&head.headers)?;
    if body.is_missing() && T::MAY_BE_MISSING {
        return parse(b"{}", limits.json_depth);
    }
    check_content_type(&head.headers)?;
    let bytes = collect(head, body, limits.request_bytes).await?;
    parse(&bytes, limits.json_depth)
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        Ok(())
    } else {
        Err(unsupported("compressed bodies are not read here"))
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (given, another) = (types.next(), types.next());
    let given = given.and_then(|value| value.to_str().ok());
    let essence = given.and_then(|text| text.split(';').next());
    let is_json = essence.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json"));
    if is_json && another.is_none() {
        Ok(())
    } else {
        Err(unsupported("the content type must be application/json"))
    }
}

fn unsupported(detail: &'static str) -> Problem {
    Problem::bad_request(detail).status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

async fn collect(head: &Parts, mut body: Payload, max: usize) -> Result<Bytes, Problem> {
    let announced = body.announced();
    if announced > max {
        // Who waits for a go-ahead has not sent it, and will not.
        if head.headers.contains_key(header::EXPECT) {
            body.abandon();
        }
        return Err(too_large(max));
    }
    let deadline = Instant::now() + BODY_TIME;
    let mut bytes = BytesMut::with_capacity(announced);
    loop {
        let part = timeout_at(deadline, body.next()).await;
        let Some(part) = part.map_err(|_| too_slow())? else {
            return Ok(bytes.freeze());
        };
        let part = part.map_err(|_| Problem::bad_request("the body is broken").closing())?;
        if bytes.len().saturating_add(part.len()) > max {
            return Err(too_large(max));
        }
        bytes.extend_from_slice(&part);
    }
}

fn too_large(max: usize) -> Problem {
    let detail = format!("a body has at most {max} bytes");
    Problem::new(ErrorCode::TooLarge, detail).closing()
}

fn too_slow() -> Problem {
    Problem::bad_request("the body did not come in time")
        .status(StatusCode::REQUEST_TIMEOUT)
        .closing()
}

fn parse<T: Input>(bytes: &[u8], max_depth: usize) -> Result<T, Problem> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| Problem::bad_request("the body is no UTF-8"))?;
    if depth(text) > max_depth {
        let detail = format!("JSON is nested at most {max_depth} deep");
        return Err(Problem::bad_request(detail));
    }
    let keys: HashMap<Cow<'_, str>, IgnoredAny> =
        serde_json::from_str(text).map_err(|error| Problem::bad_request(plain(&error)))?;
    let stolen = SERVER_OWNED
        .iter()
        .filter(|field| !T::SAID_HERE.contains(field))
        .find(|field| keys.contains_key(**field));
    if let Some(field) = stolen {
        return Err(Problem::field(*field, "is decided by the server"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| at_field(&error))
}

/// How deep brackets are nested; what follows the first one too many is not read.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text.bytes() {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn at_field(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let reason = plain(error.inner());
    let path = error.path().to_string();
    let missing = reason
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next());
    match (missing, path.as_str()) {
        (Some(field), ".") => Problem::field(field.to_owned(), "is missing"),
        (Some(field), path) => Problem::field(format!("{path}.{field}"), "is missing"),
        (None, ".") => Problem::bad_request(reason),
        (None, _) => Problem::field(path, reason),
    }
}

/// The error without serde's "at line 1 column 20", and not longer than it needs to be.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].chars().take(DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Note {
        text: String,
        #[serde(default)]
        id: Option<String>,
    }

    impl Input for Note {
        const SAID_HERE: &'static [&'static str] = &["id"];
    }

    fn note(text: &str) -> Result<Note, String> {
        parse(text.as_bytes(), 8).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn unknown_fields_are_ignored_and_the_servers_are_refused() {
        assert!(note(r#"{"text": "a", "colour": "red", "id": "x"}"#).is_ok());
        for field in ["sender", "seq", "sent_at", "rev"] {
            let refused = note(&format!(r#"{{"text": "a", "{field}": 1}}"#));
            assert!(refused.unwrap_err().contains("decided by the server"));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        assert!(note("{}").unwrap_err().contains("text: is missing"));
        assert!(
            note(r#"{"text": 7}"#)
                .unwrap_err()
                .contains("text: invalid type")
        );
        for wrong in [
            "",
            "null",
            "[]",
            "7",
            r#"["a"]"#,
            "{",
            r#"{"text": "a"} x"#,
            r#"{"text": "a", "text": "b"}"#,
            r#"{"text": "\ud800"}"#,
        ] {
            assert!(note(wrong).is_err(), "{wrong}");
        }
        let long = note(&format!(
            r#"{{"text": "{}", "text": {{"#,
            "x".repeat(10_000)
        ));
        assert!(long.unwrap_err().len() < 1_000);
    }

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        assert_eq!(depth(r#"{"a": [1, {"b": 2}], "c": "[[[\"[["}"#), 3);
        assert_eq!(depth(r#"{"a": "\\"}"#), 1);
        assert!(note(&format!(r#"{{"text": "a", "x": {}}}"#, "[".repeat(8))).is_err());
        let nested = format!(
            r#"{{"text": "a", "x": {}{}}}"#,
            "[".repeat(7),
            "]".repeat(7)
        );
        assert!(note(&nested).is_ok());
        let deeper = format!(
            r#"{{"text": "a", "x": {}{}}}"#,
            "[".repeat(8),
            "]".repeat(8)
        );
        assert!(note(&deeper).unwrap_err().contains("nested at most 8 deep"));
    }
}
