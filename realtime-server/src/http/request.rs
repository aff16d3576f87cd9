//! What is read of every request.

use std::{fmt, net::IpAddr};

use http::{HeaderMap, header};
use serde::{Serialize, Serializer};
use uuid::Uuid;

/// The header in which a proxy names the client.
const FORWARDED_FOR: &str = "x-forwarded-for";
const BEARER: &str = "bearer ";

/// Names one request, in its answer and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId(Uuid);

impl RequestId {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
