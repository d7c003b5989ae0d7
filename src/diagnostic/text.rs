//! What a diagnostic says, in every language.
//!
//! [`say!`](crate::say) is the one way to make a text: it takes the English and the Japanese words side by side, so that
//! neither can be forgotten, and refuses to compile where one uses an argument that the other lacks.
//!
//! ```
//! use lbw::{diagnostic::Language, say};
//! let name = "XLUOT";
//! let text = say!("there is no preset `{name}`", "プリセット `{name}` はありません");
//! assert_eq!(text.in_language(Language::En), "there is no preset `XLUOT`");
//! assert_eq!(text.in_language(Language::Ja), "プリセット `XLUOT` はありません");
//! ```
//!
//! ```compile_fail
//! let name = "XLUOT";
//! lbw::say!("there is no preset `{name}`", "プリセットはありません");
//! ```

use unicode_width::UnicodeWidthStr;

use super::Language;

/// The same words in every language. As a string it is English.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Text {
    en: String,
    ja: String,
}

impl Text {
    /// The text that [`say!`](crate::say) made.
    pub fn new(en: String, ja: String) -> Self {
        Text { en, ja }
    }

    /// Words that are the same in every language, such as names, numbers and what foreign code says.
    pub fn same(words: impl std::fmt::Display) -> Self {
        let words = words.to_string();
        Text { ja: words.clone(), en: words }
    }

    /// The texts one after the other, with `separator` between them.
    pub fn join(texts: impl IntoIterator<Item = Text>, separator: &str) -> Self {
        let (en, ja): (Vec<_>, Vec<_>) = texts.into_iter().map(|text| (text.en, text.ja)).unzip();
        Text { en: en.join(separator), ja: ja.join(separator) }
    }

    /// `a, b, c`.
    pub fn join_words(texts: impl IntoIterator<Item = Text>) -> Self {
        let (en, ja): (Vec<_>, Vec<_>) = texts.into_iter().map(|text| (text.en, text.ja)).unzip();
        Text { en: en.join(", "), ja: ja.join("、") }
    }

    /// `a, b or c`.
    pub fn alternatives<T: std::fmt::Display>(names: &[T]) -> Self {
        let names: Vec<String> = names.iter().map(T::to_string).collect();
        let en = match names.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            names => names.concat(),
        };
        Text { en, ja: names.join("、") }
    }

    /// All of `names`: `768 and 1280`.
    pub fn list<T: std::fmt::Display>(names: &[T]) -> Self {
        let names: Vec<String> = names.iter().map(T::to_string).collect();
        let en = match names.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            names => names.concat(),
        };
        Text { en, ja: names.join("、") }
    }

    /// This and then `more`.
    pub fn then(&self, more: &Text) -> Self {
        Text { en: format!("{}{}", self.en, more.en), ja: format!("{}{}", self.ja, more.ja) }
    }

    /// This with spaces behind it up to so many columns of a terminal, in which Japanese letters take two each.
    pub fn padded(&self, columns: usize) -> Self {
        let padded = |text: &str| format!("{text}{}", " ".repeat(columns.saturating_sub(text.width())));
        Text { en: padded(&self.en), ja: padded(&self.ja) }
    }

    /// Rows of cells in columns of a terminal, each row a line.
    pub fn table<'t>(rows: impl Iterator<Item = &'t [Text]> + Clone) -> Self {
        const GAP: &str = "  ";
        let count = rows.clone().map(<[Text]>::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = rows.clone().filter_map(|row| row.get(column));
            cells.flat_map(|cell| [cell.en.width(), cell.ja.width()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..count).map(width).collect();
        let line = |row: &[Text]| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| cell.padded(*width));
            let Text { en, ja } = Text::join(cells, GAP);
            Text { en: format!("{}\n", en.trim_end()), ja: format!("{}\n", ja.trim_end()) }
        };
        Text::join(rows.map(line), "")
    }

    /// The words in one language.
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Ja => &self.ja,
        }
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.en
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.en)
    }
}

/// So that a text can travel inside an error of foreign code and still be told in every language.
impl std::error::Error for Text {}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.en == *other
    }
}

/// A [`Text`]: the English and the Japanese words as literals of `format!`, with the same named arguments. An argument
/// that is itself a `Text` is named behind `with`, and then speaks the language of its sentence.
#[macro_export]
macro_rules! say {
    ($en:literal, $ja:literal $(, with $($text:ident),+)? $(,)?) => {{
        const { assert!($crate::diagnostic::same_arguments($en, $ja), "both languages need the same arguments") };
        let said = |_language: $crate::diagnostic::Language| {
            $($(let $text = $text.in_language(_language);)+)?
            match _language {
                $crate::diagnostic::Language::En => ::std::fmt::format(::std::format_args!($en)),
                $crate::diagnostic::Language::Ja => ::std::fmt::format(::std::format_args!($ja)),
            }
        };
        $crate::diagnostic::Text::new(
            said($crate::diagnostic::Language::En),
            said($crate::diagnostic::Language::Ja),
        )
    }};
}

/// Whether every named argument of one format text occurs in the other.
pub const fn same_arguments(a: &str, b: &str) -> bool {
    has_arguments_of(a.as_bytes(), b.as_bytes()) && has_arguments_of(b.as_bytes(), a.as_bytes())
}

const fn has_arguments_of(text: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while let Some((start, end)) = next_argument(other, at) {
        if !has_argument(text, other, start, end) {
            return false;
        }
        at = end;
    }
    true
}

const fn has_argument(text: &[u8], other: &[u8], start: usize, end: usize) -> bool {
    let mut at = 0;
    while let Some((own_start, own_end)) = next_argument(text, at) {
        let mut same = end - start == own_end - own_start;
        let mut i = 0;
        while same && i < end - start {
            same = text[own_start + i] == other[start + i];
            i += 1;
        }
        if same {
            return true;
        }
        at = own_end;
    }
    false
}

/// The place of the next argument's name from `at`: between `{` and `}` or `:`.
const fn next_argument(text: &[u8], mut at: usize) -> Option<(usize, usize)> {
    while at < text.len() {
        if text[at] == b'{' {
            if at + 1 < text.len() && text[at + 1] == b'{' {
                at += 2;
                continue;
            }
            let start = at + 1;
            let mut end = start;
            while end < text.len() && text[end] != b'}' && text[end] != b':' {
                end += 1;
            }
            return Some((start, end));
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_compared_by_name() {
        for (a, b) in [("x", "y"), ("{a} {b}", "{b}{a}"), ("{a:>3}", "{a}"), ("{{a}}", "b"), ("{a}{a}", "{a}")] {
            assert!(same_arguments(a, b), "{a} {b}");
        }
        for (a, b) in [("{a}", "a"), ("a", "{a}"), ("{a}", "{ab}"), ("{ab}", "{a}"), ("{{a}}", "{a}")] {
            assert!(!same_arguments(a, b), "{a} {b}");
        }
    }

    #[test]
    fn alternatives_are_read_aloud() {
        assert_eq!(Text::alternatives(&["x"]), Text::same("x"));
        assert_eq!(Text::alternatives(&[1, 2, 3]), say!("1, 2 or 3", "1、2、3"));
    }

    #[test]
    fn texts_inside_texts_keep_their_language() {
        let why = say!("it is empty", "空です");
        let name = "x";
        let said = say!("`{name}`: {why}", "「{name}」: {why}", with why);
        assert_eq!(
            (said.in_language(Language::En), said.in_language(Language::Ja)),
            ("`x`: it is empty", "「x」: 空です")
        );
    }
}
