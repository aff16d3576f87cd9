//! Holds the edges between our crates, between the modules of `realtime-core`, and to
//! the crates of others. What is allowed stands in `modules.rs` and in `FOREIGN`; what
//! it is for, in `ARCHITECTURE.md`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod modules;
mod paths;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Crates of others that stay in one place: their names in a path, and the folders
/// and files whose sources and manifests may name them.
#[rustfmt::skip]
const FOREIGN: &[(&[&str], &[&str])] = &[
    // The booking service is a host, with tables of its own.
    (&["sea_orm", "sea_query", "sqlx"],
        &["realtime-store-sea/", "examples/booking/"]),
    (&["fred", "redis"], &["realtime-redis/"]),
    // Examples and load generators stand at the other end of the socket.
    (&["hyper", "hyper_util", "hyper_rustls", "tokio_tungstenite", "tungstenite", "axum"],
        &["realtime-server/", "examples/", "benches/", "testkit/"]),
    (&["jsonwebtoken"], &["realtime-server/src/auth/", "realtime-server/Cargo.toml"]),
    (&["native_tls", "openssl", "aws_lc_rs"], &[]),
];

/// What the pure conversation must not touch: runtime, clock and randomness.
const IMPURE: &[&str] = &[
    "tokio",
    "SystemTime",
    "now",
    "Clock",
    "rand",
    "uuid",
    "async_trait",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The packages of the workspace, from its manifest.
fn packages() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.split("members = [").nth(1).unwrap();
    let members = members.split(']').next().unwrap();
    let names = members.split(',').map(|name| name.trim().trim_matches('"'));
    names
        .filter(|name| !name.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// Every Rust source below a folder, with its path from the workspace's root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap();
                let name = name.to_str().unwrap().replace('\\', "/");
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The crates that a manifest depends on, as they are named in a path.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            // [dependencies.name]
            if let Some((_, name)) = section.split_once("dependencies.") {
                found.push(name.replace('-', "_"));
            }
        } else if section.ends_with("dependencies")
            && let Some(end) = line.find([' ', '.', '='])
        {
            found.push(line[..end].replace('-', "_"));
        }
    }
    found
}

/// The foreign crates that a file must not name.
fn out_of_place<'a>(file: &str, named: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    named
        .filter(|name| {
            FOREIGN.iter().any(|(crates, homes)| {
                crates.contains(name) && !homes.iter().any(|home| file.starts_with(home))
            })
        })
        .map(|name| format!("{file} names {name}"))
        .collect()
}

/// The module path of a source of a crate: `src/hub/topic.rs` is `hub::topic`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.split_once("/src/").unwrap().1.trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(ToOwned::to_owned).collect();
    if matches!(
        module.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        module.pop();
    }
    module
}

/// The sources of `realtime-core` that are not tests, by module path.
fn core_modules() -> Vec<(Vec<String>, String)> {
    let sources = sources("realtime-core/src").into_iter();
    sources
        .map(|(file, source)| (module_of(&file), source))
        .filter(|(module, _)| !module.is_empty() && !module.iter().any(|name| name == "tests"))
        .collect()
}

#[test]
fn foreign_crates_stay_in_their_place() {
    let mut faults = BTreeSet::new();
    for package in packages() {
        let manifest = format!("{package}/Cargo.toml");
        let text = fs::read_to_string(root().join(&manifest)).unwrap();
        let named = dependencies(&text);
        assert!(!named.is_empty(), "{manifest} depends on nothing");
        faults.extend(out_of_place(&manifest, named.iter().map(String::as_str)));
        for (file, source) in sources(&package) {
            let paths = paths::paths(&source);
            let named = paths.iter().map(|path| path[0].as_str());
            faults.extend(out_of_place(&file, named));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_planted_crate_is_found() {
    let manifest = "[dependencies]\nsea-orm.workspace = true\nserde = \"1\"\n\
                    [dev-dependencies.jsonwebtoken]\nversion = \"11\"\n[lints]\nhyper = true\n";
    let named = dependencies(manifest);
    assert_eq!(named, ["sea_orm", "serde", "jsonwebtoken"]);
    let named = || named.iter().map(String::as_str);
    let faults = out_of_place("realtime-core/Cargo.toml", named());
    let expected = [
        "realtime-core/Cargo.toml names jsonwebtoken",
        "realtime-core/Cargo.toml names sea_orm",
    ];
    assert!(faults.iter().map(String::as_str).eq(expected), "{faults:?}");
    assert!(out_of_place("realtime-server/src/http/mod.rs", ["hyper"].into_iter()).is_empty());
    assert!(
        !out_of_place(
            "realtime-server/src/http/mod.rs",
            ["jsonwebtoken"].into_iter()
        )
        .is_empty()
    );
}

#[test]
fn modules_of_the_core_use_what_they_may() {
    let modules = core_modules();
    let mut faults = BTreeSet::new();
    let mut needed = BTreeSet::new();
    for (module, source) in &modules {
        for used in modules::uses(source, module) {
            match modules::allowed_by(&module[0], &used) {
                Ok(entry) => drop(needed.insert((module[0].clone(), entry))),
                Err(fault) => drop(faults.insert(fault)),
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    // A table that allows what nobody does says nothing.
    for (module, allowed) in modules::EDGES {
        assert!(
            modules.iter().any(|(name, _)| name[0] == *module),
            "there is no {module}"
        );
        for entry in *allowed {
            let edge = ((*module).to_owned(), *entry);
            assert!(
                needed.contains(&edge),
                "{module} does not use {entry}: strike it"
            );
        }
    }
}

#[test]
fn every_module_of_the_core_is_in_the_table() {
    for (module, _) in core_modules() {
        let known = modules::EDGES.iter().any(|(name, _)| *name == module[0]);
        assert!(known, "{} is not in the table of edges", module[0]);
    }
}

#[test]
fn the_session_is_pure() {
    let impure = |source: &str| -> Vec<String> {
        let paths = paths::paths(source);
        let words = paths
            .iter()
            .flatten()
            .filter(|word| IMPURE.contains(&word.as_str()));
        words.cloned().collect()
    };
    assert_eq!(
        impure("fn f() { let now = std::time::Instant::now(); }"),
        ["now"]
    );
    assert_eq!(impure("use tokio::sync::Notify;"), ["tokio"]);
    for pure in ["session", "protocol", "change", "event"] {
        let mut sources = core_modules()
            .into_iter()
            .filter(|(name, _)| name[0] == pure)
            .peekable();
        assert!(sources.peek().is_some(), "there is no {pure}");
        for (name, source) in sources {
            assert!(
                impure(&source).is_empty(),
                "{name:?} names {:?}",
                impure(&source)
            );
        }
    }
}
