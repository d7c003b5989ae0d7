//! Text conditioning: tokens, chunks, the two encoders and what the UNet is given.

#[doc(hidden)]
pub mod chunk;
mod conditioning;
mod embedding;
mod embedding_card;
mod embedding_file;
mod encode;
mod encoder;
#[doc(hidden)]
pub mod normalize;
#[doc(hidden)]
pub mod tokenizer;

pub use conditioning::{Conditioning, Sizes};
pub use embedding::{Embedding, Embeddings};
pub use embedding_file::{EmbeddingFile, EmbeddingFiles, Unusable, Widths};

// For the engine and tests.
#[doc(hidden)]
pub use encode::{Cut, EncodeOptions, Encoded, TextEncoders};
#[doc(hidden)]
pub use encoder::{CHUNK, ClipG, ClipL, Insert};
