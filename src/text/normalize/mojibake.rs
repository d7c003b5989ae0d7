//! Undoes mojibake: UTF-8 that was read as another encoding, `mÃ©lange` for `mélange`.
//!
//! The method and its tables of improbable neighbours are those of ftfy 6.3 (Apache-2.0), because its decisions are what
//! the encoders' tokens depend on. Text that does not look wrong is never touched.

use std::sync::LazyLock;

use regex::Regex;
use regex::bytes::Regex as BytesRegex;

use super::charmap::{CHARMAPS, Kind, UTF8_BYTES};
use super::{MAX_PASSES, windows_1252};

/// Mojibake inside mojibake, each within a shorter part of the text.
const MAX_DEPTH: usize = 8;

/// Repairs `text` until it no longer changes.
pub(super) fn fix_encoding(text: &str) -> String {
    fix_to(MAX_DEPTH, text)
}

fn fix_to(depth: usize, text: &str) -> String {
    let mut text = text.to_string();
    for _ in 0..MAX_PASSES {
        match fix_once(depth, &text) {
            Some(fixed) if fixed != text => text = fixed,
            _ => break,
        }
    }
    text
}

/// One repair; `None` if there is nothing to repair.
fn fix_once(depth: usize, text: &str) -> Option<String> {
    if text.is_ascii() || !is_bad(text) {
        return None;
    }
    for map in CHARMAPS.iter() {
        let Some(bytes) = map.encode(text) else { continue };
        if let Some(decoded) = decode(bytes, map.kind) {
            return Some(decoded);
        }
    }
    if depth > 0
        && let Some(fixed) = fix_parts(depth - 1, text)
    {
        return Some(fixed);
    }
    // What remains are C1 controls: Latin-1 that was meant as Windows-1252.
    let fixed: String = text.chars().map(windows_1252).collect();
    (fixed != text).then_some(fixed)
}

/// The text that `bytes` are the UTF-8 of, after the losses that such bytes suffer are made good.
fn decode(bytes: Vec<u8>, read_as: Kind) -> Option<String> {
    let mut bytes = bytes;
    if read_as != Kind::Mac && SPACE_FOR_A0.is_match(&bytes) {
        bytes = restore_a0(&bytes);
    }
    if read_as == Kind::Windows {
        bytes = LOST_BYTES.replace_all(&bytes, "\u{fffd}".as_bytes()).into_owned();
    }
    if bytes.contains(&0xed) || bytes.contains(&0xc0) {
        bytes = plain_utf8(&bytes);
    }
    String::from_utf8(bytes).ok()
}

/// UTF-8 in which the byte A0 has become a space, where that is likely.
static SPACE_FOR_A0: LazyLock<BytesRegex> = LazyLock::new(|| {
    bytes_pattern(&[
        r"[\xc2\xc3\xc5\xce\xd0\xd9] ",
        r"[\xe2\xe3] [\x80-\x84\x86-\x9f\xa1-\xbf]",
        r"[\xe0-\xe3][\x80-\x84\x86-\x9f\xa1-\xbf] ",
        r"\xf0 [\x80-\xbf][\x80-\xbf]",
        r"\xf0[\x80-\xbf] [\x80-\xbf]",
        r"\xf0[\x80-\xbf][\x80-\xbf] ",
    ])
});

/// UTF-8 and CESU-8 in which bytes were lost: 1A for any of them, `?` for one.
static LOST_BYTES: LazyLock<BytesRegex> = LazyLock::new(|| {
    bytes_pattern(&[
        r"[\xc2-\xdf]\x1a",
        r"[\xc2-\xc3]\?",
        r"\xed[\xa0-\xaf][\x1a?]\xed[\xb0-\xbf][\x1a?\x80-\xbf]",
        r"\xed[\xa0-\xaf][\x1a?\x80-\xbf]\xed[\xb0-\xbf][\x1a?]",
        r"[\xe0-\xef][\x1a?][\x1a\x80-\xbf]",
        r"[\xe0-\xef][\x1a\x80-\xbf][\x1a?]",
        r"[\xf0-\xf4][\x1a?][\x1a\x80-\xbf][\x1a\x80-\xbf]",
        r"[\xf0-\xf4][\x1a\x80-\xbf][\x1a?][\x1a\x80-\xbf]",
        r"[\xf0-\xf4][\x1a\x80-\xbf][\x1a\x80-\xbf][\x1a?]",
        r"\x1a",
    ])
});

