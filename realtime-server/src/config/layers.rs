//! Gathers what each layer gives, before anything is understood.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{Override, Sources, error::Problem};
use crate::auth::Secret;

/// The environment variable with the HS256 secret.
pub const SECRET_VARIABLE: &str = "REALTIME_JWT_SECRET";

pub(super) const PREFIX: &str = "REALTIME_";

/// Bytes of a configuration file; the sample has 10 KiB.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What all layers give.
#[derive(Default)]
pub(super) struct Layers {
    /// By section and key, the earlier layer first.
    pub(super) values: BTreeMap<(String, String), Vec<Given>>,
    /// Variables that are no key of a section, but look as if they were meant.
    pub(super) strays: Vec<String>,
    /// The folder of the file, to which paths in the file are relative.
    pub(super) folder: PathBuf,
    pub(super) secret: Option<Secret>,
    pub(super) problems: Vec<Problem>,
}

/// A value as it was given.
pub(super) struct Given {
    /// Its name for the user.
    pub(super) place: String,
    pub(super) value: Raw,
    /// Whether a relative path is relative to the file's folder.
    pub(super) in_file: bool,
}

pub(super) enum Raw {
    Toml(Value),
    Text(String),
}

pub(super) fn gather<E, K, V>(sources: Sources<E>) -> Layers
where
    E: IntoIterator<Item = (K, V)>,
    K: Into<OsString>,
    V: Into<OsString>,
{
    let mut layers = Layers::default();
    if let Some(path) = &sources.file {
        layers.add_file(path);
    }
    for (name, value) in sources.env {
        // A name that is not text cannot be ours.
        if let Ok(name) = name.into().into_string()
            && name.starts_with(PREFIX)
        {
            layers.add_variable(name, value.into());
        }
    }
    for flag in sources.overrides {
        layers.add_flag(flag);
    }
    layers
}

impl Layers {
    fn problem(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem {
            place: place.into(),
            message: message.into(),
        });
    }

    fn add(&mut self, section: &str, key: &str, given: Given) {
        self.values
            .entry((section.to_owned(), key.to_owned()))
            .or_default()
            .push(given);
    }

    fn add_file(&mut self, path: &Path) {
        let shown = path.display().to_string();
        self.folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let table = match read_text(path).and_then(|text| parse(&text)) {
            Ok(table) => table,
            Err(message) => return self.problem(shown, message),
        };
        for (section, value) in table {
            let Value::Table(keys) = value else {
                self.problem(
                    format!("{section} ({shown})"),
                    "stands outside of any section such as [server]",
                );
                continue;
            };
            for (key, value) in keys {
                let place = format!("{section}.{key} ({shown})");
                self.add(
                    &section,
                    &key,
                    Given {
                        place,
                        value: Raw::Toml(value),
                        in_file: true,
                    },
                );
            }
        }
    }

    fn add_variable(&mut self, name: String, value: OsString) {
        let Ok(value) = value.into_string() else {
            return self.problem(name, "is not UTF-8");
        };
        if name == SECRET_VARIABLE {
            return self.add_secret(value);
        }
        let rest = name.strip_prefix(PREFIX).unwrap_or_default().to_lowercase();
        match rest.split_once("__") {
            Some((section, key)) => {
                let given = Given {
                    place: name,
                    value: Raw::Text(value),
                    in_file: false,
                };
                self.add(section, key, given);
            }
            // Kubernetes sets variables such as REALTIME_PORT for a service of
            // this name: only what is nearly ours is worth a word.
            None => self.strays.push(name),
        }
    }

    fn add_secret(&mut self, value: String) {
        match Secret::new(value) {
            Ok(secret) => self.secret = Some(secret),
            Err(error) => self.problem(SECRET_VARIABLE, error.to_string()),
        }
    }

    fn add_flag(&mut self, flag: Override) {
        let Override { flag, key, value } = flag;
        let (section, key) = key.split_once('.').unwrap_or((key, ""));
        let given = Given {
            place: flag.to_owned(),
            value: Raw::Text(value),
            in_file: false,
        };
        self.add(section, key, given);
    }
}

/// The text of a configuration file.
fn read_text(path: &Path) -> Result<String, String> {
    let bytes = read_file(path, MAX_FILE_BYTES)?;
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

/// The bytes of a file of at most `most` bytes; or what to tell the user.
pub(super) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large.
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
        return Err(format!("is larger than {most} bytes"));
    }
    Ok(bytes)
}

/// The message is made here: that of the parser shows the line, and with it
/// whatever someone mistook for a place to keep a secret.
fn parse(text: &str) -> Result<Table, String> {
    text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text
            .bytes()
            .take(start)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1;
        format!("is not TOML at line {line}: {}", error.message())
    })
}
