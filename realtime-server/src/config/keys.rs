//! The keys of `[auth]`: read from their files, and turned into a verifier.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::{
    layers::{Raw, read_file},
    reader::{Reader, suggestion},
    sections::Auth,
    setting::type_name,
};
use crate::auth::{
    Algorithm, Jwks, JwksUrl, KeyError, Keys, MAX_KEY_FILE_BYTES, Rules, Secret, VerificationKey,
    Verifier,
};

const SECTION: &str = Auth::NAME;
const KEYS: &str = "keys";

/// One `[[auth.keys]]`, with what its file holds. `Debug` does not show that.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The `kid` of the tokens that this key signs.
    pub kid: Option<String>,
    /// The one algorithm of this key.
    pub algorithm: Algorithm,
    /// Where the key was read from.
    pub path: PathBuf,
    contents: Vec<u8>,
}

impl KeyFile {
    /// Reads a key and checks that it fits its algorithm.
    ///
    /// # Errors
    /// A text for the user.
    fn open(kid: Option<String>, algorithm: Algorithm, path: &Path) -> Result<Self, String> {
        let contents = read_file(path, MAX_KEY_FILE_BYTES)
            .map_err(|message| format!("{} {message}", path.display()))?;
        let file = Self {
            kid,
            algorithm,
            path: path.to_path_buf(),
            contents,
        };
        file.key()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(file)
    }

    fn key(&self) -> Result<VerificationKey, KeyError> {
        VerificationKey::from_file_contents(self.kid.as_deref(), self.algorithm, &self.contents)
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Auth {
    /// Whether there is any key to check tokens with.
    pub fn has_keys(&self) -> bool {
        self.secret.is_some() || !self.keys.is_empty() || self.jwks_url.is_some()
    }

    /// What a token must claim.
    pub fn rules(&self) -> Rules {
        Rules {
            issuers: self.issuer.clone(),
            audiences: self.audience.clone(),
            leeway: self.leeway,
            user_claim: self.user_claim.clone(),
            name_claim: self.name_claim.clone(),
            scope_claim: self.scope_claim.clone(),
            token_type_claim: self.token_type_claim.clone(),
            token_type: self.token_type.clone(),
        }
    }

    /// A verifier with all the keys. With a `jwks_url` it begins to fetch them,
    /// which needs a tokio runtime.
    ///
    /// # Errors
    /// [`KeyError::NoKeys`] when no key is configured; with a `jwks_url`,
    /// [`KeyError::NoRuntime`] and [`KeyError::Tls`]. The keys themselves were
    /// checked when the configuration was loaded.
    pub fn verifier(&self) -> Result<Verifier, KeyError> {
        let url = self.jwks_url.as_deref().map(JwksUrl::parse).transpose()?;
        let jwks = url.map(Jwks::start).transpose()?;
        Verifier::new(self.known_keys()?, jwks, self.rules())
    }

    fn known_keys(&self) -> Result<Keys, KeyError> {
        let kid = self.secret_kid.as_deref();
        let secret = self
            .secret
            .as_ref()
            .map(|secret| VerificationKey::hs256(kid, secret));
        let files = self.keys.iter().map(KeyFile::key);
        Keys::new(secret.into_iter().chain(files).collect::<Result<_, _>>()?)
    }
}

/// Reads the files that the section names, and checks what they hold.
pub(super) fn resolve(auth: &mut Auth, reader: &mut Reader) {
    auth.secret = reader.take_secret();
    if let Some(path) = auth
        .secret_file
        .as_deref()
        .filter(|_| auth.secret.is_none())
    {
        match read_secret(&reader.path_of(SECTION, "secret_file", path)) {
            Ok(secret) => auth.secret = Some(secret),
            Err(message) => reader.complain(SECTION, "secret_file", message),
        }
    }
    auth.keys = key_files(reader);
    if let Some(url) = &auth.jwks_url
        && let Err(error) = JwksUrl::parse(url)
    {
        reader.complain(SECTION, "jwks_url", error.to_string());
    }
    match auth.known_keys() {
        Ok(_) => {}
        Err(KeyError::BadKid) => {
            reader.complain(SECTION, "secret_kid", KeyError::BadKid.to_string());
        }
        Err(error) => reader.complain(SECTION, KEYS, error.to_string()),
    }
}

fn read_secret(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let contents =
        read_file(path, MAX_KEY_FILE_BYTES).map_err(|message| format!("{shown} {message}"))?;
    Secret::from_file_contents(&contents).map_err(|error| format!("{shown}: {error}"))
}

fn key_files(reader: &mut Reader) -> Vec<KeyFile> {
    let mut files = Vec::new();
    for given in reader.take_given(SECTION, KEYS) {
        let Raw::Toml(Value::Array(entries)) = &given.value else {
            reader.problem(given.place, "keys stand in the file, each as [[auth.keys]]");
            continue;
        };
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("{} entry {}", given.place, index + 1);
            match key_file(entry, reader) {
                Ok(file) => files.push(file),
                Err(messages) => {
                    messages
                        .into_iter()
                        .for_each(|message| reader.problem(&*place, message));
                }
            }
        }
    }
    files
}

/// One entry; or everything that is wrong with it.
fn key_file(entry: &Value, reader: &Reader) -> Result<KeyFile, Vec<String>> {
    let Value::Table(table) = entry else {
        return Err(vec![format!(
            "is {}; must be a table [[auth.keys]]",
            type_name(entry)
        )]);
    };
    let mut messages: Vec<String> = table.keys().filter_map(|name| unknown_name(name)).collect();
    let mut note = |message: String| messages.push(message);

    let kid = text(table, "kid").map_err(&mut note).unwrap_or_default();
    let algorithm = required(table, "alg")
        .and_then(|name| algorithm(&name))
        .map_err(&mut note);
    let path = required(table, "file").map_err(&mut note);
    let (Ok(algorithm), Ok(path), true) = (algorithm, path, messages.is_empty()) else {
        return Err(messages);
    };
    let path = reader.beside_file(Path::new(&path));
    KeyFile::open(kid, algorithm, &path).map_err(|message| vec![message])
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    name.parse().map_err(|expected| format!("alg {expected}"))
}

fn required(table: &Table, name: &str) -> Result<String, String> {
    text(table, name)?.ok_or_else(|| format!("has no {name}"))
}

fn unknown_name(name: &str) -> Option<String> {
    const NAMES: [&str; 3] = ["kid", "alg", "file"];
    if NAMES.contains(&name) {
        return None;
    }
    if ["secret", "key"].contains(&name) {
        return Some(format!(
            "{name} is not taken from here; put it into a file, named by `file`"
        ));
    }
    Some(format!(
        "has an unknown key {name}{}",
        suggestion(name, NAMES.into_iter())
    ))
}

fn text(table: &Table, name: &str) -> Result<Option<String>, String> {
    match table.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{name} is {}; must be a string", type_name(other))),
    }
}