#[expect(clippy::expect_used, reason = "the text is constant and every test reads it")]
fn bytes_pattern(alternatives: &[&str]) -> BytesRegex {
    BytesRegex::new(&format!("(?-u){}", alternatives.join("|"))).expect("the pattern is constant")
}

/// Puts A0 back for spaces. `Ã ` as a word of its own is `à`, and keeps its space.
fn restore_a0(bytes: &[u8]) -> Vec<u8> {
    let mut spaced = Vec::with_capacity(bytes.len());
    for (i, byte) in bytes.iter().enumerate() {
        spaced.push(*byte);
        let rest = &bytes[i + 1..];
        // Portuguese joins `à` to these.
        let joined = [&b" "[..], b"quele", b"quela", b"quilo", b"s "]
            .iter()
            .any(|next| rest[1.min(rest.len())..].starts_with(next));
        if *byte == 0xc3 && rest.starts_with(b" ") && !joined {
            spaced.push(0xa0);
        }
    }
    let restore = |found: &regex::bytes::Captures| -> Vec<u8> {
        found[0].iter().map(|byte| if *byte == b' ' { 0xa0 } else { *byte }).collect()
    };
    SPACE_FOR_A0.replace_all(&spaced, restore).into_owned()
}

/// UTF-8 for its variants: Java's C0 80 for NUL, and surrogate pairs of three bytes each (CESU-8).
fn plain_utf8(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        match rest {
            [0xc0, 0x80, tail @ ..] => {
                plain.push(0);
                rest = tail;
            }
            [0xed, a @ 0xa0..=0xaf, b @ 0x80..=0xbf, 0xed, c @ 0xb0..=0xbf, d @ 0x80..=0xbf, tail @ ..] => {
                let high = u32::from(a & 0x0f) << 6 | u32::from(b & 0x3f);
                let low = u32::from(c & 0x0f) << 6 | u32::from(d & 0x3f);
                let c = char::from_u32(0x10000 + (high << 10) + low).unwrap_or(char::REPLACEMENT_CHARACTER);
                plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = tail;
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

/// Repairs the parts of `text` that look like UTF-8 read as something else; `None` if nothing changes.
fn fix_parts(depth: usize, text: &str) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut fixed = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let preceded = at > 0 && UTF8_BYTES.strict_continuation.contains(&chars[at - 1]);
        let length = if preceded { 0 } else { utf8_like(&chars[at..]) };
        if length == 0 {
            fixed.push(chars[at]);
            at += 1;
            continue;
        }
        let part: String = chars[at..at + length].iter().collect();
        fixed.push_str(&if length < chars.len() && is_bad(&part) { fix_to(depth, &part) } else { part });
        at += length;
    }
    (fixed != text).then_some(fixed)
}

/// How many characters at the start of `chars` look like whole UTF-8 sequences.
fn utf8_like(chars: &[char]) -> usize {
    let looks = &*UTF8_BYTES;
    let sequence = |rest: &[char]| {
        let follow = |n: usize| rest.len() > n && rest[1..=n].iter().all(|c| looks.continuation.contains(c));
        let lengths = [(&looks.first_of_2, 1), (&looks.first_of_3, 2), (&looks.first_of_4, 3)];
        lengths.into_iter().find(|(first, n)| rest.first().is_some_and(|c| first.contains(c)) && follow(*n))
    };
    let mut length = 0;
    while let Some((_, continuations)) = sequence(&chars[length..]) {
        length += 1 + continuations;
    }
    length
}

/// Whether characters stand side by side that hardly do so in real text.
fn is_bad(text: &str) -> bool {
    #[expect(clippy::expect_used, reason = "the text is constant and every test reads it")]
    static BAD: LazyLock<Regex> = LazyLock::new(|| {
        let mut pattern = IMPROBABLE.join("|").replace(r"\w", r"[\p{L}\p{N}_]").replace(r"\s", r"[\s\x1c-\x1f]");
        for (name, characters) in CATEGORIES {
            pattern = pattern.replace(name, characters);
        }
        Regex::new(&pattern).expect("the pattern is constant")
    });
    BAD.is_match(text)
}

/// Kinds of the characters that mojibake consists of, by the names used in [`IMPROBABLE`].
const CATEGORIES: [(&str, &str); 14] = [
    // Common in many contexts.
    ("{common}", r"\u{a0}\u{ad}´·–-―’…"),
    ("{c1}", r"\u{80}-\u{9f}"),
    // Almost only seen in mojibake.
    ("{bad}", r"¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\u{fffd}"),
    ("{law}", "§¶"),
    ("{money}", "¢£¥₧€"),
    ("{open}", r"¡©«¿΄΅‘‚“„•‹\u{f8ff}"),
    ("{close}", "®»˝”›™"),
    ("{number}", "±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥"),
    // Letters that faces are drawn with.
    ("{face}", "°Ò-ÖÙ-Üò-öø-üŌŐŪŲ"),
    ("{upper}", "À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ"),
    ("{lower}", "ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ"),
    // Greek and Cyrillic.
    ("{Other}", "ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я"),
    ("{other}", "ά-ωа-џ"),
    ("{box}", "│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓"),
];

/// Sequences of characters that are improbable in any language.
#[rustfmt::skip]
const IMPROBABLE: [&str; 37] = [
    "[{c1}]",
    "[{bad}{lower}{upper}{box}{open}{close}{money}{number}{law}][{bad}]",
    "[a-zA-Z][{other}{Other}][{bad}]",
    "[{bad}][{lower}{upper}{box}{open}{close}{money}{number}{law}]",
    "[{lower}{other}{box}{close}{money}{number}][{upper}]",
    "[{box}{close}{money}{number}][{lower}]",
    "[{lower}{box}{close}][{money}]",
    r"\s[{upper}][{money}]",
    "[{upper}{box}][{number}{law}]",
    "[{lower}{upper}{box}{money}{close}][{open}][{number}]",
    "[{lower}{upper}{money}{number}{box}{law}][{close}][{open}]",
    "[{money}{number}{box}][{open}]",
    "[a-z][{upper}][{open}{money}]",
    "[{box}][{face}]",
    "[{lower}{upper}{money}{number}{open}{close}{law}][{box}]",
    "[{box}][{close}]",
    r"[{lower}{upper}][{open}{close}]\w",
    // Œ is followed by a letter.
    "[Œœ][^A-Za-z]",
    "[{upper}]°",
    // Windows-1252 in general, then Arabic and South Asian scripts in it.
    r"[ÂÃÎÐ][€œŠš¢£Ÿž\u{a0}\u{ad}®©°·»{open}{close}–—´]",
    "×[²³]",
    "[ØÙ][{common}{money}{bad}{number}{open}ŸŠ®°µ»][ØÙ][{common}{money}{bad}{number}{open}ŸŠ®°µ»]",
    "à[²µ¹¼½¾]",
    // MacRoman.
    "√[±∂†≠®™´≤≥¥µø]",
    "≈[°¢]",
    "‚Ä[ìîïòôúùû†°¢π]",
    "‚[âó][àä°ê]",
    // Windows-1251.
    "вЂ",
    "[ВГРС][{c1}{bad}{open}{close}{money}°µ][ВГРС]",
    "ГўВЂВ.[A-Za-z ]",
    // `à`, `á` and the no-break space in Windows-1252.
    r"Ã[\u{a0}¡]",
    r"[a-z]\s?[ÃÂ] ",
    "^[ÃÂ] ",
    "[a-z.,?!{close}]Â[ {open}{close}]",
    // Windows-1253.
    r"β€[™\u{a0}Ά\u{ad}®°]",
    "[ΒΓΞΟ][{c1}{bad}{open}{close}{money}°][ΒΓΞΟ]",
    // Windows-1257.
    "ā€",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_wrongly_is_read_rightly() {
        for (wrong, right) in [
            ("mÃ©lange", "mélange"),
            ("â€œquoteâ€\u{9d}", "“quote”"),
            ("Ð¼Ð¸Ñ€", "мир"),
            ("voilÃ  le travail", "voilà le travail"),
            ("ÃƒÂ©", "é"),
            ("cafÃ© at ½ price", "café at ½ price"),
        ] {
            assert_eq!(fix_encoding(wrong), right, "{wrong}");
        }
    }

    #[test]
    fn right_text_stays() {
        for text in ["café naïve", "日本語", "Ñandú «à la» œuvre", "¯\\_(ツ)_/¯", "x² ± 5°"] {
            assert_eq!(fix_encoding(text), text);
        }
    }
}
