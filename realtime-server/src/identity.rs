//! Tokens for the core: what a verified JWT says, in its words.

use async_trait::async_trait;
use realtime_core::{
    id::UserId,
    ports::{AuthError, Authenticator, Identity},
    time::Timestamp,
};

use crate::auth::{self, Claims, JwtAuthenticator, TokenError};

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<Identity, AuthError> {
        let claims = auth::Authenticator::authenticate(self, token).await;
        claims.map_err(refusal).and_then(identity)
    }
}

fn identity(claims: Claims) -> Result<Identity, AuthError> {
    let user = claims.user.as_deref().map(UserId::parse).transpose();
    Ok(Identity {
        user: user.map_err(|_| AuthError::Invalid("its user id cannot be one"))?,
        name: claims.name,
        service: claims.scope.service,
        expires_at: Some(Timestamp::from_millis(claims.expires_at_ms)),
    })
}

fn refusal(error: auth::AuthError) -> AuthError {
    match error {
        auth::AuthError::Refused(TokenError::Expired) => AuthError::Expired,
        auth::AuthError::Refused(refusal) => AuthError::Invalid(reason(&refusal)),
        auth::AuthError::Denied(_) => AuthError::Invalid("it is not accepted here"),
        auth::AuthError::Unavailable(cause) => AuthError::Unavailable(cause),
    }
}

/// What a client may know: the kind of the fault, not the configuration.
const fn reason(refusal: &TokenError) -> &'static str {
    match refusal {
        TokenError::TooLarge => "it is too long",
        TokenError::Malformed => "it is not a signed JSON Web Token",
        TokenError::CriticalHeader => "it needs an extension that is not supported",
        TokenError::UnsupportedAlgorithm => "its algorithm is not accepted",
        TokenError::UnknownKey => "its key is not known",
        TokenError::BadSignature => "its signature is wrong",
        TokenError::MissingClaim { .. } => "it lacks a claim",
        TokenError::InvalidClaim { .. } => "a claim is not valid",
        TokenError::WrongTokenType => "it is not of the kind that is accepted here",
        TokenError::WrongIssuer => "it is from another issuer",
        TokenError::WrongAudience => "it is for another audience",
        TokenError::NotYetValid => "it is not valid yet",
        TokenError::Expired => "it has expired",
    }
}
