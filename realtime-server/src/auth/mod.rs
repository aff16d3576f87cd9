//! Who is calling: JSON Web Tokens, and the seam for anything else.
//!
//! A [`Verifier`] holds the [`Keys`] that sign tokens (secrets, public keys,
//! and a [`Jwks`] URL) and the [`Rules`] that say what a good token claims. It
//! is a pure function of the token and the time: [`Verifier::verify`] neither
//! waits nor reads a clock. [`Verifier::verify_or_refresh`] is the same with
//! one wait, for keys that an issuer has just rotated.
//!
//! What a token can never do:
//! - choose its algorithm: each key has one, and `none` is none of them;
//! - bring its own key: `jku`, `x5u`, `jwk` and `x5c` are ignored, nothing that
//!   a token names is ever fetched, and `crit` is refused;
//! - make the server fetch keys more than once a minute.
//!
//! A service that knows its users in another way implements [`Authenticator`].

mod authenticator;
mod claims;
mod error;
mod jwks;
mod key;
mod limits;
mod mint;
mod rules;
mod secret;
#[cfg(test)]
mod tests;
mod verifier;

pub use authenticator::{Authenticator, Identity, JwtAuthenticator};
pub use claims::{Claims, Scope};
pub use error::{AuthError, KeyError, TokenError};
pub use jwks::{FetchError, Jwks, JwksUrl};
pub use key::{Algorithm, Keys, VerificationKey};
pub use limits::{MAX_KEY_FILE_BYTES, MAX_LEEWAY, MAX_TOKEN_BYTES, STRONG_SECRET_BYTES};
pub use mint::{MintError, MintRequest, mint};
pub use rules::{Rules, SERVICE_SCOPE};
pub use secret::Secret;
pub use verifier::Verifier;
