//! Finding the keywords `AND` and `BREAK`: whole words in capitals.

use std::ops::Range;

use super::{PromptGrammar, Rule, tokens};

/// Where `word` stands alone in `text`.
pub fn find_word(text: &str, word: &str) -> Vec<Range<usize>> {
    if !text.contains(word) {
        return Vec::new();
    }
    let words = tokens::<PromptGrammar, _>(Rule::words, text).into_iter().flatten();
    words
        .filter(|token| token.as_rule() == Rule::letters && token.as_str() == word)
        .map(|token| token.as_span().start()..token.as_span().end())
        .collect()
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
