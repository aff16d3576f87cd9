//! Takes values out of the layers, one key at a time; what is left is unknown.

use std::path::{Path, PathBuf};

use super::{
    error::Problem,
    layers::{Given, Layers, PREFIX, Raw, SECRET_VARIABLE},
    setting::{Bounds, Misread, Setting},
};
use crate::auth::Secret;

/// How like an unknown name a known one must be to be suggested (1 is equal).
const LIKENESS: f64 = 0.75;

/// The layers, the keys asked for so far, and what was found wrong.
pub(super) struct Reader {
    layers: Layers,
    known: Vec<(&'static str, &'static str)>,
    /// Where each value that counts was given, the later layer last.
    sources: Vec<Source>,
}

struct Source {
    section: &'static str,
    key: &'static str,
    place: String,
    in_file: bool,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            layers,
            known: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// The value of the last layer that gives this key, or the default. Every
    /// layer's value is checked.
    pub(super) fn take<T: Setting>(
        &mut self,
        section: &'static str,
        key: &'static str,
        default: T,
        bounds: Option<&Bounds<T>>,
    ) -> T {
        let mut current = default;
        for given in self.take_given(section, key) {
            match read(&given.value, bounds) {
                Ok(value) => {
                    current = value;
                    let Given { place, in_file, .. } = given;
                    self.sources.push(Source {
                        section,
                        key,
                        place,
                        in_file,
                    });
                }
                Err(message) => self.problem(given.place, message),
            }
        }
        current
    }

    /// Everything that was given under a key, the earlier layer first.
    pub(super) fn take_given(&mut self, section: &'static str, key: &'static str) -> Vec<Given> {
        self.known.push((section, key));
        let name = (section.to_owned(), key.to_owned());
        self.layers.values.remove(&name).unwrap_or_default()
    }

    /// Where the value of a key was given; its name if it is the default.
    fn place(&self, section: &str, key: &str) -> String {
        let source = self.source(section, key);
        source.map_or_else(|| format!("{section}.{key}"), |source| source.place.clone())
    }

    fn source(&self, section: &str, key: &str) -> Option<&Source> {
        self.sources
            .iter()
            .rev()
            .find(|source| source.section == section && source.key == key)
    }

    /// Whether any layer gives this key.
    pub(super) fn is_given(&self, section: &str, key: &str) -> bool {
        self.source(section, key).is_some()
    }

    pub(super) fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.layers.problems.push(Problem {
            place: place.into(),
            message: message.into(),
        });
    }

    /// Complains about the value of a key.
    pub(super) fn complain(&mut self, section: &str, key: &str, message: impl Into<String>) {
        let place = self.place(section, key);
        self.problem(place, message);
    }

    pub(super) fn take_secret(&mut self) -> Option<Secret> {
        self.layers.secret.take()
    }

    /// The path that a key names: one in the file is relative to the file's
    /// folder, any other to the working directory.
    pub(super) fn path_of(&self, section: &str, key: &str, path: &Path) -> PathBuf {
        let in_file = self
            .source(section, key)
            .is_some_and(|source| source.in_file);
        if in_file {
            self.beside_file(path)
        } else {
            path.to_path_buf()
        }
    }

    /// A path that stands in the file.
    pub(super) fn beside_file(&self, path: &Path) -> PathBuf {
        self.layers.folder.join(path)
    }

    /// What was found wrong, after all known keys were taken.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        let unknown = std::mem::take(&mut self.layers.values);
        for ((section, key), given) in unknown {
            let message = self.about_unknown(&section, &key);
            for given in given {
                self.problem(given.place, message.clone());
            }
        }
        for stray in std::mem::take(&mut self.layers.strays) {
            if let Some(meant) = self.nearly(&stray) {
                self.problem(stray, format!("is not known; did you mean {meant}?"));
            }
        }
        self.layers.problems
    }

    fn about_unknown(&self, section: &str, key: &str) -> String {
        if section == "auth" && ["secret", "jwt_secret", "hs256_secret"].contains(&key) {
            return format!(
                "a secret does not belong into a configuration that is shared, backed up and \
                 logged: set {SECRET_VARIABLE}, or name a file in auth.secret_file"
            );
        }
        let sections = self.known.iter().map(|(section, _)| *section);
        if !sections.clone().any(|known| known == section) {
            return format!(
                "there is no section [{section}]{}",
                suggestion(section, sections)
            );
        }
        let keys = self
            .known
            .iter()
            .filter(|known| known.0 == section)
            .map(|known| known.1);
        let hint = suggestion(key, keys);
        let elsewhere = self.known.iter().find(|known| known.1 == key);
        match elsewhere {
            Some((other, _)) if hint.is_empty() => {
                format!("[{section}] has no key {key}, but [{other}] has")
            }
            _ => format!("[{section}] has no key {key}{hint}"),
        }
    }

    /// The variable that a stray one was probably meant to be: one with a single
    /// underscore in the middle, or the secret misspelled.
    fn nearly(&self, stray: &str) -> Option<String> {
        let variables = self
            .known
            .iter()
            .map(|(section, key)| variable(section, key));
        let plain = |name: &str| name.replace("__", "_");
        let meant = variables
            .into_iter()
            .find(|name| plain(name) == stray.to_uppercase());
        let secret = strsim::osa_distance(stray, SECRET_VARIABLE) <= 2;
        meant.or_else(|| secret.then(|| SECRET_VARIABLE.to_owned()))
    }
}

/// The environment variable of a key.
pub(super) fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{}__{}", section.to_uppercase(), key.to_uppercase())
}

pub(super) fn suggestion<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> String {
    let likeness = |name: &str| strsim::jaro_winkler(unknown, name);
    known
        .filter(|name| likeness(name) >= LIKENESS)
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
        .map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

fn read<T: Setting>(raw: &Raw, bounds: Option<&Bounds<T>>) -> Result<T, String> {
    let value = match raw {
        Raw::Toml(value) => T::from_toml(value),
        Raw::Text(text) => T::from_text(text),
    };
    let expected = || match bounds {
        Some(bounds) => format!("{}, {bounds}", T::EXPECTED),
        None => T::EXPECTED.to_owned(),
    };
    let value = value.map_err(|Misread(found)| format!("is {found}; must be {}", expected()))?;
    match bounds {
        Some(bounds) if value < bounds.least || value > bounds.most => {
            Err(format!("is {}; must be {bounds}", value.to_toml()))
        }
        _ => Ok(value),
    }
}
