//! Tokens for development and the demo. In production the platform issues them.

use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    claims::is_user_id,
    limits::LAST_SECOND,
    rules::{Rules, SERVICE_SCOPE},
    secret::Secret,
};

const MILLIS_PER_SECOND: i64 = 1_000;

/// Whom a token is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MintRequest {
    /// The user; may be left out for a service.
    pub user: Option<String>,
    /// Whether the token carries [`SERVICE_SCOPE`].
    pub service: bool,
    /// A name to show.
    pub name: Option<String>,
    /// How long the token lives, in whole seconds, at least one.
    pub ttl: Duration,
    /// The present, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Why a token was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// Neither a user nor a service.
    #[error("a token needs a user or the service scope")]
    Nobody,
    /// The user's id is empty, too long or has control characters.
    #[error("a user id must have 1 to 64 characters and no control characters")]
    BadUser,
    /// The life of the token is shorter than a second or ends after the year 9999.
    #[error("a token must live for at least a second and end before the year 10000")]
    BadTtl,
    /// The library could not sign.
    #[error("the token could not be signed")]
    Signing,
}

/// Makes an HS256 token that a [`Verifier`](super::Verifier) with this secret and
/// these rules accepts: `exp`, `iat`, `jti`, and the claims that the rules name.
///
/// # Errors
/// [`MintError`] says what is wrong with the request.
pub fn mint(secret: &Secret, rules: &Rules, request: &MintRequest) -> Result<String, MintError> {
    let claims = claims(rules, request)?;
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).map_err(|_| MintError::Signing)
}

fn claims(rules: &Rules, request: &MintRequest) -> Result<Map<String, Value>, MintError> {
    if request.user.is_none() && !request.service {
        return Err(MintError::Nobody);
    }
    if request
        .user
        .as_deref()
        .is_some_and(|user| !is_user_id(user))
    {
        return Err(MintError::BadUser);
    }
    let (issued_at, expires_at) = times(request)?;

    let mut claims = Map::new();
    claims.insert("iat".to_owned(), issued_at.into());
    claims.insert("exp".to_owned(), expires_at.into());
    claims.insert("jti".to_owned(), Uuid::new_v4().simple().to_string().into());
    let mut text = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            claims.insert(name.to_owned(), value.into());
        }
    };
    text(&rules.token_type_claim, rules.token_type.as_deref());
    text(&rules.user_claim, request.user.as_deref());
    text(&rules.name_claim, request.name.as_deref());
    text(&rules.scope_claim, request.service.then_some(SERVICE_SCOPE));
    text("iss", rules.issuers.first().map(String::as_str));
    text("aud", rules.audiences.first().map(String::as_str));
    Ok(claims)
}

/// When the token begins and ends, in seconds since 1970.
fn times(request: &MintRequest) -> Result<(u64, u64), MintError> {
    let issued_at = u64::try_from(request.now_ms.div_euclid(MILLIS_PER_SECOND))
        .map_err(|_| MintError::BadTtl)?;
    let expires_at = issued_at
        .checked_add(request.ttl.as_secs())
        .filter(|end| *end > issued_at && *end <= LAST_SECOND)
        .ok_or(MintError::BadTtl)?;
    Ok((issued_at, expires_at))
}
