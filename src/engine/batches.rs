//! What the UNet is asked in one call: conditionings put together, the same tensors whenever the same texts are asked for.

use candle_core::{Tensor, TensorId};

use crate::plan::PadConds;
use crate::text::Conditioning;

/// Conditionings that the UNet is given together.
#[derive(Clone)]
pub(super) struct Batch {
    pub context: Tensor,
    pub vector: Option<Tensor>,
    pub count: usize,
}

impl Batch {
    /// So many texts go through the UNet together: more of them take more memory and no less time.
    pub const MOST: usize = 8;

    /// Shorter texts are lengthened by repeating their last vector, all of them to one length.
    pub fn several(conds: &[&Conditioning]) -> candle_core::Result<Vec<Self>> {
        let tokens = conds.iter().map(|c| c.crossattn.dim(1)).collect::<candle_core::Result<Vec<_>>>()?;
        let longest = tokens.into_iter().max().unwrap_or(0);
        conds.chunks(Self::MOST).map(|conds| Self::new(conds, longest)).collect()
    }

    fn new(conds: &[&Conditioning], longest: usize) -> candle_core::Result<Self> {
        let texts = conds.iter().map(|c| lengthened(&c.crossattn, longest)).collect::<candle_core::Result<Vec<_>>>()?;
        let vectors: Option<Vec<&Tensor>> = conds.iter().map(|c| c.vector.as_ref()).collect();
        let vector = vectors.map(|vectors| Tensor::cat(&vectors, 0)).transpose()?;
        Ok(Batch { context: Tensor::cat(&texts, 0)?, vector, count: conds.len() })
    }
}

/// Which tensors, put together how.
#[derive(PartialEq)]
pub(super) struct Key {
    pub parts: Vec<[Option<TensorId>; 2]>,
    pub negative: Option<[Option<TensorId>; 2]>,
    pub keeps_negative: bool,
    pub pads: PadConds,
    pub empty: Option<TensorId>,
}

/// The last batches made. The UNet knows a text by its tensor, and keeps what it makes of it.
#[derive(Default)]
pub(super) struct Batches(Vec<(Key, Vec<Batch>)>);

impl Batches {
    /// With and without the negative prompt, before and after a change of the prompt.
    const KEPT: usize = 4;

    pub fn get(&self, key: &Key) -> Option<Vec<Batch>> {
        self.0.iter().find(|(kept, _)| kept == key).map(|(_, batches)| batches.clone())
    }

    pub fn keep(&mut self, key: Key, batches: Vec<Batch>) -> Vec<Batch> {
        if self.0.len() == Self::KEPT {
            self.0.remove(0);
        }
        self.0.push((key, batches.clone()));
        batches
    }
}

/// `crossattn` with its last vector repeated up to `length`.
pub(super) fn lengthened(crossattn: &Tensor, length: usize) -> candle_core::Result<Tensor> {
    let tokens = crossattn.dim(1)?;
    if tokens >= length {
        return Ok(crossattn.clone());
    }
    let last = crossattn.narrow(1, tokens - 1, 1)?.repeat((1, length - tokens, 1))?;
    Tensor::cat(&[crossattn, &last], 1)
}
