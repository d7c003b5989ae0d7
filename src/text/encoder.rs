//! The text encoders: CLIP and OpenCLIP. Every 77-token chunk is encoded alone, under a causal mask.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

use crate::model::ops::{Activation, Operators};
use crate::model::{Builder, LayerNorm, Linear, Param, TextEncoder, Watch, Watched};

/// Tokens of a chunk with start and end.
pub const CHUNK: usize = 77;
const VOCABULARY: usize = 49408;
const HEAD_WIDTH: usize = 64;

/// CLIP-L.
pub struct ClipL {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    /// Where the architecture applies it to the layer that is used.
    final_norm: Option<LayerNorm>,
}

impl ClipL {
    /// Asks `b` for the encoder's parameters.
    pub fn new(b: &mut Builder, encoder: &TextEncoder) -> Self {
        let (p, width) = (encoder.prefix, encoder.width);
        let token = format!("{p}embeddings.token_embedding.weight");
        let embeddings = Embeddings::new(b, &token, &format!("{p}embeddings.position_embedding.weight"), width);
        let layers = (0..encoder.layers).map(|i| Layer::clip_l(b, &format!("{p}encoder.layers.{i}."), width)).collect();
        // webui loads it with every model, also where no output uses it.
        let final_norm = LayerNorm::new(b, &format!("{p}final_layer_norm"), width);
        ClipL { embeddings, layers, final_norm: encoder.final_norm.then_some(final_norm) }
    }

    /// How many transformer layers there are.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// The output of layer `layer` (0 is the embeddings, 1 the first layer), with the final norm if the architecture says so, for tokens `ids` (b, 77) with
    /// `insert`ed embeddings. (b, 77, width)
    pub fn hidden(&self, ids: &Tensor, insert: &[Insert], layer: usize, watch: &mut Watch<'_>) -> Watched<Tensor> {
        let mut h = self.embeddings.forward(ids, insert)?;
        for layer in self.layers.iter().take(layer) {
            h = layer.forward(&h)?;
            watch.done(1)?;
        }
        if let Some(norm) = &self.final_norm {
            h = norm.forward(&h)?;
        }
        Ok(h.to_dtype(DType::F32)?)
    }
}

/// OpenCLIP: bigG in SDXL.
pub struct ClipG {
    embeddings: Embeddings,
    layers: Vec<Layer>,
    ln_final: LayerNorm,
    /// Whether the architecture applies it to the layer that is used.
    final_norm: bool,
    /// Where the architecture uses the pooled text.
    text_projection: Option<Arc<Param>>,
}

impl ClipG {
    /// Asks `b` for the encoder's parameters.
    pub fn new(b: &mut Builder, encoder: &TextEncoder) -> Self {
        let (p, width) = (encoder.prefix, encoder.width);
        let token = format!("{p}token_embedding.weight");
        let embeddings = Embeddings::new(b, &token, &format!("{p}positional_embedding"), width);
        let layers =
            (0..encoder.layers).map(|i| Layer::clip_g(b, &format!("{p}transformer.resblocks.{i}."), width)).collect();
        let ln_final = LayerNorm::new(b, &format!("{p}ln_final"), width);
        let text_projection = encoder.pooled.then(|| {
            let name = format!("{p}text_projection");
            let pooled = b.dim(&name, 1);
            b.param(&name, &[width, pooled])
        });
        ClipG { embeddings, layers, ln_final, final_norm: encoder.final_norm, text_projection }
    }

    /// Its transformer layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// How many layers have to be run for the output of layer `layer`: all, where the text is pooled.
    pub fn runs(&self, layer: usize) -> usize {
        if self.text_projection.is_some() { self.layers.len() } else { layer }
    }

    /// For tokens `ids` (b, 77): the output of layer `layer` (0 is the embeddings, 1 the first layer), with the final norm if the
    /// architecture says so, (b, 77, width); and the pooled text, (b, pooled), if it uses that: the final norm of the last
    /// layer's output at each chunk's end token (the first highest id), projected.
    pub fn forward(
        &self,
        ids: &Tensor,
        insert: &[Insert],
        layer: usize,
        watch: &mut Watch<'_>,
    ) -> Watched<(Tensor, Option<Tensor>)> {
        let mut h = self.embeddings.forward(ids, insert)?;
        let mut hidden = h.clone();
        for (i, each) in self.layers.iter().enumerate().take(self.runs(layer)) {
            h = each.forward(&h)?;
            if i < layer {
                hidden = h.clone();
            }
            watch.done(1)?;
        }
        if self.final_norm {
            hidden = self.ln_final.forward(&hidden)?;
        }
        let hidden = hidden.to_dtype(DType::F32)?;
        let Some(text_projection) = &self.text_projection else { return Ok((hidden, None)) };
        let last = self.ln_final.forward(&h)?.to_dtype(DType::F32)?;
        let rows = ids
            .to_vec2::<u32>()?
            .iter()
            .enumerate()
            .map(|(i, ids)| {
                let end = ids.iter().enumerate().rev().max_by_key(|(_, id)| **id).map_or(0, |(at, _)| at);
                last.narrow(0, i, 1)?.narrow(1, end, 1)?.squeeze(1)
            })
            .collect::<Result<Vec<_>>>()?;
        let pooled = Tensor::cat(&rows, 0)?.matmul(&text_projection.get()?)?;
        Ok((hidden, Some(pooled)))
    }
}

