//! One request on its way to its handler: who calls, and what is asked.

use std::net::SocketAddr;

use http::request::Parts;
use realtime_core::{
    Error,
    change::Actor,
    id::{RoomId, UserId},
    ports::{Action, Identity},
    protocol::ErrorCode,
    seq::{MAX_JSON_INTEGER, Seq},
};

use super::{
    Problem, bearer,
    body::{self, Input, Payload},
    query::Query,
    route::{Params, Route, Who},
};
use crate::App;

/// A request that its route lets through.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) app: App,
    pub(crate) head: Parts,
    pub(crate) peer: SocketAddr,
    /// Nobody, where everybody may call.
    identity: Option<Identity>,
    params: Params,
    body: Payload,
}

impl Call {
    /// Lets a request through to its route, or says why not.
    pub(crate) async fn admit(
        app: &App,
        route: &Route,
        params: Option<Params>,
        (head, body): (Parts, Payload),
        peer: SocketAddr,
    ) -> Result<Self, Problem> {
        let identity = match route.who {
            Who::Anyone => None,
            Who::User | Who::Service | Who::Participant | Who::Opener => {
                let token = bearer(&head.headers).ok_or_else(Problem::no_token)?;
                let identity = app.authenticator().authenticate(token).await;
                Some(identity.map_err(Error::from)?)
            }
        };
        if !may_call(route.who, identity.as_ref(), app.config().server.user_rooms) {
            return Err(Problem::new(ErrorCode::Forbidden, "not allowed"));
        }
        let params = params.ok_or_else(Problem::not_found)?;
        Ok(Self {
            app: app.clone(),
            head,
            peer,
            identity,
            params,
            body,
        })
    }

    /// Takes from the caller's ration; the platform has none.
    pub(crate) async fn spend(&self, action: Action) -> Result<(), Problem> {
        match &self.identity {
            Some(Identity {
                user: Some(user),
                service: false,
                ..
            }) => Ok(self.app.realtime().spend(user, action).await?),
            Some(_) | None => Ok(()),
        }
    }

    /// On whose behalf a room is touched. The platform's token speaks for the
    /// platform, even when it names a user too.
    pub(crate) fn actor(&self) -> Result<Actor, Problem> {
        if self.is_service() {
            return Ok(Actor::Service);
        }
        let name = self.identity.as_ref().and_then(|who| who.name.clone());
        let id = self.user()?.clone();
        Ok(Actor::User { id, name })
    }

    /// The user that the token names.
    pub(crate) fn user(&self) -> Result<&UserId, Problem> {
        let user = self.identity.as_ref().and_then(|who| who.user.as_ref());
        // The table lets nobody else through.
        user.ok_or_else(|| Problem::new(ErrorCode::Forbidden, "the token names no user"))
    }

    /// Whether the token is the platform's.
    pub(crate) fn is_service(&self) -> bool {
        self.identity.as_ref().is_some_and(|who| who.service)
    }

    /// Who the token belongs to, taken out.
    pub(crate) fn take_identity(&mut self) -> Option<Identity> {
        self.identity.take()
    }

    /// A segment of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        let found = self.params.iter().find(|(param, _)| *param == name);
        found.map_or("", |(_, value)| value)
    }

    /// The room in the path. What cannot be one does not exist.
    pub(crate) fn room(&self) -> Result<RoomId, Problem> {
        self.param("room").parse().map_err(|_| Problem::not_found())
    }

    /// The message in the path. What cannot be one does not exist.
    pub(crate) fn seq(&self) -> Result<Seq, Problem> {
        let number = whole_number(self.param("seq")).filter(|seq| *seq > 0);
        number.map(Seq::new).ok_or_else(Problem::not_found)
    }

    /// The query.
    pub(crate) fn query(&self) -> Result<Query<'_>, Problem> {
        Query::parse(self.head.uri.query().unwrap_or_default())
    }

    /// Reads the body.
    pub(crate) async fn input<T: Input>(self) -> Result<T, Problem> {
        let limits = &self.app.config().limits;
        body::read(&self.head, self.body, limits).await
    }
}

fn may_call(who: Who, identity: Option<&Identity>, user_rooms: bool) -> bool {
    let user = identity.is_some_and(|identity| identity.user.is_some());
    let service = identity.is_some_and(|identity| identity.service);
    match who {
        Who::Anyone => true,
        Who::User => user,
        Who::Service => service,
        Who::Participant => user || service,
        Who::Opener => service || (user && user_rooms),
    }
}

/// A number as JSON clients write it: digits only, below 2^53.
pub(crate) fn whole_number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse()
        .ok()
        .filter(|number| *number <= MAX_JSON_INTEGER)
}
