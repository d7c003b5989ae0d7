//! How prompts are headed: `Negative prompt:` by webui, and otherwise by people, pages and other programs.

use super::parse::NEGATIVE;
use crate::syntax::python;

/// What stands below a heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Prompt,
    Negative,
}

/// Headings of the prompt that are not webui's, which has none.
const PROMPT: &[&str] = &[
    "prompt",
    "positive prompt",
    "positive",
    "プロンプト",
    "ポジティブプロンプト",
    "ポジティブ",
    "正向提示词",
    "正面提示词",
    "提示词",
];
/// Headings of the negative prompt, in the spellings that are around.
const NEGATIVE_PROMPT: &[&str] = &[
    "negative prompt",
    "negative",
    "neg prompt",
    "ネガティブプロンプト",
    "ネガティブ",
    "否定プロンプト",
    "negativer prompt",
    "prompt négatif",
    "invite négative",
    "prompt negativo",
    "негативный промпт",
    "네거티브 프롬프트",
    "부정 프롬프트",
    "负面提示词",
    "反向提示词",
    "負面提示詞",
    "反向提示詞",
];
/// Those that are found in the middle of a line, where a single word may be a part of the prompt.
const INSIDE: &[&str] = &["negative prompt", "ネガティブプロンプト"];

/// The beginning of a line that says what follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heading<'t> {
    pub part: Part,
    /// The heading with its colon.
    pub name: &'t str,
    /// What stands behind it in the line.
    pub rest: &'t str,
}

impl<'t> Heading<'t> {
    /// That of webui alone.
    pub fn of_webui(line: &'t str) -> Option<Self> {
        let line = python::strip(line);
        let rest = line.strip_prefix(NEGATIVE)?;
        Some(Heading { part: Part::Negative, name: &line[..NEGATIVE.len()], rest: python::strip(rest) })
    }

    /// Any heading.
    pub fn of(line: &'t str) -> Option<Self> {
        let line = python::strip(line);
        let at = line.find([':', '：'])?;
        // Longer ones need not be made small to know that they are none.
        let name = Some(&line[..at]).filter(|name| name.len() <= 64)?;
        let end = at + line[at..].chars().next()?.len_utf8();
        // Pages print headings in Markdown.
        let is_mark = |c: char| matches!(c, '*' | '#' | ' ');
        let plain = plain(name.trim_matches(is_mark));
        let part = match plain.as_str() {
            name if NEGATIVE_PROMPT.contains(&name) => Part::Negative,
            name if PROMPT.contains(&name) => Part::Prompt,
            _ => return None,
        };
        let rest = python::strip(&line[end..]);
        let rest = if name.starts_with('*') { rest.trim_start_matches('*') } else { rest };
        Some(Heading { part, name: &line[..end], rest: python::strip(rest) })
    }

    /// Whether webui knows it.
    pub fn is_webuis(self) -> bool {
        self.name == NEGATIVE
    }
}

/// Whether a line begins a negative prompt, under any of its headings.
pub fn is_headed_negative(line: &str) -> bool {
    Heading::of(line).is_some_and(|heading| heading.part == Part::Negative)
}

/// Where a negative prompt begins inside a line that begins with something else.
pub fn negative_inside(line: &str) -> Option<usize> {
    if !line.contains([':', '：']) {
        return None;
    }
    // Small letters of ASCII alone, so that places stay.
    let small = line.to_ascii_lowercase();
    let found = INSIDE.iter().flat_map(|name| small.match_indices(name));
    let headings = found.filter(|(at, name)| {
        // Lines that were glued together show it by the capital in the middle of a word.
        let is_glued =
            line[*at..].starts_with('N') && line[..*at].ends_with(|c: char| c.is_lowercase() || c.is_ascii_digit());
        let is_word = line[..*at].ends_with(char::is_alphanumeric) && name.is_ascii() && !is_glued;
        *at > 0 && !is_word && small[at + name.len()..].trim_start().starts_with([':', '：'])
    });
    headings.map(|(at, _)| at).min()
}

/// A name without what its spellings differ in.
fn plain(name: &str) -> String {
    let plain: String = name.to_lowercase().replace(['_', '-'], " ");
    // Japanese writes no blanks, and some do.
    if plain.is_ascii() {
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        plain.replace([' ', '　'], "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_as_people_write_them() {
        for line in [
            "Negative prompt: dog",
            "Negative Prompt: dog",
            "negative_prompt:dog",
            "NEGATIVE : dog",
            "neg prompt: dog",
            "ネガティブプロンプト：dog",
            "ネガティブ プロンプト: dog",
            "**Negative prompt:** dog",
            "**Negative prompt**: dog",
            "### Negative: dog",
            "反向提示词：dog",
        ] {
            let heading = Heading::of(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((heading.part, heading.rest), (Part::Negative, "dog"), "{line}");
            assert_eq!(heading.is_webuis(), line == "Negative prompt: dog");
        }
        for line in ["Prompt: a: b", "Positive prompt: a: b", "プロンプト：a: b", "**prompt:** a: b"] {
            let heading = Heading::of(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((heading.part, heading.rest), (Part::Prompt, "a: b"), "{line}");
        }
        for line in ["negative space: a", "a negative prompt: b", "(negative:1.2)", "dog", "", ":", "prompt"] {
            assert_eq!(Heading::of(line), None, "{line}");
        }
    }

    #[test]
    fn negative_prompts_inside_a_line() {
        assert_eq!(negative_inside("a cat. negative Prompt : dog"), Some(7));
        assert_eq!(negative_inside("a red houseNegative prompt: blur"), Some(11));
        assert_eq!(negative_inside("猫、ネガティブプロンプト：犬"), Some(6));
        for line in ["Negative prompt: a", "a nonnegative prompt: b", "a negative prompt", "a (negative:1.2)"] {
            assert_eq!(negative_inside(line), None, "{line}");
        }
    }
}
