//! Why a request was not answered as wished, and what the caller should do.

use std::time::Duration;

use crate::{
    change::Rejection,
    ports::{AuthError, TooFast},
    protocol::{ErrorCode, WireError},
    store::StoreError,
};

/// When to come back after the store could not be reached.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Why a request was not answered as wished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store refused it; it would again.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A field cannot be what it is.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// More bytes than allowed.
    #[error("{field}: at most {max} bytes")]
    TooLarge {
        /// Which field.
        field: &'static str,
        /// How many are allowed.
        max: usize,
    },
    /// Too fast; wait.
    #[error(transparent)]
    TooFast(#[from] TooFast),
    /// Too much to do at present; nothing was done.
    #[error("the server is busy")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// It may or may not have been done: repeat it under the same `client_id`.
    #[error("no answer in time")]
    Timeout,
    /// The token does not do.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The server's own fault; the log says more.
    #[error("internal error")]
    Internal(#[source] crate::store::Cause),
}

impl Error {
    pub(crate) const NOT_FOUND: Self = Self::Rejected(Rejection::NotFound);
    pub(crate) const FORBIDDEN: Self = Self::Rejected(Rejection::Forbidden);

    /// The word for it on the wire.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Rejected(rejection) => code_of(rejection),
            Self::Invalid { .. } => ErrorCode::BadRequest,
            Self::TooLarge { .. } => ErrorCode::TooLarge,
            Self::TooFast(_) => ErrorCode::RateLimited,
            Self::Busy { .. } => ErrorCode::Busy,
            Self::Timeout => ErrorCode::Timeout,
            Self::Auth(AuthError::Invalid(_)) => ErrorCode::Unauthenticated,
            Self::Auth(AuthError::Expired) => ErrorCode::TokenExpired,
            Self::Auth(AuthError::Unavailable(_)) => ErrorCode::Busy,
            Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::TooFast(_)
            | Self::Busy { .. }
            | Self::Timeout
            | Self::Auth(AuthError::Unavailable(_)) => true,
            Self::Rejected(_)
            | Self::Invalid { .. }
            | Self::TooLarge { .. }
            | Self::Auth(AuthError::Invalid(_) | AuthError::Expired)
            | Self::Internal(_) => false,
        }
    }

    /// When to come back, where that is known.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooFast(TooFast { retry_after }) | Self::Busy { retry_after } => {
                Some(*retry_after)
            }
            Self::Auth(AuthError::Unavailable(_)) => Some(STORE_PAUSE),
            Self::Rejected(_)
            | Self::Invalid { .. }
            | Self::TooLarge { .. }
            | Self::Timeout
            | Self::Auth(AuthError::Invalid(_) | AuthError::Expired)
            | Self::Internal(_) => None,
        }
    }

    /// Which field is meant, where there is one.
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Rejected(Rejection::Invalid { field, .. })
            | Self::Invalid { field, .. }
            | Self::TooLarge { field, .. } => Some(field),
            Self::Rejected(_)
            | Self::TooFast(_)
            | Self::Busy { .. }
            | Self::Timeout
            | Self::Auth(_)
            | Self::Internal(_) => None,
        }
    }

    /// As it is told to a client: never with the cause, which may name tables.
    pub fn to_wire(&self) -> WireError {
        let mut error = WireError::new(self.code(), self.to_string());
        error.field = self.field().map(str::to_owned);
        error.retry_after_ms = self
            .retry_after()
            .map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        error
    }
}

const fn code_of(rejection: &Rejection) -> ErrorCode {
    match rejection {
        Rejection::NotFound => ErrorCode::NotFound,
        Rejection::Forbidden => ErrorCode::Forbidden,
        Rejection::RoomLocked => ErrorCode::RoomLocked,
        Rejection::ClientIdReused | Rejection::KeyReused => ErrorCode::ClientIdReused,
        Rejection::Conflict { .. } | Rejection::TooLate => ErrorCode::Conflict,
        Rejection::LimitExceeded { .. } => ErrorCode::LimitExceeded,
        Rejection::Invalid { .. } => ErrorCode::BadRequest,
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => {
                tracing::warn!(error = %cause, "the store is unavailable");
                Self::Busy {
                    retry_after: STORE_PAUSE,
                }
            }
            StoreError::Indeterminate(cause) => {
                tracing::warn!(error = %cause, "the outcome of a transaction is unknown");
                Self::Timeout
            }
            StoreError::Damaged(cause) => {
                tracing::error!(error = %cause, "the store misbehaves");
                Self::Internal(cause)
            }
        }
    }
}
