//! What the UNet is told besides the latent: text as a sequence, and pooled text with sizes as one vector.

use candle_core::{Device, Result, Tensor};

use crate::model::timestep_embedding;

/// Values a size is embedded into.
const SIZE_WIDTH: usize = 256;

/// The conditioning of one prompt at one step.
#[derive(Debug, Clone)]
pub struct Conditioning {
    /// (1, tokens, the encoders' widths together), 77 tokens per chunk.
    pub crossattn: Tensor,
    /// (1, pooled + 6·256), where the model has it.
    pub vector: Option<Tensor>,
}

/// Sizes in pixels that models with a vector conditioning are told. The original and the target size are both the request's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sizes {
    /// The original height in pixels.
    pub height: u32,
    /// The original width in pixels.
    pub width: u32,
    /// Pixels cut off above.
    pub crop_top: u32,
    /// Pixels cut off at the left.
    pub crop_left: u32,
}

impl Sizes {
    /// Values that they are embedded into.
    pub const WIDTH: usize = 6 * SIZE_WIDTH;

    /// Original (height, width), crop (top, left), target (height, width), each embedded like a timestep. (1, 6·256)
    pub fn embed(&self, device: &Device) -> Result<Tensor> {
        let Sizes { height, width, crop_top, crop_left } = *self;
        let numbers = [height, width, crop_top, crop_left, height, width].map(|n| n as f32);
        timestep_embedding(&Tensor::new(&numbers, device)?, SIZE_WIDTH)?.reshape((1, Self::WIDTH))
    }
}
