//! From the pieces of a prompt to conditioning: chunks, encoders, emphasis.

use candle_core::{Device, Result, Tensor};

use super::chunk::{Chunk, chunk, empty_chunk};
use super::embedding::Embeddings;
use super::encoder::{CHUNK, ClipG, ClipL, Insert};
use super::tokenizer;
use crate::model::{Builder, ClipSkip, TextEncoder, TextEncoderKind, Watch, Watched};
use crate::plan::{Emphasis, Piece};

/// The text encoders of a model.
pub struct TextEncoders {
    encoders: Vec<Encoder>,
    device: Device,
}

struct Encoder {
    architecture: TextEncoder,
    /// Its number among the encoders.
    index: usize,
    network: Network,
}

enum Network {
    Clip(ClipL),
    OpenClip(ClipG),
}

/// How prompts are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EncodeOptions {
    /// What weights do to the vectors.
    pub emphasis: Emphasis,
    /// The layer, counted from the last (1), of the encoders that follow the setting "Clip skip"; `None` is their own.
    pub clip_skip: Option<u32>,
    /// How far back a full chunk may end at a comma, in tokens; 0 is off.
    pub comma_padding_backtrack: u32,
}

/// One prompt as the UNet is given it.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// (1, tokens, the encoders' widths together)
    pub crossattn: Tensor,
    /// (1, pooled), if an encoder has it.
    pub pooled: Option<Tensor>,
}

/// The texts of a prompt over the steps, cut for each encoder.
pub struct Cut {
    /// Which of the distinct texts each of them is.
    index: Vec<usize>,
    /// How often each distinct text stands there.
    counts: Vec<usize>,
    /// For each encoder, of each distinct text.
    chunks: Vec<Vec<Vec<Chunk>>>,
    /// The chunks of the longest text.
    length: usize,
}

impl Cut {
    /// How many chunks are encoded, of all distinct texts.
    pub fn count(&self) -> usize {
        self.counts.len() * self.length
    }
}

impl TextEncoders {
    /// Asks `b` for the parameters of the encoders.
    pub fn new(b: &mut Builder) -> Self {
        let architecture = b.architecture().clone();
        let encoders = architecture.text.iter().enumerate().map(|(index, encoder)| Encoder {
            architecture: encoder.clone(),
            index,
            network: match encoder.kind {
                TextEncoderKind::Clip => Network::Clip(ClipL::new(b, encoder)),
                TextEncoderKind::OpenClip => Network::OpenClip(ClipG::new(b, encoder)),
            },
        });
        TextEncoders { encoders: encoders.collect(), device: b.operators().device().clone() }
    }

    /// Cuts the texts of one prompt over the steps into chunks. All get the same number of them.
    pub fn cut(&self, texts: &[&[Piece]], options: EncodeOptions, embeddings: &Embeddings) -> Cut {
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

        let cut = |encoder: &Encoder| -> Vec<Vec<Chunk>> {
            let (tokenizer, backtrack) = (encoder.tokenizer(), options.comma_padding_backtrack);
            distinct.iter().map(|t| chunk(t, tokenizer, backtrack, embeddings.names()).chunks).collect()
        };
        let chunks: Vec<_> = self.encoders.iter().map(cut).collect();
        let length = chunks.iter().flatten().map(Vec::len).max().unwrap_or(1);
        Cut { index, counts, chunks, length }
    }

    /// Encodes texts that have been cut.
    ///
    /// They are encoded together because the emphasis mode "Original" restores the mean over all of them, each counted as
    /// often as it stands there.
    pub fn encode(
        &self,
        cut: &Cut,
        options: EncodeOptions,
        embeddings: &Embeddings,
        watch: &mut Watch<'_>,
    ) -> Watched<Vec<Encoded>> {
        let Cut { index, counts, chunks, length } = cut;
        let length = *length;
        let runs = |encoder: &Encoder| encoder.runs(options);
        watch.expect(length * self.encoders.iter().map(runs).sum::<usize>());
        let (mut rows, mut pooled) = (Vec::new(), None);
        for position in 0..length {
            let mut columns = Vec::new();
            for (encoder, texts) in self.encoders.iter().zip(chunks) {
                let padding = || empty_chunk(encoder.tokenizer());
                let batch: Vec<Chunk> =
                    texts.iter().map(|t| t.get(position).cloned().unwrap_or_else(padding)).collect();
                let insert = self.inserts(&batch, |name| embeddings.get(name)?.vectors.get(encoder.index))?;
                let (z, p) = encoder.forward(&self.ids(&batch)?, &insert, options, watch)?;
                columns.push(self.emphasise(&z, &batch, counts, options.emphasis)?);
                // Of the first chunk.
                pooled = pooled.or(p);
            }
            rows.push(Tensor::cat(&columns, 2)?);
        }
        let crossattn = Tensor::cat(&rows, 1)?;
        let of_text = |i| {
            let pooled = pooled.as_ref().map(|pooled: &Tensor| pooled.narrow(0, i, 1)).transpose()?;
            Ok(Encoded { crossattn: crossattn.narrow(0, i, 1)?, pooled })
        };
        index.iter().copied().map(of_text).collect()
    }

    /// Token ids, (chunks, 77), in the host's memory: rows are looked up there.
    fn ids(&self, chunks: &[Chunk]) -> Result<Tensor> {
        if let Some(long) = chunks.iter().find(|c| c.tokens.len() != CHUNK) {
            let names: Vec<_> = long.embeddings.iter().map(|e| e.name.as_str()).collect();
            candle_core::bail!("the embedding {} has more vectors than fit into a chunk of 75", names.join(", "));
        }
        let ids: Vec<u32> = chunks.iter().flat_map(|c| c.tokens.iter().copied()).collect();
        Tensor::from_vec(ids, (chunks.len(), CHUNK), &Device::Cpu)
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
        let total = |z: &Tensor| z.flatten_from(1)?.mean_keepdim(1)?.mul(&counts)?.sum_all();
        weighted.broadcast_mul(&(total(z)? / total(&weighted)?)?)
    }
}

impl Encoder {
    fn tokenizer(&self) -> tokenizer::Encoder {
        self.architecture.kind.into()
    }

    /// The layer whose output is used; 0 is the embeddings.
    fn layer(&self, options: EncodeOptions) -> usize {
        let layers = match &self.network {
            Network::Clip(clip) => clip.layers(),
            Network::OpenClip(clip) => clip.layers(),
        };
        let skip = options.clip_skip.filter(|_| self.architecture.clip_skip != ClipSkip::Never);
        (layers + 1).saturating_sub(skip.unwrap_or(self.architecture.layer) as usize).min(layers)
    }

    /// Layers that have to be run.
    fn runs(&self, options: EncodeOptions) -> usize {
        match &self.network {
            Network::Clip(_) => self.layer(options),
            Network::OpenClip(clip) => clip.runs(self.layer(options)),
        }
    }

    /// For tokens `ids` (b, 77): (b, 77, width), and the pooled text (b, pooled) if the model uses it.
    fn forward(
        &self,
        ids: &Tensor,
        insert: &[Insert],
        options: EncodeOptions,
        watch: &mut Watch<'_>,
    ) -> Watched<(Tensor, Option<Tensor>)> {
        let layer = self.layer(options);
        match &self.network {
            Network::Clip(clip) => Ok((clip.hidden(ids, insert, layer, watch)?, None)),
            Network::OpenClip(clip) => clip.forward(ids, insert, layer, watch),
        }
    }
}
