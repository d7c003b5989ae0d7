//! The autoencoder between images and latents, channels last, always in f32 (in f16 SDXL's overflows).

mod bands;
mod memory;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Result, Tensor};

use super::builder::Builder;
use super::layers::{Conv1x1, Conv3x3, GroupNorm, Tiling};
use super::ops::{self, Operators};
use super::watch::{Watch, Watched};
use crate::checkpoint::architecture::VaeArchitecture;

const EPS: f64 = 1e-6;

/// The VAE. Its encoder is absent where the checkpoint leaves it out.
pub struct Vae {
    decoder: Decoder,
    encoder: Option<Encoder>,
    /// Latents are encoder means times this number.
    scale: f64,
    /// Channels at the lowest resolution.
    width: usize,
    tiling: Tiling,
    /// Whether all pictures are made of bands.
    saves: AtomicBool,
}

/// Pictures of so many pixels are decoded band by band, where the decoder is wide.
const LARGE: usize = 1536 * 1536;
/// A level of so many values is not held as a whole with all that it is made of.
const WHOLE: usize = 1 << 27;
/// Values of a band.
const BAND: usize = 1 << 23;

impl Vae {
    /// Asks `b` for the VAE's parameters.
    pub fn new(b: &mut Builder) -> Self {
        let VaeArchitecture { prefix, scale } = b.architecture().vae;
        b.exactly(|b| {
            let encoder = b.has(&format!("{prefix}encoder.conv_in.weight")).then(|| Encoder::new(b, prefix));
            let width = b.dim(&format!("{prefix}decoder.conv_in.weight"), 0);
            let (decoder, tiling) = (Decoder::new(b, prefix), b.tiling().clone());
            Vae { decoder, encoder, scale, width, tiling, saves: AtomicBool::new(false) }
        })
    }

    /// Latent (b, 4, h, w) → image (b, 3, 8h, 8w), nominally in −1…1.
    ///
    /// Large pictures are [made of bands](Vae::is_in_bands).
    pub fn decode(&self, latent: &Tensor, watch: &mut Watch<'_>) -> Watched<Tensor> {
        let first = self.first_in_bands(8 * latent.dim(2)?, 8 * latent.dim(3)?, self.saves());
        self.decode_in_bands(latent, first, BAND, watch)
    }

    /// Whether a picture of this size is decoded some rows at a time, in less memory and more time; its values are the same.
    pub fn is_in_bands(&self, height: usize, width: usize) -> bool {
        self.first_in_bands(height, width, self.saves()) < self.decoder.levels.len()
    }

    /// From now on makes all pictures of bands, not only those that take gigabytes otherwise.
    pub fn set_saves(&self, saves: bool) {
        self.saves.store(saves, Ordering::Relaxed);
    }

    fn saves(&self) -> bool {
        self.saves.load(Ordering::Relaxed)
    }

    fn first_in_bands(&self, height: usize, width: usize, saves: bool) -> usize {
        let levels = &self.decoder.levels;
        let shrunk = |level: usize| 1 << (levels.len() - 1 - level);
        let values = |level: usize| height / shrunk(level) * (width / shrunk(level)) * self.decoder.inputs(level);
        let is_large = |level: &usize| match saves {
            false => height * width >= LARGE && values(*level) > WHOLE,
            true => *level > 0 && values(*level) > 4 * BAND,
        };
        (0..levels.len()).find(is_large).unwrap_or(levels.len())
    }

    /// [`Vae::decode`] with the levels from `first` on made of bands of about as many values as `band`.
    pub fn decode_in_bands(
        &self,
        latent: &Tensor,
        first: usize,
        band: usize,
        watch: &mut Watch<'_>,
    ) -> Watched<Tensor> {
        let x = (latent / self.scale)?.permute((0, 2, 3, 1))?.contiguous()?;
        let y = self.decoder.forward(&x, first, band, self.tiling.is_on(), watch)?;
        Ok(y.permute((0, 3, 1, 2))?.contiguous()?)
    }

    /// Channels at the lowest resolution, which tell how large it is.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Parts that [`Vae::decode`] counts.
    pub fn parts(&self) -> usize {
        self.decoder.parts()
    }

    /// Whether the checkpoint has the encoder's tensors.
    pub fn can_encode(&self) -> bool {
        self.encoder.is_some()
    }

    /// Image (b, 3, 8h, 8w) in −1…1 → mean and log variance of its latent (b, 8, h, w), without the scale.
    pub fn moments(&self, image: &Tensor, watch: &mut Watch<'_>) -> Watched<Tensor> {
        self.moments_with(image, watch, &mut |_| Ok(()))
    }

    fn moments_with(&self, image: &Tensor, watch: &mut Watch<'_>, on_level: OnLevel<'_>) -> Watched<Tensor> {
        let Some(encoder) = &self.encoder else {
            return Err(candle_core::Error::Msg("the VAE has no encoder".to_owned()).into());
        };
        let image = image.permute((0, 2, 3, 1))?.contiguous()?;
        Ok(encoder.forward(&image, watch, on_level)?.permute((0, 3, 1, 2))?.contiguous()?)
    }

