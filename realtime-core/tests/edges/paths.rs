//! Reads the paths out of Rust source, without a compiler: `use a::{b::C, d}` and
//! `a::b::c()` alike. Comments, texts and test modules do not count.

/// A path as it is written, by segments: `["crate", "id", "RoomId"]`.
pub(crate) type Path = Vec<String>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Open,
    Close,
    Comma,
    Other(char),
}

/// Every path of a source, tests left out.
pub(crate) fn paths(source: &str) -> Vec<Path> {
    let tokens = without_tests(&tokens(source));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = at == 0 || tokens[at - 1] != Token::Colons;
        match &tokens[at] {
            // A macro of the crate's is no module: `crate::suite!`.
            Token::Word(_) if begins && is_macro(&tokens, at) => at += 3,
            Token::Word(_) if begins => {
                at = path(&tokens, at, &Path::new(), &mut found).max(at + 1);
            }
            Token::Word(_)
            | Token::Colons
            | Token::Open
            | Token::Close
            | Token::Comma
            | Token::Other(_) => at += 1,
        }
    }
    found.retain(|path| path.len() > 1);
    found
}

/// The same paths from the crate's root on, for a file of the module `module`;
/// `None` for paths into other crates.
pub(crate) fn of_crate(path: &[String], module: &[String]) -> Option<Path> {
    let mut base = match path[0].as_str() {
        "crate" => Path::new(),
        "self" => module.to_vec(),
        "super" => module[..module.len().saturating_sub(1)].to_vec(),
        _ => return None,
    };
    let mut rest = &path[1..];
    while let [first, others @ ..] = rest
        && first == "super"
    {
        base.pop();
        rest = others;
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

fn is_macro(tokens: &[Token], at: usize) -> bool {
    tokens.get(at) == Some(&Token::Word("crate".to_owned()))
        && matches!(
            tokens.get(at + 1..at + 4),
            Some([Token::Colons, Token::Word(_), Token::Other('!')])
        )
}

/// Reads one path, or a tree of them behind `prefix`; tells where it ends.
fn path(tokens: &[Token], mut at: usize, prefix: &Path, found: &mut Vec<Path>) -> usize {
    let mut path = prefix.clone();
    while let Some(Token::Word(word)) = tokens.get(at) {
        if word != "self" || prefix.is_empty() {
            path.push(word.clone());
        }
        at += 1;
        if tokens.get(at) != Some(&Token::Colons) {
            break;
        }
        at += 1;
        if tokens.get(at) == Some(&Token::Open) {
            return tree(tokens, at + 1, &path, found);
        }
    }
    found.push(path);
    at
}

fn tree(tokens: &[Token], mut at: usize, prefix: &Path, found: &mut Vec<Path>) -> usize {
    while let Some(token) = tokens.get(at) {
        at = match token {
            Token::Close => return at + 1,
            // `as` and the new name.
            Token::Word(word) if word == "as" => at + 2,
            Token::Word(_) => path(tokens, at, prefix, found).max(at + 1),
            Token::Colons | Token::Open | Token::Comma | Token::Other(_) => at + 1,
        };
    }
    at
}

/// Leaves out what stands behind `#[cfg(test)]`: an item up to its end.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mark: Vec<Token> = ["#", "[", "cfg", "(", "test", ")", "]"]
        .iter()
        .flat_map(|text| self::tokens(text))
        .collect();
    let mut kept = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let [first, others @ ..] = rest {
        if let Some(item) = rest.strip_prefix(mark.as_slice()) {
            rest = behind_item(item);
        } else {
            kept.push(first.clone());
            rest = others;
        }
    }
    kept
}

fn behind_item(tokens: &[Token]) -> &[Token] {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            Token::Word(_) | Token::Colons | Token::Comma | Token::Other(_) => {}
        }
        let ends = matches!(token, Token::Close | Token::Other(';'));
        if depth == 0 && ends {
            return &tokens[index + 1..];
        }
    }
    &[]
}

fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        if let Some(behind) = skipped(rest) {
            rest = behind;
            continue;
        }
        let word: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let (token, length) = if !word.is_empty() {
            let length = word.len();
            (Token::Word(word), length)
        } else if rest.starts_with("::") {
            (Token::Colons, 2)
        } else {
            let token = match next {
                '{' => Token::Open,
                '}' => Token::Close,
                ',' => Token::Comma,
                other => Token::Other(other),
            };
            (token, next.len_utf8())
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens
}

/// What lies behind a blank, a comment, a text or a character; `None` if there is none
/// of these here.
fn skipped(source: &str) -> Option<&str> {
    let trimmed = source.trim_start();
    if trimmed.len() < source.len() {
        return Some(trimmed);
    }
    if source.starts_with("//") {
        return Some(source.find('\n').map_or("", |end| &source[end..]));
    }
    if let Some(comment) = source.strip_prefix("/*") {
        return Some(comment.split_once("*/").map_or("", |(_, behind)| behind));
    }
    if let Some(raw) = source.strip_prefix('r')
        && let quotes = raw.len() - raw.trim_start_matches('#').len()
        && let Some(text) = raw[quotes..].strip_prefix('"')
    {
        let end = format!("\"{}", "#".repeat(quotes));
        return Some(
            text.split_once(end.as_str())
                .map_or("", |(_, behind)| behind),
        );
    }
    if let Some(text) = source.strip_prefix('"') {
        return Some(behind_quote(text, '"'));
    }
    // A character, not a lifetime: 'a' or an escape.
    let text = source.strip_prefix('\'')?;
    let is_character = text.starts_with('\\') || text.chars().nth(1) == Some('\'');
    is_character.then(|| behind_quote(text, '\''))
}

fn behind_quote(text: &str, quote: char) -> &str {
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        if !escaped && c == quote {
            return &text[index + 1..];
        }
        escaped = !escaped && c == '\\';
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        paths(source).iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn trees_and_single_paths_are_found() {
        let source = "use crate::{id::{RoomId, UserId}, seq::Seq as S, store::self};\n\
                      fn f() -> crate::time::Timestamp { sea_orm::query(); other }";
        let expected = [
            "crate::id::RoomId",
            "crate::id::UserId",
            "crate::seq::Seq",
            "crate::store",
            "crate::time::Timestamp",
            "sea_orm::query",
        ];
        assert_eq!(found(source), expected);
    }

    #[test]
    fn comments_texts_and_tests_do_not_count() {
        let source = r##"
            //! [`crate::store`]
            /* crate::hub::Hub */
            const A: &str = "crate::broker::Broker \" crate::a::b";
            const B: &str = r#"crate::c::d "quoted" "#;
            const C: char = '"'; // crate::e::f
            fn g<'a>(x: &'a str) {}
            use crate::id::RoomId;
            #[cfg(test)]
            mod tests { use crate::hub::Hub; fn f() { {} } }
            #[cfg(test)]
            mod more;
            crate::suite! {}
        "##;
        assert_eq!(found(source), ["crate::id::RoomId"]);
    }

    #[test]
    fn relative_paths_are_told_from_the_root() {
        let module = ["hub".to_owned(), "topic".to_owned()];
        let told = |text: &str| {
            let path: Path = text.split("::").map(ToOwned::to_owned).collect();
            of_crate(&path, &module).map(|path| path.join("::"))
        };
        assert_eq!(told("super::repair").as_deref(), Some("hub::repair"));
        assert_eq!(told("super::super::store").as_deref(), Some("store"));
        assert_eq!(told("self::inner").as_deref(), Some("hub::topic::inner"));
        assert_eq!(told("crate::seq").as_deref(), Some("seq"));
        assert_eq!(told("tokio::spawn"), None);
    }
}
