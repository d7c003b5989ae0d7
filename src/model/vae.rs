//! The autoencoder between images and latents, channels last, always in f32 (in f16 SDXL's VAE overflows).

use candle_core::{Result, Tensor};

use super::builder::Builder;
use super::kernels;
use super::layers::{Conv1x1, Conv3x3, GroupNorm};
use crate::checkpoint::prefix;

/// Latents are encoder means times this number.
pub const SCALE: f64 = 0.13025;

const EPS: f64 = 1e-6;

/// SDXL's VAE. The encoder is absent where the checkpoint leaves it out.
pub struct Vae {
    decoder: Decoder,
    encoder: Option<Encoder>,
}

impl Vae {
    /// Asks `b` for the VAE's parameters.
    pub fn new(b: &mut Builder) -> Self {
        let encoder = b.has(&format!("{}encoder.conv_in.weight", prefix::VAE)).then(|| Encoder::new(b));
        Vae { decoder: Decoder::new(b), encoder }
    }

    /// Latent (b, 4, h, w) → image (b, 3, 8h, 8w), nominally in −1…1.
    pub fn decode(&self, latent: &Tensor) -> Result<Tensor> {
        let x = (latent / SCALE)?.permute((0, 2, 3, 1))?.contiguous()?;
        self.decoder.forward(&x)?.permute((0, 3, 1, 2))?.contiguous()
    }

    /// Whether the checkpoint has the encoder's tensors.
    pub fn can_encode(&self) -> bool {
        self.encoder.is_some()
    }

    /// Image (b, 3, 8h, 8w) in −1…1 → mean and log variance of its latent (b, 8, h, w), without the scale.
    pub fn moments(&self, image: &Tensor) -> Result<Tensor> {
        match &self.encoder {
            Some(encoder) => {
                encoder.forward(&image.permute((0, 2, 3, 1))?.contiguous()?)?.permute((0, 3, 1, 2))?.contiguous()
            }
            None => candle_core::bail!("this checkpoint's VAE has no encoder"),
        }
    }

    /// Image (b, 3, 8h, 8w) in −1…1 → latent (b, 4, h, w): the mean, scaled.
    pub fn encode(&self, image: &Tensor) -> Result<Tensor> {
        self.moments(image)?.narrow(1, 0, 4)? * SCALE
    }
}

struct Decoder {
    post_quant: Conv1x1,
    conv_in: Conv3x3,
    middle: Middle,
    /// Lowest resolution first.
    levels: Vec<(Vec<ResBlock>, Option<Conv3x3>)>,
    norm_out: GroupNorm,
    conv_out: Conv3x3,
}

impl Decoder {
    fn new(b: &mut Builder) -> Self {
        let p = format!("{}decoder.", prefix::VAE);
        let mut channels = b.dim(&format!("{p}conv_in.weight"), 0);
        let post_quant = Conv1x1::new(b, &format!("{}post_quant_conv", prefix::VAE), 4, 4);
        let conv_in = Conv3x3::new(b, &format!("{p}conv_in"), 4, channels);
        let middle = Middle::new(b, &format!("{p}mid."), channels);
        let count = b.count(&format!("{p}up."), "block.0.conv1.weight");
        let mut levels = Vec::new();
        for level in (0..count).rev() {
            let blocks = res_blocks(b, &format!("{p}up.{level}.block."), &mut channels);
            let upsample = (level > 0).then(|| {
                Conv3x3::resizing(b, &format!("{p}up.{level}.upsample.conv"), channels, kernels::Conv3x3::Doubling)
            });
            levels.push((blocks, upsample));
        }
        let norm_out = GroupNorm::new(b, &format!("{p}norm_out"), channels, EPS);
        let conv_out = Conv3x3::new(b, &format!("{p}conv_out"), channels, 3);
        Decoder { post_quant, conv_in, middle, levels, norm_out, conv_out }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut h = self.middle.forward(&self.conv_in.forward(&self.post_quant.forward(x)?)?)?;
        for (blocks, upsample) in &self.levels {
            for block in blocks {
                h = block.forward(&h)?;
            }
            if let Some(conv) = upsample {
                h = conv.forward(&h)?;
            }
        }
        self.conv_out.forward(&self.norm_out.forward_silu(&h)?)
    }
}

struct Encoder {
    conv_in: Conv3x3,
    levels: Vec<(Vec<ResBlock>, Option<Conv3x3>)>,
    middle: Middle,
    norm_out: GroupNorm,
    conv_out: Conv3x3,
    quant: Conv1x1,
}

