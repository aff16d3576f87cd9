//! What a good token claims.

use std::time::Duration;

use super::limits::DEFAULT_LEEWAY;

/// The scope of a token that acts for the platform and not for one user.
pub const SERVICE_SCOPE: &str = "realtime:service";

/// Which claims are read and what they must say. The defaults read the tokens of
/// `djangorestframework-simplejwt` as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `iss` must be one of these; empty: not checked. Default: empty.
    pub issuers: Vec<String>,
    /// `aud` must have one of these; empty: not checked. Default: empty.
    pub audiences: Vec<String>,
    /// How far the issuer's clock may be off, for `exp` and `nbf`. Default 5 s, at
    /// most [`MAX_LEEWAY`](super::MAX_LEEWAY).
    pub leeway: Duration,
    /// The claim with the user's id. Default `user_id`.
    pub user_claim: String,
    /// The claim with the name to show, if any. Default `name`.
    pub name_claim: String,
    /// The claim with the scopes, if any. Default `scope`.
    pub scope_claim: String,
    /// The claim with the kind of the token. Default `token_type`.
    pub token_type_claim: String,
    /// What kind the token must be; `None`: not checked. Default `access`.
    pub token_type: Option<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: DEFAULT_LEEWAY,
            user_claim: "user_id".to_owned(),
            name_claim: "name".to_owned(),
            scope_claim: "scope".to_owned(),
            token_type_claim: "token_type".to_owned(),
            token_type: Some("access".to_owned()),
        }
    }
}
