//! The UNet, written as webui sees it: `input_blocks`, `middle_block`, `output_blocks`, so that a LoRA block id is an index.
//!
//! Its levels, depths and widths are those of the [`Architecture`](super::Architecture). A level ends with a block that halves the
//! resolution on the way down, and with a doubling in its last block on the way up.

mod memory;

pub use memory::Asked;

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::{DType, Module, Result, Tensor};
use candle_transformers::models::stable_diffusion::embeddings::Timesteps;

use super::attention::{Attention, CrossAttention};
use super::builder::Builder;
use super::layers::{Conv1x1, Conv3x3, GroupNorm, LayerNorm, Linear};
use super::merging::Merging;
use super::ops::{self, Activation, Operators};
use super::watch::{ModelError, Tap, Watched};
use crate::checkpoint::architecture::{Architecture, UnetArchitecture};

/// The UNet.
///
/// What cross-attention makes of a text does not depend on the step: it is kept for the last few texts, and made anew where
/// a weight changes. A text is known by its tensor's identity: give the same one at every step.
pub struct Unet {
    architecture: Arc<Architecture>,
    operators: Arc<dyn Operators>,
    time_embed: Embedding,
    /// Of the vector conditioning, where there is one.
    label_emb: Option<Embedding>,
    conv_in: Conv3x3,
    /// From block 1 on; block 0 is `conv_in`.
    input_blocks: Vec<InputBlock>,
    /// Two residual blocks around a transformer; distilled models have one, or none.
    middle: (Vec<ResBlock>, Transformer),
    output_blocks: Vec<OutputBlock>,
    norm_out: GroupNorm,
    conv_out: Conv3x3,
}

enum InputBlock {
    Residual(Box<ResBlock>, Transformer),
    Downsample(Conv3x3),
}

struct OutputBlock {
    residual: ResBlock,
    transformer: Transformer,
    upsample: Option<Conv3x3>,
}

impl Unet {
    /// Asks `b` for the UNet's parameters.
    pub fn new(b: &mut Builder) -> Self {
        let architecture = b.architecture().clone();
        let UnetArchitecture { prefix: p, levels, middle, .. } = &architecture.unet;
        let model_channels = architecture.unet.model_channels();
        let time_dim = b.dim(&format!("{p}time_embed.0.weight"), 0);

        let time_embed = Embedding::new(b, &format!("{p}time_embed."), model_channels, time_dim);
        let vector = architecture.unet.vector;
        let label_emb = vector.map(|vector| Embedding::new(b, &format!("{p}label_emb.0."), vector, time_dim));
        let conv_in = Conv3x3::new(b, &format!("{p}input_blocks.0.0"), architecture.unet.inputs, model_channels);

        let mut input_blocks = Vec::new();
        let mut skips = vec![model_channels];
        let mut channels = model_channels;
        for (l, level) in levels.iter().enumerate() {
            for depth in &level.down {
                let block = format!("{p}input_blocks.{}.", skips.len());
                let residual = ResBlock::new(b, &format!("{block}0"), channels, level.channels, time_dim);
                channels = level.channels;
                let transformer = Transformer::new(b, &format!("{block}1"), channels, *depth);
                input_blocks.push(InputBlock::Residual(Box::new(residual), transformer));
                skips.push(channels);
            }
            if l + 1 < levels.len() {
                let name = format!("{p}input_blocks.{}.0.op", skips.len());
                let halving = Conv3x3::resizing(b, &name, channels, ops::Conv3x3::Halving);
                input_blocks.push(InputBlock::Downsample(halving));
                skips.push(channels);
            }
        }
        let residual = |i| ResBlock::new(b, &format!("{p}middle_block.{}", 2 * i), channels, channels, time_dim);
        let residuals = (0..middle.residuals).map(residual).collect();
        let middle = (residuals, Transformer::new(b, &format!("{p}middle_block.1"), channels, middle.depth));
        let mut output_blocks = Vec::new();
        let blocks: Vec<_> = architecture.unet.output_blocks().collect();
        for (i, (level, depth)) in blocks.iter().enumerate() {
            let (block, outputs) = (format!("{p}output_blocks.{i}."), levels[*level].channels);
            channels += skips.pop().unwrap_or_default();
            let residual = ResBlock::new(b, &format!("{block}0"), channels, outputs, time_dim);
            channels = outputs;
            let transformer = Transformer::new(b, &format!("{block}1"), channels, *depth);
            let upsample = blocks.get(i + 1).is_some_and(|(next, _)| next != level).then(|| {
                // webui counts modules of a block: without attention the upsampling is number 1.
                let slot = if transformer.is_empty() { 1 } else { 2 };
                Conv3x3::resizing(b, &format!("{block}{slot}.conv"), channels, ops::Conv3x3::Doubling)
            });
            output_blocks.push(OutputBlock { residual, transformer, upsample });
        }
        let norm_out = GroupNorm::new(b, &format!("{p}out.0"), channels, 1e-5);
        let conv_out = Conv3x3::new(b, &format!("{p}out.2"), channels, 4);
        let operators = b.operators().clone();
        Unet {
            architecture,
            operators,
            time_embed,
            label_emb,
            conv_in,
            input_blocks,
            middle,
            output_blocks,
            norm_out,
            conv_out,
        }
    }

