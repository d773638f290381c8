//! Rust source with everything that is not code blanked out, position by position.
//!
//! The rules look for words, and a word in a comment, in a string or in a test is often no offence. Blanking keeps every
//! byte position and every line break, so that a finding in the blanked text has its place in the file.
//!
//! This is a lexer's first step, not a parser: macros are taken as written.

use std::ops::Range;

/// What the scanner is in the middle of.
enum Kind {
    Code,
    Comment,
    Text,
}

/// Blanks comments.
pub(crate) fn without_comments(source: &str) -> String {
    blanked(source, |kind| matches!(kind, Kind::Comment))
}

/// Blanks comments and the contents of string and character literals.
pub(crate) fn bare(source: &str) -> String {
    blanked(source, |kind| matches!(kind, Kind::Comment | Kind::Text))
}

/// The parts of bare code that are compiled for tests only.
pub(crate) fn test_parts(bare: &str) -> Vec<Range<usize>> {
    const MARK: &str = "#[cfg(test)]";
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (start, _) in bare.match_indices(MARK) {
        if parts.last().is_some_and(|last| last.contains(&start)) {
            continue;
        }
        let after = start + MARK.len();
        let end = bare[after..].find(['{', ';']).map_or(bare.len(), |offset| {
            let at = after + offset;
            if bare.as_bytes()[at] == b';' { at + 1 } else { closing_brace(bare, at) }
        });
        parts.push(start..end);
    }
    parts
}

/// Bare code without the parts that are compiled for tests only.
pub(crate) fn without_tests(bare: &str) -> String {
    let mut text = bare.to_owned();
    for part in test_parts(bare) {
        text.replace_range(part.clone(), &blank(&bare[part]));
    }
    text
}

/// Finds an identifier or path as a whole word, and gives the position of each.
pub(crate) fn find_words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let starts = !word.starts_with(is_ident) || !before.is_some_and(is_ident);
        let ends = !word.ends_with(is_ident) || !after.is_some_and(is_ident);
        starts && ends
    })
}

pub(crate) fn is_ident(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn closing_brace(bare: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, letter) in bare[open..].char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return open + offset + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    bare.len()
}

fn blank(text: &str) -> String {
    // Line breaks stay and every other character keeps its length in bytes.
    text.chars().map(|letter| if letter == '\n' { "\n".to_owned() } else { " ".repeat(letter.len_utf8()) }).collect()
}

fn blanked(source: &str, hide: impl Fn(&Kind) -> bool) -> String {
    let mut result = String::with_capacity(source.len());
    let mut at = 0;
    while at < source.len() {
        let (kind, end) = next_span(source, at);
        let span = &source[at..end];
        if hide(&kind) {
            result.push_str(&blank(span));
        } else {
            result.push_str(span);
        }
        at = end;
    }
    result
}

/// The span that starts at a position, which is never inside another span.
fn next_span(source: &str, at: usize) -> (Kind, usize) {
    let rest = &source[at..];
    if rest.starts_with("//") {
        return (Kind::Comment, at + rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, at + block_comment(rest));
    }
    if rest.starts_with('"') {
        return (Kind::Text, at + quoted(rest, '"'));
    }
    if rest.starts_with('\'') {
        return match character(rest) {
            Some(length) => (Kind::Text, at + length),
            None => (Kind::Code, at + 1),
        };
    }
    let in_word = source[..at].chars().next_back().is_some_and(is_ident);
    if !in_word && let Some(length) = raw_string(rest) {
        return (Kind::Text, at + length);
    }
    // INVARIANT: the caller stops at the end of the source.
    (Kind::Code, at + rest.chars().next().expect("there is more source").len_utf8())
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (offset, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return offset + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character literal; nothing for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut letters = rest.char_indices().skip(1);
    let (_, first) = letters.next()?;
    let (end, second) = letters.next()?;
    if first == '\\' {
        return Some(quoted(rest, '\''));
    }
    (second == '\'').then_some(end + 1)
}

fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix("cr")).or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let inside = body[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&close).map_or(inside.len(), |end| end + close.len());
    Some(rest.len() - inside.len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let found = bare(source);
        assert_eq!(found.len(), source.len());
        assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn comments_and_texts_are_not_code() {
        check("a // dbg!\nb", "a b");
        check("a /* x /* y */ z */ b", "a b");
        check(r#"f("no // \" comment", 1) // yes"#, "f( , 1)");
        check("f(r#\"a \" b\"#, br\"c\\\") g", "f( , ) g");
        check("let r = b; for x in bar {}", "let r = b; for x in bar {}");
        check("f('\"', '\\'', '\u{e9}') /*", "f( , , )");
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("r#type", "r#type");
    }

    #[test]
    fn strings_survive_when_only_comments_go() {
        assert_eq!(without_comments("f(\"//\") // x"), "f(\"//\")     ");
    }

    #[test]
    fn test_code_is_cut_out() {
        let check = |source: &str| without_tests(&bare(source)).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(check("a\n#[cfg(test)]\nmod tests { fn f() { x } }\nb"), "a b");
        assert_eq!(check("a\n#[cfg(test)]\nmod tests;\nb"), "a b");
        assert_eq!(check("#[cfg(test)] mod t { #[cfg(test)] fn g() {} } b"), "b");
        assert_eq!(check("#[cfg(not(test))] mod t {}"), "#[cfg(not(test))] mod t {}");
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(find_words("sleep() asleep() sleeper() x.sleep()", "sleep").count(), 2);
        assert_eq!(find_words("a::now() b::now()", "::now()").count(), 2);
    }
}
