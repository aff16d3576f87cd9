//! How a connection gets in, and into rooms.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Connection, RECONNECT, Scope, now};
use crate::{
    error::Error,
    hub::{Join, Prepared, Standing, Subscriber},
    id::{RoomId, UserId},
    people::Present,
    ports::{AuthError, Identity},
    protocol::{
        self, CloseCode, Connect, ConnectedView, ErrorCode, LimitsView, NamedRoom,
        NotificationsView, ReconnectView, RoomSummary, Subscribe, SubscribeTo, Unsubscribe,
        WireError,
    },
    seq::Rev,
    service::is_name,
    store::{RoomView, StoreError},
};

/// The rooms that a connection will listen to, and what it holds of them.
type Wanted = BTreeMap<RoomId, Option<Rev>>;

/// What was read for a connection that wants to join rooms.
struct Look {
    prepared: Prepared,
    views: Vec<RoomView>,
}

impl Look {
    fn found(&self) -> BTreeSet<RoomId> {
        self.views.iter().map(|view| view.room.id).collect()
    }
}

impl Connection {
    pub(super) async fn connect(&self, id: Option<u32>, connect: Connect) -> Result<(), Error> {
        let entered = self.enter(id, connect).await;
        if let Err(error) = &entered {
            self.state().refused();
            self.realtime.count(error);
            self.mailbox
                .insist(&protocol::failure(id, &error.to_wire()));
            self.mailbox.close(closing(error));
        }
        entered
    }

    async fn enter(&self, id: Option<u32>, connect: Connect) -> Result<(), Error> {
        let identity = self.identify(connect.token.as_deref()).await?;
        let user = identity
            .user
            .clone()
            .ok_or(AuthError::Invalid("it names no user"))?;
        let subscriber = Subscriber::new(self.session_id, user.clone(), self.mailbox.clone())
            // A strange name must not keep anybody out: they go without.
            .named(identity.name.clone().filter(|name| is_name(name)))
            .counting(self.in_flight.clone());
        let subscriber = self.subscriber.get_or_init(|| Arc::new(subscriber));
        let follows_all = self.scope == Scope::All && connect.subscribe == Subscribe::All;
        let inner = self.realtime.inner();
        // Nothing is told before `connect` is answered: it follows only from then on.
        let present = Present {
            subscriber: subscriber.clone(),
            follows_all: false,
        };
        if !inner
            .people
            .enter(present, inner.limits.connections_per_user)
        {
            let max = u64::try_from(inner.limits.connections_per_user).unwrap_or(u64::MAX);
            let what = "connections of a user";
            return Err(crate::change::Rejection::LimitExceeded { what, max }.into());
        }
        self.realtime.hear_of(&user).await;
        let (wanted, read) = self.wanted(&user, &connect, follows_all).await?;
        let look = self.look(&user, &wanted).await?;
        if matches!(self.scope, Scope::Room(_)) && look.views.is_empty() {
            return Err(Error::NOT_FOUND);
        }
        self.welcome(id, &user, &identity, &look.views);
        self.state()
            .connected(user.clone(), &identity, now(), self.realtime.now());
        self.join(subscriber, &wanted, &look);
        if follows_all && inner.people.follow_all(subscriber, read) {
            inner.sweeper.hurry();
        }
        let told = look.views.iter().filter(|view| view.room.is_small());
        let told = follows_all.then(|| told.map(|view| view.room.id).collect());
        drop(look);
        self.realtime.arrive(&user, self.session_id, told).await;
        Ok(())
    }

    async fn identify(&self, token: Option<&str>) -> Result<Identity, Error> {
        if let Some(token) = token {
            return Ok(self.authenticator.authenticate(token).await?);
        }
        let known = self
            .identity
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        known.ok_or(Error::Auth(AuthError::Invalid("there is none")))
    }

