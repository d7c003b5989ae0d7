//! HTML character references, by the rules of two Python libraries.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use super::windows_1252;

/// References by name without the `&`, with and without `;` as HTML 5 lists them.
static HTML5: LazyLock<HashMap<&str, &str>> =
    LazyLock::new(|| entities::ENTITIES.iter().map(|e| (&e.entity[1..], e.characters)).collect());

/// Lower-case names written in capitals, where that is no other name: `NTILDE;` is `Ñ`.
static CAPITALISED: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let lower = HTML5.iter().filter(|(name, _)| name.ends_with(';') && **name == name.to_lowercase());
    lower
        .map(|(name, characters)| (name.to_uppercase(), characters.to_uppercase()))
        .filter(|(name, _)| unescape_html5(&format!("&{name}")) == format!("&{name}"))
        .collect()
});

/// ftfy's rule: only complete references, `&name;` and `&#n;`.
pub(super) fn unescape_known(text: &str) -> String {
    replace_references(text, |body| {
        let number = body.starts_with('#');
        let length = body[usize::from(number)..].bytes().take(25).take_while(u8::is_ascii_alphanumeric).count();
        let end = usize::from(number) + length;
        if !(1..=24).contains(&length) || body.as_bytes().get(end) != Some(&b';') {
            return None;
        }
        let reference = &body[..end + 1];
        let characters: Cow<str> = if number {
            // A number that is only partly one keeps its `;` and is no reference.
            let (character, used) = numeric(reference)?;
            if used != reference.len() {
                return None;
            }
            character.map(String::from).unwrap_or_default().into()
        } else {
            let found = HTML5.get(reference).copied().or_else(|| CAPITALISED.get(reference).map(String::as_str));
            found?.into()
        };
        Some((characters, reference.len()))
    })
}

/// HTML 5's rule, as Python's `html.unescape` applies it: `;` may be missing, and the longest known name counts.
pub(super) fn unescape_html5(text: &str) -> String {
    replace_references(text, |body| {
        if body.starts_with('#') {
            let (character, used) = numeric(body)?;
            return Some((character.map(String::from).unwrap_or_default().into(), used));
        }
        let ends_name = |c: char| matches!(c, '\t' | '\n' | '\u{c}' | ' ' | '<' | '&' | '#' | ';');
        let ends: Vec<usize> =
            body.char_indices().take(32).take_while(|(_, c)| !ends_name(*c)).map(|(i, c)| i + c.len_utf8()).collect();
        let longest = *ends.last()?;
        if body[longest..].starts_with(';')
            && let Some(found) = HTML5.get(&body[..longest + 1])
        {
            return Some(((*found).into(), longest + 1));
        }
        // One letter is never enough.
        let found = ends.iter().skip(1).rev().find_map(|end| Some((*HTML5.get(&body[..*end])?, *end)));
        found.map(|(characters, used)| (characters.into(), used))
    })
}

/// Copies `text`, replacing what `read` recognises after each `&`: characters and the length of what they replace.
fn replace_references<'t>(text: &'t str, read: impl Fn(&'t str) -> Option<(Cow<'t, str>, usize)>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let body = &rest[at + 1..];
        match read(body) {
            Some((characters, used)) => {
                out.push_str(&characters);
                rest = &body[used..];
            }
            None => {
                out.push('&');
                rest = body;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Reads `#123;` or `#x7b` at the start of `body`: the character, if it is a permitted one, and the length read.
fn numeric(body: &str) -> Option<(Option<char>, usize)> {
    let hexadecimal = matches!(body.as_bytes().get(1), Some(b'x' | b'X'));
    let first = if hexadecimal { 2 } else { 1 };
    let radix = if hexadecimal { 16 } else { 10 };
    let digits = body.get(first..)?.bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
    if digits == 0 {
        return None;
    }
    let end = first + digits;
    let used = if body[end..].starts_with(';') { end + 1 } else { end };
    let significant = body[first..end].trim_start_matches('0');
    let code = match significant.len() {
        0 => 0,
        1..=8 => u32::from_str_radix(significant, radix).unwrap_or(u32::MAX),
        _ => u32::MAX,
    };
    Some((character_of(code), used))
}

/// What HTML 5 makes of a code: Windows' characters for C1, U+FFFD for surrogates, nothing for noncharacters.
fn character_of(code: u32) -> Option<char> {
    match code {
        0 => Some('\u{fffd}'),
        0x0d => Some('\r'),
        0x80..=0x9f => char::from_u32(code).map(windows_1252),
        0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef => None,
        _ if code <= 0x10ffff && code & 0xfffe == 0xfffe => None,
        _ => Some(char::from_u32(code).unwrap_or('\u{fffd}')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_references_only() {
        assert_eq!(unescape_known("&eacute;&NTILDE;&#x41;&#65;&lt &bogus; &#12x;"), "éÑAA&lt &bogus; &#12x;");
    }

    #[test]
    fn html5_references() {
        assert_eq!(unescape_html5("&lt3 &notit; &notin; &#128; &#xD800 &#1;& &#; &a"), "<3 ¬it; ∉ € \u{fffd} & &#; &a");
    }
}
