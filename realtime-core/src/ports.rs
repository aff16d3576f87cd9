//! The smaller ports: who is online, who may do how much, who a token belongs to.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{
    id::{SessionId, UserId},
    presence::PresenceState,
    store::Cause,
    time::Timestamp,
};

/// Why presence or quota could not answer. Neither is needed for delivery.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// The other side does not answer. Try again, later.
    #[error("the backend is unavailable")]
    Unavailable(#[source] Cause),
}

/// Keeps who is online.
///
/// # Contract
/// - A user is online while one of their sessions is, and for the grace after the
///   last one was lost. A session that is not [touched](Presence::touch) again within
///   the backend's expiry is lost.
/// - Each change from offline to online is told to exactly one caller of
///   [`Presence::touch`], each change back to exactly one caller of
///   [`Presence::leave`] or [`Presence::expire`], over all servers.
/// - What was lost by the backend heals by the next touch.
#[async_trait]
pub trait Presence: Send + Sync + fmt::Debug {
    /// These sessions are open. Answers those users who came online by it.
    ///
    /// # Errors
    /// Some may have been noted.
    async fn touch(
        &self,
        sessions: &[(UserId, SessionId)],
        now: Timestamp,
    ) -> Result<Vec<UserId>, PortError>;

    /// A session has ended. `clean`: the user said goodbye, and there is no grace.
    /// Answers whether the user went offline by it.
    ///
    /// # Errors
    /// The session then ends by expiry.
    async fn leave(
        &self,
        user: &UserId,
        session: SessionId,
        clean: bool,
        now: Timestamp,
    ) -> Result<bool, PortError>;

    /// Users who went offline because their grace or expiry is over, each told once.
    ///
    /// # Errors
    /// They are told by a later call.
    async fn expire(&self, now: Timestamp) -> Result<Vec<PresenceState>, PortError>;

    /// Whether these users are online, in the order of the question.
    ///
    /// # Errors
    /// Nothing is known.
    async fn look(&self, users: &[UserId]) -> Result<Vec<PresenceState>, PortError>;
}

/// What is rationed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "quota backends must have a rate for each"
)]
pub enum Action {
    /// Sending a message.
    Message,
    /// Any other command.
    Command,
}

/// Too much, too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("try again in {retry_after:?}")]
#[expect(clippy::exhaustive_structs, reason = "quota backends build it")]
pub struct TooFast {
    /// After how long the same request would be allowed.
    pub retry_after: Duration,
}

/// Rations what users do.
///
/// # Contract
/// A backend that cannot answer falls to a stated local limit, never to "allowed":
/// that is why there is no error here.
#[async_trait]
pub trait Quota: Send + Sync + fmt::Debug {
    /// Takes one token.
    ///
    /// # Errors
    /// [`TooFast`] when there is none; nothing was taken.
    ///
    /// # Cancel safety
    /// A token may have been taken.
    async fn take(&self, user: &UserId, action: Action) -> Result<(), TooFast>;
}

/// Who a token belongs to, and until when it speaks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "authenticators build it")]
pub struct Identity {
    /// The user; a service token may do without.
    pub user: Option<UserId>,
    /// What the token says they are called.
    pub name: Option<String>,
    /// Whether the token speaks for the platform.
    pub service: bool,
    /// When the token ends; `None`: not before the connection does.
    pub expires_at: Option<Timestamp>,
}

impl Identity {
    /// A user whom the host knows already, without a token that could end.
    pub const fn of(user: UserId) -> Self {
        Self {
            user: Some(user),
            name: None,
            service: false,
            expires_at: None,
        }
    }
}

/// Accepts no token: for connections whose user the host knows already.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTokens;

#[async_trait]
impl Authenticator for NoTokens {
    async fn authenticate(&self, _token: &str) -> Result<Identity, AuthError> {
        Err(AuthError::Invalid("no tokens are taken here"))
    }
}

/// Why a token was not accepted. Never contains the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// It is not, or not a valid, token of ours.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// It was valid.
    #[error("the token has expired")]
    Expired,
    /// The keys to check it with cannot be had at present.
    #[error("the token cannot be checked at present")]
    Unavailable(#[source] Cause),
}

/// Tells who a token belongs to.
#[async_trait]
pub trait Authenticator: Send + Sync + fmt::Debug {
    /// Checks a token.
    ///
    /// # Errors
    /// [`AuthError`] says whether another token would help.
    async fn authenticate(&self, token: &str) -> Result<Identity, AuthError>;
}
