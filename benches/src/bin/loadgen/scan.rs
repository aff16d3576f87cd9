//! Reads what a delivery says without parsing JSON.
//!
//! A server that fans out writes the same shape of object over and over, so
//! each field is looked for where it was found the last time and searched only
//! when it is not there. A key such as `"seq":` cannot occur inside a JSON
//! string, whose quotes are escaped, so a match is the key. Whatever does not
//! look like a common delivery or answer goes through a real JSON parser.

use std::time::Duration;

use memchr::memmem::Finder;
use serde_json::Value;

/// One object of the server.
#[derive(Debug, PartialEq)]
pub(crate) enum Object<'a> {
    /// A `message` push.
    Message(Delivery<'a>),
    /// The answer to command `id`.
    Answer {
        /// The number that the command carried.
        id: u64,
        /// What became of the command.
        outcome: Outcome,
    },
    /// `reset`: too much has changed; what is between is not pushed.
    Reset {
        /// The room, absent for notifications.
        room: Option<String>,
        /// Where the stream goes on.
        rev: u64,
    },
    /// Another push, by its key.
    Other(String),
    /// Not an object that the protocol knows.
    Malformed,
}

/// What a `message` push says, as far as it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery<'a> {
    /// The room's id.
    pub(crate) room: &'a [u8],
    /// The message's number in the room.
    pub(crate) seq: u64,
    /// The change's number in the room.
    pub(crate) rev: u64,
    /// What the sender wrote into the body; `None` for a foreign message.
    pub(crate) stamp: Option<Stamp>,
}

/// What the generator writes into every body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The sender's index.
    pub(crate) sender: u32,
    /// The sender's own count, from 1.
    pub(crate) number: u32,
    /// When the message was meant to be sent, in nanoseconds of the run's clock.
    pub(crate) intended: u64,
}

impl Stamp {
    /// Names the message over all senders; never 0.
    pub(crate) fn key(self) -> u64 {
        u64::from(self.sender) << 32 | u64::from(self.number)
    }

    /// Appends the stamp as the beginning of a body.
    pub(crate) fn write(self, body: &mut Vec<u8>) {
        for number in [
            u64::from(self.sender),
            u64::from(self.number),
            self.intended,
        ] {
            body.extend_from_slice(number.to_string().as_bytes());
            body.push(b' ');
        }
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let (sender, rest) = number(body)?;
        let (count, rest) = number(rest.strip_prefix(b" ")?)?;
        let (intended, rest) = number(rest.strip_prefix(b" ")?)?;
        rest.strip_prefix(b" ")?;
        let (sender, number) = (u32::try_from(sender).ok()?, u32::try_from(count).ok()?);
        (number > 0).then_some(Self {
            sender,
            number,
            intended,
        })
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A send was committed.
    Sent {
        /// The number that the message got.
        seq: u64,
        /// Whether the server had it already.
        duplicate: bool,
    },
    /// Another command succeeded.
    Ok,
    /// The command was refused.
    Refused {
        /// The protocol's error code.
        code: String,
        /// When the server would like it repeated.
        retry_after: Option<Duration>,
    },
}

/// Looks for the fields; keeps where they were.
#[derive(Debug)]
pub(crate) struct Scanner {
    room: Field,
    seq: Field,
    rev: Field,
    body: Field,
    answer_seq: Field,
    duplicate: Field,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            room: Field::new(b"\"room\":"),
            seq: Field::new(b"\"seq\":"),
            rev: Field::new(b"\"rev\":"),
            body: Field::new(b"\"body\":"),
            answer_seq: Field::new(b"\"seq\":"),
            duplicate: Field::new(b"\"duplicate\":"),
        }
    }
}