impl Encoder {
    fn new(b: &mut Builder) -> Self {
        let p = format!("{}encoder.", prefix::VAE);
        let mut channels = b.dim(&format!("{p}conv_in.weight"), 0);
        let conv_in = Conv3x3::new(b, &format!("{p}conv_in"), 3, channels);
        let count = b.count(&format!("{p}down."), "block.0.conv1.weight");
        let mut levels = Vec::new();
        for level in 0..count {
            let blocks = res_blocks(b, &format!("{p}down.{level}.block."), &mut channels);
            let downsample = (level + 1 < count).then(|| {
                Conv3x3::resizing(
                    b,
                    &format!("{p}down.{level}.downsample.conv"),
                    channels,
                    kernels::Conv3x3::HalvingAfter,
                )
            });
            levels.push((blocks, downsample));
        }
        let middle = Middle::new(b, &format!("{p}mid."), channels);
        let norm_out = GroupNorm::new(b, &format!("{p}norm_out"), channels, EPS);
        let conv_out = Conv3x3::new(b, &format!("{p}conv_out"), channels, 8);
        let quant = Conv1x1::new(b, &format!("{}quant_conv", prefix::VAE), 8, 8);
        Encoder { conv_in, levels, middle, norm_out, conv_out, quant }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut h = self.conv_in.forward(x)?;
        for (blocks, downsample) in &self.levels {
            for block in blocks {
                h = block.forward(&h)?;
            }
            if let Some(conv) = downsample {
                h = conv.forward(&h)?;
            }
        }
        let h = self.norm_out.forward_silu(&self.middle.forward(&h)?)?;
        self.quant.forward(&self.conv_out.forward(&h)?)
    }
}

fn res_blocks(b: &mut Builder, prefix: &str, channels: &mut usize) -> Vec<ResBlock> {
    (0..b.count(prefix, "conv1.weight"))
        .map(|i| {
            let block = ResBlock::new(b, &format!("{prefix}{i}"), *channels);
            *channels = block.outputs;
            block
        })
        .collect()
}

struct ResBlock {
    outputs: usize,
    norm1: GroupNorm,
    conv1: Conv3x3,
    norm2: GroupNorm,
    conv2: Conv3x3,
    shortcut: Option<Conv1x1>,
}

impl ResBlock {
    fn new(b: &mut Builder, prefix: &str, inputs: usize) -> Self {
        let outputs = b.dim(&format!("{prefix}.conv1.weight"), 0);
        ResBlock {
            outputs,
            norm1: GroupNorm::new(b, &format!("{prefix}.norm1"), inputs, EPS),
            conv1: Conv3x3::new(b, &format!("{prefix}.conv1"), inputs, outputs),
            norm2: GroupNorm::new(b, &format!("{prefix}.norm2"), outputs, EPS),
            conv2: Conv3x3::new(b, &format!("{prefix}.conv2"), outputs, outputs),
            shortcut: (inputs != outputs).then(|| Conv1x1::new(b, &format!("{prefix}.nin_shortcut"), inputs, outputs)),
        }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        let h = self.norm2.forward_silu(&h)?;
        match &self.shortcut {
            Some(shortcut) => self.conv2.forward_onto(&shortcut.forward(x)?, &h),
            None => self.conv2.forward_onto(x, &h),
        }
    }
}

/// Residual block, attention over all pixels with one head, residual block.
struct Middle {
    first: ResBlock,
    norm: GroupNorm,
    q: Conv1x1,
    k: Conv1x1,
    v: Conv1x1,
    proj_out: Conv1x1,
    last: ResBlock,
}

impl Middle {
    fn new(b: &mut Builder, prefix: &str, channels: usize) -> Self {
        let first = ResBlock::new(b, &format!("{prefix}block_1"), channels);
        let norm = GroupNorm::new(b, &format!("{prefix}attn_1.norm"), channels, EPS);
        let mut conv = |name| Conv1x1::new(b, &format!("{prefix}attn_1.{name}"), channels, channels);
        let (q, k, v, proj_out) = (conv("q"), conv("k"), conv("v"), conv("proj_out"));
        Middle { first, norm, q, k, v, proj_out, last: ResBlock::new(b, &format!("{prefix}block_2"), channels) }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.first.forward(x)?;
        let (batch, height, width, channels) = x.dims4()?;
        let h = self.norm.forward(&x)?.reshape((batch, height * width, channels))?;
        let h = kernels::attention(&self.q.forward(&h)?, &self.k.forward(&h)?, &self.v.forward(&h)?, 1, false)?;
        let x = x.reshape((batch, height * width, channels))?;
        let x = self.proj_out.forward_onto(&x, &h)?.reshape((batch, height, width, channels))?;
        self.last.forward(&x)
    }
}
