//! Text conditioning: tokens, chunks, the two encoders and what the UNet is given.

pub mod chunk;
mod conditioning;
mod encode;
mod encoder;
pub mod normalize;
pub mod tokenizer;

pub use conditioning::{Conditioning, Sizes};
pub use encode::{Embedding, Embeddings, EncodeOptions, Encoded, TextEncoders};
pub use encoder::{CHUNK, ClipG, ClipL, Insert};
