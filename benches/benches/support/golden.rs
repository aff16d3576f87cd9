//! The frames of the protocol's documentation: what is measured is what is promised.

use std::{fs, path::Path};

use serde_json::Value;

const FRAMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol/frames");

/// The golden frame of this name, as a client writes it: without blanks.
pub(crate) fn frame(name: &str) -> String {
    let file = Path::new(FRAMES).join(name).with_extension("json");
    let text = fs::read_to_string(&file).expect("every frame of the protocol has a golden file");
    let golden: Value = serde_json::from_str(&text).expect("golden files are JSON");
    golden["frame"].to_string()
}
