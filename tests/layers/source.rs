//! A Rust file as its words and signs: comments are left out, strings are kept apart, so that only code is looked at.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    Sign,
    /// What stands between the quotation marks.
    Text,
    /// A number or a character.
    Other,
}

#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    pub line: usize,
    pub kind: Kind,
    pub text: &'a str,
}

impl Token<'_> {
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    pub fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        let (taken, left) = rest.split_at(length);
        tokens.extend(token.map(|(kind, text)| Token { line, kind, text }));
        line += taken.matches('\n').count();
        rest = left;
    }
    tokens
}

/// How many bytes come next, and the token they are, if they are one.
fn next(rest: &str, first: char) -> (usize, Option<(Kind, &str)>) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), None);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), None);
    }
    if first.is_whitespace() {
        return (first.len_utf8(), None);
    }
    if let Some((length, text)) = string(rest) {
        return (length, Some((Kind::Text, text)));
    }
    if first == '\'' {
        return match character(rest) {
            Some(length) => (length, Some((Kind::Other, &rest[..length]))),
            // A lifetime.
            None => (1 + word(&rest[1..]), None),
        };
    }
    if first.is_ascii_digit() {
        let length = number(rest);
        return (length, Some((Kind::Other, &rest[..length])));
    }
    let raw = if rest.starts_with("r#") { 2 } else { 0 };
    match word(&rest[raw..]) {
        0 => (first.len_utf8(), Some((Kind::Sign, &rest[..first.len_utf8()]))),
        length => (raw + length, Some((Kind::Word, &rest[raw..raw + length]))),
    }
}

fn word(rest: &str) -> usize {
    rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
}

/// A number; the dots of a range are none of its.
fn number(rest: &str) -> usize {
    let whole = word(rest);
    let is_fraction = rest[whole..].strip_prefix('.').is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()));
    if is_fraction { whole + 1 + word(&rest[whole + 1..]) } else { whole }
}

/// A comment, and the comments in it.
fn block_comment(rest: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        let step = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step.0;
        depth += step.1;
        if depth == 0 {
            break;
        }
    }
    at
}

/// A string of any sort: its length with all around it, and what it says.
fn string(rest: &str) -> Option<(usize, &str)> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix).unwrap_or_default();
        after.starts_with('"') || prefix.ends_with('r') && after.trim_start_matches('#').starts_with('"')
    })?;
    let body = &rest[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let begin = prefix.len() + hashes + 1;
    let length = match prefix.ends_with('r') {
        true => rest[begin..].find(&format!("\"{}", "#".repeat(hashes))),
        false => {
            let mut is_escaped = false;
            rest[begin..].find(|c| {
                let is_end = c == '"' && !is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                is_end
            })
        }
    };
    let length = length.unwrap_or(rest.len() - begin);
    Some(((begin + length + 1 + hashes).min(rest.len()), &rest[begin..begin + length]))
}

/// A character in its marks; none for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest[1..].char_indices();
    match (chars.next()?, chars.next()?) {
        ((_, '\\'), (at, escaped)) => {
            let begin = 1 + at + escaped.len_utf8();
            Some(begin + rest[begin..].find('\'')? + 1)
        }
        (_, (at, '\'')) => Some(1 + at + 1),
        _ => None,
    }
}

#[test]
fn comments_and_strings_are_no_code() {
    let source = r###"
        // crate::a /* "
        /* crate::b /* nested */ " */ fn f<'a>(x: &'a str) { '"'; '\''; b'x'; "crate::c \" //"; r#"crate::d " "#; 0..1.5 }
        /// crate::e
        r#type
    "###;
    let code: Vec<_> = tokens(source).into_iter().filter(|t| t.kind == Kind::Word).map(|t| (t.line, t.text)).collect();
    assert_eq!(code, [(3, "fn"), (3, "f"), (3, "x"), (3, "str"), (3, "b"), (5, "type")]);
    let texts: Vec<_> = tokens(source).into_iter().filter(|t| t.kind == Kind::Text).map(|t| t.text).collect();
    assert_eq!(texts, [r#"crate::c \" //"#, r#"crate::d " "#]);
}
