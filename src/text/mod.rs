//! Text conditioning: tokens, chunks, the two encoders and what the UNet is given.

pub mod chunk;
mod conditioning;
mod embedding;
mod embedding_file;
mod encode;
mod encoder;
pub mod normalize;
pub mod tokenizer;

pub use conditioning::{Conditioning, Sizes};
pub use embedding::{Embedding, Embeddings};
pub use embedding_file::{EmbeddingFile, EmbeddingFiles, Unusable, Widths};
pub use encode::{EncodeOptions, Encoded, TextEncoders};
pub use encoder::{CHUNK, ClipG, ClipL, Insert};
