//! Errors as RFC 9457 wants them.

use std::{borrow::Cow, fmt, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};
use realtime_core::{Error, protocol::ErrorCode};
use serde::Serialize;

use super::{RequestId, Response, full};

const CONTENT_TYPE: &str = "application/problem+json";
/// The problem is what its status and code say; there is no page about it.
const ABOUT: &str = "about:blank";
/// The challenge to who sent no token …
const NO_TOKEN: &str = "Bearer";
/// … and to who sent a wrong one (RFC 6750).
const WRONG_TOKEN: &str = r#"Bearer error="invalid_token""#;

/// What went wrong with a request, for its sender.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: ErrorCode,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    errors: Vec<FieldError>,
    header: Option<(HeaderName, HeaderValue)>,
    closes: bool,
}

/// What is wrong with one field.
#[derive(Debug, Clone, Serialize)]
struct FieldError {
    field: Cow<'static, str>,
    message: Cow<'static, str>,
}

#[derive(Serialize)]
struct Wire<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    request_id: &'a RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// A problem with the usual status of its code.
    pub(crate) fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let status = StatusCode::from_u16(code.status());
        Self(Box::new(Parts {
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            detail: detail.into(),
            retry_after: None,
            errors: Vec::new(),
            header: None,
            closes: false,
        }))
    }

    /// A request that cannot be.
    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }

    /// One field of a request that cannot be.
    pub(crate) fn field(
        field: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (field, message) = (field.into(), reason.into());
        let mut problem = Self::bad_request(format!("{field}: {message}"));
        problem.0.errors.push(FieldError { field, message });
        problem
    }

    /// The server's own fault.
    pub(crate) fn internal() -> Self {
        Self::new(ErrorCode::Internal, "internal error")
    }

    /// There is no token.
    pub(crate) fn no_token() -> Self {
        Self::new(ErrorCode::Unauthenticated, "there is no token")
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(NO_TOKEN))
    }

    /// Nothing is here, or nothing for this caller.
    pub(crate) fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "not found")
    }

    /// The address is right, the method is not; `allowed` are those that are.
    pub(crate) fn method(allowed: HeaderValue) -> Self {
        Self::bad_request("this method is not allowed here")
            .status(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, allowed)
    }

    /// Another status than the usual one.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// A header of the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// When to try again.
    pub(crate) fn retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after = Some(pause);
        self
    }

    /// Ends the connection with the answer: what follows on it may be nonsense that
    /// must not be read as a request.
    pub(crate) fn closing(mut self) -> Self {
        self.0.closes = true;
        self
    }

    /// The answer.
    pub(crate) fn into_response(self, request_id: &RequestId) -> Response {
        let problem = *self.0;
        let wire = Wire {
            r#type: ABOUT,
            title: problem.status.canonical_reason().unwrap_or("Error"),
            status: problem.status.as_u16(),
            detail: &problem.detail,
            code: problem.code.as_str(),
            request_id,
            retry_after_ms: problem.retry_after.map(millis),
            errors: &problem.errors,
        };
        // Our own struct of texts and numbers always encodes.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = Response::new(full(body));
        *response.status_mut() = problem.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if problem.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(pause) = problem.retry_after {
            headers.insert(header::RETRY_AFTER, whole_seconds(pause).into());
        }
        headers.extend(problem.header);
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = error.code();
        if code == ErrorCode::Internal {
            tracing::error!(error = %Causes(&error), "a request failed");
        }
        let mut problem = Self::new(code, error.to_string());
        problem.0.retry_after = error.retry_after();
        if let Some(field) = error.field() {
            let text = error.to_string();
            // The field's own words, without its name before them.
            let bare = text
                .strip_prefix(field)
                .map(|rest| rest.trim_start_matches(": "));
            let message = bare.unwrap_or(&text).to_owned().into();
            let field = field.into();
            problem.0.errors.push(FieldError { field, message });
        }
        if code == ErrorCode::Unauthenticated || code == ErrorCode::TokenExpired {
            let challenge = HeaderValue::from_static(WRONG_TOKEN);
            return problem.header(header::WWW_AUTHENTICATE, challenge);
        }
        problem
    }
}

/// An error with everything that led to it, for the log.
struct Causes<'a>(&'a dyn std::error::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// At least one: "0" would invite an immediate repeat.
fn whole_seconds(span: Duration) -> u64 {
    span.as_secs()
        .saturating_add(u64::from(span.subsec_nanos() > 0))
        .max(1)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http_body_util::BodyExt;
    use realtime_core::ports::AuthError;

    use super::*;

    #[tokio::test]
    async fn a_problem_says_everything_that_rfc_9457_wants() {
        let problem = Problem::new(ErrorCode::Busy, "no place left")
            .retry_after(Duration::from_millis(1_200));
        let response = problem
            .closing()
            .into_response(&RequestId::of(&HeaderMap::new()));
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONNECTION], "close");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(body["request_id"].take().is_string());
        let expected = serde_json::json!({
            "type": "about:blank", "title": "Service Unavailable", "status": 503,
            "detail": "no place left", "code": "busy", "request_id": null,
            "retry_after_ms": 1_200,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn a_wrong_method_is_told_the_right_ones() {
        let allowed = HeaderValue::from_static("GET, HEAD");
        let response = Problem::method(allowed).into_response(&RequestId::of(&HeaderMap::new()));
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[header::ALLOW], "GET, HEAD");
    }

    #[test]
    fn a_wrong_token_is_challenged() {
        let error = Error::from(AuthError::Expired);
        let response = Problem::from(error).into_response(&RequestId::of(&HeaderMap::new()));
        assert_eq!(response.status(), 401);
        let challenge = &response.headers()[header::WWW_AUTHENTICATE];
        assert_eq!(challenge, r#"Bearer error="invalid_token""#);
    }
}
