//! The seam through which the server asks who is calling.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::{claims::Claims, error::AuthError, verifier::Verifier};

/// Who is calling: what a [`Claims`] says, wherever it came from.
pub type Identity = Claims;

/// Tells who a caller is, by the token that came with the connection or request.
///
/// Contract: an `Ok` has a user, or the service scope, or both. A token that ends
/// says so in `expires_at_ms`; an authenticator whose tokens never end answers
/// with `i64::MAX`. It is called for every connection, refresh and request, from
/// many tasks at once, and must answer within seconds: the caller waits. The
/// token must not be logged.
#[async_trait]
pub trait Authenticator: Send + Sync + fmt::Debug {
    /// Who holds this token.
    ///
    /// # Errors
    /// [`AuthError::Refused`] and [`AuthError::Denied`] are final for this token,
    /// [`AuthError::Unavailable`] is not.
    ///
    /// # Cancel safety
    /// Must be cancel safe: the caller may go away at any moment.
    async fn authenticate(&self, token: &str) -> Result<Identity, AuthError>;
}

/// Authenticates by JSON Web Tokens.
pub struct JwtAuthenticator {
    verifier: Arc<Verifier>,
    now_ms: Box<dyn Fn() -> i64 + Send + Sync>,
}

impl JwtAuthenticator {
    /// An authenticator that checks tokens with `verifier` at the time `now_ms`,
    /// in milliseconds since 1970.
    pub fn new(verifier: Arc<Verifier>, now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            verifier,
            now_ms: Box::new(now_ms),
        }
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<Identity, AuthError> {
        self.verifier
            .verify_or_refresh(token, (self.now_ms)())
            .await
    }
}

impl fmt::Debug for JwtAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthenticator")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}