    /// Which rooms to listen to, within the limit, and the head of the user's stream as
    /// of which all are known.
    async fn wanted(
        &self,
        user: &UserId,
        connect: &Connect,
        follows_all: bool,
    ) -> Result<(Wanted, Rev), Error> {
        let inner = self.realtime.inner();
        // Another life of the database: what the client holds is void.
        let other_life = connect
            .incarnation
            .is_some_and(|life| life != inner.incarnation());
        let held = |rev: Rev| if other_life { Rev::new(u64::MAX) } else { rev };
        let mut listed: Wanted = connect
            .rooms
            .iter()
            .map(|(room, rev)| (*room, Some(held(*rev))))
            .collect();
        match self.scope {
            Scope::Notifications => return Ok((Wanted::new(), Rev::ZERO)),
            Scope::Room(room) => {
                let rev = listed.remove(&room).flatten();
                return Ok((Wanted::from([(room, rev)]), Rev::ZERO));
            }
            Scope::All => {}
        }
        if listed.len() > inner.limits.rooms {
            let max = u64::try_from(inner.limits.rooms).unwrap_or(u64::MAX);
            return Err(crate::change::Rejection::LimitExceeded { what: "rooms", max }.into());
        }
        let mut read = Rev::ZERO;
        if follows_all {
            let (rooms, rev) = inner
                .backend
                .memberships(user, self.realtime.room_limit())
                .await?;
            for room in rooms {
                if listed.len() >= inner.limits.rooms {
                    break;
                }
                listed.entry(room).or_insert(None);
            }
            inner.people.read_up_to(user, rev);
            read = rev;
        }
        Ok((listed, read))
    }

    /// Reads the rooms, so that nothing is missed between reading and joining.
    async fn look(&self, user: &UserId, wanted: &Wanted) -> Result<Look, StoreError> {
        let inner = self.realtime.inner();
        let rooms: Vec<RoomId> = wanted.keys().copied().collect();
        let prepared = inner.hub.prepare(&rooms);
        let views = if rooms.is_empty() {
            Vec::new()
        } else {
            inner.backend.views(user, &rooms).await?
        };
        Ok(Look { prepared, views })
    }

    fn welcome(&self, id: Option<u32>, user: &UserId, identity: &Identity, views: &[RoomView]) {
        let inner = self.realtime.inner();
        let limits = &inner.limits;
        let millis =
            |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let wall = inner.clock.now();
        let view = ConnectedView {
            session: self.session_id,
            user: Cow::Borrowed(user),
            server_time: wall,
            ping_interval_ms: millis(limits.ping_interval),
            expires_at: identity.expires_at,
            incarnation: inner.incarnation(),
            limits: LimitsView::of(limits),
            reconnect: ReconnectView {
                min_ms: millis(RECONNECT.0),
                max_ms: millis(RECONNECT.1),
            },
            rooms: views
                .iter()
                .map(|view| RoomSummary::of(view, wall))
                .collect(),
            notifications: NotificationsView::default(),
        };
        match id {
            Some(id) => self.answer(Some(id), &view),
            None => self.mailbox.insist(&protocol::push("connected", &view)),
        }
    }

    /// Joins what was found, and tells of the rest that it is not to be had.
    fn join(&self, subscriber: &Arc<Subscriber>, wanted: &Wanted, look: &Look) {
        let hub = &self.realtime.inner().hub;
        for view in &look.views {
            let held = wanted.get(&view.room.id).copied().flatten();
            // The opening of a large room is one change of thousands of rows.
            let held = held.map(|held| {
                if held.is_zero() && !view.room.is_small() {
                    Rev::new(u64::MAX)
                } else {
                    held
                }
            });
            let join = Join {
                subscriber,
                standing: Standing::of(&view.me),
                held,
                seen: view.room.rev,
            };
            hub.join(&look.prepared, view.room.id, &join);
        }
        hub.hear_joined(&look.prepared);
        let found = look.found();
        for (room, held) in wanted {
            if held.is_some() && !found.contains(room) {
                self.mailbox
                    .insist(&protocol::unsubscribed(*room, ErrorCode::NotFound));
            }
        }
    }

