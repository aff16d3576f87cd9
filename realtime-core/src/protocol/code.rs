//! The words for what went wrong, the same on every transport.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:literal;)*) => {
        /// What went wrong with a request.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The HTTP status that says the same.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

codes! {
    /// No valid token.
    Unauthenticated = "unauthenticated", 401;
    /// The token was valid.
    TokenExpired = "token_expired", 401;
    /// Known, seen, and not allowed.
    Forbidden = "forbidden", 403;
    /// Does not exist, or not for this caller: the two look the same.
    NotFound = "not_found", 404;
    /// A field is missing or cannot be.
    BadRequest = "bad_request", 400;
    /// No such command.
    UnknownCommand = "unknown_command", 400;
    /// Does not fit the present state.
    Conflict = "conflict", 409;
    /// The same key, other content.
    ClientIdReused = "client_id_reused", 422;
    /// Participants can no longer write here.
    RoomLocked = "room_locked", 409;
    /// More bytes than allowed.
    TooLarge = "too_large", 413;
    /// Refused by a content policy.
    Rejected = "rejected", 422;
    /// Too many of something.
    LimitExceeded = "limit_exceeded", 409;
    /// Too fast; wait.
    RateLimited = "rate_limited", 429;
    /// The server has too much to do; wait.
    Busy = "busy", 503;
    /// The outcome is unknown; repeat with the same `client_id`.
    Timeout = "timeout", 504;
    /// The server's own fault.
    Internal = "internal", 500;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

macro_rules! closes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $word:literal;)*) => {
        /// Why a connection was closed. The range says what the client does:
        /// 40xx reconnects with back-off, 42xx in the advertised window, 43xx with a
        /// new token, 45xx not at all.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum CloseCode {
            $($(#[$doc])* $variant,)*
        }

        impl CloseCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self { $(Self::$variant => $number,)* }
            }

            /// The reason on the wire.
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

closes! {
    /// The client said goodbye.
    Normal = 1000, "normal";
    /// A frame breaks RFC 6455.
    ProtocolError = 1002, "protocol_error";
    /// Binary frames are not spoken here.
    UnsupportedData = 1003, "unsupported_data";
    /// A text frame is not UTF-8.
    InvalidData = 1007, "invalid_data";
    /// A frame is larger than allowed.
    TooBig = 1009, "too_big";
    /// The server's own fault.
    ServerError = 4000, "server_error";
    /// A ping was not answered.
    PingTimeout = 4001, "ping_timeout";
    /// The client took nothing for too long.
    SlowConsumer = 4002, "slow_consumer";
    /// Far more frames than allowed.
    Flood = 4003, "flood";
    /// This server is going away.
    Drain = 4200, "drain";
    /// Another server has more room.
    Rebalance = 4201, "rebalance";
    /// The token ended and no new one came.
    TokenExpired = 4300, "token_expired";
    /// What the token says is no longer so.
    ClaimsChanged = 4301, "claims_changed";
    /// The token is not valid.
    BadToken = 4500, "bad_token";
    /// What the client speaks is not this protocol.
    BadProtocol = 4501, "bad_protocol";
    /// No valid `connect` in time.
    ConnectTimeout = 4502, "connect_timeout";
    /// Too many connections.
    ConnectionLimit = 4503, "connection_limit";
    /// Sent away.
    Kicked = 4504, "kicked";
    /// From a page that may not.
    Origin = 4505, "origin";
}
