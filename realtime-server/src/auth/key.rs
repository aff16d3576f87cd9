//! Keys: each has one algorithm, and most have a `kid`.

use std::{fmt, str::FromStr};

use jsonwebtoken::{
    DecodingKey, DecodingKeyKind, crypto,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};

use super::{
    error::KeyError,
    limits::{
        ED25519_KEY_BYTES, MAX_KEY_FILE_BYTES, MAX_KEYS, MAX_KID_BYTES, MAX_RSA_EXPONENT_BYTES,
        RSA_MODULUS_BYTES,
    },
    secret::Secret,
};

/// The algorithms that tokens may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// A secret shared with the issuer: HMAC with SHA-256.
    Hs256,
    /// An RSA key: PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// A key on the curve P-256: ECDSA with SHA-256.
    Es256,
    /// An Ed25519 key.
    EdDsa,
}

impl Algorithm {
    /// The name in the header of a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn of_header(algorithm: jsonwebtoken::Algorithm) -> Option<Self> {
        [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa]
            .into_iter()
            .find(|ours| ours.in_library() == algorithm)
    }

    pub(super) fn in_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    fn in_key_set(self) -> KeyAlgorithm {
        self.in_library().into()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = &'static str;

    /// Reads the name as it stands in tokens, to the letter.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or("must be one of HS256, RS256, ES256, EdDSA")
    }
}

/// A key that tokens are checked with.
#[derive(Clone)]
pub struct VerificationKey {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerificationKey {
    /// A shared secret, for HS256.
    ///
    /// # Errors
    /// [`KeyError::BadKid`].
    pub fn hs256(kid: Option<&str>, secret: &Secret) -> Result<Self, KeyError> {
        let key = DecodingKey::from_secret(secret.as_bytes());
        Ok(Self {
            kid: checked_kid(kid)?,
            algorithm: Algorithm::Hs256,
            key,
        })
    }

    /// A key as it stands in a file: a PEM public key, or for HS256 the secret.
    ///
    /// # Errors
    /// [`KeyError`] says what about the file does not fit the algorithm.
    pub fn from_file_contents(
        kid: Option<&str>,
        algorithm: Algorithm,
        contents: &[u8],
    ) -> Result<Self, KeyError> {
        if algorithm == Algorithm::Hs256 {
            return Self::hs256(kid, &Secret::from_file_contents(contents)?);
        }
        let key = checked(public_key(algorithm, contents)?, algorithm)?;
        Ok(Self {
            kid: checked_kid(kid)?,
            algorithm,
            key,
        })
    }

    /// A key of a key set; `None` when it is not meant for us: another use,
    /// algorithm or curve, a shared secret, or not a sound key.
    pub(super) fn from_jwk(jwk: &Jwk) -> Option<Self> {
        if !is_for_signatures(jwk) {
            return None;
        }
        let algorithm = algorithm_of(jwk)?;
        if jwk
            .common
            .key_algorithm
            .is_some_and(|named| named != algorithm.in_key_set())
        {
            return None;
        }
        let kid = checked_kid(jwk.common.key_id.as_deref()).ok()?;
        let key = checked(DecodingKey::from_jwk(jwk).ok()?, algorithm).ok()?;
        Some(Self {
            kid,
            algorithm,
            key,
        })
    }

