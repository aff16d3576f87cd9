//! Every number of this module, with its unit and its reason.

use std::time::Duration;

/// Bytes of a token before it is parsed. Real tokens have below 2 KiB; 8 KiB is
/// also what common proxies allow for a header line.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Bytes that an HS256 secret should have: RFC 7518 §3.2 asks for as many as the hash
/// has, and a shorter one can be guessed offline from any token. Issuers that are in
/// use have shorter ones all the same, so that this is told and not enforced.
pub const STRONG_SECRET_BYTES: usize = 32;

/// Bytes of a key file at most. An RSA key of 4,096 bits has 800.
pub const MAX_KEY_FILE_BYTES: u64 = 64 * 1024;

/// How far the issuer's clock may be off, at most; protocol.md §5.
pub const MAX_LEEWAY: Duration = Duration::from_secs(30);

/// How far the issuer's clock may be off, unless configured otherwise: more
/// than NTP ever leaves, less than a person would notice.
pub(super) const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// Bytes of a `kid`. Thumbprints have 43, UUIDs 36.
pub(super) const MAX_KID_BYTES: usize = 256;

/// Keys from one source: a rotation needs two or three.
pub(super) const MAX_KEYS: usize = 64;

/// Signatures that are checked for one token without a `kid`. It bounds what a
/// forged token costs.
pub(super) const MAX_CANDIDATES: usize = 8;

/// Characters of a user id: the width of the column that holds it.
pub(super) const MAX_USER_CHARS: usize = 64;

/// Characters of a display name; the rest is cut off.
pub(super) const MAX_NAME_CHARS: usize = 128;

/// Characters of a `jti`.
pub(super) const MAX_TOKEN_ID_CHARS: usize = 128;

/// The last second that RFC 3339 can spell: 9999-12-31T23:59:59Z.
pub(super) const LAST_SECOND: u64 = 253_402_300_799;

/// Bytes of an RSA modulus. Below 2,048 bits a key counts as broken (NIST SP
/// 800-131A); above 4,096 the library refuses it.
pub(super) const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

/// Bytes of an RSA exponent; in practice it is 65,537, which has three.
pub(super) const MAX_RSA_EXPONENT_BYTES: usize = 4;

/// Bytes of an Ed25519 public key; RFC 8032 §5.1.5. The library slices without
/// looking, so this must be checked before it sees the key.
pub(super) const ED25519_KEY_BYTES: usize = 32;

/// Bytes of a key set. A set of ten RSA keys with certificates has 30 KiB.
pub(super) const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// Bytes of the response's header section.
pub(super) const MAX_FETCH_HEADER_BYTES: usize = 32 * 1024;

/// How long one fetch of a key set may take in all: a connection that waits for
/// it is itself closed after 10 s without a valid token.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a caller waits for a fetch: a little longer than one can take.
pub(super) const MAX_REFRESH_WAIT: Duration = Duration::from_secs(6);

/// How long the TCP connection to the issuer may take.
pub(super) const FETCH_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The least time between two fetches, whatever tokens ask for.
pub(super) const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(60);

/// How old a key set grows before it is fetched again unasked. It bounds how
/// long a key lives on after its issuer withdrew it.
pub(super) const REFRESH_INTERVAL: Duration = Duration::from_secs(600);
