//! What a word is: the one answer for texts and questions, whatever the database.
//!
//! - A word is a run of letters and digits, with the marks on them. Everything else
//!   stands between words and means nothing.
//! - Words are compared without case, accents (`é` is `e`, `й` is `и`), width and
//!   ligatures, by Unicode's compatibility forms. Vowel signs and the like are not
//!   accents and count.
//! - In scripts that write without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese,
//!   Tibetan) and in Hangul, whose words carry endings, each character is a word of its
//!   own, and a row of them is found wherever it stands. The index holds them in
//!   [pairs](terms).

use std::{collections::BTreeSet, ops::Range};

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

use crate::limits::SEARCH_TEXT_WORDS;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// As it is compared.
    pub(super) folded: String,
    /// Which bytes of the text it is.
    pub(super) at: Range<usize>,
    /// Whether it is a character of a script without spaces.
    pub(super) dense: bool,
}

/// The words of a text, in order; of a very long one, the first
/// [`SEARCH_TEXT_WORDS`].
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut open: Option<(usize, bool)> = None;
    let close = |words: &mut Vec<Word>, open: Option<(usize, bool)>, end: usize| {
        if let Some((start, dense)) = open {
            let folded = fold(&text[start..end]);
            if !folded.is_empty() {
                let at = start..end;
                words.push(Word { folded, at, dense });
            }
        }
    };
    for (place, c) in text.char_indices() {
        if words.len() >= SEARCH_TEXT_WORDS {
            return words;
        }
        open = match (Class::of(c), open) {
            (Class::Joined, open) => open,
            (Class::Letter, Some((start, false))) => Some((start, false)),
            (class @ (Class::Letter | Class::Dense | Class::Between), open) => {
                close(&mut words, open, place);
                match class {
                    Class::Dense => Some((place, true)),
                    Class::Letter => Some((place, false)),
                    Class::Between | Class::Joined => None,
                }
            }
        };
    }
    if words.len() < SEARCH_TEXT_WORDS {
        close(&mut words, open, text.len());
    }
    words
}

/// What an index holds of a text: each word; of characters of scripts without spaces,
/// each with the next one, and the last of a row alone. Every [`Lookup`] of a question
/// that occurs in the text is among them.
///
/// [`Lookup`]: super::Lookup
pub fn terms(text: &str) -> BTreeSet<String> {
    let words = words(text);
    let term = |(place, word): (usize, &Word)| pair(word, words.get(place + 1));
    words.iter().enumerate().map(term).collect()
}

/// The term of a word: with the next one, if both are of a script without spaces.
pub(super) fn pair(word: &Word, next: Option<&Word>) -> String {
    match next {
        Some(next) if word.dense && next.dense => format!("{}{}", word.folded, next.folded),
        Some(_) | None => word.folded.clone(),
    }
}

/// What a character is to the words around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Part of a word.
    Letter,
    /// A word of its own.
    Dense,
    /// Belongs to the character before it.
    Joined,
    /// Not part of a word.
    Between,
}

impl Class {
    fn of(c: char) -> Self {
        if c.is_ascii() {
            let letter = c.is_ascii_alphanumeric();
            return if letter { Self::Letter } else { Self::Between };
        }
        if is_joined(c) {
            Self::Joined
        } else if !c.is_alphanumeric() {
            Self::Between
        } else if is_dense(c) {
            Self::Dense
        } else {
            Self::Letter
        }
    }
}

/// Accents and other marks; what is not seen but may stand inside a word; and what a
/// syllable of Hangul or a half-width Katakana consists of besides its beginning.
fn is_joined(c: char) -> bool {
    canonical_combining_class(c) != 0
        || matches!(
            c,
            '\u{AD}' | '\u{200C}' | '\u{200D}' | '\u{2060}' | '\u{FEFF}' | '\u{FF9E}'
                | '\u{FF9F}' | '\u{1160}'..='\u{11FF}' | '\u{FE00}'..='\u{FE0F}'
                | '\u{E0100}'..='\u{E01EF}'
        )
}

/// Scripts that write without spaces, and Hangul.
fn is_dense(c: char) -> bool {
    matches!(
        c,
        '\u{0E00}'..='\u{0EFF}' // Thai, Lao
            | '\u{0F00}'..='\u{0FFF}' // Tibetan
            | '\u{1000}'..='\u{109F}' | '\u{A9E0}'..='\u{A9FF}' | '\u{AA60}'..='\u{AA7F}' // Burmese
            | '\u{1100}'..='\u{115F}' | '\u{3130}'..='\u{318F}' // Hangul, in pieces
            | '\u{A960}'..='\u{A97F}' | '\u{AC00}'..='\u{D7FF}' // Hangul
            | '\u{1780}'..='\u{17FF}' // Khmer
            | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3038}'..='\u{303B}' // Han's own marks
            | '\u{3040}'..='\u{312F}' | '\u{31A0}'..='\u{31FF}' // Kana, Bopomofo
            | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' // Han
            | '\u{20000}'..='\u{3FFFF}' // Han, rare
            | '\u{1B000}'..='\u{1B16F}' // Kana, old
            | '\u{FF66}'..='\u{FFDC}' // half-width Katakana and Hangul
    )
}

/// A word as it is compared.
fn fold(word: &str) -> String {
    if word.is_ascii() {
        return word.to_ascii_lowercase();
    }
    let plain: String = word
        .to_lowercase()
        .nfkd()
        .filter(|c| !is_accent(*c))
        .flat_map(char::to_lowercase)
        .map(|c| if c == 'ς' { 'σ' } else { c })
        .filter(|c| c.is_alphanumeric() || canonical_combining_class(*c) != 0)
        .collect();
    plain.nfc().collect()
}

/// The marks of Latin, Greek and Cyrillic. Those of other scripts are vowels or tell
/// words apart.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}')
}