    pub(super) async fn subscribe(
        &self,
        subscriber: &Arc<Subscriber>,
        id: Option<u32>,
        command: SubscribeTo,
    ) -> Result<(), Error> {
        #[derive(serde::Serialize)]
        struct Refused<'a> {
            room: Cow<'a, str>,
            code: ErrorCode,
        }
        #[derive(serde::Serialize)]
        struct Subscribed<'a> {
            rooms: Vec<RoomSummary<'a>>,
            refused: Vec<Refused<'a>>,
        }
        let mut wanted = Wanted::new();
        let mut nowhere = Vec::new();
        for at in command.rooms {
            match at.room {
                NamedRoom::Id(room) => _ = wanted.insert(room, at.rev),
                NamedRoom::Nowhere(name) => nowhere.push(name),
            }
        }
        let new = wanted
            .keys()
            .filter(|room| !subscriber.follows(**room))
            .count();
        let max = self.realtime.limits().rooms;
        if wanted.len() + nowhere.len() > max || subscriber.room_count() + new > max {
            let max = u64::try_from(max).unwrap_or(u64::MAX);
            return Err(crate::change::Rejection::LimitExceeded { what: "rooms", max }.into());
        }
        let allowed = wanted.iter().filter(|(room, _)| self.may_follow(**room));
        let allowed: Wanted = allowed.map(|(room, held)| (*room, *held)).collect();
        let look = self.look(&subscriber.user, &allowed).await?;
        let found = look.found();
        let refused = wanted.keys().filter(|room| !found.contains(room));
        let refused = refused.map(|room| Cow::Owned(room.to_string()));
        let nowhere = nowhere.iter().map(|name| Cow::Borrowed(&**name));
        let refused = refused.chain(nowhere).map(|room| Refused {
            room,
            code: ErrorCode::NotFound,
        });
        let wall = self.realtime.now();
        let rooms = look
            .views
            .iter()
            .map(|view| RoomSummary::of(view, wall))
            .collect();
        self.answer(
            id,
            &Subscribed {
                rooms,
                refused: refused.collect(),
            },
        );
        let found: Wanted = allowed
            .into_iter()
            .filter(|(room, _)| found.contains(room))
            .collect();
        self.join(subscriber, &found, &look);
        Ok(())
    }

    pub(super) fn unsubscribe(
        &self,
        subscriber: &Subscriber,
        id: Option<u32>,
        command: &Unsubscribe,
    ) {
        let most = self.realtime.limits().rooms;
        for room in &command.rooms {
            match room {
                NamedRoom::Id(room) => {
                    subscriber.decline(*room, most);
                    self.realtime.inner().hub.leave(*room, subscriber);
                }
                NamedRoom::Nowhere(_) => {}
            }
        }
        self.answer(id, &serde_json::Map::new());
    }

    /// Whether the scope of this connection covers a room.
    pub(super) fn may_follow(&self, room: RoomId) -> bool {
        match self.scope {
            Scope::All => true,
            Scope::Room(only) => only == room,
            Scope::Notifications => false,
        }
    }
}

/// How a connection ends whose `connect` was refused.
fn closing(error: &Error) -> CloseCode {
    match error.code() {
        ErrorCode::TokenExpired => CloseCode::TokenExpired,
        ErrorCode::LimitExceeded => CloseCode::ConnectionLimit,
        ErrorCode::Busy | ErrorCode::Timeout | ErrorCode::Internal => CloseCode::ServerError,
        // A connection to one room, which is not this user's.
        ErrorCode::NotFound => CloseCode::Kicked,
        ErrorCode::Unauthenticated
        | ErrorCode::Forbidden
        | ErrorCode::BadRequest
        | ErrorCode::UnknownCommand
        | ErrorCode::Conflict
        | ErrorCode::ClientIdReused
        | ErrorCode::RoomLocked
        | ErrorCode::TooLarge
        | ErrorCode::Rejected
        | ErrorCode::RateLimited => CloseCode::BadToken,
    }
}

/// A wire error about the scope of a connection.
pub(super) fn out_of_scope() -> WireError {
    WireError::new(ErrorCode::Forbidden, "not on this connection")
}