    /// What it is made as.
    pub fn architecture(&self) -> &UnetArchitecture {
        &self.architecture.unet
    }

    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        1 + self.input_blocks.len() + 1 + self.output_blocks.len()
    }

    /// The raw prediction for latents `x` (b, 4, h, w) at timesteps `t` (b), given text `context` (b, tokens,
    /// context width) and, if the architecture has one, `vector` conditioning (b, its width). Same shape as `x`.
    ///
    /// `tap` is asked after each block whether to go on.
    pub fn forward(
        &self,
        x: &Tensor,
        t: &Tensor,
        context: &Tensor,
        vector: Option<&Tensor>,
        tap: Tap<'_>,
    ) -> Watched<Tensor> {
        self.forward_merging(x, t, context, vector, 0.0, tap)
    }

    /// [`Unet::forward`] where self-attention at the latent's own resolution merges a share `ratio` of the tokens.
    pub fn forward_merging(
        &self,
        x: &Tensor,
        t: &Tensor,
        context: &Tensor,
        vector: Option<&Tensor>,
        ratio: f64,
        tap: Tap<'_>,
    ) -> Watched<Tensor> {
        let merges = Merges { tokens: x.dim(2)? * x.dim(3)?, ratio };
        let mut tap = |id: &str, h: &Tensor| match tap(id, h) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ModelError::Stopped),
        };
        let dtype = self.operators.dtype();
        let time = timestep_embedding(t, self.architecture.unet.model_channels())?.to_dtype(dtype)?;
        let mut emb = self.time_embed.forward(&time)?;
        if let Some(label_emb) = &self.label_emb {
            let vector = vector.ok_or_else(|| candle_core::Error::Msg("the UNet needs a vector".to_owned()))?;
            emb = (emb + label_emb.forward(&vector.to_dtype(dtype)?)?)?;
        }
        // Every residual block uses SiLU(emb).
        let emb = emb.silu()?;

        let mut h = self.conv_in.forward(&x.to_dtype(dtype)?.permute((0, 2, 3, 1))?.contiguous()?)?;
        tap("IN00", &h)?;
        let mut skips = vec![h.clone()];
        for (i, block) in self.input_blocks.iter().enumerate() {
            h = match block {
                InputBlock::Residual(residual, transformer) => {
                    transformer.forward(&residual.forward(&h, &emb)?, context, merges)?
                }
                InputBlock::Downsample(conv) => conv.forward(&h)?,
            };
            tap(&format!("IN{:02}", i + 1), &h)?;
            skips.push(h.clone());
        }
        let (residuals, transformer) = &self.middle;
        for (i, residual) in residuals.iter().enumerate() {
            h = residual.forward(&h, &emb)?;
            if i == 0 {
                h = transformer.forward(&h, context, merges)?;
            }
        }
        tap("M00", &h)?;
        for (i, block) in self.output_blocks.iter().enumerate() {
            let skip =
                skips.pop().ok_or_else(|| candle_core::Error::Msg("the UNet has more outputs than inputs".into()))?;
            let (_, height, width, _) = skip.dims4()?;
            // webui resizes the decoder's feature where an odd size was rounded on the way down.
            h = Tensor::cat(&[&self.operators.resize_nearest(&h, height, width)?, &skip], 3)?;
            // What is not needed any more is given back before the next is made.
            drop(skip);
            h = block.residual.forward(&h, &emb)?;
            h = block.transformer.forward(&h, context, merges)?;
            if let Some(conv) = &block.upsample {
                h = conv.forward(&h)?;
            }
            tap(&format!("OUT{i:02}"), &h)?;
        }
        let y = self.conv_out.forward(&self.norm_out.forward_silu(&h)?)?;
        Ok(y.permute((0, 3, 1, 2))?.contiguous()?.to_dtype(DType::F32)?)
    }
}

