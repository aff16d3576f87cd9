//! One connection's conversation as a pure state machine: input and the present
//! moment go in, effects come out. It knows no store, broker, socket or clock.

use std::time::{Duration, Instant};

use crate::{
    id::{RoomId, UserId},
    limits::{Limits, TYPING_ROOMS},
    ports::Identity,
    protocol::{self, CloseCode, Command, Connect, ErrorCode, Line, Request, WireError},
    time::Timestamp,
};

/// Longer than any connection lives.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);
/// Frames that make no sense which a client may send before it is in; then it
/// evidently speaks something else.
const STRIKES: u8 = 8;

/// The conversation of one connection.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    /// When the last ping went out, and whether anything was heard since.
    pinged: Instant,
    answered: bool,
    strikes: u8,
    refresh_before: Duration,
    typing: Vec<(RoomId, Instant)>,
}

#[derive(Debug)]
enum Phase {
    /// Nobody yet.
    AwaitingConnect { deadline: Instant },
    /// A `connect` is being looked at.
    Connecting { deadline: Instant },
    /// In.
    Open {
        user: UserId,
        expiry: Option<Expiry>,
    },
    /// Nothing is said or heard any longer.
    Closed,
}

/// When a token ends.
#[derive(Debug, Clone, Copy)]
struct Expiry {
    at: Instant,
    /// When to ask for a new one; `None` once asked.
    ask_at: Option<Instant>,
}

/// What is to be done, in order.
#[derive(Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a driver must perform every effect"
)]
pub enum Effect {
    /// Tell the client.
    Say(Line),
    /// Find out who this is, and report it with [`Session::connected`] or
    /// [`Session::refused`].
    Connect {
        /// Where the answer goes.
        id: Option<u32>,
        /// What the client said.
        connect: Box<Connect>,
    },
    /// Look at a new token, and report it with [`Session::refreshed`].
    Refresh {
        /// Where the answer goes.
        id: Option<u32>,
        /// The token.
        token: String,
    },
    /// Do what an accepted client asks.
    Run(Request),
    /// The user has not said for a while that they are typing.
    StoppedTyping(RoomId),
    /// Close the connection.
    Close(CloseCode),
}

impl Session {
    /// A connection that was just opened.
    pub fn new(now: Instant, limits: &Limits) -> Self {
        Self {
            phase: Phase::AwaitingConnect {
                deadline: after(now, limits.connect_timeout),
            },
            pinged: now,
            answered: true,
            strikes: 0,
            refresh_before: limits.refresh_before,
            typing: Vec::new(),
        }
    }

    /// Who it is, once that is known.
    pub const fn user(&self) -> Option<&UserId> {
        match &self.phase {
            Phase::Open { user, .. } => Some(user),
            Phase::AwaitingConnect { .. } | Phase::Connecting { .. } | Phase::Closed => None,
        }
    }

    /// Anything was heard from the client: it lives.
    pub const fn heard(&mut self) {
        self.answered = true;
    }

    /// One JSON object of a frame was received.
    pub fn on_line(&mut self, line: &str) -> Option<Effect> {
        self.answered = true;
        match protocol::decode(line) {
            Ok(request) => self.on_request(request),
            Err((id, error)) => Some(self.complain(id, &error)),
        }
    }

    /// A frame was refused as a whole.
    pub fn complain(&mut self, id: Option<u32>, error: &WireError) -> Effect {
        self.answered = true;
        self.strikes = self.strikes.saturating_add(1);
        if self.user().is_none() && self.strikes > STRIKES {
            self.phase = Phase::Closed;
            return Effect::Close(CloseCode::BadProtocol);
        }
        Effect::Say(protocol::failure(id, error))
    }

    fn on_request(&mut self, request: Request) -> Option<Effect> {
        let Request { id, command } = request;
        match (&self.phase, command) {
            (Phase::Closed, _) | (_, Command::Pong(_)) => None,
            (Phase::AwaitingConnect { deadline }, Command::Connect(connect)) => {
                self.phase = Phase::Connecting {
                    deadline: *deadline,
                };
                Some(Effect::Connect { id, connect })
            }
            (Phase::AwaitingConnect { .. } | Phase::Connecting { .. }, _) => {
                let error = WireError::new(ErrorCode::Unauthenticated, "connect comes first");
                Some(self.complain(id, &error))
            }
            (Phase::Open { .. }, Command::Connect(_)) => {
                let error = WireError::new(ErrorCode::Conflict, "already connected");
                Some(Effect::Say(protocol::failure(id, &error)))
            }
            (Phase::Open { .. }, Command::Refresh(refresh)) => Some(Effect::Refresh {
                id,
                token: refresh.token,
            }),
            (Phase::Open { .. }, command) => Some(Effect::Run(Request { id, command })),
        }
    }

    /// The transport itself connects, without a frame of the client's.
    pub fn expect_connect(&mut self) {
        if let Phase::AwaitingConnect { deadline } = self.phase {
            self.phase = Phase::Connecting { deadline };
        }
    }

    /// The token of `connect` belongs to this user.
    pub fn connected(&mut self, user: UserId, identity: &Identity, now: Instant, wall: Timestamp) {
        if matches!(self.phase, Phase::Connecting { .. }) {
            self.phase = Phase::Open {
                user,
                expiry: expiry(identity, now, wall, self.refresh_before),
            };
            self.pinged = now;
        }
    }