/// A textual-inversion vector in place of a token's embedding.
pub struct Insert {
    /// The chunk's number, from 0.
    pub chunk: usize,
    /// Position in the chunk, counted with the start token.
    pub position: usize,
    /// (width)
    pub vector: Tensor,
}

struct Embeddings {
    operators: Arc<dyn Operators>,
    token: Arc<Param>,
    position: Arc<Param>,
}

impl Embeddings {
    fn new(b: &mut Builder, token: &str, position: &str, width: usize) -> Self {
        let (token, position) = (b.table(token, VOCABULARY, width), b.param(position, &[CHUNK, width]));
        Embeddings { operators: b.operators().clone(), token, position }
    }

    fn forward(&self, ids: &Tensor, insert: &[Insert]) -> Result<Tensor> {
        let (batch, tokens) = ids.dims2()?;
        let ids = ids.flatten_all()?.to_dtype(DType::U32)?.to_vec1::<u32>()?;
        let mut h = self.token.rows(&ids)?.reshape((batch, tokens, ()))?;
        for Insert { chunk, position, vector } in insert {
            let row = vector.reshape((1, 1, ()))?;
            h = h.slice_assign(&[*chunk..chunk + 1, *position..position + 1, 0..row.dim(2)?], &row)?;
        }
        h.broadcast_add(&self.position.get()?)?.to_dtype(self.operators.dtype())
    }
}

/// A pre-norm transformer layer.
struct Layer {
    operators: Arc<dyn Operators>,
    norm1: LayerNorm,
    qkv: Qkv,
    out: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: usize,
}

/// The three projections, apart (CLIP-L) or in one matrix (OpenCLIP).
enum Qkv {
    Separate(Linear, Linear, Linear),
    Fused(Linear),
}

impl Layer {
    fn clip_l(b: &mut Builder, p: &str, width: usize) -> Self {
        let inner = b.dim(&format!("{p}mlp.fc1.weight"), 0);
        let mut attention = |name: &str| Linear::new(b, &format!("{p}self_attn.{name}"), width, width);
        let qkv = Qkv::Separate(attention("q_proj"), attention("k_proj"), attention("v_proj"));
        let out = attention("out_proj");
        Layer {
            operators: b.operators().clone(),
            qkv,
            out,
            norm1: LayerNorm::new(b, &format!("{p}layer_norm1"), width),
            norm2: LayerNorm::new(b, &format!("{p}layer_norm2"), width),
            fc1: Linear::activated(b, &format!("{p}mlp.fc1"), width, inner, Activation::QuickGelu),
            fc2: Linear::new(b, &format!("{p}mlp.fc2"), inner, width),
            heads: (width / HEAD_WIDTH).max(1),
        }
    }

    fn clip_g(b: &mut Builder, p: &str, width: usize) -> Self {
        let inner = b.dim(&format!("{p}mlp.c_fc.weight"), 0);
        let (weight, bias) = (format!("{p}attn.in_proj_weight"), format!("{p}attn.in_proj_bias"));
        Layer {
            operators: b.operators().clone(),
            qkv: Qkv::Fused(Linear::named(b, &weight, &bias, width, 3 * width)),
            out: Linear::new(b, &format!("{p}attn.out_proj"), width, width),
            norm1: LayerNorm::new(b, &format!("{p}ln_1"), width),
            norm2: LayerNorm::new(b, &format!("{p}ln_2"), width),
            fc1: Linear::activated(b, &format!("{p}mlp.c_fc"), width, inner, Activation::Gelu),
            fc2: Linear::new(b, &format!("{p}mlp.c_proj"), inner, width),
            heads: (width / HEAD_WIDTH).max(1),
        }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let h = self.norm1.forward(x)?;
        let (q, k, v) = match &self.qkv {
            Qkv::Separate(q, k, v) => (q.forward(&h)?, k.forward(&h)?, v.forward(&h)?),
            Qkv::Fused(qkv) => {
                let qkv = qkv.forward(&h)?;
                let width = qkv.dim(2)? / 3;
                (qkv.narrow(2, 0, width)?, qkv.narrow(2, width, width)?, qkv.narrow(2, 2 * width, width)?)
            }
        };
        let x = self.out.forward_onto(x, &self.operators.attention(&q, &k, &v, self.heads, true)?)?;
        let h = self.fc1.forward(&self.norm2.forward(&x)?)?;
        self.fc2.forward_onto(&x, &h)
    }
}
