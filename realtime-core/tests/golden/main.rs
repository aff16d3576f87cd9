//! Holds both sides to the wire contract: the golden frames in `docs/protocol/frames`,
//! which the clients in other languages read too, and the page that explains them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod files;
mod scene;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use realtime_core::protocol::{CloseCode, Command, ErrorCode, decode};
use serde_json::{Value, json};

use self::files::{Direction, Golden, Reaction};

/// What the encoders made, by the name of the golden file.
type Produced = BTreeMap<&'static str, Value>;

/// Keys of the contract that this server accepts and does not look at.
const NOT_READ: &[(&str, &str)] = &[
    ("connect", "client"),
    ("notifications", "before"),
    ("notifications", "after_rev"),
    ("notifications", "unread_only"),
    ("notifications_read", "ids"),
    ("notifications_read", "up_to"),
];
/// Commands that are not answered.
const UNANSWERED: &[&str] = &["pong"];
/// Pushes that are a frame of another kind in the source: an error without an id.
const ERROR: &str = "error";

fn golden(direction: Direction) -> Vec<Golden> {
    let all = files::frames().into_values();
    all.filter(|golden| golden.direction == direction).collect()
}

/// The word of a command or push, and its body.
fn word_of(frame: &Value) -> (&str, &Value) {
    let object = frame.as_object().unwrap();
    let mut words = object.iter().filter(|(key, _)| *key != "id");
    let (word, body) = words.next().unwrap();
    assert!(words.next().is_none(), "{frame}");
    (word, body)
}

#[test]
fn every_client_frame_is_understood() {
    for Golden { name, frame, .. } in golden(Direction::Client) {
        let (word, _) = word_of(&frame);
        let request = decode(&frame.to_string());
        let request = request.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(request.command.word(), word, "{name}");
        assert_eq!(
            request.id.map(Value::from),
            frame.get("id").cloned(),
            "{name}"
        );
    }
}

