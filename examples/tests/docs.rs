//! Holds the pages of documentation to the code: what they name must be there, and what
//! is there must be named.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use realtime_core::{Limits, metrics::Metrics};

/// The pages, from the root.
const PAGES: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/guarantees.md",
    "docs/operations.md",
    "docs/protocol.md",
    "docs/decisions/0001-shape.md",
    "docs/decisions/0002-tokens-and-config.md",
    "docs/decisions/0008-host-transaction.md",
    "benches/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between back ticks, outside of blocks.
fn code(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|prose| prose.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    for name in PAGES {
        let text = page(name);
        let folder = root().join(name);
        let folder = folder.parent().unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            let target = link.split('#').next().unwrap();
            if target.contains("://") || target.is_empty() {
                continue;
            }
            assert!(folder.join(target).exists(), "{name} links to {link}");
        }
    }
}

#[test]
fn files_and_tests_that_are_named_exist() {
    let mut tests = 0;
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/guarantees.md",
    ] {
        let text = page(name);
        for code in code(&text) {
            let (path, test) = code.split_once("::").unwrap_or((code, ""));
            let is_path =
                path.contains('/') && !path.contains([' ', '<', '{']) && !path.starts_with('/');
            if !is_path
                || !Path::new(path)
                    .extension()
                    .is_some_and(|e| e == "rs" || e == "py")
            {
                continue;
            }
            // Inside a crate's own page paths begin at `src`.
            let places = ["", "realtime-server/", "realtime-core/src/"];
            let file = places
                .iter()
                .map(|place| root().join(place).join(path))
                .find(|p| p.exists());
            let file = file.unwrap_or_else(|| panic!("{name}: there is no {path}"));
            if !test.is_empty() {
                let source = fs::read_to_string(file).unwrap();
                assert!(
                    source.contains(&format!("fn {test}(")),
                    "{name}: there is no {code}"
                );
                tests += 1;
            }
        }
    }
    assert!(tests > 30, "only {tests} tests were named");
}

#[test]
fn every_promise_of_the_readme_names_its_test_or_says_that_it_is_not_there() {
    let readme = page("README.md");
    let guarantees = page("docs/guarantees.md");
    for number in 1..=10 {
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| P{number} |")));
        let row = row.unwrap_or_else(|| panic!("P{number} is not in the README"));
        let held = row.trim_end_matches('|').rsplit('|').next().unwrap();
        assert!(held.contains('`') || row.contains("Not there yet"), "{row}");
        assert!(
            guarantees.contains(&format!("\n## P{number} ")),
            "P{number}"
        );
    }
}

#[test]
fn every_key_of_the_configuration_is_explained_with_its_default() {
    let operations = page("docs/operations.md");
    let sample = realtime_server::config::sample();
    let mut section = "";
    let mut keys = BTreeSet::new();
    for line in sample.lines().filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, default)) = line.split_once(" = ") {
            let row = format!("| `{section}.{key}` | `{default}` |");
            assert!(operations.contains(&row), "not in operations.md: {row}");
            keys.insert(format!("{section}.{key}"));
        }
    }
    assert!(keys.len() > 40);
    // Keys that the pages name exist.
    let sections: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| key.split('.').next())
        .collect();
    for name in PAGES {
        let text = page(name);
        for code in code(&text) {
            let Some((section, key)) = code.split_once('.') else {
                continue;
            };
            let is_word = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let is_key =
                sections.contains(section) && is_word(key) && !["rs", "keys"].contains(&key);
            assert!(
                !is_key || keys.contains(code),
                "{name}: there is no key {code}"
            );
        }
    }
}

