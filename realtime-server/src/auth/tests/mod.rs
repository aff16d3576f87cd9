//! What a token may and may not do.

mod claims;
mod hostile;
mod interop;
mod key_files;
mod key_set;
mod minting;
mod properties;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::*;

/// 2026-01-01T00:00:00Z
const NOW: i64 = 1_767_225_600;
const NOW_MS: i64 = NOW * 1_000;
const SECRET: &str = "a secret of tests, with more than 32 bytes";

// Made with openssl; they sign nothing but these tests.
const RSA_PRIVATE: &str = include_str!("keys/rsa.private.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa.public.pem");
const RSA2_PRIVATE: &str = include_str!("keys/rsa2.private.pem");
const EC_PRIVATE: &str = include_str!("keys/ec.private.pem");
const EC_PUBLIC: &str = include_str!("keys/ec.public.pem");
const ED_PRIVATE: &str = include_str!("keys/ed.private.pem");
const ED_PUBLIC: &str = include_str!("keys/ed.public.pem");

const ASYMMETRIC: [(Algorithm, &str, &str); 3] = [
    (Algorithm::Rs256, RSA_PRIVATE, RSA_PUBLIC),
    (Algorithm::Es256, EC_PRIVATE, EC_PUBLIC),
    (Algorithm::EdDsa, ED_PRIVATE, ED_PUBLIC),
];

fn secret() -> Secret {
    Secret::new(SECRET).unwrap()
}

/// A verifier with one secret and the default rules.
fn verifier() -> Verifier {
    with_rules(Rules::default())
}

fn with_rules(rules: Rules) -> Verifier {
    let keys = Keys::new(vec![VerificationKey::hs256(None, &secret()).unwrap()]).unwrap();
    Verifier::new(keys, None, rules).unwrap()
}

fn with_public_key(kid: Option<&str>, algorithm: Algorithm, pem: &str) -> Verifier {
    let key = VerificationKey::from_file_contents(kid, algorithm, pem.as_bytes()).unwrap();
    Verifier::new(Keys::new(vec![key]).unwrap(), None, Rules::default()).unwrap()
}

/// What a good access token claims.
fn good() -> Value {
    json!({"token_type": "access", "exp": NOW + 300, "iat": NOW, "jti": "1f", "user_id": "ann"})
}

/// `good()` with some claims changed; `null` takes one away.
fn good_but(changes: &Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        let claims = claims.as_object_mut().unwrap();
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
    claims
}

fn signed(claims: &Value) -> String {
    signed_with_header(&json!({"alg": "HS256", "typ": "JWT"}), claims)
}

/// An HS256 token with any header and payload, rightly signed.
fn signed_with_header(header: &Value, claims: &Value) -> String {
    signed_text(&header.to_string(), &claims.to_string(), SECRET.as_bytes())
}

fn signed_text(header: &str, claims: &str, secret: &[u8]) -> String {
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let key = EncodingKey::from_secret(secret);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256);
    format!("{message}.{}", signature.unwrap())
}

fn signed_by(algorithm: Algorithm, kid: Option<&str>, private_pem: &str, claims: &Value) -> String {
    let pem = private_pem.as_bytes();
    let key = match algorithm {
        Algorithm::Hs256 => EncodingKey::from_secret(pem),
        Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem).unwrap(),
        Algorithm::Es256 => EncodingKey::from_ec_pem(pem).unwrap(),
        Algorithm::EdDsa => EncodingKey::from_ed_pem(pem).unwrap(),
    };
    let mut header = Header::new(algorithm.in_library());
    header.kid = kid.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

fn encoded(part: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

fn refusal(claims: &Value) -> TokenError {
    verifier().verify(&signed(claims), NOW_MS).unwrap_err()
}

fn missing(claim: &'static str) -> TokenError {
    TokenError::MissingClaim {
        claim: claim.into(),
    }
}

fn invalid(claim: &'static str) -> TokenError {
    TokenError::InvalidClaim {
        claim: claim.into(),
    }
}
