//! A shared secret that no log ever shows.

use std::fmt;

use super::{
    error::KeyError,
    limits::{MAX_KEY_FILE_BYTES, STRONG_SECRET_BYTES},
};

/// The secret of HS256 tokens; it should have [`STRONG_SECRET_BYTES`] random bytes.
///
/// `Debug` shows `[redacted]`, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Checks and wraps a secret, byte for byte as the issuer uses it.
    ///
    /// # Errors
    /// [`KeyError::EmptySecret`] without any byte, [`KeyError::TooLarge`] above [`MAX_KEY_FILE_BYTES`], and [`KeyError::PublicSecret`] for text in
    /// PEM form: a public key is no secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err(KeyError::EmptySecret);
        }
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_KEY_FILE_BYTES) {
            return Err(KeyError::TooLarge);
        }
        if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Err(KeyError::PublicSecret);
        }
        Ok(Self(bytes))
    }

    /// A secret as it stands in a file: without the line break that editors add.
    ///
    /// # Errors
    /// Those of [`Secret::new`].
    pub fn from_file_contents(contents: &[u8]) -> Result<Self, KeyError> {
        let line = contents.strip_suffix(b"\n").unwrap_or(contents);
        Self::new(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether it is so short that it can be guessed offline from any token.
    pub fn is_weak(&self) -> bool {
        self.0.len() < STRONG_SECRET_BYTES
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
