//! SDXL's UNet, written as webui sees it: `input_blocks[0..9]`, `middle_block`, `output_blocks[0..9]`, so that a LoRA block
//! id is an index.
//!
//! All widths and depths come from the checkpoint. The block structure itself is SDXL's: three levels of two residual
//! blocks, downsampling in blocks 3 and 6, upsampling at the end of output blocks 2 and 5.

use candle_core::{DType, Module, Result, Tensor};
use candle_transformers::models::stable_diffusion::embeddings::Timesteps;

use super::attention::{Attention, CrossAttention, Texts};
use super::builder::Builder;
use super::kernels::{self, Activation};
use super::layers::{Conv1x1, Conv3x3, GroupNorm, LayerNorm, Linear};
use crate::checkpoint::prefix;

const LEVELS: usize = 3;
const RES_BLOCKS: usize = 2;

/// Sizes that callers need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnetConfig {
    /// Channels behind the first convolution: 320 in SDXL.
    pub model_channels: usize,
    /// Width of the text conditioning: CLIP-L's and CLIP-G's together.
    pub context_dim: usize,
    /// Width of the vector conditioning: the pooled text and six size embeddings of 256.
    pub vector_dim: usize,
}

/// The UNet.
///
/// What cross-attention makes of a text does not depend on the step: it is kept for the last few texts, and made anew where
/// a weight changes.
pub struct Unet {
    config: UnetConfig,
    texts: Texts,
    time_embed: Embedding,
    label_emb: Embedding,
    conv_in: Conv3x3,
    /// Blocks 1–8; block 0 is `conv_in`.
    input_blocks: Vec<InputBlock>,
    middle: (ResBlock, Transformer, ResBlock),
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
        let p = prefix::UNET;
        let model_channels = b.dim(&format!("{p}input_blocks.0.0.weight"), 0);
        let time_dim = b.dim(&format!("{p}time_embed.0.weight"), 0);
        let vector_dim = b.dim(&format!("{p}label_emb.0.0.weight"), 1);
        let mut context_dim = 0;

        let time_embed = Embedding::new(b, &format!("{p}time_embed."), model_channels, time_dim);
        let label_emb = Embedding::new(b, &format!("{p}label_emb.0."), vector_dim, time_dim);
        let conv_in = Conv3x3::new(b, &format!("{p}input_blocks.0.0"), 4, model_channels);

