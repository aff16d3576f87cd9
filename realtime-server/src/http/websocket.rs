//! The routes under `/ws`: who may open a WebSocket, and to what.

use std::net::SocketAddr;

use http::Request;
use hyper::body::Incoming;
use realtime_core::{Error, Opening, Scope, ports::Identity, protocol::ErrorCode};

use super::{Answer, FULL_RETRY, Problem, bearer, client_address, full};
use crate::{
    App,
    ws::{Chat, Handshake, Refusal},
};

/// What this server speaks.
const PROTOCOL: &str = "rt.v1.json";

/// Opens a WebSocket, or says why not.
pub(crate) async fn open(
    app: &App,
    mut request: Request<Incoming>,
    peer: SocketAddr,
    scope: Scope,
) -> Answer {
    let handshake = Handshake::check(&mut request, app.origins(), PROTOCOL)?;
    let headers = request.headers();
    let address = client_address(headers, peer.ip(), app.config().server.trust_forwarded_for);
    let identity = identify(app, bearer(headers)).await?;
    if app.is_stopping() {
        return Err(full_house("the server is stopping"));
    }
    let place = app.admission().enter(address);
    let place = place.ok_or_else(|| full_house("there is no place left for a connection"))?;
    let (opener, settings) = (app.clone(), app.socket_settings().clone());
    let response = handshake.accept(app.socket_settings().clone(), app.sockets(), move || {
        let opening = Opening {
            scope,
            identity,
            authenticator: opener.authenticator().clone(),
        };
        let realtime = opener.realtime();
        Chat::new(
            realtime.accept(opening),
            settings,
            realtime.metrics().clone(),
            place,
        )
    });
    Ok(response.map(|()| full("")))
}

/// Who a token on the upgrade request belongs to; none may come with `connect`.
async fn identify(app: &App, token: Option<&str>) -> Result<Option<Identity>, Problem> {
    let Some(token) = token else {
        return Ok(None);
    };
    let identity = app.authenticator().authenticate(token).await;
    Ok(Some(identity.map_err(Error::from)?))
}

pub(super) fn full_house(detail: &'static str) -> Problem {
    Problem::new(ErrorCode::Busy, detail).retry_after(FULL_RETRY)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Origin => ErrorCode::Forbidden,
            Refusal::Method | Refusal::NotUpgrade | Refusal::Version | Refusal::Invalid(_) => {
                ErrorCode::BadRequest
            }
        };
        let problem = Self::new(code, refusal.to_string()).status(refusal.status());
        match refusal.header() {
            Some((name, value)) => problem.header(name, value),
            None => problem,
        }
    }
}
