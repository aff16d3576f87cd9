//! The query of a request: every key once, every value checked.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use realtime_core::seq::{Rev, Seq};

use super::{Problem, call::whole_number};

/// Keys of one query; more is nothing that we ask for.
const KEYS: usize = 32;

/// A query, not decoded yet. Keys that nobody asks for are ignored.
#[derive(Debug)]
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Query<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, Problem> {
        let mut pairs: Vec<(Cow<'a, str>, &'a str)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key).ok_or_else(|| Problem::bad_request("the query is no UTF-8"))?;
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(Problem::field(shortened(&key), "stands there twice"));
            }
            if pairs.len() == KEYS {
                return Err(Problem::bad_request("too many query parameters"));
            }
            pairs.push((key, value));
        }
        Ok(Self(pairs))
    }

    fn raw(&self, key: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| known == key);
        found.map(|(_, value)| *value)
    }

    /// A text.
    pub(crate) fn text(&self, key: &'static str) -> Result<Option<Cow<'a, str>>, Problem> {
        let decoded = self.raw(key).map(decode);
        match decoded {
            Some(None) => Err(Problem::field(key, "is no UTF-8")),
            Some(Some(text)) => Ok(Some(text)),
            None => Ok(None),
        }
    }

    /// Texts between commas; a comma inside one is written `%2C`.
    pub(crate) fn list(&self, key: &'static str) -> Result<Option<Vec<Cow<'a, str>>>, Problem> {
        let Some(raw) = self.raw(key) else {
            return Ok(None);
        };
        let texts = raw.split(',').filter(|text| !text.is_empty()).map(decode);
        let texts: Option<Vec<_>> = texts.collect();
        texts
            .map(Some)
            .ok_or_else(|| Problem::field(key, "is no UTF-8"))
    }

    fn number(&self, key: &'static str) -> Result<Option<u64>, Problem> {
        self.raw(key)
            .map(|text| {
                whole_number(text)
                    .ok_or_else(|| Problem::field(key, "must be a whole number below 2^53"))
            })
            .transpose()
    }

    /// A position among messages.
    pub(crate) fn seq(&self, key: &'static str) -> Result<Option<Seq>, Problem> {
        Ok(self.number(key)?.map(Seq::new))
    }

    /// A position among changes.
    pub(crate) fn rev(&self, key: &'static str) -> Result<Option<Rev>, Problem> {
        Ok(self.number(key)?.map(Rev::new))
    }

    /// `true` or `false`; `false` when it is not there.
    pub(crate) fn flag(&self, key: &'static str) -> Result<bool, Problem> {
        match self.raw(key) {
            Some("true") => Ok(true),
            None | Some("false") => Ok(false),
            Some(_) => Err(Problem::field(key, "must be true or false")),
        }
    }

    /// How many rows a page may have: the default, or what is asked for.
    pub(crate) fn limit(&self, (max, default): (u32, u32)) -> Result<u32, Problem> {
        match self.number("limit")?.map(u32::try_from) {
            None => Ok(default),
            Some(Ok(limit)) if (1..=max).contains(&limit) => Ok(limit),
            Some(_) => Err(Problem::field("limit", format!("must be from 1 to {max}"))),
        }
    }
}

/// `None`: no UTF-8. A plus is a blank, as forms write it.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let blank = text.replace('+', " ");
        let decoded = percent_decode_str(&blank).decode_utf8().ok()?;
        return Some(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// A key as it is told back: it is the client's, and may be anything.
fn shortened(key: &str) -> String {
    const CHARS: usize = 40;
    key.chars().take(CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_there_once() {
        assert!(Query::parse("limit=1&limit=1").is_err());
        assert!(Query::parse("limit=1&%6cimit=2").is_err());
        assert!(Query::parse("a=1&&b=2&").is_ok());
        let many: Vec<String> = (0..100).map(|n| format!("k{n}=1")).collect();
        assert!(Query::parse(&many.join("&")).is_err());
    }

    #[test]
    fn numbers_are_whole_and_in_range() {
        let limit = |text: &str| Query::parse(text).unwrap().limit((200, 50)).ok();
        assert_eq!(limit(""), Some(50));
        assert_eq!(limit("limit=200"), Some(200));
        for wrong in [
            "0",
            "201",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "",
            "abc",
            "99999999999999999999",
            "%31",
        ] {
            assert_eq!(limit(&format!("limit={wrong}")), None, "{wrong}");
        }
        let seq = Query::parse("before=9007199254740991").unwrap();
        assert_eq!(
            seq.seq("before").unwrap(),
            Some(Seq::new(9_007_199_254_740_991))
        );
        let seq = Query::parse("before=9007199254740992").unwrap();
        assert!(seq.seq("before").is_err());
    }

    #[test]
    fn a_comma_in_a_name_is_not_one_between_names() {
        let query = Query::parse("users=a%2Cb,c+d,%E2%82%AC").unwrap();
        assert_eq!(query.list("users").unwrap().unwrap(), ["a,b", "c d", "€"]);
        assert!(Query::parse("users=%ff").unwrap().list("users").is_err());
        assert!(Query::parse("users=%ff").unwrap().text("users").is_err());
    }

    #[test]
    fn a_flag_is_one_of_two_words() {
        assert!(Query::parse("unread=true").unwrap().flag("unread").unwrap());
        assert!(!Query::parse("").unwrap().flag("unread").unwrap());
        assert!(Query::parse("unread=1").unwrap().flag("unread").is_err());
    }
}
