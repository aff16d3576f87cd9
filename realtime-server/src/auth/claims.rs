//! From a verified payload to who is calling.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{
    error::TokenError,
    limits::{LAST_SECOND, MAX_NAME_CHARS, MAX_TOKEN_ID_CHARS, MAX_USER_CHARS},
    rules::{Rules, SERVICE_SCOPE},
};

const MILLIS_PER_SECOND: i64 = 1_000;

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user that the caller acts as: 1-64 characters without control
    /// characters. `None` only for a service.
    pub user: Option<String>,
    /// A name to show: cleaned of control and direction characters, at most 128
    /// characters.
    pub name: Option<String>,
    /// What the caller may do besides acting as its user.
    pub scope: Scope,
    /// When the token ends, in milliseconds since 1970, without leeway: it may
    /// lie a few seconds in the past for a token that was accepted by leeway.
    pub expires_at_ms: i64,
    /// `jti`, if the token has one.
    pub token_id: Option<String>,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scope {
    /// Whether the caller acts for the platform ([`SERVICE_SCOPE`]).
    pub service: bool,
}

impl Claims {
    /// Reads a payload whose signature was verified.
    pub(super) fn read(
        payload: &Map<String, Value>,
        rules: &Rules,
        now_ms: i64,
    ) -> Result<Self, TokenError> {
        let expires_at_ms = check_times(payload, rules.leeway, now_ms)?;
        check_token_type(payload, rules)?;
        check_issuer(payload, rules)?;
        check_audience(payload, rules)?;

        let scope = scope(payload, &rules.scope_claim)?;
        let user = user(payload, &rules.user_claim)?;
        if user.is_none() && !scope.service {
            return Err(TokenError::missing(&rules.user_claim));
        }
        Ok(Self {
            user,
            name: name(payload, &rules.name_claim)?,
            scope,
            expires_at_ms,
            token_id: token_id(payload)?,
        })
    }
}

/// A claim that is there and not `null`.
fn claim<'a>(payload: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    payload.get(name).filter(|value| !value.is_null())
}

/// `exp`, in milliseconds, once it, `nbf` and `iat` are known to be in order.
fn check_times(
    payload: &Map<String, Value>,
    leeway: Duration,
    now_ms: i64,
) -> Result<i64, TokenError> {
    let leeway_ms = i64::try_from(leeway.as_millis()).unwrap_or(i64::MAX);
    let expires_at_ms = moment(payload, "exp")?.ok_or_else(|| TokenError::missing("exp"))?;
    let not_before_ms = moment(payload, "nbf")?;
    moment(payload, "iat")?;

    if now_ms >= expires_at_ms.saturating_add(leeway_ms) {
        return Err(TokenError::Expired);
    }
    if not_before_ms.is_some_and(|not_before| not_before > now_ms.saturating_add(leeway_ms)) {
        return Err(TokenError::NotYetValid);
    }
    Ok(expires_at_ms)
}

/// A time claim, given in whole seconds, in milliseconds.
fn moment(payload: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, TokenError> {
    // `null` is no number: an `exp` that is there must be one.
    let Some(value) = payload.get(name) else {
        return Ok(None);
    };
    value
        .as_u64()
        .filter(|seconds| *seconds <= LAST_SECOND)
        .and_then(|seconds| i64::try_from(seconds).ok())
        .map(|seconds| Some(seconds * MILLIS_PER_SECOND))
        .ok_or_else(|| TokenError::invalid(name))
}

fn check_token_type(payload: &Map<String, Value>, rules: &Rules) -> Result<(), TokenError> {
    let Some(wanted) = &rules.token_type else {
        return Ok(());
    };
    match claim(payload, &rules.token_type_claim) {
        Some(Value::String(given)) if given == wanted => Ok(()),
        _ => Err(TokenError::WrongTokenType),
    }
}

fn check_issuer(payload: &Map<String, Value>, rules: &Rules) -> Result<(), TokenError> {
    if rules.issuers.is_empty() {
        return Ok(());
    }
    match claim(payload, "iss") {
        Some(Value::String(issuer)) if rules.issuers.contains(issuer) => Ok(()),
        _ => Err(TokenError::WrongIssuer),
    }
}

fn check_audience(payload: &Map<String, Value>, rules: &Rules) -> Result<(), TokenError> {
    if rules.audiences.is_empty() {
        return Ok(());
    }
    let is_ours = |value: &Value| {
        value
            .as_str()
            .is_some_and(|aud| rules.audiences.iter().any(|a| a == aud))
    };
    match claim(payload, "aud") {
        Some(Value::Array(audiences)) if audiences.iter().any(is_ours) => Ok(()),
        Some(audience) if is_ours(audience) => Ok(()),
        _ => Err(TokenError::WrongAudience),
    }
}

fn scope(payload: &Map<String, Value>, name: &str) -> Result<Scope, TokenError> {
    let service = match claim(payload, name) {
        None => false,
        Some(Value::String(scopes)) => scopes.split(' ').any(|scope| scope == SERVICE_SCOPE),
        Some(Value::Array(scopes)) if scopes.iter().all(Value::is_string) => {
            scopes.iter().any(|scope| scope == SERVICE_SCOPE)
        }
        Some(_) => return Err(TokenError::invalid(name)),
    };
    Ok(Scope { service })
}

fn user(payload: &Map<String, Value>, name: &str) -> Result<Option<String>, TokenError> {
    let id = match claim(payload, name) {
        None => return Ok(None),
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(number)) => integer(number).ok_or_else(|| TokenError::invalid(name))?,
        Some(_) => return Err(TokenError::invalid(name)),
    };
    if !is_user_id(&id) {
        return Err(TokenError::invalid(name));
    }
    Ok(Some(id))
}

/// The decimal digits of an integer; `None` for anything with a fraction or an
/// exponent, which would give one user two ids.
fn integer(number: &serde_json::Number) -> Option<String> {
    let unsigned = number.as_u64().map(|n| n.to_string());
    unsigned.or_else(|| number.as_i64().map(|n| n.to_string()))
}

/// Whether a text can be a user's id: 1-64 characters, no control characters.
pub(super) fn is_user_id(id: &str) -> bool {
    let length = id.chars().count();
    (1..=MAX_USER_CHARS).contains(&length) && !id.chars().any(char::is_control)
}

fn name(payload: &Map<String, Value>, name: &str) -> Result<Option<String>, TokenError> {
    match claim(payload, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(display_name(text)),
        Some(_) => Err(TokenError::invalid(name)),
    }
}

/// A name is cleaned, not refused: users choose it, and a strange one must not
/// lock them out, nor reach others' screens and logs as it is.
fn display_name(text: &str) -> Option<String> {
    let kept: String = text
        .chars()
        .filter(|c| !c.is_control() && !is_direction_mark(*c))
        .take(MAX_NAME_CHARS)
        .collect();
    Some(kept.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Characters that turn the direction of the text after them: with them one name
/// can be made to look like another.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn token_id(payload: &Map<String, Value>) -> Result<Option<String>, TokenError> {
    match claim(payload, "jti") {
        None => Ok(None),
        Some(Value::String(id))
            if id.chars().count() <= MAX_TOKEN_ID_CHARS && !id.chars().any(char::is_control) =>
        {
            Ok(Some(id.clone()))
        }
        Some(_) => Err(TokenError::invalid("jti")),
    }
}
