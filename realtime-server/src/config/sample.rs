//! The sample configuration file, made from the declarations.

use super::{
    reader::variable,
    section::Key,
    sections::{Auth, Database, Events, Hub, Limits, Log, Redis, Search, Server},
};

const HEAD: &str = "\
# Realtime: every key with its default.
#
# Each key is also an environment variable, REALTIME_<SECTION>__<KEY>, which goes before
# this file; command line flags go before both. Durations are written \"250ms\", \"10s\",
# \"1h\"; sizes are in bytes; an empty string stands for none.
";

/// A `realtime.toml` with every key, its meaning, bounds and default.
pub fn sample() -> String {
    let sections: [(&str, &[&str], Vec<Key>); 9] = [
        (Server::NAME, Server::ABOUT, Server::keys()),
        (Database::NAME, Database::ABOUT, Database::keys()),
        (Redis::NAME, Redis::ABOUT, Redis::keys()),
        (Auth::NAME, Auth::ABOUT, Auth::keys()),
        (Limits::NAME, Limits::ABOUT, Limits::keys()),
        (Hub::NAME, Hub::ABOUT, Hub::keys()),
        (Search::NAME, Search::ABOUT, Search::keys()),
        (Events::NAME, Events::ABOUT, Events::keys()),
        (Log::NAME, Log::ABOUT, Log::keys()),
    ];
    let mut text = HEAD.to_owned();
    for (name, about, keys) in sections {
        text.push('\n');
        about.iter().for_each(|line| comment(&mut text, line));
        text.push_str(&format!("[{name}]\n"));
        keys.iter().for_each(|key| entry(&mut text, name, key));
    }
    text
}

fn entry(text: &mut String, section: &str, key: &Key) {
    text.push('\n');
    key.doc.iter().for_each(|line| comment(text, line));
    if let Some(bounds) = &key.bounds {
        comment(text, &format!(" {bounds}."));
    }
    comment(text, &format!(" {}", variable(section, key.name)));
    text.push_str(&format!("{} = {}\n", key.name, key.default));
}

fn comment(text: &mut String, line: &str) {
    // The marks around an example are for rustdoc.
    if line.trim_start().starts_with("```") {
        return;
    }
    text.push_str(&format!("#{line}\n"));
}
