//! How values are read from TOML and from text, and written back.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use toml::Value;

/// Why a value cannot be read: what was found instead, as it follows "is".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misread(pub(super) String);

impl Misread {
    /// A value of another type. It is not shown: it may be a secret in the wrong place.
    pub(super) fn of_type(value: &Value) -> Self {
        Self(type_name(value).to_owned())
    }

    /// A text that means nothing here.
    pub(super) fn of_text(text: &str) -> Self {
        Self(format!("{text:?}"))
    }
}

/// A value that a configuration can hold.
pub(super) trait Setting: Sized + PartialOrd {
    /// What is expected, for messages: "an integer".
    const EXPECTED: &'static str;

    fn from_toml(value: &Value) -> Result<Self, Misread>;

    /// Reads the text of an environment variable or flag.
    fn from_text(text: &str) -> Result<Self, Misread>;

    /// The value as TOML, for the sample file and for messages.
    fn to_toml(&self) -> String;
}

/// The name of a value's type, for messages.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}

/// A TOML string, read as if it were text.
pub(super) fn text_of(value: &Value) -> Result<&str, Misread> {
    value.as_str().ok_or_else(|| Misread::of_type(value))
}

pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

macro_rules! integer_setting {
    ($($integer:ty),*) => {$(
        impl Setting for $integer {
            const EXPECTED: &'static str = "an integer";

            fn from_toml(value: &Value) -> Result<Self, Misread> {
                let integer = value.as_integer().ok_or_else(|| Misread::of_type(value))?;
                integer.try_into().map_err(|_| Misread(integer.to_string()))
            }

            fn from_text(text: &str) -> Result<Self, Misread> {
                text.trim().parse().map_err(|_| Misread::of_text(text))
            }

            fn to_toml(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
integer_setting!(u32, u64, usize);

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_toml(value: &Value) -> Result<Self, Misread> {
        value.as_bool().ok_or_else(|| Misread::of_type(value))
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        match text.trim() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Misread::of_text(text)),
        }
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Setting for String {
    const EXPECTED: &'static str = "a string";

    fn from_toml(value: &Value) -> Result<Self, Misread> {
        text_of(value).map(str::to_owned)
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        Ok(text.to_owned())
    }

    fn to_toml(&self) -> String {
        quoted(self)
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn from_toml(value: &Value) -> Result<Self, Misread> {
        text_of(value).map(PathBuf::from)
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        Ok(PathBuf::from(text))
    }

    fn to_toml(&self) -> String {
        quoted(&Path::display(self).to_string())
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an address with a port, such as \"127.0.0.1:8080\"";

    fn from_toml(value: &Value) -> Result<Self, Misread> {
        Self::from_text(text_of(value)?)
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        text.trim().parse().map_err(|_| Misread::of_text(text))
    }

    fn to_toml(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a duration, such as \"10s\", \"250ms\" or \"1h\"";

    fn from_toml(value: &Value) -> Result<Self, Misread> {
        Self::from_text(text_of(value)?)
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        humantime::parse_duration(text.trim()).map_err(|_| Misread::of_text(text))
    }

    fn to_toml(&self) -> String {
        quoted(&spelled(*self))
    }
}

/// A duration in the largest unit that gives a whole number.
fn spelled(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let millis = duration.as_millis();
    let unit = UNITS
        .into_iter()
        .find(|(unit, _)| millis != 0 && millis.is_multiple_of(*unit));
    unit.map_or_else(
        || "0s".to_owned(),
        |(unit, name)| format!("{}{name}", millis / unit),
    )
}

/// An empty string stands for none: TOML has no null, and a variable may have to
/// take back what the file says.
impl<T: Setting> Setting for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_toml(value: &Value) -> Result<Self, Misread> {
        if value.as_str().is_some_and(str::is_empty) {
            Ok(None)
        } else {
            T::from_toml(value).map(Some)
        }
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::from_text(text).map(Some)
        }
    }

    fn to_toml(&self) -> String {
        self.as_ref().map_or_else(|| quoted(""), Setting::to_toml)
    }
}

/// In TOML a list or one value; as text, values separated by commas.
impl<T: Setting> Setting for Vec<T> {
    const EXPECTED: &'static str = "a list of strings";

    fn from_toml(value: &Value) -> Result<Self, Misread> {
        match value.as_array() {
            Some(values) => values.iter().map(T::from_toml).collect(),
            None => Self::from_text(text_of(value)?),
        }
    }

    fn from_text(text: &str) -> Result<Self, Misread> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        parts.map(T::from_text).collect()
    }

    fn to_toml(&self) -> String {
        let values: Vec<String> = self.iter().map(Setting::to_toml).collect();
        format!("[{}]", values.join(", "))
    }
}

/// The bounds of a value, and why they are where they are.
pub(super) struct Bounds<T> {
    pub(super) least: T,
    pub(super) most: T,
    pub(super) reason: &'static str,
}

impl<T: Setting> fmt::Display for Bounds<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (self.least.to_toml(), self.most.to_toml());
        write!(f, "{least} to {most}: {}", self.reason)
    }
}
