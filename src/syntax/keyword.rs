//! Finding the keywords `AND` and `BREAK`: whole words in capitals.

use std::ops::Range;

use super::python::is_word;

/// Where `word` stands alone in `text`.
pub fn find_word(text: &str, word: &str) -> Vec<Range<usize>> {
    let alone =
        |range: &Range<usize>| !text[..range.start].ends_with(is_word) && !text[range.end..].starts_with(is_word);
    text.match_indices(word).map(|(at, _)| at..at + word.len()).filter(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded_as_in_python() {
        assert_eq!(find_word("a AND b", "AND"), vec![2..5; 1]);
        assert_eq!(find_word("AND,AND", "AND"), [0..3, 4..7]);
        for text in ["aAND b", "AND_", "ANDé", "AND²", "and", "猫AND"] {
            assert!(find_word(text, "AND").is_empty(), "{text}");
        }
        // A combining mark is not a word character for Python.
        assert_eq!(find_word("AND\u{301}", "AND"), vec![0..3; 1]);
    }
}