    /// What [`Vae::moments`] gave → a latent (b, 4, h, w) drawn from its distribution by `noise` of that shape, scaled.
    pub fn drawn(&self, moments: &Tensor, noise: &Tensor) -> Result<Tensor> {
        let parts = moments.chunk(2, 1)?;
        let [mean, log_variance] = parts.as_slice() else {
            candle_core::bail!("{:?} has no two halves", moments.shape())
        };
        let deviation = (log_variance.clamp(-30f32, 20f32)? * 0.5)?.exp()?;
        (mean + (deviation * noise)?)? * self.scale
    }

    /// Image (b, 3, 8h, 8w) in −1…1 → latent (b, 4, h, w): the mean, scaled.
    pub fn encode(&self, image: &Tensor, watch: &mut Watch<'_>) -> Watched<Tensor> {
        self.encode_with(image, watch, &mut |_| Ok(()))
    }

    /// The same; `on_level` sees what each level of the encoder makes of the image, (b, h, w, c), the largest first.
    pub fn encode_with(&self, image: &Tensor, watch: &mut Watch<'_>, on_level: OnLevel<'_>) -> Watched<Tensor> {
        Ok((self.moments_with(image, watch, on_level)?.narrow(1, 0, 4)? * self.scale)?)
    }
}

struct Decoder {
    post_quant: Conv1x1,
    conv_in: Conv3x3,
    middle: Middle,
    /// Lowest resolution first.
    levels: Vec<Level>,
    norm_out: GroupNorm,
    conv_out: Conv3x3,
}

impl Decoder {
    fn new(b: &mut Builder, prefix: &str) -> Self {
        let p = format!("{prefix}decoder.");
        let mut channels = b.dim(&format!("{p}conv_in.weight"), 0);
        let post_quant = Conv1x1::new(b, &format!("{prefix}post_quant_conv"), 4, 4);
        let conv_in = Conv3x3::new(b, &format!("{p}conv_in"), 4, channels);
        let middle = Middle::new(b, &format!("{p}mid."), channels);
        let count = b.count(&format!("{p}up."), "block.0.conv1.weight");
        let mut levels = Vec::new();
        for level in (0..count).rev() {
            let blocks = res_blocks(b, &format!("{p}up.{level}.block."), &mut channels);
            let upsample = (level > 0).then(|| {
                Conv3x3::resizing(b, &format!("{p}up.{level}.upsample.conv"), channels, ops::Conv3x3::Doubling)
            });
            levels.push((blocks, upsample));
        }
        let norm_out = GroupNorm::new(b, &format!("{p}norm_out"), channels, EPS);
        let conv_out = Conv3x3::new(b, &format!("{p}conv_out"), channels, 3);
        Decoder { post_quant, conv_in, middle, levels, norm_out, conv_out }
    }

    fn parts(&self) -> usize {
        Middle::PARTS + parts(&self.levels) + 1
    }

    /// Channels that go into a level.
    fn inputs(&self, level: usize) -> usize {
        let blocks = self.levels.get(level.saturating_sub(1)).map(|(blocks, _)| blocks);
        blocks.and_then(|blocks| blocks.last()).map_or(0, |block| block.outputs)
    }

    fn forward(&self, x: &Tensor, first: usize, band: usize, wraps: bool, watch: &mut Watch<'_>) -> Watched<Tensor> {
        watch.expect(self.parts());
        let h = self.middle.forward(&self.conv_in.forward(&self.post_quant.forward(x)?)?, watch)?;
        if first < self.levels.len() {
            let (whole, in_bands) = self.levels.split_at(first);
            let (mut h, mut up) = (h, None);
            for (blocks, resize) in whole {
                h = resized(up, h, watch)?;
                h = through_blocks(blocks, h, watch)?;
                up = resize.as_ref();
            }
            return self.in_bands(h, up, in_bands, band, wraps, watch);
        }
        let h = through(&self.levels, h, watch, &mut |_| Ok(()))?;
        let y = self.conv_out.forward(&self.norm_out.forward_silu(&h)?)?;
        watch.done(1)?;
        Ok(y)
    }
}

struct Encoder {
    conv_in: Conv3x3,
    levels: Vec<Level>,
    middle: Middle,
    norm_out: GroupNorm,
    conv_out: Conv3x3,
    quant: Conv1x1,
}