/// An unknown key is ignored: without this, a misspelled one would stand in a golden
/// frame for ever.
#[test]
fn every_key_of_a_client_frame_is_read() {
    for Golden { name, frame, .. } in golden(Direction::Client) {
        let (word, body) = word_of(&frame);
        for key in body.as_object().unwrap().keys() {
            let mut spoiled = body.clone();
            // No field is a list of lists.
            spoiled[key] = json!([[[]]]);
            let read = decode(&json!({word: spoiled}).to_string()).is_err();
            let expected = !NOT_READ.contains(&(word, key));
            assert_eq!(read, expected, "{name}: {key}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_server_frame_is_told_to_the_letter() {
    let mut produced = Produced::new();
    values::changes(&mut produced);
    values::signals(&mut produced);
    values::errors(&mut produced);
    values::too_late(&mut produced);
    scene::play(&mut produced).await;

    let golden = golden(Direction::Server);
    for Golden { name, frame, .. } in &golden {
        let made = produced.get(name.as_str());
        let made = made.unwrap_or_else(|| panic!("nothing makes {name}"));
        assert_eq!(made, frame, "{name} is\n{made:#}");
    }
    for (name, made) in &produced {
        let known = golden.iter().any(|golden| golden.name == *name);
        assert!(known, "{name} has no golden file; it is\n{made:#}");
    }
}

#[test]
fn every_command_has_a_frame_and_an_answer() {
    let frames = files::frames();
    let clients = golden(Direction::Client);
    for word in Command::WORDS {
        let asked = clients
            .iter()
            .any(|golden| word_of(&golden.frame).0 == *word);
        assert!(asked, "the command {word} has no golden frame");
        let answer = frames.get(&format!("answer_{word}"));
        let answered = answer.is_some_and(|golden| golden.frame.get("ok").is_some());
        assert_eq!(answered, !UNANSWERED.contains(word), "the answer to {word}");
    }
}

#[test]
fn every_push_has_a_frame() {
    let said = words_said();
    let server = golden(Direction::Server);
    let pushes = || {
        server
            .iter()
            .filter(|golden| golden.frame.get("id").is_none())
    };
    for word in &said {
        let known = pushes().any(|golden| word_of(&golden.frame).0 == word);
        assert!(known, "the push {word} has no golden frame");
    }
    for golden in pushes() {
        let (word, _) = word_of(&golden.frame);
        assert!(said.iter().any(|said| said == word), "nobody says {word}");
        assert!(
            golden.name.starts_with(&format!("push_{word}")),
            "{}",
            golden.name
        );
    }
}

/// Every word under which the sources push something.
fn words_said() -> Vec<String> {
    let mut words = vec![ERROR.to_owned()];
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                words.extend(words_in(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    words.sort();
    words.dedup();
    words
}

fn words_in(source: &str) -> Vec<String> {
    let calls = source.match_indices("push(");
    // `list.push("…")` is another one.
    let ours = calls.filter(|(at, _)| {
        let before = source[..*at].chars().next_back();
        before.is_none_or(|c| c == ':' || !(c == '.' || c == '_' || c.is_alphanumeric()))
    });
    ours.filter_map(|(at, call)| {
        let argument = source[at + call.len()..].trim_start();
        let word = argument.strip_prefix('"')?.split('"').next()?;
        Some(word.to_owned())
    })
    .collect()
}

#[test]
fn a_push_is_found_in_a_source() {
    let source =
        "list.push(\"no\"); push(\n  \"yes\", &x); protocol::push(\"too\", &y); push(word)";
    assert_eq!(words_in(source), ["yes", "too"]);
}

#[test]
fn every_error_has_a_frame_with_its_status() {
    let frames = files::frames();
    for code in ErrorCode::ALL {
        let golden = frames.get(&format!("error_{code}"));
        let golden = golden.unwrap_or_else(|| panic!("the error {code} has no golden frame"));
        assert_eq!(golden.frame["error"]["code"], code.as_str());
        assert_eq!(golden.status, Some(code.status()), "{code}");
    }
    let errors = frames.keys().filter(|name| name.starts_with("error_"));
    assert_eq!(errors.count(), ErrorCode::ALL.len());
}

#[test]
fn every_close_code_is_listed_with_what_its_range_says() {
    let listed = files::closes();
    assert_eq!(listed.len(), CloseCode::ALL.len());
    for code in CloseCode::ALL {
        let entry = listed.iter().find(|entry| entry.code == code.number());
        let entry = entry.unwrap_or_else(|| panic!("{} is not listed", code.number()));
        assert_eq!(entry.reason, code.reason());
        assert!(!entry.note.is_empty());
        let reaction = match code.number() {
            1000 => Reaction::Done,
            1001..4000 => Reaction::Mend,
            4000..4200 => Reaction::BackOff,
            4200..4300 => Reaction::Window,
            4300..4500 => Reaction::NewToken,
            _ => Reaction::Stop,
        };
        assert_eq!(entry.client, reaction, "{}", entry.code);
    }
}

#[test]
fn the_page_explains_every_word() {
    let page = fs::read_to_string(files::docs().join("protocol.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    let explained = |first: &str| {
        rows.iter()
            .any(|row| row.starts_with(&format!("| `{first}` |")))
    };
    for word in Command::WORDS {
        assert!(explained(word), "the command {word} is not explained");
    }
    for word in words_said() {
        assert!(explained(&word), "the push {word} is not explained");
    }
    for code in ErrorCode::ALL {
        let row = format!("| `{code}` | {} |", code.status());
        assert!(page.contains(&row), "{row} is not explained");
    }
    for code in CloseCode::ALL {
        let row = format!("| {} `{}` |", code.number(), code.reason());
        assert!(page.contains(&row), "{row} is not explained");
    }
}

#[test]
fn every_key_is_explained() {
    let page = fs::read_to_string(files::docs().join("protocol.md")).unwrap();
    // Every second piece stands between back ticks.
    let code = page.split('`').skip(1).step_by(2);
    let words: BTreeSet<&str> = code
        .flat_map(|code| code.split(|c: char| !(c.is_alphanumeric() || c == '_')))
        .collect();
    for Golden { name, frame, .. } in files::frames().into_values() {
        for key in keys(&frame) {
            assert!(
                words.contains(key.as_str()),
                "{name}: {key} is not explained"
            );
        }
    }
}

/// The keys of the protocol in a frame; not those that are somebody's own.
fn keys(value: &Value) -> Vec<String> {
    let is_own = |key: &str, value: &Value| {
        ["metadata", "set"].contains(&key) || (key == "rooms" && value.is_object())
    };
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| {
                let below = if is_own(key, value) {
                    Vec::new()
                } else {
                    keys(value)
                };
                std::iter::once(key.clone()).chain(below)
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(keys).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
