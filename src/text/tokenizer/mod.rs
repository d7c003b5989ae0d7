//! CLIP's tokenizer: normalised text → ids of the 49,408-entry byte-pair vocabulary.
//!
//! SDXL's two encoders share the vocabulary and differ in what they do before it: which spellings of the special tokens
//! they know, and whether HTML entities are always unescaped. The work is O(n log n) for any text, one endless word
//! included.
//!
//! ```
//! use lbw::text::tokenizer::{Encoder, Tokenizer};
//! let ids = Tokenizer::shared().encode(Encoder::ClipL, "a photo of a cat");
//! assert_eq!(ids, [320, 1125, 539, 320, 2368]);
//! ```

mod bpe;

use std::sync::LazyLock;

use regex::Regex;

use self::bpe::Vocabulary;
use super::normalize;
use crate::model::TextEncoderKind;

/// Id of `<|startoftext|>`, the first token of every chunk.
pub const START: u32 = 49406;
/// Id of `<|endoftext|>`, which ends every chunk.
pub const END: u32 = 49407;
/// Id of `,` as a word of its own, where long prompts are preferably broken.
pub const COMMA: u32 = 267;

/// A kind of text encoder, as far as its tokens are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoder {
    /// OpenAI's CLIP ViT-L, tokenized as transformers does.
    ClipL,
    /// OpenCLIP's ViT-bigG, tokenized as open_clip does.
    ClipG,
}

impl From<TextEncoderKind> for Encoder {
    fn from(kind: TextEncoderKind) -> Self {
        match kind {
            TextEncoderKind::Clip => Encoder::ClipL,
            TextEncoderKind::OpenClip => Encoder::ClipG,
        }
    }
}

impl Encoder {
    /// What follows the end token up to the length of a chunk.
    pub fn padding(self) -> u32 {
        match self {
            Encoder::ClipL => END,
            Encoder::ClipG => 0,
        }
    }

    fn start_and_end(self) -> [&'static str; 2] {
        match self {
            Encoder::ClipL => ["<|startoftext|>", "<|endoftext|>"],
            Encoder::ClipG => ["<start_of_text>", "<end_of_text>"],
        }
    }
}

/// Vocabulary and word patterns. Build it once: [`Tokenizer::shared`].
pub struct Tokenizer {
    vocabulary: Vocabulary,
    specials_l: Regex,
    words_l: Regex,
    words_g: Regex,
}

impl Tokenizer {
    /// The one tokenizer of the program.
    pub fn shared() -> &'static Tokenizer {
        static SHARED: LazyLock<Tokenizer> = LazyLock::new(|| Tokenizer {
            vocabulary: Vocabulary::clip(),
            specials_l: pattern(&Encoder::ClipL.start_and_end().map(regex::escape).join("|")),
            words_l: word_pattern(Encoder::ClipL),
            words_g: word_pattern(Encoder::ClipG),
        });
        &SHARED
    }

    /// The ids of `text`, without start and end.
    pub fn encode(&self, encoder: Encoder, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        match encoder {
            Encoder::ClipL => self.encode_l(text, &mut ids),
            Encoder::ClipG => self.encode_words(encoder, &normalize::clip_g(text), &mut ids),
        }
        ids
    }

    /// transformers cuts the raw text at special tokens first and normalises what is between them.
    fn encode_l(&self, text: &str, ids: &mut Vec<u32>) {
        let mut from = 0;
        for special in self.specials_l.find_iter(text) {
            self.encode_words(Encoder::ClipL, &normalize::clip_l(&text[from..special.start()]), ids);
            let [start, _] = Encoder::ClipL.start_and_end();
            ids.push(if special.as_str() == start { START } else { END });
            from = special.end();
        }
        self.encode_words(Encoder::ClipL, &normalize::clip_l(&text[from..]), ids);
    }

    /// Encodes normalised text word by word. A special token that normalisation brought to light counts too.
    fn encode_words(&self, encoder: Encoder, text: &str, ids: &mut Vec<u32>) {
        let words = match encoder {
            Encoder::ClipL => &self.words_l,
            Encoder::ClipG => &self.words_g,
        };
        let [start, end] = encoder.start_and_end();
        for word in words.find_iter(text) {
            match word.as_str() {
                special if special == start => ids.push(START),
                special if special == end => ids.push(END),
                word => self.vocabulary.encode_word(word, ids),
            }
        }
    }
}

/// Special tokens, English contractions, runs of letters, single digits, runs of anything else but white space.
///
/// U+0345 belongs to no word: it is no letter, but the original pattern ignores case and its capital is one.
fn word_pattern(encoder: Encoder) -> Regex {
    let [start, end] = encoder.start_and_end().map(regex::escape);
    pattern(&format!(r"(?i:{start}|{end}|'s|'t|'re|'ve|'m|'ll|'d)|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}\u{{345}}]+"))
}

#[expect(clippy::expect_used, reason = "the text is constant and every test reads it")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is constant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_megabyte_is_encoded() {
        let ids = Tokenizer::shared().encode(Encoder::ClipL, &"ab".repeat(500_000));
        assert!(ids.len() > 100_000 && ids.iter().all(|id| *id < START));
    }

    #[test]
    fn special_tokens_in_any_place() {
        let t = Tokenizer::shared();
        assert_eq!(t.encode(Encoder::ClipL, "a<|endoftext|>a"), [320, END, 320]);
        assert_eq!(t.encode(Encoder::ClipL, "<|STARTOFTEXT|>"), [START]);
        assert_eq!(t.encode(Encoder::ClipG, "<START_OF_TEXT> a"), [START, 320]);
        assert_ne!(t.encode(Encoder::ClipG, "<|endoftext|>"), [END]);
    }

    #[test]
    fn nothing_to_encode() {
        assert!(Tokenizer::shared().encode(Encoder::ClipG, " \t\n\u{feff}").is_empty());
    }
}
