//! Which pages may connect: browsers send `Origin` and let a page open a WebSocket
//! to anywhere.

use http::{HeaderMap, header};

/// The origins whose pages may connect. Who sends no `Origin` is no browser.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Origins {
    /// Pages of this server itself: the origin's host and port are those of `Host`.
    #[default]
    Own,
    /// These, compared as text (`https://app.example`), and the server's own.
    Listed(Vec<String>),
    /// All.
    Any,
}

impl Origins {
    /// Reads a configured list: empty is [`Origins::Own`], `*` is [`Origins::Any`].
    pub fn new(allowed: &[String]) -> Self {
        if allowed.is_empty() {
            Self::Own
        } else if allowed.iter().any(|origin| origin == "*") {
            Self::Any
        } else {
            Self::Listed(allowed.to_vec())
        }
    }

    /// Whether a request with these headers may go on.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return !headers.contains_key(header::ORIGIN);
        };
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let is_own = || host.is_some_and(|host| is_origin_of(origin, host));
        match self {
            Self::Own => is_own(),
            Self::Listed(listed) => listed.iter().any(|allowed| allowed == origin) || is_own(),
            Self::Any => true,
        }
    }
}

/// Whether `origin` is that of a page which `host` served, over HTTP or, behind a
/// proxy, over HTTPS.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let served = [("http://", ":80"), ("https://", ":443")];
    served.iter().any(|(scheme, usual_port)| {
        let bare = |authority: &str| {
            let port_left_out = authority.strip_suffix(usual_port);
            port_left_out.unwrap_or(authority).to_ascii_lowercase()
        };
        origin
            .strip_prefix(scheme)
            .is_some_and(|authority| !authority.is_empty() && bare(authority) == bare(host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &Origins, host: &str, sent: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        for origin in sent {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        origins.allow(&headers)
    }

    #[test]
    fn who_sends_no_origin_is_no_browser() {
        for origins in [Origins::Own, Origins::new(&["https://a.example".into()])] {
            assert!(allowed(&origins, "chat.example", &[]));
        }
    }

    #[test]
    fn own_pages_may_connect_and_no_others() {
        let cases = [
            ("127.0.0.1:8080", "http://127.0.0.1:8080", true),
            ("chat.example", "https://chat.example", true),
            ("chat.example:443", "https://chat.example", true),
            ("Chat.Example", "https://chat.example", true),
            ("chat.example", "https://chat.example:8443", false),
            ("127.0.0.1:8080", "http://127.0.0.1:8081", false),
            ("127.0.0.1:8080", "http://127.0.0.1", false),
            ("chat.example", "https://chat.example.evil.example", false),
            ("chat.example", "https://evilchat.example", false),
            ("chat.example", "https://evil.example", false),
            ("chat.example", "null", false),
            ("chat.example", "chat.example", false),
            ("chat.example", "https://", false),
            ("chat.example", "ftp://chat.example", false),
            ("chat.example", "https://user@chat.example", false),
            ("chat.example", "https://chat.example/", false),
        ];
        for (host, origin, expected) in cases {
            assert_eq!(
                allowed(&Origins::Own, host, &[origin]),
                expected,
                "{origin} at {host}"
            );
        }
    }

    #[test]
    fn a_list_is_compared_to_the_letter() {
        let origins = Origins::new(&["https://app.example".into()]);
        assert!(allowed(&origins, "chat.example", &["https://app.example"]));
        for origin in [
            "null",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil.example",
            "https://chat.example.evil.example",
        ] {
            assert!(!allowed(&origins, "chat.example", &[origin]), "{origin}");
        }
        assert!(allowed(&origins, "chat.example", &["https://chat.example"]));
    }

    #[test]
    fn two_origins_are_none() {
        let twice = ["https://chat.example", "https://chat.example"];
        assert!(!allowed(&Origins::Own, "chat.example", &twice));
        assert!(!allowed(&Origins::Any, "chat.example", &twice));
        assert!(allowed(&Origins::Any, "chat.example", &["null"]));
    }
}