/// [cos(t·f), sin(t·f)] with `dim`/2 frequencies falling geometrically from 1 to 1/10000. (b) → (b, dim)
pub fn timestep_embedding(t: &Tensor, dim: usize) -> Result<Tensor> {
    Timesteps::new(dim, true, 0.0).forward(&t.to_dtype(DType::F32)?)
}

/// Linear–SiLU–Linear.
struct Embedding(Linear, Linear);

impl Embedding {
    fn new(b: &mut Builder, prefix: &str, inputs: usize, width: usize) -> Self {
        Embedding(
            Linear::activated(b, &format!("{prefix}0"), inputs, width, Activation::Silu),
            Linear::new(b, &format!("{prefix}2"), width, width),
        )
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.1.forward(&self.0.forward(x)?)
    }
}

struct ResBlock {
    norm1: GroupNorm,
    conv1: Conv3x3,
    emb: Linear,
    norm2: GroupNorm,
    conv2: Conv3x3,
    skip: Option<Conv1x1>,
}

impl ResBlock {
    fn new(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize, time_dim: usize) -> Self {
        ResBlock {
            norm1: GroupNorm::new(b, &format!("{prefix}.in_layers.0"), inputs, 1e-5),
            conv1: Conv3x3::new(b, &format!("{prefix}.in_layers.2"), inputs, outputs),
            emb: Linear::new(b, &format!("{prefix}.emb_layers.1"), time_dim, outputs),
            norm2: GroupNorm::new(b, &format!("{prefix}.out_layers.0"), outputs, 1e-5),
            conv2: Conv3x3::new(b, &format!("{prefix}.out_layers.3"), outputs, outputs),
            skip: (inputs != outputs).then(|| Conv1x1::new(b, &format!("{prefix}.skip_connection"), inputs, outputs)),
        }
    }

    /// x (b, h, w, inputs) and SiLU of the embedding (b, time_dim) → (b, h, w, outputs)
    fn forward(&self, x: &Tensor, emb: &Tensor) -> Result<Tensor> {
        let mut h = self.conv1.forward_shifted(&self.norm1.forward_silu(x)?, &self.emb.forward(emb)?)?;
        h = self.norm2.forward_silu(&h)?;
        match &self.skip {
            Some(skip) => self.conv2.forward_onto(&skip.forward(x)?, &h),
            None => self.conv2.forward_onto(x, &h),
        }
    }
}

/// Which share of how many tokens are merged.
#[derive(Clone, Copy)]
struct Merges {
    /// Those of the latent's own resolution.
    tokens: usize,
    ratio: f64,
}

impl Merges {
    /// At a resolution; nothing is merged where it is not the latent's own.
    fn of(self, size: (usize, usize)) -> Option<Merge> {
        (self.ratio > 0.0 && size.0 * size.1 >= self.tokens).then_some(Merge { size, ratio: self.ratio })
    }
}