        let mut input_blocks = Vec::new();
        let mut skips = vec![model_channels];
        let mut channels = model_channels;
        for level in 0..LEVELS {
            for _ in 0..RES_BLOCKS {
                let block = format!("{p}input_blocks.{}.", skips.len());
                let residual = ResBlock::new(b, &format!("{block}0"), channels, time_dim);
                channels = residual.outputs;
                let transformer = Transformer::new(b, &format!("{block}1"), channels, &mut context_dim);
                input_blocks.push(InputBlock::Residual(Box::new(residual), transformer));
                skips.push(channels);
            }
            if level + 1 < LEVELS {
                let name = format!("{p}input_blocks.{}.0.op", skips.len());
                input_blocks.push(InputBlock::Downsample(Conv3x3::resizing(
                    b,
                    &name,
                    channels,
                    kernels::Conv3x3::Halving,
                )));
                skips.push(channels);
            }
        }
        let middle = {
            let first = ResBlock::new(b, &format!("{p}middle_block.0"), channels, time_dim);
            let transformer = Transformer::new(b, &format!("{p}middle_block.1"), channels, &mut context_dim);
            (first, transformer, ResBlock::new(b, &format!("{p}middle_block.2"), channels, time_dim))
        };
        let mut output_blocks = Vec::new();
        for level in 0..LEVELS {
            for i in 0..=RES_BLOCKS {
                let block = format!("{p}output_blocks.{}.", output_blocks.len());
                channels += skips.pop().unwrap_or_default();
                let residual = ResBlock::new(b, &format!("{block}0"), channels, time_dim);
                channels = residual.outputs;
                let transformer = Transformer::new(b, &format!("{block}1"), channels, &mut context_dim);
                let upsample = (i == RES_BLOCKS && level + 1 < LEVELS).then(|| {
                    // webui counts modules of a block: without attention the upsampling is number 1.
                    let slot = if transformer.is_empty() { 1 } else { 2 };
                    Conv3x3::resizing(b, &format!("{block}{slot}.conv"), channels, kernels::Conv3x3::Doubling)
                });
                output_blocks.push(OutputBlock { residual, transformer, upsample });
            }
        }
        let norm_out = GroupNorm::new(b, &format!("{p}out.0"), channels, 1e-5);
        let conv_out = Conv3x3::new(b, &format!("{p}out.2"), channels, 4);
        let config = UnetConfig { model_channels, context_dim, vector_dim };
        Unet {
            config,
            texts: Texts::default(),
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

    /// What was read from the shapes.
    pub fn config(&self) -> UnetConfig {
        self.config
    }

    /// The raw prediction for latents `x` (b, 4, h, w) at timesteps `t` (b), given text `context` (b, tokens,
    /// context_dim) and `vector` (b, vector_dim) conditioning. Same shape as `x`.
    pub fn forward(&self, x: &Tensor, t: &Tensor, context: &Tensor, vector: &Tensor) -> Result<Tensor> {
        self.forward_tapped(x, t, context, vector, &mut |_, _| Ok(()))
    }

    /// Like [`Unet::forward`]; `tap` sees the output of each block, (b, h, w, c), under its LBW id (`IN00`…`OUT08`).
    pub fn forward_tapped(
        &self,
        x: &Tensor,
        t: &Tensor,
        context: &Tensor,
        vector: &Tensor,
        tap: &mut dyn FnMut(&str, &Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        let context = &self.texts.known(context)?;
        let time = timestep_embedding(t, self.config.model_channels)?;
        let emb = (self.time_embed.forward(&time)? + self.label_emb.forward(vector)?)?;
        // Every residual block uses SiLU(emb).
        let emb = emb.silu()?;

        let mut h = self.conv_in.forward(&x.permute((0, 2, 3, 1))?.contiguous()?)?;
        tap("IN00", &h)?;
        let mut skips = vec![h.clone()];
        for (i, block) in self.input_blocks.iter().enumerate() {
            h = match block {
                InputBlock::Residual(residual, transformer) => {
                    transformer.forward(&residual.forward(&h, &emb)?, context)?
                }
                InputBlock::Downsample(conv) => conv.forward(&h)?,
            };
            tap(&format!("IN{:02}", i + 1), &h)?;
            skips.push(h.clone());
        }
        let (first, transformer, last) = &self.middle;
        h = last.forward(&transformer.forward(&first.forward(&h, &emb)?, context)?, &emb)?;
        tap("M00", &h)?;
        for (i, block) in self.output_blocks.iter().enumerate() {
            let skip =
                skips.pop().ok_or_else(|| candle_core::Error::Msg("the UNet has more outputs than inputs".into()))?;
            let (_, height, width, _) = skip.dims4()?;
            // webui resizes the decoder's feature where an odd size was rounded on the way down.
            h = Tensor::cat(&[&kernels::resize_nearest(&h, height, width)?, &skip], 3)?;
            h = block.transformer.forward(&block.residual.forward(&h, &emb)?, context)?;
            if let Some(conv) = &block.upsample {
                h = conv.forward(&h)?;
            }
            tap(&format!("OUT{i:02}"), &h)?;
        }
        self.conv_out.forward(&self.norm_out.forward_silu(&h)?)?.permute((0, 3, 1, 2))?.contiguous()
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
    outputs: usize,
    norm1: GroupNorm,
    conv1: Conv3x3,
    emb: Linear,
    norm2: GroupNorm,
    conv2: Conv3x3,
    skip: Option<Conv1x1>,
}

impl ResBlock {
    fn new(b: &mut Builder, prefix: &str, inputs: usize, time_dim: usize) -> Self {
        let outputs = b.dim(&format!("{prefix}.out_layers.3.weight"), 0);
        ResBlock {
            outputs,
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
        let h = self.conv1.forward_shifted(&self.norm1.forward_silu(x)?, &self.emb.forward(emb)?)?;
        let h = self.norm2.forward_silu(&h)?;
        match &self.skip {
            Some(skip) => self.conv2.forward_onto(&skip.forward(x)?, &h),
            None => self.conv2.forward_onto(x, &h),
        }
    }
}

/// The spatial transformer; empty where the checkpoint has none.
struct Transformer(Option<TransformerLayers>);

struct TransformerLayers {
    norm: GroupNorm,
    proj_in: Linear,
    blocks: Vec<TransformerBlock>,
    proj_out: Linear,
}

impl Transformer {
    fn new(b: &mut Builder, prefix: &str, channels: usize, context_dim: &mut usize) -> Self {
        let depth = b.count(&format!("{prefix}.transformer_blocks."), "norm1.weight");
        if depth == 0 {
            return Transformer(None);
        }
        if *context_dim == 0 {
            *context_dim = b.dim(&format!("{prefix}.transformer_blocks.0.attn2.to_k.weight"), 1);
        }
        Transformer(Some(TransformerLayers {
            norm: GroupNorm::new(b, &format!("{prefix}.norm"), channels, 1e-6),
            proj_in: Linear::new(b, &format!("{prefix}.proj_in"), channels, channels),
            blocks: (0..depth)
                .map(|i| TransformerBlock::new(b, &format!("{prefix}.transformer_blocks.{i}"), channels, *context_dim))
                .collect(),
            proj_out: Linear::new(b, &format!("{prefix}.proj_out"), channels, channels),
        }))
    }

    fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// (b, h, w, c) → the same
    fn forward(&self, x: &Tensor, context: &Tensor) -> Result<Tensor> {
        let Some(layers) = &self.0 else { return Ok(x.clone()) };
        let (batch, height, width, channels) = x.dims4()?;
        let h = layers.norm.forward(x)?.reshape((batch, height * width, channels))?;
        let mut h = layers.proj_in.forward(&h)?;
        for block in &layers.blocks {
            h = block.forward(&h, context)?;
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

    fn forward(&self, x: &Tensor, context: &Tensor) -> Result<Tensor> {
        let h = self.norm1.forward(x)?;
        let (k, v) = self.self_attention.keys_and_values(&h)?;
        let x = self.self_attention.forward_onto(x, &h, &k, &v)?;
        let x = self.cross_attention.forward_onto(&x, &self.norm2.forward(&x)?, context)?;
        let h = self.ff_in.forward(&self.norm3.forward(&x)?)?;
        self.ff_out.forward_onto(&x, &h)
    }
}