    /// The id that tokens name this key by.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one algorithm of this key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn in_library(&self) -> &DecodingKey {
        &self.key
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The keys that are known from the start.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<VerificationKey>);

impl Keys {
    /// Collects keys. Those without a `kid` are tried for tokens without one.
    ///
    /// # Errors
    /// [`KeyError::DuplicateKid`] (a `kid` must say which algorithm is meant) and
    /// [`KeyError::TooManyKeys`].
    pub fn new(keys: Vec<VerificationKey>) -> Result<Self, KeyError> {
        if keys.len() > MAX_KEYS {
            return Err(KeyError::TooManyKeys);
        }
        for (index, key) in keys.iter().enumerate() {
            if let Some(kid) = key.kid()
                && keys
                    .iter()
                    .take(index)
                    .any(|earlier| earlier.kid() == Some(kid))
            {
                return Err(KeyError::DuplicateKid {
                    kid: kid.to_owned(),
                });
            }
        }
        Ok(Self(keys))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_slice(&self) -> &[VerificationKey] {
        &self.0
    }
}

fn checked_kid(kid: Option<&str>) -> Result<Option<String>, KeyError> {
    match kid {
        Some(kid) if !is_kid(kid) => Err(KeyError::BadKid),
        kid => Ok(kid.map(str::to_owned)),
    }
}

/// Whether a text can name a key.
pub(super) fn is_kid(kid: &str) -> bool {
    (1..=MAX_KID_BYTES).contains(&kid.len()) && !kid.chars().any(char::is_control)
}

fn public_key(algorithm: Algorithm, pem: &[u8]) -> Result<DecodingKey, KeyError> {
    if u64::try_from(pem.len()).is_ok_and(|length| length > MAX_KEY_FILE_BYTES) {
        return Err(KeyError::TooLarge);
    }
    let text = String::from_utf8_lossy(pem);
    if text.contains("PRIVATE KEY-----") {
        return Err(KeyError::PrivateKey);
    }
    if text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(KeyError::Certificate);
    }
    let key = match algorithm {
        Algorithm::Hs256 => return Err(KeyError::PublicSecret),
        Algorithm::Rs256 => DecodingKey::from_rsa_pem(pem).and_then(|key| by_components(&key)),
        Algorithm::Es256 => DecodingKey::from_ec_pem(pem),
        Algorithm::EdDsa => DecodingKey::from_ed_pem(pem),
    };
    key.map_err(|_| KeyError::WrongKind {
        algorithm: algorithm.as_str(),
    })
}

/// The same RSA key as numbers; fails for bytes that are none, which the library
/// would otherwise find out at the first token.
fn by_components(key: &DecodingKey) -> jsonwebtoken::errors::Result<DecodingKey> {
    DecodingKey::from_jwk(&Jwk::from_decoding_key(key, None)?)
}

/// The key, once it is known to work: most checks of the library come late, and
/// one of its slices panics.
fn checked(key: DecodingKey, algorithm: Algorithm) -> Result<DecodingKey, KeyError> {
    let wrong_kind = KeyError::WrongKind {
        algorithm: algorithm.as_str(),
    };
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => check_rsa(n, e)?,
        DecodingKeyKind::SecretOrDer(bytes) => {
            if algorithm == Algorithm::EdDsa && bytes.len() != ED25519_KEY_BYTES {
                return Err(wrong_kind);
            }
        }
    }
    // A signature that cannot be good: the answer does not matter, only whether
    // the library takes the key.
    crypto::verify("", b"", &key, algorithm.in_library()).map_err(|_| wrong_kind)?;
    Ok(key)
}

fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    let leading_zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    if !RSA_MODULUS_BYTES.contains(&(modulus.len() - leading_zeros)) {
        return Err(KeyError::RsaSize);
    }
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    let is_one = exponent.iter().rev().skip(1).all(|byte| *byte == 0)
        && exponent.last().is_some_and(|byte| *byte == 1);
    let sound =
        is_odd(modulus) && is_odd(exponent) && !is_one && exponent.len() <= MAX_RSA_EXPONENT_BYTES;
    if sound {
        Ok(())
    } else {
        Err(KeyError::WrongKind { algorithm: "RS256" })
    }
}

fn is_for_signatures(jwk: &Jwk) -> bool {
    let use_fits = match &jwk.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)) => false,
    };
    let operations = jwk.common.key_operations.as_deref();
    use_fits && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

/// What a key of a set is for, by its kind. Shared secrets are never taken from
/// a URL.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Some(Algorithm::Rs256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Some(Algorithm::Es256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(Algorithm::EdDsa)
        }
        AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKeyPair(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::Other(_)
        | _ => None,
    }
}
