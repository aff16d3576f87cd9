//! From a request to a WebSocket: RFC 6455 §4.2, and what it leaves open.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_util::task::TaskTracker;

use super::{Origins, Peer, Settings, driver::drive};

/// The one version of the protocol.
const VERSION: &str = "13";
/// Query parameters that carry tokens elsewhere. URLs end in logs and histories.
const TOKEN_PARAMETERS: [&str; 6] = [
    "token",
    "access_token",
    "jwt",
    "auth",
    "authorization",
    "bearer",
];

/// Why a request does not become a WebSocket. `Display` is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a GET.
    #[error("a WebSocket begins with GET")]
    Method,
    /// No upgrade is asked for.
    #[error("this address speaks WebSocket only")]
    NotUpgrade,
    /// Another version of the protocol.
    #[error("the version of the WebSocket protocol must be 13")]
    Version,
    /// From a page that may not connect.
    #[error("pages of this origin may not connect")]
    Origin,
    /// Something else about the request.
    #[error("{0}")]
    Invalid(&'static str),
}

impl Refusal {
    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The header that says what would be right, where there is one.
    pub const fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Method => Some((header::ALLOW, HeaderValue::from_static("GET"))),
            Self::NotUpgrade => Some((header::UPGRADE, HeaderValue::from_static("websocket"))),
            Self::Version => Some((
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static(VERSION),
            )),
            Self::Origin | Self::Invalid(_) => None,
        }
    }
}

/// A request that may become a WebSocket.
#[derive(Debug)]
pub struct Handshake {
    response: Response<()>,
    upgrade: OnUpgrade,
}

impl Handshake {
    /// Checks everything about a request but who sent it. A client that offers
    /// subprotocols must offer `protocol`.
    ///
    /// # Errors
    /// [`Refusal`] names what is wrong.
    pub fn check<B>(
        request: &mut Request<B>,
        origins: &Origins,
        protocol: &'static str,
    ) -> Result<Self, Refusal> {
        if request.method() != Method::GET {
            return Err(Refusal::Method);
        }
        let headers = request.headers();
        if !is_upgrade(headers) {
            return Err(Refusal::NotUpgrade);
        }
        check_http(request)?;
        if sole(headers, &header::SEC_WEBSOCKET_VERSION) != Some(VERSION) {
            return Err(Refusal::Version);
        }
        sole(headers, &header::SEC_WEBSOCKET_KEY)
            .ok_or(Refusal::Invalid("there must be one Sec-WebSocket-Key"))?;
        let chosen = choose(headers, protocol)?;
        if !origins.allow(headers) {
            return Err(Refusal::Origin);
        }
        let mut response = create_response_with_body(request, || ()).map_err(|_| {
            Refusal::Invalid("Connection must say upgrade, and the key be 16 bytes in base64")
        })?;
        if let Some(protocol) = chosen {
            let value = HeaderValue::from_static(protocol);
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, value);
        }
        let upgrade = hyper::upgrade::on(request);
        Ok(Self { response, upgrade })
    }

    /// Answers the request, and runs the connection in a task of its own once the
    /// answer has been written. `peer` is called then.
    pub fn accept<P: Peer>(
        self,
        settings: Arc<Settings>,
        tasks: &TaskTracker,
        peer: impl FnOnce() -> P + Send + 'static,
    ) -> Response<()> {
        tasks.spawn(connect(self.upgrade, settings, peer));
        self.response
    }
}

async fn connect<P: Peer>(
    upgrade: OnUpgrade,
    settings: Arc<Settings>,
    peer: impl FnOnce() -> P + Send,
) {
    let Ok(upgraded) = upgrade.await else {
        tracing::debug!("a client went away during its upgrade");
        return;
    };
    // The bare socket: what hyper has around it is freed.
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let connection = drive(parts.io.into_inner(), &parts.read_buf, peer(), settings);
            // Even empty it may hold all of the 8 KiB that hyper read into.
            drop(parts.read_buf);
            connection.await;
        }
        Err(other) => Box::pin(drive(TokioIo::new(other), &[], peer(), settings)).await,
    }
}

/// What HTTP itself demands.
fn check_http<B>(request: &Request<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::Invalid("a WebSocket needs HTTP/1.1"));
    }
    if sole(headers, &header::HOST).is_none() {
        return Err(Refusal::Invalid("there must be one Host"));
    }
    let is_empty = sole(headers, &header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    if !is_empty || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Refusal::Invalid("an upgrade has no body"));
    }
    if has_token(request.uri().query().unwrap_or_default()) {
        return Err(Refusal::Invalid(
            "a token must not stand in the URL: send it in the first frame",
        ));
    }
    Ok(())
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    sole(headers, &header::UPGRADE).is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
}

/// Whether a query names a token, whatever is in it.
pub(crate) fn has_token(query: &str) -> bool {
    query
        .split('&')
        .map(|pair| pair.split('=').next().unwrap_or_default())
        .any(|name| {
            TOKEN_PARAMETERS
                .iter()
                .any(|token| name.eq_ignore_ascii_case(token))
        })
}

/// The subprotocol to speak, of those that are offered; `None` when none is.
fn choose(headers: &HeaderMap, ours: &'static str) -> Result<Option<&'static str>, Refusal> {
    let mut offers = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .peekable();
    if offers.peek().is_none() {
        return Ok(None);
    }
    if offers.any(|offer| offer == ours) {
        return Ok(Some(ours));
    }
    Err(Refusal::Invalid(
        "none of the offered subprotocols is spoken here",
    ))
}

/// The value of a header that stands there once, in ASCII.
fn sole<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
