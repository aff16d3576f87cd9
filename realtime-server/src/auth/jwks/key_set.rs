//! Reads a key set (RFC 7517 §5).

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;

use super::FetchError;
use crate::auth::{key::VerificationKey, limits::MAX_KEYS};

/// Each key is read by itself: one that is not understood must not hide the
/// others (RFC 7517 §5).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// The usable keys of a set, at most 64; of two with the same `kid` and algorithm
/// the first counts.
///
/// A set without any is an error, so that an issuer's mishap does not take away
/// the last good keys.
pub(super) fn read(body: &[u8]) -> Result<Vec<VerificationKey>, FetchError> {
    let set: KeySet = serde_json::from_slice(body).map_err(|_| FetchError::NoUsableKey)?;
    let mut usable: Vec<VerificationKey> = Vec::new();
    for value in set.keys.into_iter().take(MAX_KEYS) {
        let Some(key) = key(value) else { continue };
        if !usable.iter().any(|earlier| is_same(earlier, &key)) {
            usable.push(key);
        }
    }
    if usable.is_empty() {
        Err(FetchError::NoUsableKey)
    } else {
        Ok(usable)
    }
}

fn key(value: Value) -> Option<VerificationKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    VerificationKey::from_jwk(&jwk)
}

fn is_same(one: &VerificationKey, other: &VerificationKey) -> bool {
    one.kid().is_some() && one.kid() == other.kid() && one.algorithm() == other.algorithm()
}
