//! `check`: says what is wrong with a configuration, before a server is started on it.

use realtime_server::auth::KeyError;

use super::{Failure, Flags, print, serve};

pub(super) fn run(flags: Flags) -> Result<(), Failure> {
    let config = flags.load()?;
    let mut problems = Vec::new();
    if !config.auth.has_keys() {
        problems.push(KeyError::NoKeys.to_string());
    }
    if config.redis.url.is_some() {
        problems.push(serve::NO_REDIS.to_owned());
    }
    if problems.is_empty() {
        print("the configuration is valid")
    } else {
        Err(Failure::usage(problems.join("\n")))
    }
}