    /// The `connect` was refused for good; the connection is to be closed.
    pub fn refused(&mut self) {
        self.phase = Phase::Closed;
    }

    /// A new token was brought.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`] when it is another user's; nothing changes.
    pub fn refreshed(
        &mut self,
        identity: &Identity,
        now: Instant,
        wall: Timestamp,
    ) -> Result<(), WireError> {
        match &mut self.phase {
            Phase::Open { user, expiry: old } if identity.user.as_ref() == Some(user) => {
                *old = expiry(identity, now, wall, self.refresh_before);
                Ok(())
            }
            Phase::Open { .. } => Err(WireError::new(
                ErrorCode::Forbidden,
                "the token is another user's",
            )),
            Phase::AwaitingConnect { .. } | Phase::Connecting { .. } | Phase::Closed => Err(
                WireError::new(ErrorCode::Unauthenticated, "connect comes first"),
            ),
        }
    }

    /// The user is typing in a room, or stopped. Answers whether that is news; the
    /// rooms in which one may type at once are bounded.
    pub fn typing(&mut self, room: RoomId, active: bool, now: Instant, limits: &Limits) -> bool {
        let known = self.typing.iter().position(|(typing, _)| *typing == room);
        match (known, active) {
            (Some(index), true) => {
                self.typing[index].1 = after(now, limits.typing_ttl);
                true
            }
            (Some(index), false) => {
                self.typing.swap_remove(index);
                true
            }
            (None, true) if self.typing.len() < TYPING_ROOMS => {
                self.typing.push((room, after(now, limits.typing_ttl)));
                true
            }
            (None, true | false) => false,
        }
    }

    /// The rooms in which the user is typing.
    pub fn typing_rooms(&self) -> Vec<RoomId> {
        self.typing.iter().map(|(room, _)| *room).collect()
    }

    /// When [`on_time`](Self::on_time) has something to do; `None` once closed.
    pub fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let (expiry, due) = match &self.phase {
            Phase::Closed => return None,
            Phase::AwaitingConnect { deadline } | Phase::Connecting { deadline } => {
                (None, Some(*deadline))
            }
            Phase::Open { expiry, .. } => (expiry.map(Expiry::next), Some(self.ping_due(limits))),
        };
        let typing = self.typing.iter().map(|(_, until)| *until).min();
        [expiry, due, typing].into_iter().flatten().min()
    }

    fn ping_due(&self, limits: &Limits) -> Instant {
        let span = if self.answered {
            limits.ping_interval
        } else {
            limits.ping_timeout
        };
        after(self.pinged, span)
    }

    /// Time has passed. Call again while the [deadline](Self::deadline) is not ahead.
    pub fn on_time(&mut self, now: Instant, limits: &Limits) -> Vec<Effect> {
        let mut effects = Vec::new();
        match &mut self.phase {
            Phase::Closed => return effects,
            Phase::AwaitingConnect { deadline } | Phase::Connecting { deadline } => {
                if now >= *deadline {
                    self.phase = Phase::Closed;
                    return vec![Effect::Close(CloseCode::ConnectTimeout)];
                }
            }
            Phase::Open {
                expiry: Some(expiry),
                ..
            } => {
                if now >= expiry.at {
                    self.phase = Phase::Closed;
                    return vec![Effect::Close(CloseCode::TokenExpired)];
                }
                effects.extend(expiry.ask(now));
            }
            Phase::Open { expiry: None, .. } => {}
        }
        if self.user().is_some() && now >= self.ping_due(limits) {
            if !self.answered {
                self.phase = Phase::Closed;
                return vec![Effect::Close(CloseCode::PingTimeout)];
            }
            (self.pinged, self.answered) = (now, false);
            effects.push(Effect::Say(protocol::push("ping", &Empty {})));
        }
        self.typing.retain(|(room, until)| {
            let over = now >= *until;
            if over {
                effects.push(Effect::StoppedTyping(*room));
            }
            !over
        });
        effects
    }
}

#[derive(serde::Serialize)]
struct Empty {}

impl Expiry {
    fn next(self) -> Instant {
        self.ask_at.unwrap_or(self.at)
    }

    fn ask(&mut self, now: Instant) -> Option<Effect> {
        #[derive(serde::Serialize)]
        struct Refresh {
            expires_in_ms: u64,
        }
        if self.ask_at.is_none_or(|ask_at| now < ask_at) {
            return None;
        }
        self.ask_at = None;
        let left = self.at.saturating_duration_since(now);
        let expires_in_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Some(Effect::Say(protocol::push(
            "refresh",
            &Refresh { expires_in_ms },
        )))
    }
}

/// A moment to come; one beyond what the clock can tell is as good as never.
fn after(moment: Instant, span: Duration) -> Instant {
    moment.checked_add(span).unwrap_or_else(|| moment + NEVER)
}

/// Turns the token's wall time into a moment of the monotonic clock, once: a clock
/// that is set later neither prolongs nor cuts a token.
fn expiry(
    identity: &Identity,
    now: Instant,
    wall: Timestamp,
    refresh_before: Duration,
) -> Option<Expiry> {
    let left = identity.expires_at?.since(wall);
    let at = now.checked_add(left)?;
    let ask_at = at.checked_sub(refresh_before).unwrap_or(now);
    Some(Expiry {
        at,
        ask_at: Some(ask_at),
    })
}

#[cfg(test)]
mod tests;
