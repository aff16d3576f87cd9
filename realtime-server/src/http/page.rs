//! The built-in page, compiled in: it needs no build, and is there until a host
//! serves a better one.

use http::{HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use super::{Answer, PAGE_AGE, Problem, Response, call::Call, full, typed};

/// Only what this server itself serves, and nothing inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
/// Characters of a tag: enough of the digest to tell two versions apart.
const TAG_BYTES: usize = 12;

macro_rules! assets {
    ($( $name:literal: $kind:expr; )*) => {
        /// The files under `/assets/`.
        const ASSETS: &[(&str, &str, &[u8])] = &[ $(
            ($name, $kind, include_bytes!(concat!("../../page/", $name))),
        )* ];
    };
}

assets! {
    "app.js": JAVASCRIPT;
    "connection.js": JAVASCRIPT;
    "link.js": JAVASCRIPT;
    "outbox.js": JAVASCRIPT;
    "room.js": JAVASCRIPT;
    "strip.js": JAVASCRIPT;
    "timeline.js": JAVASCRIPT;
    "view.js": JAVASCRIPT;
    "style.css": CSS;
}

/// The page itself.
pub(crate) async fn index(call: Call) -> Answer {
    file(&call, HTML, include_bytes!("../../page/index.html"))
}

/// A file of the page.
pub(crate) async fn asset(call: Call) -> Answer {
    let name = call.param("name");
    let found = ASSETS.iter().find(|(asset, ..)| *asset == name);
    let (_, kind, bytes) = found.ok_or_else(Problem::not_found)?;
    file(&call, kind, bytes)
}

fn file(call: &Call, kind: &'static str, bytes: &'static [u8]) -> Answer {
    let tag = tag(bytes);
    let known = call.head.headers.get(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if is_known {
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        typed(StatusCode::OK, kind, bytes)
    };
    let headers = response.headers_mut();
    let age = format!("max-age={}, must-revalidate", PAGE_AGE.as_secs());
    for (name, value) in [(header::ETAG, tag), (header::CACHE_CONTROL, age)] {
        let value = HeaderValue::from_str(&value).map_err(|_| Problem::internal())?;
        headers.insert(name, value);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    Ok(response)
}

fn tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest
        .iter()
        .take(TAG_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file of the page is served, and whatever a file imports is there.
    #[test]
    fn the_page_is_complete() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let is_served = name == "index.html" || ASSETS.iter().any(|(asset, ..)| *asset == name);
            assert!(is_served, "{name} is not served");
        }
        for (name, _, bytes) in ASSETS {
            let text = std::str::from_utf8(bytes).unwrap();
            for import in text.split("from \"./").skip(1) {
                let import = import.split('"').next().unwrap();
                let is_there = ASSETS.iter().any(|(asset, ..)| *asset == import);
                assert!(is_there, "{name} imports {import}");
            }
        }
    }
}
