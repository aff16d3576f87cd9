//! Every section and key: its meaning, unit, default and bounds.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    keys::KeyFile,
    section::section,
    values::{ConnectionUrl, LogFormat},
};
use crate::auth::Secret;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

section! {
    /// Addresses, connections and time-outs.
    Server in "server" {
        /// Where to listen. Port 0 takes a free one and prints it.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
        /// Where to serve /metrics, and /healthz and /readyz besides; empty: all at `listen`.
        metrics_listen: Option<SocketAddr> = None;
        /// Browser origins that may connect, such as `https://app.example`. Empty: only
        /// pages of this server itself (Origin equals Host). "*": all.
        allowed_origins: Vec<String> = Vec::new();
        /// Connections of this server, over all users.
        connections: usize = 20_000,
            in 1..=1_000_000, "one needs a file descriptor and about 8 KiB";
        /// Connections of one user to this server.
        connections_per_user: usize = 32,
            in 1..=1_000_000, "a user has several devices and tabs";
        /// Connections from one IP address; 0: unlimited, because many users share one.
        connections_per_ip: usize = 0,
            in 0..=1_000_000, "0 is unlimited";
        /// How long a client may take to send its request headers.
        header_timeout: Duration = seconds(5),
            in 100 ms..=60 s, "slow headers hold a connection without a user";
        /// How long a connection may go without a valid `connect`.
        connect_timeout: Duration = seconds(10),
            in 100 ms..=60 s, "until then a connection has no user to account it to";
        /// How often a connection is pinged.
        ping_interval: Duration = seconds(25),
            in 100 ms..=1 h, "common proxies drop connections that are idle for 30 s";
        /// How long the answer to a ping may take.
        ping_timeout: Duration = seconds(10),
            in 100 ms..=300 s, "a client that is gone is shown as online until then";
        /// How long a server that is stopped takes at most to finish.
        drain_timeout: Duration = seconds(15),
            in 0 s..=1 h, "process managers kill after 10 to 90 s";
        /// The window over which clients of a stopping server spread their reconnects.
        drain_window: Duration = seconds(10),
            in 0 s..=1 h, "clients of one server reconnect to the others";
        /// How long a client may take nothing of what is waiting for it.
        stall_timeout: Duration = seconds(10),
            in 100 ms..=300 s, "until then what waits is held in memory";
        /// Whether X-Forwarded-For names the client. Only behind a proxy that sets it:
        /// otherwise any client can claim any address.
        trust_forwarded_for: bool = false;
        /// Whether users may open rooms themselves (POST /rooms), not only services.
        user_rooms: bool = false;
    }
}

section! {
    /// Where messages are stored.
    Database in "database" {
        /// sqlite://FILE (created when it is missing), postgres://USER@HOST/DATABASE, or
        /// mysql://USER@HOST/DATABASE for MySQL and MariaDB. With a password in it, give it by
        /// the variable REALTIME_DATABASE__URL: command lines are seen by everybody there.
        url: ConnectionUrl = ConnectionUrl::new("sqlite://realtime.db");
        /// Connections of this server to the database. SQLite: one writes, one keeps the log
        /// short, the rest read. Otherwise one for each of the `lanes`, the rest read.
        max_connections: u32 = 8,
            in 1..=1_000, "databases serve few connections better than many";
        /// Transactions that write side by side, each for its share of the rooms; empty: as
        /// many as suit the database. SQLite has one, whatever is said here.
        lanes: Option<u32> = None;
        /// Whether a start brings the schema up to date. With false, a schema that is behind
        /// stops the start: run `realtime-server migrate` before.
        migrate: bool = true;
    }
}

section! {
    /// Several servers as one: Redis carries hints between them, never the truth.
    Redis in "redis" {
        /// redis://HOST:PORT; empty: this is the only server. With a password in it, give it
        /// as REALTIME_REDIS__URL.
        url: Option<ConnectionUrl> = None;
    }
}

section! {
    /// Tokens and the keys that sign them. The secret of HS256 tokens, at least 32 random
    /// bytes, comes from REALTIME_JWT_SECRET or from `secret_file`. Public keys follow at
    /// the end of this section, each as
    ///
    /// ```toml
    /// [[auth.keys]]
    /// kid = "2026-01"     # optional; tokens without one are tried with every key
    /// alg = "RS256"       # or ES256, EdDSA (a PEM public key), HS256 (a secret)
    /// file = "issuer.pem"
    /// ```
    Auth in "auth" {
        /// A file with the HS256 secret. REALTIME_JWT_SECRET goes before it.
        secret_file: Option<PathBuf> = None;
        /// The `kid` of tokens that are signed with the secret, if they carry one.
        secret_kid: Option<String> = None;
        /// The issuer's key set (JWKS): https, or http to this machine.
        jwks_url: Option<String> = None;
        /// What `iss` must be, one of these; empty: not checked.
        issuer: Vec<String> = Vec::new();
        /// What `aud` must contain, one of these; empty: not checked.
        audience: Vec<String> = Vec::new();
        /// How far the issuer's clock may be off.
        leeway: Duration = seconds(5),
            in 0 s..=30 s, "an expired token is accepted for so long";
        /// The claim with the user's id.
        user_claim: String = "user_id".to_owned();
        /// The claim with the user's name.
        name_claim: String = "name".to_owned();
        /// The claim with the scopes; `realtime:service` acts for the platform.
        scope_claim: String = "scope".to_owned();
        /// The claim with the kind of the token.
        token_type_claim: String = "token_type".to_owned();
        /// What kind a token must be; empty: not checked.
        token_type: Option<String> = Some("access".to_owned());
        /// How long before its token ends a connection is asked for a new one.
        refresh_before: Duration = seconds(60),
            in 1 s..=1 h, "the client needs time to fetch a token";
    }
    besides {
        /// The HS256 secret, from [`SECRET_VARIABLE`](super::SECRET_VARIABLE) or
        /// [`secret_file`](Auth::secret_file).
        secret: Option<Secret>;
        /// The key files, `[[auth.keys]]`.
        keys: Vec<KeyFile>;
    }
}

