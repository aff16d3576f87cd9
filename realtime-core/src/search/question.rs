//! The words that somebody looks for.

use std::ops::Range;

use super::{
    Mark,
    words::{self, Word, words},
};
use crate::{
    error::Error,
    limits::{SEARCH_LOOKUPS, SEARCH_MARKS, SEARCH_TEXT_CHARS, SEARCH_WORDS},
};

/// A question as it was checked: the words that must all occur.
///
/// - What stands between blanks is one word, or several that must follow each other
///   directly (`job-7421`, `don't`).
/// - What stands in quotation marks must occur in this order, directly one after
///   another, whatever stands between them.
/// - The last word may also be the beginning of one, unless it stands in quotation
///   marks: people are still typing it.
/// - Everything else that is neither letter nor digit means nothing. There are no
///   operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText {
    phrases: Vec<Phrase>,
}

/// Words that follow each other directly.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Phrase {
    words: Vec<Word>,
    /// Whether the last may be the beginning of a word.
    open: bool,
}

/// Something that occurs among the [terms](super::terms) of every text that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "backends read it")]
pub struct Lookup {
    /// The term.
    pub term: String,
    /// Whether it may be the beginning of a term.
    pub prefix: bool,
}

/// Why a text is not a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchTextError {
    /// There is nothing to look for.
    #[error("must have a letter or a digit")]
    Empty,
    /// More characters than allowed.
    #[error("must have at most {SEARCH_TEXT_CHARS} characters")]
    TooLong,
    /// More words than allowed.
    #[error("must have at most {SEARCH_WORDS} words")]
    TooManyWords,
}

impl From<SearchTextError> for Error {
    fn from(error: SearchTextError) -> Self {
        Self::Invalid {
            field: "q",
            reason: error.to_string(),
        }
    }
}

impl SearchText {
    /// Checks a question.
    ///
    /// # Errors
    /// [`SearchTextError`] names the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, SearchTextError> {
        if text.chars().nth(SEARCH_TEXT_CHARS).is_some() {
            return Err(SearchTextError::TooLong);
        }
        let mut phrases = Vec::new();
        // Every second part stands in quotation marks; the last one, if they are not
        // closed, is still being typed.
        let parts: Vec<&str> = text.split(is_quotation_mark).collect();
        for (place, part) in parts.iter().enumerate() {
            let (quoted, is_last) = (place % 2 == 1, place + 1 == parts.len());
            let pieces: Vec<&str> = if quoted {
                vec![part]
            } else {
                part.split_whitespace().collect()
            };
            let found = pieces.into_iter().map(|piece| Phrase {
                words: words(piece),
                open: is_last,
            });
            phrases.extend(found.filter(|phrase| !phrase.words.is_empty()));
        }
        let last = phrases.len().saturating_sub(1);
        for phrase in phrases.iter_mut().take(last) {
            phrase.open = false;
        }
        match phrases.len() {
            0 => Err(SearchTextError::Empty),
            1..=SEARCH_WORDS => Ok(Self { phrases }),
            _ => Err(SearchTextError::TooManyWords),
        }
    }

    /// What to ask an index for: all of these, each once. A text that matches has them
    /// all; one that has them all need not match, so [`find`](Self::find) must be asked
    /// about what the index finds.
    pub fn lookups(&self) -> Vec<Lookup> {
        let mut lookups: Vec<Lookup> = Vec::new();
        for lookup in self.phrases.iter().flat_map(Phrase::lookups) {
            if lookups.len() < SEARCH_LOOKUPS && !lookups.contains(&lookup) {
                lookups.push(lookup);
            }
        }
        lookups
    }

    /// Where the words stand in a text; `None`, if not all of them occur.
    pub fn find(&self, text: &str) -> Option<Vec<Mark>> {
        let words = words(text);
        let mut found = Vec::new();
        for phrase in &self.phrases {
            let before = found.len();
            phrase.find(&words, &mut found);
            if found.len() == before {
                return None;
            }
        }
        found.sort_unstable_by_key(|range| (range.start, range.end));
        Some(marks(text, &found))
    }
}

const fn is_quotation_mark(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»')
}

impl Phrase {
    fn lookups(&self) -> impl Iterator<Item = Lookup> + '_ {
        let dense = |place: usize| self.words.get(place).is_some_and(|word| word.dense);
        self.words
            .iter()
            .enumerate()
            .filter_map(move |(place, word)| {
                let next = self.words.get(place + 1);
                let paired = word.dense && dense(place + 1);
                // The second of a pair needs no term of its own.
                if word.dense && !paired && place > 0 && dense(place - 1) {
                    return None;
                }
                let end = place + if paired { 2 } else { 1 };
                Some(Lookup {
                    term: words::pair(word, next),
                    // Alone, it may be the first of any pair.
                    prefix: (word.dense && !paired) || (self.open && end == self.words.len()),
                })
            })
    }

    /// Adds the places where it stands.
    fn find(&self, text: &[Word], found: &mut Vec<Range<usize>>) {
        for row in text.windows(self.words.len()) {
            let last = self.words.len() - 1;
            let matches = row
                .iter()
                .zip(&self.words)
                .enumerate()
                .all(|(place, (word, wanted))| {
                    word.folded == wanted.folded
                        || (self.open && place == last && word.folded.starts_with(&wanted.folded))
                });
            if matches {
                found.extend(row.iter().map(|word| word.at.clone()));
            }
        }
    }
}

/// Ranges of bytes, in order, as marks: those that overlap or touch are one.
fn marks(text: &str, ranges: &[Range<usize>]) -> Vec<Mark> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        if let Some(last) = joined.last_mut().filter(|last| range.start <= last.end) {
            last.end = last.end.max(range.end);
        } else if joined.len() == SEARCH_MARKS {
            break;
        } else {
            joined.push(range.clone());
        }
    }
    let (mut bytes, mut units) = (0, 0);
    let mut units_at = |place: usize| {
        let between = text.get(bytes..place).unwrap_or_default();
        units += between.encode_utf16().count();
        bytes = place;
        units
    };
    let mark = |range: Range<usize>| Mark {
        start: units_at(range.start),
        end: units_at(range.end),
    };
    joined.into_iter().map(mark).collect()
}
