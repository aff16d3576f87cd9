//! From a token to its claims.

use jsonwebtoken::{crypto, dangerous::insecure_decode_claims};
use serde_json::{Map, Value};

use super::{
    claims::Claims,
    error::{AuthError, KeyError, TokenError},
    jwks::{Jwks, Outcome},
    key::{Algorithm, Keys, VerificationKey, is_kid},
    limits::{MAX_CANDIDATES, MAX_LEEWAY, MAX_TOKEN_BYTES},
    rules::Rules,
};

/// Checks tokens. Cheap to share (`Arc`); safe to use from many tasks.
#[derive(Debug)]
pub struct Verifier {
    keys: Keys,
    jwks: Option<Jwks>,
    rules: Rules,
}

impl Verifier {
    /// A verifier with these keys, and those of a key set if there is one.
    ///
    /// A leeway above [`MAX_LEEWAY`] is cut to it.
    ///
    /// # Errors
    /// [`KeyError::NoKeys`] when there is neither.
    pub fn new(keys: Keys, jwks: Option<Jwks>, mut rules: Rules) -> Result<Self, KeyError> {
        if keys.is_empty() && jwks.is_none() {
            return Err(KeyError::NoKeys);
        }
        rules.leeway = rules.leeway.min(MAX_LEEWAY);
        Ok(Self { keys, jwks, rules })
    }

    /// What a token must claim.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Checks a token against the keys that are known now. `now_ms` is the time
    /// in milliseconds since 1970; nothing else decides the answer.
    ///
    /// # Errors
    /// [`TokenError`] says why the token is refused.
    pub fn verify(&self, token: &str, now_ms: i64) -> Result<Claims, TokenError> {
        let header = Header::read(token)?;
        let fetched = self.jwks.as_ref().map(Jwks::keys).unwrap_or_default();
        let known: Vec<&VerificationKey> =
            self.keys.as_slice().iter().chain(fetched.iter()).collect();
        let payload = signed_payload(token, &candidates(&known, &header)?)?;
        Claims::read(&payload, &self.rules, now_ms)
    }

    /// Like [`verify`](Self::verify); but for a token whose key is unknown it
    /// first has the key set fetched, at most once a minute for all callers.
    ///
    /// # Errors
    /// [`AuthError::Refused`] when the token is not good, and
    /// [`AuthError::Unavailable`] when its key is unknown and the key set cannot
    /// be had.
    ///
    /// # Cancel safety
    /// Cancel safe: the fetch runs in a task of its own and goes on.
    pub async fn verify_or_refresh(&self, token: &str, now_ms: i64) -> Result<Claims, AuthError> {
        let refusal = match self.verify(token, now_ms) {
            Ok(claims) => return Ok(claims),
            Err(refusal) => refusal,
        };
        let Some(jwks) = self
            .jwks
            .as_ref()
            .filter(|_| may_be_in_key_set(token, &refusal))
        else {
            return Err(refusal.into());
        };
        let outcome = jwks.refresh().await;
        match (self.verify(token, now_ms), outcome) {
            (Ok(claims), _) => Ok(claims),
            // The key may be in the set that could not be had: not the token's fault.
            (Err(TokenError::UnknownKey), Outcome::Failed(cause)) => {
                Err(AuthError::Unavailable(Box::new(cause)))
            }
            (Err(refusal), Outcome::Fresh | Outcome::Failed(_)) => Err(refusal.into()),
        }
    }
}

/// What decides the key. Everything else in a header is ignored.
struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl Header {
    fn read(token: &str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.crit.is_some() {
            return Err(TokenError::CriticalHeader);
        }
        if header.kid.as_deref().is_some_and(|kid| !is_kid(kid)) {
            return Err(TokenError::Malformed);
        }
        let algorithm = Algorithm::of_header(header.alg).ok_or(TokenError::UnsupportedAlgorithm)?;
        Ok(Self {
            algorithm,
            kid: header.kid,
        })
    }
}

/// The keys that may have signed a token: the one with its `kid`, or for a token
/// without one, those of its algorithm.
fn candidates<'a>(
    known: &[&'a VerificationKey],
    header: &Header,
) -> Result<Vec<&'a VerificationKey>, TokenError> {
    let is_named =
        |key: &VerificationKey| header.kid.is_some() && key.kid() == header.kid.as_deref();
    let fitting: Vec<_> = known
        .iter()
        .copied()
        .filter(|key| key.algorithm() == header.algorithm)
        .filter(|key| header.kid.is_none() || is_named(key))
        .take(MAX_CANDIDATES)
        .collect();
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    // The key decides the algorithm: HS256 "signed" with a public key ends here.
    if known.iter().any(|key| is_named(key)) {
        return Err(TokenError::UnsupportedAlgorithm);
    }
    Err(TokenError::UnknownKey)
}

/// The payload, once one of the keys proves the signature.
///
/// Only the signature is left to the library: its own check of the claims reads
/// the system's clock and is lenient about their types (it rounds `exp`).
fn signed_payload(
    token: &str,
    candidates: &[&VerificationKey],
) -> Result<Map<String, Value>, TokenError> {
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    for key in candidates {
        let algorithm = key.algorithm().in_library();
        if crypto::verify(signature, message.as_bytes(), key.in_library(), algorithm)
            .map_err(|_| TokenError::Malformed)?
        {
            return insecure_decode_claims(token).map_err(|_| TokenError::Malformed);
        }
    }
    Err(TokenError::BadSignature)
}

/// Whether fetching the key set could make a refused token good.
fn may_be_in_key_set(token: &str, refusal: &TokenError) -> bool {
    *refusal == TokenError::UnknownKey
        && Header::read(token).is_ok_and(|header| header.algorithm != Algorithm::Hs256)
}
