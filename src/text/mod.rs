//! Text conditioning: tokens, chunks, the two encoders and what the UNet is given.

mod encoder;

pub use encoder::{ClipG, ClipL};
