//! Mints the HS256 tokens of users and of the service.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::failure::Failure;
use crate::limits::TOKEN_VALIDITY;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const SERVICE_SCOPE: &str = "realtime:service";

/// Signs tokens with the server's secret.
#[derive(Clone)]
pub(crate) struct Mint {
    mac: Hmac<Sha256>,
    issued_at: Duration,
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key must not reach a log.
        f.debug_struct("Mint")
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

impl Mint {
    /// Tokens issued now under `secret`.
    ///
    /// # Errors
    /// When the secret is empty.
    pub(crate) fn new(secret: &str, issued_at: Duration) -> Result<Self, Failure> {
        if secret.is_empty() {
            return Err(Failure::Usage("the secret is empty".to_owned()));
        }
        let mac = Hmac::new_from_slice(secret.as_bytes())
            .map_err(|error| Failure::Usage(format!("the secret is not a key: {error}")))?;
        Ok(Self { mac, issued_at })
    }

    /// A token with which `user` connects.
    pub(crate) fn user(&self, user: &str) -> String {
        self.sign(&self.claims(user))
    }

    /// A token that may create rooms.
    pub(crate) fn service(&self) -> String {
        let mut claims = self.claims("loadgen-service");
        claims["scope"] = SERVICE_SCOPE.into();
        self.sign(&claims)
    }

    fn claims(&self, user: &str) -> Value {
        json!({
            "user_id": user,
            "token_type": "access",
            "iat": self.issued_at.as_secs(),
            "exp": (self.issued_at + TOKEN_VALIDITY).as_secs(),
            "jti": format!("{user}-{}", self.issued_at.as_millis()),
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let mut token = URL_SAFE_NO_PAD.encode(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self
            .mac
            .clone()
            .chain_update(token.as_bytes())
            .finalize()
            .into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}

/// The wall clock since 1970: tokens expire by it, and it tells runs apart.
#[expect(
    clippy::disallowed_methods,
    reason = "`exp` is wall-clock time, and no test steps it"
)]
pub(crate) fn wall_clock() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7515, appendix A.1: signed by others, checked here.
    #[test]
    fn the_signature_is_that_of_the_rfc() {
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let signature = mac.chain_update(signed.as_bytes()).finalize().into_bytes();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(signature),
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
    }

    #[test]
    fn a_token_carries_the_claims_that_the_server_reads() {
        let mint = Mint::new("secret", Duration::from_secs(1_000)).unwrap();
        let claims = |token: &str| -> Value {
            let part = token.split('.').nth(1).unwrap();
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let user = claims(&mint.user("ann"));
        assert_eq!(user["user_id"], "ann");
        assert_eq!(user["token_type"], "access");
        assert_eq!(user["exp"], 1_000 + TOKEN_VALIDITY.as_secs());
        assert!(user.get("scope").is_none());
        assert_eq!(claims(&mint.service())["scope"], SERVICE_SCOPE);
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert!(Mint::new("", Duration::ZERO).is_err());
    }
}
