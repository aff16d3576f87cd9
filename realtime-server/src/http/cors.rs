//! Pages of other origins: those that the configuration allows, and no cookies.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{PREFLIGHT_AGE, Response, full};
use crate::ws::Origins;

/// What a page may send …
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-none-match, last-event-id, x-request-id",
);
/// … and what it may read.
const ANSWER_HEADERS: HeaderValue =
    HeaderValue::from_static("etag, retry-after, www-authenticate, x-request-id");

/// The origin of a request, if its page may read the answer.
#[derive(Debug)]
pub(crate) struct Cors(Option<HeaderValue>);

impl Cors {
    pub(crate) fn of(headers: &HeaderMap, origins: &Origins) -> Self {
        let origin = headers.get(header::ORIGIN).filter(|_| match origins {
            // Pages of this server need no leave.
            Origins::Own => false,
            Origins::Listed(_) | Origins::Any => origins.allow(headers),
        });
        Self(origin.cloned())
    }

    /// Answers OPTIONS, whether it is a preflight or not.
    pub(crate) fn options(&self, request: &HeaderMap, allowed: HeaderValue) -> Response {
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if self.0.is_some() && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allowed.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            let age = HeaderValue::from(PREFLIGHT_AGE.as_secs());
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, age);
        }
        headers.insert(header::ALLOW, allowed);
        response
    }

    /// Lets the page read an answer.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        const VARY: (HeaderName, HeaderValue) = (header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = self.0 {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
            headers.append(VARY.0, VARY.1);
        }
    }
}
