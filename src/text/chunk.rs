//! Cuts the pieces of a prompt into chunks of 75 tokens, which are encoded one by one.
//!
//! Every chunk has 77 ids (start, 75, end) and as many multipliers. `BREAK` ends a chunk; a chunk that is full is
//! preferably ended after its last comma; the name of a textual-inversion embedding is replaced by as many zeros as the
//! embedding has vectors.

use std::collections::HashMap;

use super::tokenizer::{COMMA, END, Encoder, START, Tokenizer};
use crate::plan::Piece;

/// Tokens of a chunk between start and end.
pub const CHUNK_LENGTH: usize = 75;

/// One stretch of tokens for one encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// 77 ids; more only where an embedding of over 75 vectors stands.
    pub tokens: Vec<u32>,
    /// The emphasis weight of each token; 1 for start, end and padding.
    pub multipliers: Vec<f32>,
    /// Embeddings and where they start, not counting the start token.
    pub embeddings: Vec<PlacedEmbedding>,
}

/// Where an embedding's vectors replace the encoder's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedEmbedding {
    /// The first of its tokens, from 0 behind the start token.
    pub offset: usize,
    /// The embedding's name.
    pub name: String,
    /// How many of its vectors stand here.
    pub vectors: usize,
}

/// A prompt in chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunks {
    /// At least one.
    pub chunks: Vec<Chunk>,
    /// Tokens as webui's counter shows them: 75 for each ended chunk, and the length of the last one.
    pub token_count: usize,
}

/// The names of textual-inversion embeddings, looked for among tokens.
#[derive(Debug, Clone, Default)]
pub struct EmbeddingNames {
    /// By the first id of the name; longest first, among equals the one added first.
    names: HashMap<u32, Vec<EmbeddingName>>,
}

#[derive(Debug, Clone)]
struct EmbeddingName {
    name: String,
    vectors: usize,
    ids: Vec<u32>,
}

impl EmbeddingNames {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Adds an embedding of `vectors` vectors in the place of one of the same name. Names are tokenized as CLIP-L does, whichever encoder reads them.
    pub fn add(&mut self, name: &str, vectors: usize) {
        let ids = Tokenizer::shared().encode(Encoder::ClipL, name);
        let Some(first) = ids.first() else { return };
        let names = self.names.entry(*first).or_default();
        names.retain(|n| n.name != name);
        let at = names.partition_point(|n| n.ids.len() >= ids.len());
        names.insert(at, EmbeddingName { name: name.to_string(), vectors, ids });
    }

    fn find(&self, tokens: &[u32]) -> Option<&EmbeddingName> {
        self.names.get(tokens.first()?)?.iter().find(|n| tokens.starts_with(&n.ids))
    }
}

/// Tokenizes and cuts `pieces` for `encoder`.
///
/// `comma_padding_backtrack` is how far back from the end of a full chunk a comma may be for the chunk to end there;
/// 0 turns that off.
pub fn chunk(pieces: &[Piece], encoder: Encoder, comma_padding_backtrack: u32, embeddings: &EmbeddingNames) -> Chunks {
    let mut cutter = Cutter::new(encoder);
    for piece in pieces {
        if piece.text == "BREAK" && piece.weight == -1.0 {
            cutter.end_chunk();
            continue;
        }
        let tokens = Tokenizer::shared().encode(encoder, &piece.text);
        let weight = piece.weight as f32;
        let mut rest = tokens.as_slice();
        while let Some(&token) = rest.first() {
            cutter.make_room(token, comma_padding_backtrack as usize);
            let found = embeddings.find(rest);
            match found {
                Some(embedding) => cutter.push_embedding(embedding, weight),
                None => cutter.push(token, weight),
            }
            rest = &rest[found.map_or(1, |e| e.ids.len())..];
        }
    }
    cutter.finish()
}

/// A chunk without tokens, which shorter prompts are padded with.
pub fn empty_chunk(encoder: Encoder) -> Chunk {
    close(Open::default(), encoder)
}

/// The chunk being filled.
#[derive(Default)]
struct Open {
    tokens: Vec<u32>,
    multipliers: Vec<f32>,
    embeddings: Vec<PlacedEmbedding>,
}

struct Cutter {
    encoder: Encoder,
    open: Open,
    /// Where the last comma of the open chunk stands.
    last_comma: Option<usize>,
    chunks: Vec<Chunk>,
    token_count: usize,
}

