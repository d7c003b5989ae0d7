//! What looks like a tag and is none: not closed, with full-width signs, with spaces, without a colon.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use crate::diagnostic::{Diagnostic, Source, code};
use crate::say;
use crate::syntax::{Mapped, Tag};

/// An opening sign, or none, and the word of a kind with what may follow it.
static OPENINGS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let opening = r"[<＜〈《«‹]\s*(?:lora|lyco|lycoris|locon|loha|lokr|dora|hypernet)\b";
    let escaped = r"&lt;\s*(?:lora|lyco|hypernet)\b";
    let bare = r"\b(?:lora|lyco)\s*[:：]\s*[^\s:：,，、<>]+\s*[:：]\s*-?[\d.]+";
    Regex::new(&format!("(?i)(?:{opening}|{escaped}|{bare})")).ok()
});

/// So many of them are told of one text.
const MOST: usize = 10;
/// A tag is hardly longer.
const LONGEST: usize = 200;

/// The half-width form of a full-width sign that the prompt language has.
pub fn half_width(sign: char) -> Option<char> {
    Some(match sign {
        '（' => '(',
        '）' => ')',
        '［' => '[',
        '］' => ']',
        '：' => ':',
        '，' => ',',
        '＜' | '〈' | '《' | '«' | '‹' => '<',
        '＞' | '〉' | '》' | '»' | '›' => '>',
        '＝' => '=',
        '．' => '.',
        '－' => '-',
        '｜' => '|',
        _ => return None,
    })
}

/// `text` with half-width signs and digits.
pub fn in_ascii(text: &str) -> String {
    let digit = |c: char| ('０'..='９').contains(&c).then(|| char::from(b'0' + (c as u32 - '０' as u32) as u8));
    text.chars().map(|c| half_width(c).or_else(|| digit(c)).unwrap_or(c)).collect()
}

/// Whether there is any use in looking: compiling the pattern takes longer than most plans.
fn may_hold_one(text: &str) -> bool {
    let is_word = |word: &[u8]| text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    text.contains(['<', '＜', '〈', '《', '«', '‹']) || text.contains("&lt;") || is_word(b"lora") || is_word(b"lyco")
}

/// Everything in `text`, out of which the tags have been cut, that was meant as one.
pub fn no_tags(text: &Mapped, source: &Source) -> Vec<Diagnostic> {
    if !may_hold_one(text.text()) {
        return Vec::new();
    }
    let Some(openings) = OPENINGS.as_ref() else { return Vec::new() };
    let mut found = Vec::new();
    let mut from = 0;
    for place in openings.find_iter(text.text()) {
        if place.start() < from {
            continue;
        }
        if found.len() == MOST {
            break;
        }
        let range = extent(text.text(), place.range());
        from = range.end;
        let written = &text.text()[range.clone()];
        // A whole tag is one, and where it has no effect that is told there.
        if meant(written) != written {
            found.push(one(written).within(source).at(text.span(range)));
        }
    }
    found
}

/// From the opening sign to the closing one, or to where a tag would hardly go on.
fn extent(text: &str, opening: Range<usize>) -> Range<usize> {
    let mut end = opening.end;
    for c in text[opening.end..].chars() {
        if matches!(c, '>' | '＞' | '〉' | '》' | '»' | '›') {
            return opening.start..end + c.len_utf8();
        }
        if matches!(c, '\n' | '<') || end - opening.start > LONGEST {
            break;
        }
        end += c.len_utf8();
    }
    let inside = &text[opening.end..end];
    opening.start
        ..opening.end + inside.char_indices().find(|(at, c)| ends(inside, *at, *c)).map_or(inside.len(), |(at, _)| at)
}

/// Whether a tag that is not closed would hardly go on with `c`. The numbers of a vector have commas between them.
fn ends(inside: &str, at: usize, c: char) -> bool {
    let is_vector = || inside[..at].rsplit(':').next().is_some_and(|item| item.contains("lbw="));
    let goes_on = || inside[at + 1..].starts_with(|next: char| !next.is_whitespace());
    match c {
        ',' => !(is_vector() && goes_on()),
        c => matches!(c, '、' | '(' | '[' | ')' | ']' | '}') || c.is_whitespace(),
    }
}

fn one(text: &str) -> Diagnostic {
    let meant = meant(text);
    let (plain, closed) = (in_ascii(text), text.ends_with(|c| half_width(c) == Some('>') || c == '>'));
    let is_plain = plain == text && text.starts_with("<lora:") || text.starts_with("<lyco:");
    if is_plain && !closed {
        let message =
            say!("this tag is not closed: it is drawn as words", "このタグは閉じていないので、単語として描かれます");
        return Diagnostic::new(code::UNCLOSED_TAG, message)
            .help(say!("write `{meant}`", "`{meant}` と書いてください"));
    }
    let message = say!(
        "`{text}` is no tag: it is drawn as words and loads nothing",
        "`{text}` はタグではありません。単語として描かれ、何も読み込みません"
    );
    Diagnostic::new(code::NO_TAG, message).help(say!("write `{meant}`", "`{meant}` と書いてください"))
}

/// The tag that `text` was meant as.
fn meant(text: &str) -> String {
    let plain = in_ascii(text).replace("&lt;", "<").replace("&gt;", ">");
    let inner = plain.trim_start_matches('<').trim_end_matches('>').trim();
    let kind_end = inner.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(inner.len());
    let (kind, rest) = inner.split_at(kind_end);
    let kind = if kind.eq_ignore_ascii_case("hypernet") { "hypernet" } else { "lora" };
    let rest = rest.trim_start_matches([':', ' ', '=', ';', ',']);
    // Other signs than colons, where there are no colons.
    let divided = |c: char| if rest.contains(':') { c == ':' } else { matches!(c, ';' | ',' | '=') };
    let items: Vec<&str> = rest.split(divided).map(str::trim).collect();
    match items.as_slice() {
        [""] => format!("<{kind}:NAME:1>"),
        items => format!("<{kind}:{}>", items.join(":").replace(['　', ' '], "")),
    }
}

/// A tag that reaches to the end of another one, because its own is missing.
pub fn swallowing(tag: &Tag, source: &Source) -> Option<Diagnostic> {
    let item = tag.items.iter().find(|item| item.text.contains('<'))?;
    let at = item.span.start + item.text.find('<')?;
    let message = say!(
        "this tag is not closed: it reaches to the `>` of the next one",
        "このタグは閉じておらず、次のタグの `>` まで続いています"
    );
    Some(
        Diagnostic::new(code::UNCLOSED_TAG, message)
            .within(source)
            .label(tag.span.start..at, say!("is a `>` missing here?", "ここに `>` が足りないのではありませんか"))
            .help(say!("write `>` before the next `<`", "次の `<` の前に `>` を書いてください")),
    )
}
