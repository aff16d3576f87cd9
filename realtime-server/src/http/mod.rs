//! HTTP: one table of routes, the way of a request through it, and answers.

mod api;
mod body;
mod call;
mod cors;
mod export;
mod health;
mod limits;
mod metrics;
mod openapi;
mod page;
mod place;
mod problem;
mod query;
mod request;
mod route;
pub(crate) mod router;
mod sse;
mod table;
mod websocket;

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde::Serialize;

pub use self::openapi::document as openapi_document;
pub(crate) use self::{
    api::{Event, Outcome, apply_event},
    export::Exports,
    limits::*,
    metrics::listen as listen_for_operators,
    place::HttpPlace,
    problem::Problem,
    request::{RequestId, bearer, client_address},
};

/// The body of an answer; it may be a stream.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer.
pub type Response = http::Response<Body>;

/// What comes of a request.
pub(crate) type Answer = Result<Response, Problem>;

/// A body that is there already.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => Ok(typed(status, "application/json", bytes)),
        Err(error) => {
            tracing::error!(%error, "an answer could not be encoded");
            Err(Problem::internal())
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
