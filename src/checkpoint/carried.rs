//! Errors of ours on their way through candle.
//!
//! candle's operators fail with candle's error alone, which keeps only the words of what it wraps. As the inside of an
//! input/output error the words stay in all languages.

use crate::diagnostic::{Said, Text};

/// `error` as one of candle's, which still speaks every language.
pub(crate) fn carried(error: impl Said) -> candle_core::Error {
    candle_core::Error::Io(std::io::Error::other(error.said()))
}

/// What candle itself says is English.
impl Said for candle_core::Error {
    fn said(&self) -> Text {
        match self {
            candle_core::Error::Io(error) => error.said(),
            candle_core::Error::WithBacktrace { inner, .. } => inner.said(),
            other => Text::same(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::say;

    #[test]
    fn words_survive_the_way() {
        let words = say!("a tensor is missing", "テンソルがありません");
        struct Ours(Text);
        impl Said for Ours {
            fn said(&self) -> Text {
                self.0.clone()
            }
        }
        let error = carried(Ours(words.clone()));
        assert_eq!((error.to_string().as_str(), error.said()), ("a tensor is missing", words));
        assert_eq!(candle_core::Error::Msg("x".into()).said(), Text::same("x"));
    }
}
