//! The configuration: defaults, then a TOML file, then the environment, then
//! command line flags; the later wins.
//!
//! Every key `[section] key` of the file is also the environment variable
//! `REALTIME_<SECTION>__<KEY>`. [`Config::load`] reads all layers and reports
//! everything that is wrong at once, by the name under which it was given.
//! Secrets come from `REALTIME_JWT_SECRET` or from files, never from the
//! configuration file itself, and nothing here shows them in `Debug`.
//!
//! ```
//! use realtime_server::config::{Config, Sources};
//!
//! let env = [("REALTIME_LIMITS__MESSAGES_PER_SECOND", "50")];
//! let config = Config::load(Sources::from_env(env))?;
//! assert_eq!(config.limits.messages_per_second, 50);
//! assert_eq!(config.server.listen.port(), 8080);
//! # Ok::<(), realtime_server::config::ConfigErrors>(())
//! ```

mod check;
mod error;
mod keys;
mod layers;
mod reader;
mod sample;
mod section;
mod sections;
mod setting;
#[cfg(test)]
mod tests;
mod values;

use std::{ffi::OsString, path::PathBuf};

use self::reader::Reader;
pub use self::{
    error::{ConfigErrors, Problem},
    keys::KeyFile,
    layers::SECRET_VARIABLE,
    sample::sample,
    sections::{Auth, Database, Events, Hub, Limits, Log, Redis, Search, Server},
    values::{ConnectionUrl, LogFormat},
};

/// Everything that can be set, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Addresses, connections and time-outs.
    pub server: Server,
    /// Where messages are stored.
    pub database: Database,
    /// Several servers as one.
    pub redis: Redis,
    /// Tokens and keys.
    pub auth: Auth,
    /// What one client, room or request may cost.
    pub limits: Limits,
    /// Delivery and presence.
    pub hub: Hub,
    /// Finding messages by their words.
    pub search: Search,
    /// What the platform's events do.
    pub events: Events,
    /// Logs.
    pub log: Log,
}

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub struct Sources<E> {
    /// A TOML file, which must exist.
    pub file: Option<PathBuf>,
    /// Environment variables; `std::env::vars_os()` for those of the process.
    /// What does not begin with `REALTIME_` is not looked at.
    pub env: E,
    /// Command line flags.
    pub overrides: Vec<Override>,
}

impl<E> Sources<E> {
    /// Only the defaults and these environment variables.
    pub fn from_env(env: E) -> Self {
        Self {
            file: None,
            env,
            overrides: Vec::new(),
        }
    }
}

/// A key that a command line flag sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The flag as the user gave it, for messages: `--listen`.
    pub flag: &'static str,
    /// The key that it sets: `server.listen`.
    pub key: &'static str,
    /// Its value, written as in an environment variable.
    pub value: String,
}

impl Config {
    /// Reads and checks every layer.
    ///
    /// # Errors
    /// [`ConfigErrors`] lists everything that is wrong in any layer, also in a
    /// value that a later layer replaces.
    pub fn load<E, K, V>(sources: Sources<E>) -> Result<Self, ConfigErrors>
    where
        E: IntoIterator<Item = (K, V)>,
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let layers = layers::gather(sources);
        let mut reader = Reader::new(layers);
        let mut config = Self::read(&mut reader);
        keys::resolve(&mut config.auth, &mut reader);
        check::all(&config, &mut reader);
        let problems = reader.finish();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors::new(problems))
        }
    }

    fn read(reader: &mut Reader) -> Self {
        Self {
            server: Server::read(reader),
            database: Database::read(reader),
            redis: Redis::read(reader),
            auth: Auth::read(reader),
            limits: Limits::read(reader),
            hub: Hub::read(reader),
            search: Search::read(reader),
            events: Events::read(reader),
            log: Log::read(reader),
        }
    }
}