#[derive(Clone, Copy)]
struct Merge {
    size: (usize, usize),
    ratio: f64,
}

/// The spatial transformer; empty where the checkpoint has none.
struct Transformer(Option<TransformerLayers>);

struct TransformerLayers {
    norm: GroupNorm,
    proj_in: Conv1x1,
    blocks: Vec<TransformerBlock>,
    proj_out: Conv1x1,
}

impl Transformer {
    fn new(b: &mut Builder, prefix: &str, channels: usize, depth: usize) -> Self {
        if depth == 0 {
            return Transformer(None);
        }
        let context = b.architecture().unet.context;
        Transformer(Some(TransformerLayers {
            norm: GroupNorm::new(b, &format!("{prefix}.norm"), channels, 1e-6),
            proj_in: Conv1x1::projection(b, &format!("{prefix}.proj_in"), channels),
            blocks: (0..depth)
                .map(|i| TransformerBlock::new(b, &format!("{prefix}.transformer_blocks.{i}"), channels, context))
                .collect(),
            proj_out: Conv1x1::projection(b, &format!("{prefix}.proj_out"), channels),
        }))
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// (b, h, w, c) → the same
    fn forward(&self, x: &Tensor, context: &Tensor, merges: Merges) -> Result<Tensor> {
        let Some(layers) = &self.0 else { return Ok(x.clone()) };
        let (batch, height, width, channels) = x.dims4()?;
        let mut h = layers.norm.forward(x)?.reshape((batch, height * width, channels))?;
        h = layers.proj_in.forward(&h)?;
        for block in &layers.blocks {
            h = block.forward(&h, context, merges.of((height, width)))?;
        }
        let x = x.reshape((batch, height * width, channels))?;
        layers.proj_out.forward_onto(&x, &h)?.reshape((batch, height, width, channels))
    }
}

struct TransformerBlock {
    norm1: LayerNorm,
    self_attention: Attention,
    norm2: LayerNorm,
    cross_attention: CrossAttention,
    norm3: LayerNorm,
    ff_in: Linear,
    ff_out: Linear,
}

impl TransformerBlock {
    fn new(b: &mut Builder, prefix: &str, channels: usize, context_dim: usize) -> Self {
        let inner = b.dim(&format!("{prefix}.ff.net.2.weight"), 1);
        TransformerBlock {
            norm1: LayerNorm::new(b, &format!("{prefix}.norm1"), channels),
            self_attention: Attention::new(b, &format!("{prefix}.attn1"), channels, channels),
            norm2: LayerNorm::new(b, &format!("{prefix}.norm2"), channels),
            cross_attention: CrossAttention::new(b, &format!("{prefix}.attn2"), channels, context_dim),
            norm3: LayerNorm::new(b, &format!("{prefix}.norm3"), channels),
            ff_in: Linear::activated(b, &format!("{prefix}.ff.net.0.proj"), channels, 2 * inner, Activation::Geglu),
            ff_out: Linear::new(b, &format!("{prefix}.ff.net.2"), inner, channels),
        }
    }

    fn forward(&self, x: &Tensor, context: &Tensor, merge: Option<Merge>) -> Result<Tensor> {
        let mut h = self.norm1.forward(x)?;
        let merging = merge.map(|merge| Merging::new(x, merge.size, merge.ratio)).transpose()?.flatten();
        let mut x = match merging {
            None => {
                let (k, v) = self.self_attention.keys_and_values(&h)?;
                self.self_attention.forward_onto(x, &h, &k, &v)?
            }
            Some(merging) => {
                h = merging.merge(&h)?;
                let (k, v) = self.self_attention.keys_and_values(&h)?;
                (x + merging.unmerge(&self.self_attention.forward(&h, &k, &v)?)?)?
            }
        };
        h = self.norm2.forward(&x)?;
        x = self.cross_attention.forward_onto(&x, &h, context)?;
        h = self.norm3.forward(&x)?;
        h = self.ff_in.forward(&h)?;
        self.ff_out.forward_onto(&x, &h)
    }
}
