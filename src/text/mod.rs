//! Text conditioning: tokens, chunks, the two encoders and what the UNet is given.

mod conditioning;
mod encoder;

pub use conditioning::{Conditioning, Sizes};
pub use encoder::{CHUNK, ClipG, ClipL, Insert};
