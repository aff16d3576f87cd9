//! What is read of every request.

use std::{fmt, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::REQUEST_ID_CHARS;

/// The header that names a request, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header in which a proxy names the client.
const FORWARDED_FOR: &str = "x-forwarded-for";
const BEARER: &str = "bearer ";

/// Names one request, in its answer and in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    /// The client's or the proxy's own name for it, if it can be one; else a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        match given {
            Some(id) if is_request_id(id) => Self(id.into()),
            _ => Self::new(),
        }
    }

    fn new() -> Self {
        let mut buffer = Uuid::encode_buffer();
        Self(Uuid::now_v7().simple().encode_lower(&mut buffer)[..].into())
    }

    /// As a header.
    pub(crate) fn to_header(&self) -> HeaderValue {
        // Only visible ASCII is ever inside.
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("-"))
    }
}

fn is_request_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=REQUEST_ID_CHARS).contains(&id.len()) && id.bytes().all(is_plain)
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The token of `Authorization: Bearer …`. `None` without that header; an empty
/// token, which nobody accepts, for one that cannot be read.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return Some("");
    }
    let text = value.to_str().unwrap_or_default();
    let (scheme, token) = text.split_at_checked(BEARER.len()).unwrap_or_default();
    Some(if scheme.eq_ignore_ascii_case(BEARER) {
        token.trim()
    } else {
        ""
    })
}

/// The client's address: the last one that a trusted proxy has added, or else the
/// socket's.
pub(crate) fn client_address(headers: &HeaderMap, peer: IpAddr, trust_forwarded: bool) -> IpAddr {
    if !trust_forwarded {
        return peer;
    }
    headers
        .get_all(FORWARDED_FOR)
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
        .unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_bearer_is_read_and_nothing_else_is_taken_for_one() {
        let cases: [(&[&'static str], Option<&str>); 7] = [
            (&[], None),
            (&["Bearer abc"], Some("abc")),
            (&["bearer  abc"], Some("abc")),
            (&["Basic abc"], Some("")),
            (&["Bearer"], Some("")),
            (&["Bearerabc"], Some("")),
            (&["Bearer a", "Bearer b"], Some("")),
        ];
        for (values, expected) in cases {
            assert_eq!(
                bearer(&with("authorization", values)),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn a_sane_name_of_a_request_is_kept_and_another_is_not() {
        let kept = RequestId::of(&with("x-request-id", &["edge-7:4f.2_a"]));
        assert_eq!(kept.to_string(), "edge-7:4f.2_a");
        let long = "x".repeat(REQUEST_ID_CHARS + 1);
        for given in ["", "a b", "a\tb", "<script>", &long] {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, given.parse().unwrap());
            let made = RequestId::of(&headers).to_string();
            assert_ne!(made, given);
            assert!(is_request_id(&made), "{made}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let peer: IpAddr = "10.0.0.1".parse().unwrap();
        let client: IpAddr = "192.0.2.7".parse().unwrap();
        let headers = with("x-forwarded-for", &["203.0.113.9, 192.0.2.7"]);
        assert_eq!(client_address(&headers, peer, false), peer);
        assert_eq!(client_address(&headers, peer, true), client);
        assert_eq!(client_address(&HeaderMap::new(), peer, true), peer);
        let nonsense = with("x-forwarded-for", &["<script>"]);
        assert_eq!(client_address(&nonsense, peer, true), peer);
    }
}