impl Encoder {
    fn new(b: &mut Builder, prefix: &str) -> Self {
        let p = format!("{prefix}encoder.");
        let mut channels = b.dim(&format!("{p}conv_in.weight"), 0);
        let conv_in = Conv3x3::new(b, &format!("{p}conv_in"), 3, channels);
        let count = b.count(&format!("{p}down."), "block.0.conv1.weight");
        let mut levels = Vec::new();
        for level in 0..count {
            let blocks = res_blocks(b, &format!("{p}down.{level}.block."), &mut channels);
            let downsample = (level + 1 < count).then(|| {
                Conv3x3::resizing(b, &format!("{p}down.{level}.downsample.conv"), channels, ops::Conv3x3::HalvingAfter)
            });
            levels.push((blocks, downsample));
        }
        let middle = Middle::new(b, &format!("{p}mid."), channels);
        let norm_out = GroupNorm::new(b, &format!("{p}norm_out"), channels, EPS);
        let conv_out = Conv3x3::new(b, &format!("{p}conv_out"), channels, 8);
        let quant = Conv1x1::new(b, &format!("{prefix}quant_conv"), 8, 8);
        Encoder { conv_in, levels, middle, norm_out, conv_out, quant }
    }

    fn forward(&self, x: &Tensor, watch: &mut Watch<'_>, on_level: OnLevel<'_>) -> Watched<Tensor> {
        watch.expect(1 + parts(&self.levels) + Middle::PARTS);
        let h = self.conv_in.forward(x)?;
        watch.done(1)?;
        let h = through(&self.levels, h, watch, on_level)?;
        let h = self.norm_out.forward_silu(&self.middle.forward(&h, watch)?)?;
        Ok(self.quant.forward(&self.conv_out.forward(&h)?)?)
    }
}

/// Residual blocks of one resolution, and the convolution to the next.
type Level = (Vec<ResBlock>, Option<Conv3x3>);

fn parts(levels: &[Level]) -> usize {
    levels.iter().map(|(blocks, resize)| blocks.len() + resize.iter().len()).sum()
}

/// Sees what a level makes of an image before its resolution changes.
pub type OnLevel<'a> = &'a mut dyn FnMut(&Tensor) -> Result<()>;

fn through(levels: &[Level], mut h: Tensor, watch: &mut Watch<'_>, on_level: OnLevel<'_>) -> Watched<Tensor> {
    for (blocks, resize) in levels {
        h = through_blocks(blocks, h, watch)?;
        on_level(&h)?;
        h = resized(resize.as_ref(), h, watch)?;
    }
    Ok(h)
}

fn through_blocks(blocks: &[ResBlock], mut h: Tensor, watch: &mut Watch<'_>) -> Watched<Tensor> {
    for block in blocks {
        h = block.forward(&h)?;
        watch.done(1)?;
    }
    Ok(h)
}

fn resized(resize: Option<&Conv3x3>, h: Tensor, watch: &mut Watch<'_>) -> Watched<Tensor> {
    let Some(conv) = resize else { return Ok(h) };
    let h = conv.forward(&h)?;
    watch.done(1)?;
    Ok(h)
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
        let mut h = self.conv1.forward(&self.norm1.forward_silu(x)?)?;
        h = self.norm2.forward_silu(&h)?;
        match &self.shortcut {
            Some(shortcut) => self.conv2.forward_onto(&shortcut.forward(x)?, &h),
            None => self.conv2.forward_onto(x, &h),
        }
    }
}

/// Residual block, attention over all pixels with one head, residual block.
struct Middle {
    operators: Arc<dyn Operators>,
    first: ResBlock,
    norm: GroupNorm,
    q: Conv1x1,
    k: Conv1x1,
    v: Conv1x1,
    proj_out: Conv1x1,
    last: ResBlock,
}

impl Middle {
    const PARTS: usize = 3;

    fn new(b: &mut Builder, prefix: &str, channels: usize) -> Self {
        let first = ResBlock::new(b, &format!("{prefix}block_1"), channels);
        let norm = GroupNorm::new(b, &format!("{prefix}attn_1.norm"), channels, EPS);
        let mut conv = |name| Conv1x1::new(b, &format!("{prefix}attn_1.{name}"), channels, channels);
        let (q, k, v, proj_out) = (conv("q"), conv("k"), conv("v"), conv("proj_out"));
        let last = ResBlock::new(b, &format!("{prefix}block_2"), channels);
        Middle { operators: b.operators().clone(), first, norm, q, k, v, proj_out, last }
    }

    fn forward(&self, x: &Tensor, watch: &mut Watch<'_>) -> Watched<Tensor> {
        let x = self.first.forward(x)?;
        watch.done(1)?;
        let (batch, height, width, channels) = x.dims4()?;
        let h = self.norm.forward(&x)?.reshape((batch, height * width, channels))?;
        let (q, k, v) = (self.q.forward(&h)?, self.k.forward(&h)?, self.v.forward(&h)?);
        let h = self.operators.attention(&q, &k, &v, 1, false)?;
        let x = x.reshape((batch, height * width, channels))?;
        let x = self.proj_out.forward_onto(&x, &h)?.reshape((batch, height, width, channels))?;
        watch.done(1)?;
        let y = self.last.forward(&x)?;
        watch.done(1)?;
        Ok(y)
    }
}
