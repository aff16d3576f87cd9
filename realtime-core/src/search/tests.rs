use proptest::prelude::*;

use super::*;
use crate::limits::{SEARCH_MARKS, SEARCH_TEXT_CHARS, SEARCH_TEXT_WORDS, SEARCH_WORDS};

fn asked(question: &str) -> SearchText {
    SearchText::parse(question).unwrap_or_else(|error| panic!("{question:?} {error}"))
}

fn finds(question: &str, text: &str) -> bool {
    asked(question).find(text).is_some()
}

/// The parts of the text that are marked.
fn marked(question: &str, text: &str) -> Vec<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let marks = asked(question).find(text).unwrap();
    let part = |mark: Mark| String::from_utf16(&units[mark.start..mark.end]).unwrap();
    marks.into_iter().map(part).collect()
}

#[test]
fn all_words_must_occur() {
    let text = "The key is under the mat";
    for question in ["key", "KEY", "mat key", "the", "under, the: key!", "m"] {
        assert!(finds(question, text), "{question}");
    }
    for question in ["key door", "ke is", "ey", "he", "keys"] {
        assert!(!finds(question, text), "{question}");
    }
}

#[test]
fn the_last_word_may_be_a_beginning() {
    assert!(finds("under the ma", "The key is under the mat"));
    assert!(!finds("ma the", "The key is under the mat"));
    assert!(!finds("\"the ma\"", "The key is under the mat"));
    assert!(finds("\"the ma", "The key is under the mat"));
    assert!(!finds("\"ma\" ...", "The key is under the mat"));
}

#[test]
fn quotation_marks_keep_the_order() {
    let text = "Please clean the kitchen, then the windows";
    for question in [
        "\"the kitchen then\"",
        "“the windows”",
        "windows \"clean the\"",
    ] {
        assert!(finds(question, text), "{question}");
    }
    for question in ["\"kitchen the\"", "\"clean windows\"", "«then windows»"] {
        assert!(!finds(question, text), "{question}");
    }
}

#[test]
fn a_word_with_signs_in_it_is_one_row() {
    assert!(finds("job-7421", "About JOB-7421."));
    assert!(finds("job-7421", "About job 7421."));
    assert!(!finds("job-7421 x", "7421 job x"));
    assert!(finds("don't", "I don’t know"));
    assert!(finds("3.50", "It costs 3.50 EUR"));
}

#[test]
fn signs_mean_nothing() {
    for question in [
        "key*",
        "key AND",
        "-key",
        "+key",
        "key OR x",
        "NOT key",
        "^key",
        "key:1",
        "(key",
        "key)",
        "ke%",
        "k_y",
        "NEAR(key x)",
        "key'; DROP TABLE rt_message; --",
        "key\\",
        "{key}",
        "key\0",
    ] {
        let text = format!("I have {question} here");
        assert!(finds(question, &text), "{question}");
    }
    assert!(!finds("ke% x", "key x") && !finds("k_y", "key") && !finds("key AND x", "key x"));
    assert!(!finds("-key", "door") && !finds("key OR door", "door"));
    for nothing in [
        "", " ", "\"\"", "***", "-", "\0", "👍", "…", "%_", "\\", "()", "\u{301}",
    ] {
        assert_eq!(
            SearchText::parse(nothing),
            Err(SearchTextError::Empty),
            "{nothing:?}"
        );
    }
}

#[test]
fn a_question_is_limited() {
    let long = "x".repeat(SEARCH_TEXT_CHARS);
    assert!(SearchText::parse(&long).is_ok());
    assert_eq!(
        SearchText::parse(&format!("{long}x")),
        Err(SearchTextError::TooLong)
    );
    assert_eq!(
        SearchText::parse(&"x".repeat(10_240)),
        Err(SearchTextError::TooLong)
    );
    assert!(SearchText::parse(&"é".repeat(SEARCH_TEXT_CHARS)).is_ok());
    assert!(SearchText::parse(&"x ".repeat(SEARCH_WORDS)).is_ok());
    let many = SearchText::parse(&"x ".repeat(SEARCH_WORDS + 1));
    assert_eq!(many, Err(SearchTextError::TooManyWords));
}

