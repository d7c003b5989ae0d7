//! Errors of ours on their way through candle.
//!
//! candle's operators fail with candle's error alone, which keeps only the words of what it wraps. As the inside of an
//! input/output error the words stay in all languages.

use crate::diagnostic::{Said, Text};
use crate::say;

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
            other if is_full(other) => say!(
                "the card's memory is full, by this or by other programs; let less of it be taken: `--memory 6g` for 6 GB",
                "GPU のメモリーがいっぱいです (ほかのプログラムの分も含みます)。`--memory 6g` (6 GB) のように減らしてください"
            ),
            other => Text::same(other),
        }
    }
}

/// What NVIDIA's driver and cuBLAS call a card without memory. candle keeps their words alone.
fn is_full(error: &candle_core::Error) -> bool {
    let words = error.to_string();
    ["CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED"].iter().any(|name| words.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let full = candle_core::Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".into());
        assert!(full.said().in_language(crate::diagnostic::Language::En).contains("--memory"));
    }
}
