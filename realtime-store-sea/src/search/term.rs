//! Words as the index holds them: `12_key` is the word `key` in slot 12.
//!
//! - **The slot in front** keeps rooms apart: however common a word is in rooms of
//!   others, none of their messages is looked at.
//! - **Only `a-z`, `0-9` and `_`**, so that every database takes it for one word and
//!   none for a sign of its own: what is neither letter nor digit of ASCII is `_` and
//!   two digits to the base 36 (U+0080 to U+058F: Latin, Greek, Cyrillic, Armenian), or
//!   `__` and four. A word that begins another one still does so.
//! - **Cut**: a long word is told apart from others by its beginning only, because MariaDB
//!   leaves out words of more than 84 bytes. What is found is compared with the text.

use realtime_core::search::{self, Lookup};

use crate::{dialect::search::Wanted, limits::TERM_BYTES};

/// The base of the digits.
const BASE: u32 = 36;
/// The first character that is written with two digits.
const SHORT_FROM: u32 = 0x80;
/// How many characters are.
const SHORT: u32 = BASE * BASE;

/// All of a text's terms, with blanks in between; `None`, if there are none.
pub(super) fn entry(slot: i64, text: &str) -> Option<String> {
    let mut terms: Vec<String> = search::terms(text)
        .iter()
        .map(|term| encoded(term))
        .collect();
    // Long ones may have become the same.
    terms.dedup();
    let terms: Vec<String> = terms.iter().map(|term| format!("{slot}_{term}")).collect();
    (!terms.is_empty()).then(|| terms.join(" "))
}

/// What to ask the index for.
pub(super) fn wanted(lookups: &[Lookup]) -> Vec<Wanted> {
    let wanted = lookups.iter().map(|lookup| Wanted {
        term: encoded(&lookup.term),
        prefix: lookup.prefix,
    });
    wanted.collect()
}

fn encoded(word: &str) -> String {
    let mut term = String::with_capacity(TERM_BYTES);
    for c in word.chars() {
        let length = term.len();
        push(&mut term, c);
        if term.len() > TERM_BYTES {
            term.truncate(length);
            break;
        }
    }
    term
}

fn push(term: &mut String, c: char) {
    let code = u32::from(c);
    if c.is_ascii_lowercase() || c.is_ascii_digit() {
        term.push(c);
    } else if let Some(short) = code.checked_sub(SHORT_FROM).filter(|short| *short < SHORT) {
        term.push('_');
        push_digits(term, short, 2);
    } else {
        term.push_str("__");
        push_digits(term, code, 4);
    }
}

fn push_digits(term: &mut String, number: u32, count: u32) {
    for place in (0..count).rev() {
        let digit = number / BASE.pow(place) % BASE;
        term.extend(char::from_digit(digit, BASE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_readable() {
        assert_eq!(entry(7, "The key!").as_deref(), Some("7_key 7_the"));
        assert_eq!(encoded("élan"), "_2ylan".replace("2y", &encoded("é")[1..]));
        assert_eq!(encoded("京"), "__0fxc".replace("0fxc", &encoded("京")[2..]));
        assert_eq!((encoded("é").len(), encoded("京").len()), (3, 6));
        assert_eq!(entry(7, "..."), None);
    }

    #[test]
    fn what_begins_a_word_begins_its_term() {
        for word in ["keys", "ключ", "東京", "éa", "a𠮷b", "ա֏"] {
            let mut begin = String::new();
            for c in word.chars() {
                begin.push(c);
                assert!(
                    encoded(word).starts_with(&encoded(&begin)),
                    "{begin} of {word}"
                );
            }
        }
    }

    #[test]
    fn no_two_characters_are_written_alike() {
        let characters = ('\0'..=char::MAX).filter(|c| !c.is_ascii_uppercase());
        let mut seen = std::collections::HashSet::new();
        for c in characters {
            let term = encoded(&c.to_string());
            let plain = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
            assert!(term.chars().all(plain), "{term}");
            assert!(seen.insert(term), "{c:?}");
        }
    }

    #[test]
    fn a_term_is_never_too_long() {
        for word in ["x", "я", "京"] {
            let long = encoded(&word.repeat(200));
            assert!(
                long.len() <= TERM_BYTES && long.len() > TERM_BYTES - 6,
                "{long}"
            );
        }
    }
}