#[test]
fn every_metric_is_explained() {
    let operations = page("docs/operations.md");
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = Metrics::default();
    // What has a label is only told once it was counted.
    let _ = (
        metrics.connections.of("ws"),
        metrics.store_read_seconds.of("heads"),
    );
    for counter in [
        &metrics.rejects,
        &metrics.errors,
        &metrics.task_restarts,
        &metrics.connections_closed,
    ] {
        counter.of("a").inc();
    }
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut told = BTreeSet::new();
    for line in types {
        let (name, kind) = line.split_once(' ').unwrap();
        let name = if kind == "counter" {
            format!("{name}_total")
        } else {
            name.to_owned()
        };
        let row = format!("| `{name}` | {kind} |");
        assert!(operations.contains(&row), "not in operations.md: {row}");
        told.insert(name);
    }
    // Rows of that table: the others have no kind.
    let rows = operations.lines().filter(|line| {
        let kind = line.split('|').nth(2).map_or("", str::trim);
        line.starts_with("| `realtime_") && ["counter", "gauge", "histogram"].contains(&kind)
    });
    let explained: BTreeSet<String> = rows
        .filter_map(|row| row.split('`').nth(1))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(explained.difference(&told).count(), 0, "{explained:?}");
    assert_eq!(told.len(), 31);
}

/// A number as prose writes it: 20,000.
fn count(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes / 1024)
}

/// The limits that a client meets: the key, and the default as prose writes it.
fn told_limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let seconds = |span: Duration| format!("{} s", span.as_secs());
    let messages = (limits.messages_per_second, limits.message_burst);
    let commands = (limits.commands_per_second, limits.command_burst);
    let queue = (limits.queue_bytes_soft, limits.queue_bytes_hard);
    let ping = (limits.ping_interval, limits.ping_timeout);
    vec![
        ("limits.frame_bytes", kib(limits.frame_bytes)),
        ("limits.frame_objects", count(limits.frame_objects)),
        ("limits.body_bytes", kib(limits.body_bytes)),
        ("limits.metadata_bytes", kib(limits.metadata_bytes)),
        ("limits.rooms", count(limits.rooms)),
        ("limits.participants", count(limits.participants)),
        (
            "limits.messages_per_second",
            format!("{}, {}", messages.0, messages.1),
        ),
        (
            "limits.commands_per_second",
            format!("{}, {}", commands.0, commands.1),
        ),
        ("limits.in_flight", count(limits.in_flight)),
        (
            "limits.queue_bytes_soft",
            format!("{}, {}", kib(queue.0), kib(queue.1)),
        ),
        ("limits.commit_queue", count(limits.commit_queue)),
        (
            "limits.catch_up",
            count(usize::try_from(limits.catch_up).unwrap()),
        ),
        (
            "server.connections_per_user",
            count(limits.connections_per_user),
        ),
        ("server.connect_timeout", seconds(limits.connect_timeout)),
        (
            "server.ping_interval",
            format!("{}, {}", seconds(ping.0), seconds(ping.1)),
        ),
        ("server.stall_timeout", seconds(limits.stall_timeout)),
        ("hub.presence_grace", seconds(limits.presence_grace)),
        ("hub.typing_ttl", seconds(limits.typing_ttl)),
    ]
}

#[test]
fn the_limits_of_the_protocol_are_those_of_the_code() {
    let protocol = page("docs/protocol.md");
    for (key, value) in told_limits(&Limits::default()) {
        let row = protocol
            .lines()
            .find(|line| line.contains(&format!("| `{key}`")));
        let row = row.unwrap_or_else(|| panic!("{key} is not in protocol.md"));
        let mut cells = row.split('|').map(str::trim);
        assert!(cells.any(|cell| cell == value), "{key} is {value}: {row}");
    }
}

#[test]
fn the_example_of_the_readme_is_that_of_the_crate() {
    let readme = page("README.md");
    let example = readme
        .split("```rust\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let docs = page("realtime-core/src/lib.rs");
    let docs: String = docs
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    assert!(docs.contains(example), "the two have parted");
}

#[test]
fn the_transaction_of_the_readme_is_that_of_the_crate() {
    let readme = page("README.md");
    let section = readme.split("## One transaction with your own").nth(1);
    let example = section.unwrap().split("```rust,ignore\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let docs = page("realtime-store-sea/src/host.rs");
    // Lines that begin with `#` are compiled and not shown.
    let docs: String = docs
        .lines()
        .filter_map(|line| line.strip_prefix("///"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .filter(|line| !line.starts_with("# "))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(
        example.contains("realtime.deliver(&handover);"),
        "{example}"
    );
    assert!(docs.contains(example), "the two have parted");
}
