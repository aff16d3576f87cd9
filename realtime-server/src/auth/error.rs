//! What can be wrong with a token, with a key, and with the attempt to tell.

use std::borrow::Cow;

use super::limits::{MAX_KEY_FILE_BYTES, MAX_TOKEN_BYTES};

/// Why a token was refused. No variant holds any part of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// It is no JSON Web Token, or its algorithm is unknown (`none` is).
    #[error("the token is not a signed JSON Web Token")]
    Malformed,
    /// Its header has `crit`: extensions that must be understood and are not.
    #[error("the token needs an extension that is not supported")]
    CriticalHeader,
    /// Its algorithm is not that of the key.
    #[error("the token is signed with an algorithm that is not accepted")]
    UnsupportedAlgorithm,
    /// No key has its `kid`; the issuer may have rotated its keys.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// The signature is not that of the key.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// A claim that must be there is not.
    #[error("the token has no claim `{claim}`")]
    MissingClaim {
        /// The configured name of the claim.
        claim: Cow<'static, str>,
    },
    /// A claim is not of its type or not in its bounds.
    #[error("the token's claim `{claim}` is not valid")]
    InvalidClaim {
        /// The configured name of the claim.
        claim: Cow<'static, str>,
    },
    /// It is of another kind, for example a refresh token.
    #[error("the token is not of the kind that is accepted here")]
    WrongTokenType,
    /// `iss` is none of the configured issuers.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// `aud` has none of the configured audiences.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `nbf` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `exp` lies in the past. The only refusal that a new token mends.
    #[error("the token has expired")]
    Expired,
}

impl TokenError {
    /// The error code of the protocol: `token_expired` or `unauthenticated`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired => "token_expired",
            Self::TooLarge
            | Self::Malformed
            | Self::CriticalHeader
            | Self::UnsupportedAlgorithm
            | Self::UnknownKey
            | Self::BadSignature
            | Self::MissingClaim { .. }
            | Self::InvalidClaim { .. }
            | Self::WrongTokenType
            | Self::WrongIssuer
            | Self::WrongAudience
            | Self::NotYetValid => "unauthenticated",
        }
    }

    /// Whether the signature was good and the token was only too old.
    pub fn is_expired(&self) -> bool {
        matches!(self, Self::Expired)
    }

    pub(super) fn missing(claim: &str) -> Self {
        Self::MissingClaim {
            claim: Cow::Owned(claim.to_owned()),
        }
    }

    pub(super) fn invalid(claim: &str) -> Self {
        Self::InvalidClaim {
            claim: Cow::Owned(claim.to_owned()),
        }
    }
}

/// Why a caller could not be authenticated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token was read and refused.
    #[error(transparent)]
    Refused(#[from] TokenError),
    /// Refused by an authenticator of the host's own; the text goes to the caller.
    #[error("{0}")]
    Denied(Cow<'static, str>),
    /// It cannot be told now whether the token is good: the keys are out of reach.
    #[error("tokens cannot be checked at the moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl AuthError {
    /// The error code of the protocol: `unauthenticated`, `token_expired` or `busy`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Denied(_) => "unauthenticated",
            Self::Unavailable(_) => "busy",
        }
    }

    /// Whether the same token may be accepted later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Refused(_) | Self::Denied(_) => false,
        }
    }
}

/// Why a key cannot be used. No variant holds any part of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is nothing in the secret.
    #[error("the secret is empty")]
    EmptySecret,
    /// The secret is text in PEM form.
    #[error("the secret is a PEM file, and a public key is no secret; set its algorithm instead")]
    PublicSecret,
    /// The key has more bytes than any real one.
    #[error("the key is larger than {MAX_KEY_FILE_BYTES} bytes")]
    TooLarge,
    /// The key is a private one, which a verifier has no business to hold.
    #[error("this is a private key; give the public key only")]
    PrivateKey,
    /// The key is wrapped in a certificate.
    #[error("this is a certificate; give its public key (openssl x509 -pubkey -noout)")]
    Certificate,
    /// The file is no public key of this algorithm.
    #[error("not a PEM public key that fits {algorithm}")]
    WrongKind {
        /// The algorithm it was configured for.
        algorithm: &'static str,
    },
    /// The RSA key is too short to trust or too long to be supported.
    #[error("an RSA key must have 2,048 to 4,096 bits")]
    RsaSize,
    /// The `kid` is empty, too long or has control characters.
    #[error("a key id must have 1 to 256 printable characters")]
    BadKid,
    /// Two keys have one `kid`.
    #[error("two keys have the key id {kid:?}")]
    DuplicateKid {
        /// The id they share.
        kid: String,
    },
    /// There are more keys than any rotation needs.
    #[error("more than 64 keys")]
    TooManyKeys,
    /// The URL of the key set cannot be used.
    #[error(
        "a key set needs an absolute https URL without user name and password \
         (http only to this machine)"
    )]
    BadUrl,
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls,
    /// A key set is refreshed in the background, which needs a tokio runtime.
    #[error("a key set can only be used inside a tokio runtime")]
    NoRuntime,
    /// No key at all is configured.
    #[error(
        "no key to check tokens with: set REALTIME_JWT_SECRET, or `secret_file`, `jwks_url` \
         or `[[auth.keys]]` in the configuration"
    )]
    NoKeys,
}