section! {
    /// What one client, room or request may cost. Sizes are in bytes.
    Limits in "limits" {
        /// One WebSocket frame of a client.
        frame_bytes: usize = 65_536,
            in 1_024..=16_777_216, "a frame is held in memory before it is read";
        /// Commands in one frame.
        frame_objects: usize = 32,
            in 1..=1_024, "a frame is worked on in one go";
        /// The text of a message, in UTF-8.
        body_bytes: usize = 8_192,
            in 1..=1_048_576, "every participant gets every message";
        /// The metadata of a message, as JSON.
        metadata_bytes: usize = 4_096,
            in 2..=65_536, "every participant gets every message";
        /// How long after it was sent a user may change the text of a message; empty: for ever.
        edit_window: Option<Duration> = None;
        /// How long after it was sent a user may delete a message; empty: for ever.
        delete_window: Option<Duration> = None;
        /// How long messages are kept; empty: for ever. Older ones are removed for good, in the
        /// background. At least 1h: what is removed by mistake does not come back.
        retention: Option<Duration> = None;
        /// Rooms that one connection follows.
        rooms: usize = 1_000,
            in 1..=100_000, "each costs a place in a table and a share of every sweep";
        /// Participants of one room.
        participants: usize = 20_000,
            in 2..=1_000_000, "one message is delivered to all of them";
        /// Messages that a user may send a second, on average.
        messages_per_second: u32 = 10,
            in 1..=1_000_000_000, "a person writes less than one";
        /// Messages that a user may send at once after a silence.
        message_burst: u32 = 30,
            in 1..=1_000_000_000, "what was written offline is sent at once";
        /// Commands other than messages that a user may give a second, on average.
        commands_per_second: u32 = 50,
            in 1..=1_000_000_000, "receipts and typing come with every message";
        /// Commands that a user may give at once after a silence.
        command_burst: u32 = 200,
            in 1..=1_000_000_000, "a client that reconnects asks about many rooms";
        /// Commands of one connection that may wait for their answers.
        in_flight: usize = 32,
            in 1..=4_096, "each holds memory until the store has answered";
        /// What may wait for a slow reader before typing and presence are left out.
        queue_bytes_soft: usize = 65_536,
            in 1_024..=67_108_864, "times `connections`, this is memory";
        /// What may wait for a slow reader before it is sent to read the store.
        queue_bytes_hard: usize = 262_144,
            in 1_024..=67_108_864, "times `connections`, this is memory";
        /// Changes that may wait for the store before senders are told `busy`.
        commit_queue: usize = 10_000,
            in 1..=1_000_000, "what waits is held in memory and delays what follows";
        /// Changes in one transaction.
        commit_batch: usize = 512,
            in 1..=10_000, "a transaction holds its locks until it ends";
        /// Changes of a room that a returning client is sent; beyond them it reloads.
        catch_up: usize = 5_000,
            in 1..=1_000_000, "more is faster and cheaper to load anew";
        /// The body of a REST request.
        request_bytes: usize = 4_194_304,
            in 1_024..=67_108_864, "20,000 participants with names take about 2.5 MB";
        /// New connections a second; 0: unlimited.
        connects_per_second: u32 = 0,
            in 0..=1_000_000_000, "0 is unlimited";
        /// How deep the JSON of clients may be nested.
        json_depth: usize = 32,
            in 4..=120, "the JSON library itself stops at 128";
    }
}

section! {
    /// Delivery and presence.
    Hub in "hub" {
        /// How long a change waits for the one before it, until the store is asked.
        reorder_window: Duration = ms(30),
            in 0 ms..=10 s, "delivery stands still for so long when a hint is lost";
        /// How often rooms are compared with the store.
        sweep_interval: Duration = seconds(5),
            in 10 ms..=600 s, "what every hint missed is delivered by then";
        /// The same while Redis is not well.
        sweep_interval_degraded: Duration = seconds(1),
            in 10 ms..=600 s, "what every hint missed is delivered by then";
        /// How long a user who lost the connection is still shown as online.
        presence_grace: Duration = seconds(15),
            in 0 s..=1 h, "phones change networks";
        /// How long `typing` holds without being renewed.
        typing_ttl: Duration = seconds(6),
            in 100 ms..=60 s, "a client that vanishes must not type for ever";
    }
}

section! {
    /// Finding messages by their words.
    Search in "search" {
        /// Whether messages can be searched. With false nothing is indexed by this server;
        /// what is missing is indexed when it is true again.
        enabled: bool = true;
    }
}

section! {
    /// What the platform's events do.
    Events in "events" {
        /// How long after job.completed the room is locked.
        lock_after_completed: Duration = hours(24),
            in 0 s..=87_600 h, "there is no longer than ten years";
        /// How long after job.cancelled the room is locked.
        lock_after_cancelled: Duration = seconds(0),
            in 0 s..=87_600 h, "there is no longer than ten years";
    }
}

section! {
    /// Logs. They go to the standard error output.
    Log in "log" {
        /// "text" for people, "json" for machines.
        format: LogFormat = LogFormat::Text;
        /// error, warn, info, debug or trace; also by module: "info,realtime_core=debug".
        level: String = "info".to_owned();
    }
}
