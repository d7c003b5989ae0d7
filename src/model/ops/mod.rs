//! The operators that models are made of: one trait, and the sets of operators that implement it.
//!
//! A set is [chosen](OperatorChoice) when an engine opens, and held by it; models ask the set and know nothing of devices.
//! Data is channels-last and contiguous. [`Cpu`] is ours, for the CPU, in f32; [`Candle`] is candle's operators, for every
//! device and type of number; with the feature `cuda` there is a set for NVIDIA's cards, in f32 and f16. All sets are tested
//! against the same expressions, in f64; the last one where there is a card.

mod candle;
mod card;
mod choice;
pub mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod fused;
mod moments;
#[cfg(test)]
mod tests;
mod weight;
mod workspace;

pub use candle::Candle;
pub use card::{CardError, CardPeak, card, card_peak, free_memory};
pub use choice::{OperatorChoice, OperatorError, Precision};
pub use cpu::{Cpu, Isa};
#[cfg(feature = "cuda")]
pub use cuda::Cuda;
pub use fused::{Activation, Conv3x3, Fused};
pub use moments::Moments;
pub use weight::{Held, LowRank, NumberType, Order, Shape, Stored, Weight};
pub use workspace::{Overhead, Work, Workspace};

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

/// A set of operators. Activations are tensors of [its type](Operators::dtype) on [its device](Operators::device); biases and
/// the parameters of norms are f32 there.
pub trait Operators: Send + Sync {
    /// Where the tensors are.
    fn device(&self) -> &Device;

    /// The type of activations.
    fn dtype(&self) -> DType;

    /// The set for what must not lose digits: the same in f32.
    fn exact(&self) -> Arc<dyn Operators>;

    /// A weight for this set's [`linear`](Operators::linear) or [`conv3x3`](Operators::conv3x3), with `changes` added in their
    /// order and in f32.
    fn weight(&self, stored: Stored<'_>, changes: &[LowRank], held: Held) -> Result<Weight>;

    /// x·Wᵀ over the last axis, and what is fused to it: x (…, inputs) → (…, outputs).
    fn linear(&self, x: &Tensor, weight: &Weight, fused: Fused<'_>) -> Result<Tensor>;

    /// x (b, h, w, inputs) → (b, h', w', outputs), where h' and w' are as [`Conv3x3`] makes them.
    fn conv3x3(&self, x: &Tensor, weight: &Weight, kind: Conv3x3, fused: Fused<'_>) -> Result<Tensor>;

    /// softmax(q·kᵀ/√width)·v per head; `causal` hides later tokens.
    ///
    /// q (b, n, heads·width), k and v (b, m, heads·width) → (b, n, heads·width)
    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor>;

    /// Over the last axis: (x − mean) / √(variance + eps) · weight + bias. x (…, width), weight and bias (width).
    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor>;

    /// Over each group of neighbouring channels and all positions of an image, then SiLU if `silu`.
    ///
    /// x (b, …, channels), weight and bias (channels).
    fn group_norm(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> Result<Tensor>;

    /// Adds the statistics of a part of one image (1, …, channels) to `moments`.
    fn see(&self, part: &Tensor, moments: &mut Moments) -> Result<()>;

    /// SiLU(x·scale + shift): x (b, …, channels), scale and shift (channels).
    fn scaled_silu(&self, x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor>;

    /// (b, h, w, c) → (b, height, width, c): pixel i comes from ⌊i·h/height⌋, as torch's `nearest`.
    fn resize_nearest(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor>;

    /// What `work` takes beside its operands and its result.
    fn workspace(&self, work: Work) -> Workspace;

    /// What the device's memory holds beside tensors.
    fn overhead(&self) -> Overhead {
        if self.device().is_cpu() { Overhead::CPU } else { Overhead::CARD }
    }

    /// From now on takes memory only when what was given back can be used again, where that takes time. Also what
    /// [`exact`](Operators::exact) gives.
    fn spare(&self, _does: bool) {}

    /// Bytes of one number of a weight that lies in its file as `number`; `changed` where something is added to it.
    fn size_in_weights(&self, _number: NumberType, _changed: bool, _held: Held) -> usize {
        self.dtype().size_in_bytes()
    }
}

/// Checks the shapes of an attention.
fn check_attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<()> {
    let ((batch, _, channels), keys) = (q.dims3()?, k.dims3()?);
    let fits = keys == v.dims3()? && (keys.0, keys.2) == (batch, channels) && keys.1 > 0;
    if heads == 0 || !channels.is_multiple_of(heads) || channels == 0 || !fits {
        candle_core::bail!("attention: {:?} and {:?} do not fit {heads} heads", q.shape(), k.shape());
    }
    Ok(())
}

/// Where each of `to` pixels of a resized axis of `from` pixels comes from.
fn nearest(from: usize, to: usize) -> Vec<usize> {
    let scale = from as f32 / to as f32;
    (0..to).map(|i| ((i as f32 * scale) as usize).min(from.saturating_sub(1))).collect()
}
