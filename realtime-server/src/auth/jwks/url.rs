//! Where a key set may be fetched from.

use std::{fmt, net::IpAddr, str::FromStr};

use http::{Uri, uri::Scheme};

use crate::auth::error::KeyError;

/// The URL of a key set: `https`, or `http` to this machine. It comes from the
/// configuration only, never from a token.
#[derive(Clone, PartialEq, Eq)]
pub struct JwksUrl(Uri);

impl JwksUrl {
    /// Checks and wraps a URL.
    ///
    /// # Errors
    /// [`KeyError::BadUrl`]
    pub fn parse(url: &str) -> Result<Self, KeyError> {
        let uri: Uri = url.parse().map_err(|_| KeyError::BadUrl)?;
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or(KeyError::BadUrl)?;
        let scheme_fits = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => is_this_machine(host),
            _ => false,
        };
        // Whoever may read a log line may read the URL: it must hold no password.
        let has_user = uri
            .authority()
            .is_none_or(|authority| authority.as_str().contains('@'));
        if scheme_fits && !has_user {
            Ok(Self(uri))
        } else {
            Err(KeyError::BadUrl)
        }
    }

    pub(super) fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    pub(super) fn as_uri(&self) -> &Uri {
        &self.0
    }
}

impl FromStr for JwksUrl {
    type Err = KeyError;

    fn from_str(url: &str) -> Result<Self, KeyError> {
        Self::parse(url)
    }
}

impl fmt::Debug for JwksUrl {
    /// Without the query, which may hold an access key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self
            .0
            .authority()
            .map_or("", |authority| authority.as_str());
        write!(f, "{scheme}://{authority}{}", self.0.path())
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
