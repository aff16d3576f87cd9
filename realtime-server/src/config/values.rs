//! Values with rules of their own.

use std::fmt;

use super::setting::{Misread, Setting, quoted, text_of};

/// The URL of a database or Redis, which may hold a password.
///
/// `Debug` and `Display` show it without the password and the query.
#[derive(Clone, PartialEq, Eq, PartialOrd)]
pub struct ConnectionUrl(String);

impl ConnectionUrl {
    /// Wraps a URL as it is; [`Config::load`](super::Config::load) checks it.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The whole URL with its password, to connect with.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        let bare = self.0.split(['?', '#']).next().unwrap_or_default();
        let rest = bare.split_once("://").map_or("", |(_, rest)| rest);
        let in_front = rest.rsplit_once('@').map(|(user, _)| user);
        in_front.is_some_and(|user| user.contains(':')) || self.0.contains("password=")
    }

    /// What stands before the first colon.
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }
}

impl fmt::Display for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = self.0.split(['?', '#']).next().unwrap_or_default();
        let Some((scheme, rest)) = bare.split_once("://") else {
            return write!(f, "{}:[redacted]", self.scheme());
        };
        // A password may hold `/` and `@`: all before the last `@` is hidden.
        match rest.rsplit_once('@') {
            Some((_, host)) => write!(f, "{scheme}://[redacted]@{host}"),
            None => f.write_str(bare),
        }
    }
}

impl fmt::Debug for ConnectionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Setting for ConnectionUrl {
    const EXPECTED: &'static str = "a URL";

    fn from_toml(value: &toml::Value) -> Result<Self, Misread> {
        Self::from_text(text_of(value)?)
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if scheme.is_empty() || text.contains(char::is_whitespace) {
            // Not shown: it may hold a password.
            return Err(Misread("not one".to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string())
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl Setting for LogFormat {
    const EXPECTED: &'static str = "\"text\" or \"json\"";

    fn from_toml(value: &toml::Value) -> Result<Self, Misread> {
        Self::from_text(text_of(value)?)
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(Misread::of_text(text)),
        }
    }

    fn to_toml(&self) -> String {
        quoted(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}