impl Cutter {
    fn new(encoder: Encoder) -> Self {
        Cutter { encoder, open: Open::default(), last_comma: None, chunks: Vec::new(), token_count: 0 }
    }

    fn end_chunk(&mut self) {
        self.token_count += CHUNK_LENGTH;
        self.last_comma = None;
        self.chunks.push(close(std::mem::take(&mut self.open), self.encoder));
    }

    /// Ends the chunk if `token` does not fit: after its last comma if that is near enough, else where it is.
    fn make_room(&mut self, token: u32, backtrack: usize) {
        let length = self.open.tokens.len();
        if token == COMMA {
            self.last_comma = Some(length);
        } else if length == CHUNK_LENGTH
            && let Some(comma) = self.last_comma
            && backtrack != 0
            && length - comma <= backtrack
        {
            // Embeddings among the moved tokens are not moved, as in webui.
            let tokens = self.open.tokens.split_off(comma + 1);
            let multipliers = self.open.multipliers.split_off(comma + 1);
            self.end_chunk();
            self.open.tokens = tokens;
            self.open.multipliers = multipliers;
        }
        if self.open.tokens.len() == CHUNK_LENGTH {
            self.end_chunk();
        }
    }

    fn push(&mut self, token: u32, weight: f32) {
        self.open.tokens.push(token);
        self.open.multipliers.push(weight);
    }

    fn push_embedding(&mut self, embedding: &EmbeddingName, weight: f32) {
        let EmbeddingName { name, vectors, .. } = embedding;
        if self.open.tokens.len() + vectors > CHUNK_LENGTH {
            self.end_chunk();
        }
        let offset = self.open.tokens.len();
        self.open.embeddings.push(PlacedEmbedding { offset, name: name.clone(), vectors: *vectors });
        self.open.tokens.resize(offset + vectors, 0);
        self.open.multipliers.resize(offset + vectors, weight);
    }

    fn finish(mut self) -> Chunks {
        if !self.open.tokens.is_empty() || self.chunks.is_empty() {
            self.token_count += self.open.tokens.len();
            self.chunks.push(close(self.open, self.encoder));
        }
        Chunks { chunks: self.chunks, token_count: self.token_count }
    }
}

/// Adds start, end and padding.
fn close(open: Open, encoder: Encoder) -> Chunk {
    let padded = open.tokens.len().max(CHUNK_LENGTH);
    let mut tokens = vec![START];
    tokens.extend(open.tokens);
    tokens.resize(padded + 1, END);
    tokens.push(END);
    let mut multipliers = vec![1.0];
    multipliers.extend(open.multipliers);
    multipliers.resize(padded + 2, 1.0);
    // The first end token counts, even one that stands in the text.
    if encoder.padding() != END
        && let Some(end) = tokens.iter().position(|t| *t == END)
    {
        tokens[end + 1..].fill(encoder.padding());
    }
    Chunk { tokens, multipliers, embeddings: open.embeddings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, embeddings: &EmbeddingNames) -> Chunks {
        chunk(&[Piece { text: text.to_string(), weight: 1.0 }], Encoder::ClipL, 20, embeddings)
    }

    #[test]
    fn a_full_chunk_ends_after_a_near_comma() {
        let text = format!("{}, {}", "cat ".repeat(70), "dog ".repeat(10));
        let chunks = cut(&text, &EmbeddingNames::default());
        let ends: Vec<_> = chunks.chunks.iter().map(|c| c.tokens.iter().position(|t| *t == END)).collect();
        assert_eq!(ends, [Some(72), Some(11)]);
        assert_eq!(chunks.token_count, 85);
    }

    #[test]
    fn the_longest_name_is_found() {
        let mut names = EmbeddingNames::default();
        names.add("bad", 2);
        names.add("bad hand", 3);
        names.add("", 4);
        let placed = cut("a Bad hand, bad", &names).chunks.remove(0).embeddings;
        let found: Vec<_> = placed.iter().map(|e| (e.offset, e.name.as_str(), e.vectors)).collect();
        assert_eq!(found, [(1, "bad hand", 3), (5, "bad", 2)]);
    }

    #[test]
    fn an_end_token_in_the_text_pads_the_rest_for_clip_g() {
        let pieces = [Piece { text: "a <end_of_text> b".to_string(), weight: 1.0 }];
        let tokens = chunk(&pieces, Encoder::ClipG, 20, &EmbeddingNames::default()).chunks.remove(0).tokens;
        assert_eq!(tokens[..5], [START, 320, END, 0, 0]);
    }
}