impl Scanner {
    /// Reads one object.
    pub(crate) fn scan<'a>(&mut self, object: &'a [u8]) -> Object<'a> {
        if object.last() != Some(&b'}') {
            return Object::Malformed;
        }
        if object.starts_with(b"{\"message\":") {
            return self
                .message(object)
                .map_or(Object::Malformed, Object::Message);
        }
        if object.starts_with(b"{\"id\":")
            && let Some(answer) = self.answer(object)
        {
            return answer;
        }
        self.parsed(object)
    }

    fn message<'a>(&mut self, object: &'a [u8]) -> Option<Delivery<'a>> {
        Some(Delivery {
            room: string(self.room.value(object)?)?,
            seq: number(self.seq.value(object)?)?.0,
            rev: number(self.rev.value(object)?)?.0,
            stamp: self
                .body
                .value(object)
                .and_then(|body| Stamp::parse(body.strip_prefix(b"\"")?)),
        })
    }

    /// The answer to a send in its common form; `None` leaves it to the parser.
    fn answer<'a>(&mut self, object: &[u8]) -> Option<Object<'a>> {
        let (id, rest) = number(skip_spaces(object.strip_prefix(b"{\"id\":")?))?;
        rest.strip_prefix(b",\"ok\":{")?;
        let (seq, _) = number(self.answer_seq.value(object)?)?;
        let duplicate = self
            .duplicate
            .value(object)
            .is_some_and(|value| value.starts_with(b"true"));
        Some(Object::Answer {
            id,
            outcome: Outcome::Sent { seq, duplicate },
        })
    }

    fn parsed<'a>(&mut self, object: &'a [u8]) -> Object<'a> {
        let Ok(Value::Object(map)) = serde_json::from_slice(object) else {
            return Object::Malformed;
        };
        if let Some(id) = map.get("id").and_then(Value::as_u64) {
            return match outcome(map.get("ok"), map.get("error")) {
                Some(outcome) => Object::Answer { id, outcome },
                None => Object::Malformed,
            };
        }
        match map.iter().next() {
            Some((key, _)) if key == "message" => self
                .message(object)
                .map_or(Object::Malformed, Object::Message),
            Some((key, body)) if key == "reset" => Object::Reset {
                room: body["room"].as_str().map(str::to_owned),
                rev: body["rev"].as_u64().unwrap_or(0),
            },
            Some((key, _)) => Object::Other(key.clone()),
            None => Object::Malformed,
        }
    }
}

fn outcome(ok: Option<&Value>, error: Option<&Value>) -> Option<Outcome> {
    if let Some(error) = error {
        return Some(Outcome::Refused {
            code: error["code"].as_str().unwrap_or("unnamed").to_owned(),
            retry_after: error["retry_after_ms"].as_u64().map(Duration::from_millis),
        });
    }
    let ok = ok?;
    Some(match ok["seq"].as_u64() {
        Some(seq) => Outcome::Sent {
            seq,
            duplicate: ok["duplicate"].as_bool().unwrap_or(false),
        },
        None => Outcome::Ok,
    })
}

/// A key and the place where it was last found.
#[derive(Debug)]
struct Field {
    key: &'static [u8],
    finder: Finder<'static>,
    hint: usize,
}

impl Field {
    fn new(key: &'static [u8]) -> Self {
        Self {
            key,
            finder: Finder::new(key),
            hint: 0,
        }
    }

    /// What follows the key.
    fn value<'a>(&mut self, object: &'a [u8]) -> Option<&'a [u8]> {
        let hinted = object
            .get(self.hint..)
            .and_then(|at| at.strip_prefix(self.key));
        if let Some(value) = hinted {
            return Some(skip_spaces(value));
        }
        self.hint = self.finder.find(object)?;
        object.get(self.hint + self.key.len()..).map(skip_spaces)
    }
}

fn skip_spaces(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b' ', rest @ ..] => skip_spaces(rest),
        _ => bytes,
    }
}

/// A JSON number without sign or fraction, and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    /// All numbers of the protocol are below 2^53, which has 16 digits; a
    /// clock in nanoseconds may take 19.
    const MAX_DIGITS: usize = 19;
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if digits == 0 || digits > MAX_DIGITS {
        return None;
    }
    let (number, rest) = bytes.split_at(digits);
    let value = number
        .iter()
        .fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some((value, rest))
}

/// A JSON string without escapes: ids have none.
fn string(bytes: &[u8]) -> Option<&[u8]> {
    let text = bytes.strip_prefix(b"\"")?;
    text.get(..memchr::memchr(b'"', text)?)
}

#[cfg(test)]
mod tests;
