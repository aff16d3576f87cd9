//! HTTP: routing, answers, and what every request must keep to.

mod health;
mod limits;
mod problem;
mod request;
pub(crate) mod router;
mod websocket;

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde::Serialize;

pub(crate) use self::{
    limits::*,
    problem::Problem,
    request::{RequestId, bearer, client_address},
};

/// The body of an answer; it may be a stream.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer.
pub type Response = http::Response<Body>;

/// A body that is there already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => typed(status, "application/json", bytes),
        Err(error) => {
            tracing::error!(%error, "an answer could not be encoded");
            Problem::internal().into_response()
        }
    }
}

/// An answer of some content type.
pub(crate) fn typed(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
}