#[test]
fn letters_are_compared_without_case_accents_and_width() {
    for (question, text) in [
        ("cafe", "Café"),
        ("CAFÉ", "cafe\u{301}"),
        ("strasse", "STRASSE"),
        ("ΟΔΟΣ", "οδός"),
        ("οδος σ", "ΟΔΟΣ Σ"),
        ("елка", "Ёлка"),
        ("istanbul", "İstanbul"),
        ("abc", "ＡＢＣ"),
        ("office", "oﬃce"),
        ("schlussel", "Schlüs\u{AD}sel"),
        ("ガス", "ｶﾞｽ"),
        ("한국", "\u{1112}\u{1161}\u{11AB}\u{1100}\u{116E}\u{11A8}"),
    ] {
        assert!(finds(question, text), "{question} in {text}");
    }
    assert!(!finds("कि", "का"), "vowel signs are no accents");
    assert!(finds("हिन्दी", "यह हिन्दी है"));
}

#[test]
fn scripts_without_spaces_are_found_anywhere() {
    for (question, text) in [
        ("京都", "東京都に住む"),
        ("都", "東京都"),
        ("東", "東京都"),
        ("に住", "東京都に住む"),
        ("钥匙", "我的钥匙在哪里?"),
        ("กุญแจ", "ขอกุญแจหน่อย"),
        ("서울", "오늘서울에서"),
        ("iphone手机", "新iPhone手机"),
        ("住む 東京", "東京都に住む"),
    ] {
        assert!(finds(question, text), "{question} in {text}");
    }
    for (question, text) in [
        ("都京", "東京都"),
        ("京に", "東京都に住む"),
        ("手机x", "手机"),
    ] {
        assert!(!finds(question, text), "{question} in {text}");
    }
}

#[test]
fn marks_say_where_the_words_are() {
    assert_eq!(marked("key", "😀 The KEY, the keys"), ["KEY", "keys"]);
    assert_eq!(marked("\"the key\"", "the key"), ["the", "key"]);
    assert_eq!(marked("京都", "東京都 and 京都"), ["京都", "京都"]);
    assert_eq!(marked("cafe a", "Cafe\u{301} a"), ["Cafe\u{301}", "a"]);
    let many = "key ".repeat(SEARCH_MARKS * 2);
    assert_eq!(marked("key", &many).len(), SEARCH_MARKS);
}

#[test]
fn a_very_long_text_is_searched_up_to_a_limit() {
    let mut text = "x ".repeat(SEARCH_TEXT_WORDS - 1);
    text.push_str("inside outside");
    assert!(finds("inside", &text) && !finds("outside", &text));
    assert!(terms(&text).contains("inside") && !terms(&text).contains("outside"));
}

fn is_among(lookup: &Lookup, terms: &std::collections::BTreeSet<String>) -> bool {
    terms
        .iter()
        .any(|term| *term == lookup.term || (lookup.prefix && term.starts_with(&lookup.term)))
}

proptest! {
    /// Otherwise an index would hide something.
    #[test]
    fn what_matches_has_all_that_is_looked_up(
        question in "[abé東京ー\" .กิ가나]{1,12}",
        text in "[abé東京ー .กิ가나]{0,24}",
    ) {
        if let Ok(question) = SearchText::parse(&question)
            && question.find(&text).is_some()
        {
            let terms = terms(&text);
            for lookup in question.lookups() {
                prop_assert!(is_among(&lookup, &terms), "{:?} in {:?}", lookup, terms);
            }
        }
    }

    #[test]
    fn a_text_is_found_by_each_of_its_words(text in ".{0,60}") {
        for word in words::words(&text) {
            let Ok(question) = SearchText::parse(&text[word.at.clone()]) else { continue };
            let marks = question.find(&text);
            prop_assert!(marks.is_some(), "{:?}", word);
        }
    }

    #[test]
    fn nothing_panics(question in ".{0,80}", text in ".{0,200}") {
        if let Ok(question) = SearchText::parse(&question) {
            let marks = question.find(&text).unwrap_or_default();
            let units = text.encode_utf16().count();
            let mut end = 0;
            for mark in marks {
                prop_assert!(end <= mark.start && mark.start < mark.end && mark.end <= units);
                end = mark.end;
            }
        }
    }
}
