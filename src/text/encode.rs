//! From the pieces of a prompt to conditioning: chunks, both encoders, emphasis.

use candle_core::{Device, Result, Tensor};

use super::chunk::{Chunk, chunk, empty_chunk};
use super::embedding::Embeddings;
use super::encoder::{CHUNK, ClipG, ClipL, Insert};
use super::tokenizer;
use crate::model::Builder;
use crate::plan::{Emphasis, Piece};

/// Both text encoders.
pub struct TextEncoders {
    clip_l: ClipL,
    clip_g: ClipG,
    device: Device,
}

/// How prompts are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodeOptions {
    /// What weights do to the vectors.
    pub emphasis: Emphasis,
    /// CLIP-L's layer counted from the last (1); SDXL's own choice is 2.
    pub clip_l_layer: u32,
    /// How many tokens before the end of a chunk a comma may still break it.
    pub comma_padding_backtrack: u32,
}

/// One prompt as the UNet is given it.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// (1, tokens, CLIP-L's width + CLIP-G's)
    pub crossattn: Tensor,
    /// (1, pooled)
    pub pooled: Tensor,
}

impl TextEncoders {
    /// Asks `b` for the parameters of both encoders.
    pub fn new(b: &mut Builder) -> Self {
        TextEncoders { clip_l: ClipL::new(b), clip_g: ClipG::new(b), device: b.device().clone() }
    }

    /// Encodes the texts of one prompt over the steps. All get the same number of chunks.
    ///
    /// They are encoded together because the emphasis mode "Original" restores the mean over all of them, each counted as
    /// often as it stands there.
    pub fn encode(&self, texts: &[&[Piece]], options: EncodeOptions, embeddings: &Embeddings) -> Result<Vec<Encoded>> {
        let mut distinct: Vec<&[Piece]> = Vec::new();
        let mut index = Vec::with_capacity(texts.len());
        for text in texts {
            let at = distinct.iter().position(|d| d == text).unwrap_or_else(|| {
                distinct.push(text);
                distinct.len() - 1
            });
            index.push(at);
        }
        let mut counts = vec![0usize; distinct.len()];
        index.iter().for_each(|i| counts[*i] += 1);

        let cut = |encoder| -> Vec<Vec<Chunk>> {
            distinct
                .iter()
                .map(|t| chunk(t, encoder, options.comma_padding_backtrack, embeddings.names()).chunks)
                .collect()
        };
        let (l, g) = (cut(tokenizer::Encoder::ClipL), cut(tokenizer::Encoder::ClipG));
        let length = l.iter().chain(&g).map(Vec::len).max().unwrap_or(1);

        let mut rows = Vec::new();
        let mut pooled = None;
        for position in 0..length {
            let batch = |texts: &[Vec<Chunk>], encoder| -> Vec<Chunk> {
                texts.iter().map(|t| t.get(position).cloned().unwrap_or_else(|| empty_chunk(encoder))).collect()
            };
            let batch_l = batch(&l, tokenizer::Encoder::ClipL);
            let insert = self.inserts(&batch_l, |name| Some(&embeddings.get(name)?.clip_l))?;
            let layer = (self.clip_l.layers() + 1).saturating_sub(options.clip_l_layer as usize);
            let z = self.clip_l.hidden(&self.ids(&batch_l)?, &insert, layer)?;
            let z_l = self.emphasise(&z, &batch_l, &counts, options.emphasis)?;

            let batch_g = batch(&g, tokenizer::Encoder::ClipG);
            let insert = self.inserts(&batch_g, |name| Some(&embeddings.get(name)?.clip_g))?;
            let (z, p) = self.clip_g.forward(&self.ids(&batch_g)?, &insert)?;
            let z_g = self.emphasise(&z, &batch_g, &counts, options.emphasis)?;

            rows.push(Tensor::cat(&[z_l, z_g], 2)?);
            pooled.get_or_insert(p);
        }
        let crossattn = Tensor::cat(&rows, 1)?;
        let Some(pooled) = pooled else { candle_core::bail!("a prompt has at least one chunk") };
        index
            .into_iter()
            .map(|i| Ok(Encoded { crossattn: crossattn.narrow(0, i, 1)?, pooled: pooled.narrow(0, i, 1)? }))
            .collect()
    }

    /// Token ids, (chunks, 77).
    fn ids(&self, chunks: &[Chunk]) -> Result<Tensor> {
        if let Some(long) = chunks.iter().find(|c| c.tokens.len() != CHUNK) {
            let names: Vec<_> = long.embeddings.iter().map(|e| e.name.as_str()).collect();
            candle_core::bail!("the embedding {} has more vectors than fit into a chunk of 75", names.join(", "));
        }
        let ids: Vec<u32> = chunks.iter().flat_map(|c| c.tokens.iter().copied()).collect();
        Tensor::from_vec(ids, (chunks.len(), CHUNK), &self.device)
    }

    fn inserts<'a>(&self, chunks: &[Chunk], vectors: impl Fn(&str) -> Option<&'a Tensor>) -> Result<Vec<Insert>> {
        let mut inserts = Vec::new();
        for (chunk, cut) in chunks.iter().enumerate() {
            for placed in &cut.embeddings {
                let Some(vectors) = vectors(&placed.name) else { continue };
                for i in 0..vectors.dim(0)?.min(CHUNK.saturating_sub(1 + placed.offset)) {
                    let vector = vectors.get(i)?.to_device(&self.device)?;
                    inserts.push(Insert { chunk, position: 1 + placed.offset + i, vector });
                }
            }
        }
        Ok(inserts)
    }

    /// Applies emphasis weights to encoder output `z` (chunks, 77, width). `counts` is how often each row stands in the
    /// batch that webui takes means over.
    fn emphasise(&self, z: &Tensor, chunks: &[Chunk], counts: &[usize], emphasis: Emphasis) -> Result<Tensor> {
        if matches!(emphasis, Emphasis::Ignore | Emphasis::None) {
            return Ok(z.clone());
        }
        let weights: Vec<f32> = chunks.iter().flat_map(|c| c.multipliers.iter().copied()).collect();
        if weights.iter().all(|w| *w == 1.0) {
            return Ok(z.clone());
        }
        let weights = Tensor::from_vec(weights, (chunks.len(), CHUNK, 1), &self.device)?;
        let weighted = z.broadcast_mul(&weights)?;
        if emphasis == Emphasis::NoNorm {
            return Ok(weighted);
        }
        let counts: Vec<f32> = counts.iter().map(|c| *c as f32).collect();
        let counts = Tensor::from_vec(counts, (chunks.len(), 1), &self.device)?;
        let total = |z: &Tensor| z.flatten_from(1)?.mean_keepdim(1)?.mul(&counts)?.sum_all()?.to_scalar::<f32>();
        let restored = f64::from(total(z)? / total(&weighted)?);
        weighted * restored
    }
}
