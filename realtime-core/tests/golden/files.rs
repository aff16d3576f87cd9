//! The golden files in `docs/protocol`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

/// One golden frame.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Golden {
    /// As the file is called.
    pub(crate) name: String,
    pub(crate) direction: Direction,
    /// The object on the wire.
    pub(crate) frame: Value,
    /// What it shows.
    pub(crate) note: String,
    /// Of an error: the status that says the same in REST.
    pub(crate) status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Client,
    Server,
}

/// One close code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: String,
    /// What the client does.
    pub(crate) client: Reaction,
    pub(crate) note: String,
}

/// What a close code tells the client to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reaction {
    /// Nothing: it said goodbye itself.
    Done,
    /// Nothing: the client is at fault and must be mended.
    Mend,
    /// Reconnect with back-off and jitter.
    BackOff,
    /// Reconnect at a random moment of the window that was told.
    Window,
    /// Get a new token, then reconnect.
    NewToken,
    /// Stop and tell the user.
    Stop,
}

pub(crate) fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// All golden frames by name.
pub(crate) fn frames() -> BTreeMap<String, Golden> {
    let files = fs::read_dir(docs().join("protocol/frames")).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let golden: Golden = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(path.file_stem().unwrap(), golden.name.as_str());
            assert!(!golden.note.is_empty(), "{} has no note", golden.name);
            (golden.name.clone(), golden)
        })
        .collect()
}

/// The close codes.
pub(crate) fn closes() -> Vec<Close> {
    let text = fs::read_to_string(docs().join("protocol/close_codes.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
