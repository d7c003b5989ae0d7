//! Facts about Python's text functions that webui's behaviour rests on.

use pest::unicode::{DECIMAL_NUMBER, LETTER, NUMBER};

/// Python's `\s`, which is also what `str.strip` removes.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1C}'..='\u{1F}').contains(&c)
}

/// Python's `\w`.
pub fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || (!c.is_ascii() && (LETTER(c) || NUMBER(c)))
}

/// `str.strip()`.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.rstrip()`.
pub fn rstrip(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `str.splitlines()`: also splits at VT, FF, FS, GS, RS, NEL and the Unicode separators. Ends are not part of the lines.
pub fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let is_end = |c: char| {
        matches!(c, '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{1C}'..='\u{1E}' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, behind) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        let mut end = behind.chars();
        end.next();
        rest = behind.strip_prefix("\r\n").unwrap_or(end.as_str());
        Some(line)
    })
}

/// `float(text)`: surrounding whitespace, underscores between digits and any Unicode decimal digits are accepted.
pub fn float(text: &str) -> Option<f64> {
    plain_number(text)?.parse().ok()
}

/// `int(text)`. Numbers beyond 64 bits become the nearest that fits.
pub fn int(text: &str) -> Option<i64> {
    let plain = plain_number(text)?;
    let digits = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    // Python refuses to convert more than 4300 digits.
    if digits.is_empty() || digits.len() > 4300 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let limit = if plain.starts_with('-') { i64::MIN } else { i64::MAX };
    Some(plain.parse().unwrap_or(limit))
}

/// `round(value, 3)`.
pub fn round3(value: f64) -> f64 {
    format!("{value:.3}").parse().unwrap_or(value)
}

/// `text` stripped, with ASCII digits and without the underscores that may stand between digits.
fn plain_number(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    // The separators U+001C to U+001F are whitespace to `strip`, but not to the number readers.
    let mut chars = text.trim_matches(char::is_whitespace).chars().peekable();
    while let Some(c) = chars.next() {
        if c == '_' {
            let after_digit = plain.ends_with(|c: char| c.is_ascii_digit());
            let before_digit = chars.peek().is_some_and(|next| decimal(*next).is_some());
            if !(after_digit && before_digit) {
                return None;
            }
        } else if let Some(digit) = decimal(c) {
            plain.push(digit);
        } else if c.is_ascii() {
            plain.push(c);
        } else {
            return None;
        }
    }
    (!plain.is_empty()).then_some(plain)
}

/// The ASCII digit with the value of a Unicode decimal digit.
fn decimal(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    if !DECIMAL_NUMBER(c) {
        return None;
    }
    // Decimal digits come in runs of ten that begin with zero; a run never follows on anything but another full run.
    let mut zero = c;
    while let Some(before) = char::from_u32(zero as u32 - 1).filter(|b| DECIMAL_NUMBER(*b)) {
        zero = before;
    }
    char::from_digit((c as u32 - zero as u32) % 10, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_accepts_what_python_accepts() {
        for (text, value) in [
            (" 1_000 ", 1000.0),
            ("1e3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1", 1.0),
            ("１.５", 1.5),
            ("٣", 3.0),
            ("𝟘𝟡𝟗", 99.0),
            ("-inf", f64::NEG_INFINITY),
            ("\u{85}7\u{3000}", 7.0),
        ] {
            assert_eq!(float(text), Some(value), "{text:?}");
        }
        assert!(float("NaN").is_some_and(f64::is_nan));
        for text in
            ["", " ", "1,0", "0x1", "1__0", "_1", "1_", "1_.5", ".", "..", "1.2.3", "1 2", "½", "+-1", "e5", "\u{1F}7"]
        {
            assert_eq!(float(text), None, "{text:?}");
        }
    }

    #[test]
    fn int_accepts_what_python_accepts() {
        assert_eq!(int(" -1_0 "), Some(-10));
        assert_eq!(int("００７"), Some(7));
        assert_eq!(int("99999999999999999999"), Some(i64::MAX));
        for text in ["", "1.0", "- 5", "+", "1e3", "inf"] {
            assert_eq!(int(text), None, "{text:?}");
        }
    }

    #[test]
    fn lines_end_where_python_ends_them() {
        let lines = |text| split_lines(text).collect::<Vec<_>>();
        assert_eq!(lines("a\r\nb\rc\u{2028}d\x1ce\n\nf"), ["a", "b", "c", "d", "e", "", "f"]);
        assert_eq!(lines("a\n"), ["a"]);
        assert_eq!(lines("\r\n\n"), ["", ""]);
        assert!(lines("").is_empty());
    }

    #[test]
    fn rounding_is_half_to_even_of_the_exact_value() {
        assert_eq!(round3(0.0005), 0.001);
        assert_eq!(round3(2.0005), 2.001);
        assert_eq!(round3(1.0005), 1.0);
        assert_eq!(round3(-0.4996), -0.5);
    }
}
