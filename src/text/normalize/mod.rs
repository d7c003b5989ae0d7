//! What happens to a text before it is cut into words: the repairs of ftfy 6.3 with its default settings, HTML entities,
//! lower case.
//!
//! The repairs matter because they decide tokens: curly quotes become straight, `ﬁ` becomes `fi`, full-width letters
//! become ASCII, `mÃ©lange` becomes `mélange`. White space is not collapsed here: words never contain any.

mod charmap;
mod entities;
mod mojibake;

use unicode_normalization::UnicodeNormalization;

/// Passes over one line. ftfy repeats until nothing changes; entities nested deeper than this (`&amp;amp;amp;…`) are no
/// honest text, and unlimited passes over them would take quadratic time.
const MAX_PASSES: usize = 16;

/// ftfy looks at this many characters at once.
const MAX_SEGMENT: usize = 1_000_000;

/// As transformers' CLIP tokenizer normalises.
pub fn clip_l(text: &str) -> String {
    fix_text(text).to_lowercase()
}

/// As open_clip normalises.
pub fn clip_g(text: &str) -> String {
    entities::unescape_html5(&entities::unescape_html5(&fix_text(text))).to_lowercase()
}

/// ftfy's `fix_text`: repairs line by line.
///
/// Entities are unescaped until a line contains `<`, which looks like HTML: that line and all after it keep theirs.
pub fn fix_text(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len());
    let mut unescape = true;
    for segment in text.split_inclusive('\n').flat_map(pieces_of_limited_length) {
        unescape &= !segment.contains('<');
        fix_segment(segment, unescape, &mut fixed);
    }
    fixed
}

fn pieces_of_limited_length(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let end = rest.char_indices().nth(MAX_SEGMENT).map_or(rest.len(), |(i, _)| i);
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}

fn fix_segment(segment: &str, unescape: bool, out: &mut String) {
    // Printable ASCII without entities needs no repair.
    let plain = |b: u8| matches!(b, b' '..=b'~' | b'\n' | b'\t') && b != b'&';
    if segment.bytes().all(plain) {
        return out.push_str(segment);
    }
    let mut text = segment.to_string();
    for _ in 0..MAX_PASSES {
        let mut next = if unescape { entities::unescape_known(&text) } else { text.clone() };
        next = fix_characters(&mojibake::fix_encoding(&next));
        if next == text {
            break;
        }
        text = next;
    }
    out.push_str(&text);
}

/// The repairs of single characters, then NFC.
fn fix_characters(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match windows_1252(c) {
            // Each kind of line break becomes \n.
            '\r' => {
                chars.next_if_eq(&'\n');
                fixed.push('\n');
            }
            '\u{2028}' | '\u{2029}' => fixed.push('\n'),
            '\u{2bc}' | '\u{2018}'..='\u{201b}' => fixed.push('\''),
            '\u{201c}'..='\u{201f}' => fixed.push('"'),
            '\u{3000}' => fixed.push(' '),
            '\u{ff01}'..='\u{ffef}' => fixed.extend(std::iter::once(c).nfkc()),
            c => match ligature(c) {
                Some(letters) => fixed.push_str(letters),
                None => fixed.push(c),
            },
        }
    }
    let mut fixed = remove_terminal_escapes(&fixed);
    fixed.retain(|c| !is_unwanted_control(c));
    fixed.nfc().collect()
}

/// A C1 control character as Windows meant the byte; the five bytes it leaves undefined stay.
fn windows_1252(c: char) -> char {
    #[rustfmt::skip]
    const MEANT: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    MEANT.get((c as usize).wrapping_sub(0x80)).copied().unwrap_or(c)
}

/// Ligatures and digraphs that exist for typography's or an old encoding's sake.
fn ligature(c: char) -> Option<&'static str> {
    Some(match c {
        'Ĳ' => "IJ",
        'ĳ' => "ij",
        'ŉ' => "'n",
        'Ǳ' => "DZ",
        'ǲ' => "Dz",
        'ǳ' => "dz",
        'Ǆ' => "DŽ",
        'ǅ' => "Dž",
        'ǆ' => "dž",
        'Ǉ' => "LJ",
        'ǈ' => "Lj",
        'ǉ' => "lj",
        'Ǌ' => "NJ",
        'ǋ' => "Nj",
        'ǌ' => "nj",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' => "ſt",
        'ﬆ' => "st",
        _ => return None,
    })
}

/// Removes ANSI sequences: ESC `[`, digits and semicolons, a letter.
fn remove_terminal_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        let (before, sequence) = rest.split_at(at);
        kept.push_str(before);
        let body = &sequence[2..];
        let end = body.find(|c: char| !(c.is_numeric() || c == ';')).unwrap_or(body.len());
        rest = match body[end..].chars().next() {
            Some(c) if c.is_ascii_alphabetic() => &body[end + 1..],
            _ => {
                kept.push_str("\u{1b}[");
                body
            }
        };
    }
    kept.push_str(rest);
    kept
}

fn is_unwanted_control(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}'
        | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_characters() {
        assert_eq!(fix_text("“x” ﬁne ＦＵＬＬ\u{3000}ｶﾞ"), "\"x\" fine FULL ガ");
        assert_eq!(fix_text("\u{1b}[36;44mred\u{1b}[0m \u{1b}[? \u{7}\u{feff}"), "red [? ");
        assert_eq!(fix_text("e\u{301}\u{85}\u{91}\r\nz"), "é…'\nz");
    }

    #[test]
    fn entities_until_a_line_looks_like_html() {
        assert_eq!(fix_text("&amp;amp; &lt;"), "& <");
        assert_eq!(fix_text("&amp;\n<b> &amp;\n&amp;"), "&\n<b> &amp;\n&amp;");
    }

    #[test]
    fn nested_entities_end() {
        assert!(fix_text(&format!("&{}", "amp;".repeat(100_000))).len() < 400_001);
    }
}
