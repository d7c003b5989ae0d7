//! Operators for NVIDIA's cards: products are cuBLAS's, what lies between them is in kernels of our own (`kernels.cu`), and so is all of
//! attention in f16 (`attention.cu`).
//!
//! They differ from [candle's](super::Candle) in what they read and write, not in what they compute: a convolution reads
//! channels-last data once, what is fused to a product is one pass, softmax and norms are f32 inside whatever goes in and out.

mod device;
mod launch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{D, DType, Device, Result, Tensor};

pub use device::{open, peak};
use launch::{Argument, Kernels, SLAB_THREADS};

use super::{
    Candle, Conv3x3, Fused, Held, LowRank, Moments, Operators, Stored, Weight, Work, Workspace, check_attention,
};

/// Bytes of the rows of a convolution's matrix that are made at a time.
const COLUMNS: usize = 256 << 20;
/// Scores that are computed at a time: 512 MiB of f16.
const SCORES: usize = 1 << 28;
/// Slabs that a norm's positions are cut into, at most.
const SLABS: usize = 128;
/// Positions of a slab, at least.
const SLAB: usize = 16;

/// A kernel of `attention.cu`.
struct Attention {
    name: &'static str,
    /// Values of a head, at most.
    width: usize,
    /// Queries of a block.
    queries: usize,
}

/// All of them, as that file ends.
const ATTENTIONS: [Attention; 4] = [
    Attention { name: "attention_48", width: 48, queries: 128 },
    Attention { name: "attention_64", width: 64, queries: 128 },
    Attention { name: "attention_80", width: 80, queries: 128 },
    Attention { name: "attention_160", width: 160, queries: 64 },
];

/// Bytes that are taken of a card without waiting, even where its memory is spared.
const UNSPARED: usize = 4 << 20;

/// Ours and cuBLAS's, on one card.
pub struct Cuda {
    candle: Candle,
    kernels: Kernels,
    dtype: DType,
    /// Whether memory is [spared](Operators::spare), also for what is made of this set.
    spares: Arc<AtomicBool>,
}

impl Cuda {
    /// Those for f32 or f16; `None` for any other type or device.
    pub fn new(device: &Device, dtype: DType) -> Option<Self> {
        let suffix = match dtype {
            DType::F32 => "f32",
            DType::F16 => "f16",
            _ => return None,
        };
        let Device::Cuda(card) = device else { return None };
        let (candle, kernels) = (Candle::new(device, dtype), Kernels::new(card, suffix));
        Some(Cuda { candle, kernels, dtype, spares: Arc::default() })
    }

    /// Waits for the card where memory is spared, before so many bytes are taken.
    ///
    /// The program runs ahead of the card. What was given back on the way is free only once the card has come to that point: until then
    /// the driver joins nothing of it to a larger piece, but takes new memory.
    fn before_taking(&self, bytes: usize) -> Result<()> {
        if bytes >= UNSPARED && self.spares.load(Ordering::Relaxed) {
            self.candle.device().synchronize()?;
        }
        Ok(())
    }

    /// A tensor that a kernel will write every value of.
    fn room(&self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        self.before_taking(shape.iter().product::<usize>() * dtype.size_in_bytes())?;
        // SAFETY: each caller gives it to a kernel that writes all of it before anything else on the one stream reads it.
        unsafe { Tensor::empty(shape, dtype, self.candle.device()) }
    }

    /// What is fused to a product (…, outputs), over its last axis.
    fn finish(&self, y: Tensor, fused: Fused<'_>) -> Result<Tensor> {
        let Fused { bias, shift, activation, slope, residual } = fused;
        let is_plain = bias.is_none() && shift.is_none() && slope.is_none() && residual.is_none();
        if is_plain && activation == super::Activation::None {
            return Ok(y);
        }
        let inputs = y.dim(D::Minus1)?;
        let paired = activation == super::Activation::Geglu;
        let outputs = if paired { inputs / 2 } else { inputs };
        let mut shape = y.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = outputs;
        }
        for (operand, expected) in [(bias, inputs), (slope, outputs)] {
            fits(operand.is_none_or(|t| t.elem_count() == expected), "a bias or slope", &y)?;
        }
        fits(residual.is_none_or(|t| t.dims() == shape), "a residual", &y)?;
        let rows = y.elem_count() / inputs.max(1);
        let images = shift.map_or(Ok(1), |t| t.dim(0))?;
        fits(shift.is_none_or(|t| t.elem_count() == images * inputs && rows.is_multiple_of(images)), "a shift", &y)?;
        let residual = residual.map(Tensor::contiguous).transpose()?;
        let shift = shift.map(Tensor::contiguous).transpose()?;
        let to = self.room(&shape, self.dtype)?;
        let at_once = if outputs.is_multiple_of(4) { 4 } else { 1 };
        let packs = to.elem_count() / at_once;
        self.kernels.over(
            &format!("finish_{{}}_{at_once}"),
            packs,
            &[
                Argument::of(&y, self.dtype)?,
                Argument::of(&to, self.dtype)?,
                Argument::Count(packs),
                Argument::Int(inputs),
                Argument::Int(outputs),
                Argument::Int(activation as usize),
                Argument::maybe(bias, DType::F32)?,
                Argument::maybe(shift.as_ref(), self.dtype)?,
                Argument::Int(rows / images.max(1)),
                Argument::maybe(slope, DType::F32)?,
                Argument::maybe(residual.as_ref(), self.dtype)?,
            ],
        )?;
        Ok(to)
    }

    fn product(&self, x: &Tensor, weight: &Weight) -> Result<Tensor> {
        let outputs = weight.tensor()?.dim(0)?;
        self.before_taking(x.elem_count() / x.dim(D::Minus1)?.max(1) * outputs * self.dtype.size_in_bytes())?;
        self.candle.linear(x, weight, Fused::NOTHING)
    }

    /// Rows of so many values of a convolution's matrix that are made at a time.
    fn rows_at_once(&self, row: usize) -> usize {
        (COLUMNS / self.dtype.size_in_bytes() / row.max(1)).max(1)
    }

    /// The rows of the matrix of a convolution for `pixels` of its outputs.
    fn columns(&self, x: &Tensor, kind: Conv3x3, pixels: std::ops::Range<usize>) -> Result<Tensor> {
        let (_, height, width, channels) = x.dims4()?;
        let to = self.room(&[pixels.len(), 9 * channels], self.dtype)?;
        let from = Argument::of(x, self.dtype)?;
        let (unit, channels) = self.units(from, channels);
        self.kernels.over(
            &format!("columns_{unit}"),
            pixels.len() * 9 * channels,
            &[
                from,
                Argument::of(&to, self.dtype)?,
                Argument::Count(pixels.start),
                Argument::Count(pixels.len()),
                Argument::Int(height),
                Argument::Int(width),
                Argument::Int(channels),
                Argument::Int(kind.output(height)),
                Argument::Int(kind.output(width)),
                Argument::Int(kind.stride()),
                Argument::Int(kind.before()),
                Argument::Int(usize::from(kind.doubles())),
                Argument::Int(usize::from(kind.wraps())),
            ],
        )?;
        Ok(to)
    }

    /// The bytes of which rows of `width` values are copied at once, as many as rows and addresses allow, and how many times.
    fn units(&self, from: Argument, width: usize) -> (usize, usize) {
        let size = self.dtype.size_in_bytes();
        let unit = if (width * size).is_multiple_of(16) && from.is_aligned(16) { 16 } else { size };
        (unit, width * size / unit)
    }

    /// (images, a, b, width) → (images, b, a, width)
    fn swapped(&self, x: &Tensor, [images, a, b, width]: [usize; 4]) -> Result<Tensor> {
        let x = x.contiguous()?;
        let to = self.room(&[images, b, a, width], self.dtype)?;
        let from = Argument::of(&x, self.dtype)?;
        let (unit, width) = self.units(from, width);
        let count = images * a * b * width;
        self.kernels.over(
            &format!("swapped_{unit}"),
            count,
            &[
                from,
                Argument::of(&to, self.dtype)?,
                Argument::Count(count),
                Argument::Int(a),
                Argument::Int(b),
                Argument::Int(width),
            ],
        )?;
        Ok(to)
    }

    /// Whether `attention.cu` computes heads of so many values.
    fn attends(&self, width: usize) -> bool {
        let widest = ATTENTIONS[ATTENTIONS.len() - 1].width;
        self.dtype == DType::F16 && self.kernels.has_attention() && width.is_multiple_of(8) && width <= widest
    }

    /// Attention by `attention.cu`, which has no scores in memory; nothing where it cannot be.
    fn attended(&self, [q, k, v]: [&Tensor; 3], heads: usize, causal: bool) -> Result<Option<Tensor>> {
        let (batch, queries, channels) = q.dims3()?;
        let (keys, width) = (k.dim(1)?, channels / heads);
        let Some(kernel) = ATTENTIONS.iter().find(|kernel| width <= kernel.width) else { return Ok(None) };
        let [q, k, v] = [q.contiguous()?, k.contiguous()?, v.contiguous()?];
        let operands = [Argument::of(&q, self.dtype)?, Argument::of(&k, self.dtype)?, Argument::of(&v, self.dtype)?];
        if !self.attends(width) || !operands.iter().all(|operand| operand.is_aligned(16)) {
            return Ok(None);
        }
        let to = self.room(&[batch, queries, channels], self.dtype)?;
        let [q, k, v] = operands;
        self.kernels.attention(
            kernel.name,
            (queries.div_ceil(kernel.queries), batch * heads),
            &[
                q,
                k,
                v,
                Argument::of(&to, self.dtype)?,
                Argument::Int(queries),
                Argument::Int(keys),
                Argument::Int(heads),
                Argument::Int(width),
                Argument::Float(std::f32::consts::LOG2_E / (width as f32).sqrt()),
                Argument::Int(usize::from(causal)),
            ],
        )?;
        Ok(Some(to))
    }

    /// Softmax of scores (images·heads, queries, keys) in their place, of the queries from `first` on.
    fn softmax(&self, scores: &Tensor, causal: bool, first: usize) -> Result<()> {
        let (_, queries, keys) = scores.dims3()?;
        let at_once = if keys.is_multiple_of(4) { 4 } else { 1 };
        self.kernels.rows(
            &format!("softmax_{{}}_{at_once}"),
            scores.elem_count() / keys.max(1),
            &[
                Argument::of(scores, self.dtype)?,
                Argument::Int(keys),
                Argument::Int(usize::from(causal)),
                Argument::Int(first),
                Argument::Int(queries),
            ],
        )
    }
}

/// Refuses an operand of another shape.
fn fits(does: bool, what: &str, y: &Tensor) -> Result<()> {
    if !does {
        candle_core::bail!("{what} does not fit {:?}", y.shape());
    }
    Ok(())
}

impl Operators for Cuda {
    fn device(&self) -> &Device {
        self.candle.device()
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn exact(&self) -> Arc<dyn Operators> {
        match Cuda::new(self.candle.device(), DType::F32) {
            Some(exact) => Arc::new(Cuda { spares: self.spares.clone(), ..exact }),
            None => self.candle.exact(),
        }
    }

    fn weight(&self, stored: Stored<'_>, changes: &[LowRank], held: Held) -> Result<Weight> {
        let shape = stored.shape;
        self.before_taking(stored.bytes.len())?;
        match (self.candle.weight(stored, changes, held)?, shape.taps) {
            // (outputs, taps, inputs), as the rows of `columns` are.
            (Weight::Tensor(kernel), 9) => {
                let kernel = kernel.permute((0, 2, 3, 1))?.contiguous()?;
                Ok(Weight::Tensor(kernel.reshape((shape.outputs, shape.row()))?))
            }
            (weight, _) => Ok(weight),
        }
    }

    fn linear(&self, x: &Tensor, weight: &Weight, fused: Fused<'_>) -> Result<Tensor> {
        self.finish(self.product(x, weight)?, fused)
    }

    fn conv3x3(&self, x: &Tensor, weight: &Weight, kind: Conv3x3, fused: Fused<'_>) -> Result<Tensor> {
        let (images, height, width, channels) = x.dims4()?;
        let (outputs, row) = weight.tensor()?.dims2()?;
        fits(row == 9 * channels && height > 0 && width > 0, "a kernel", x)?;
        let x = x.contiguous()?;
        let (down, across) = (kind.output(height), kind.output(width));
        let pixels = images * down * across;
        let step = self.rows_at_once(row).min(pixels.max(1));
        let part = |first| self.product(&self.columns(&x, kind, first..pixels.min(first + step))?, weight);
        let y = match step == pixels {
            true => part(0)?,
            false => {
                let whole = self.room(&[pixels, outputs], self.dtype)?;
                (0..pixels).step_by(step).try_for_each(|first| whole.slice_set(&part(first)?, 0, first))?;
                whole
            }
        };
        self.finish(y.reshape((images, down, across, outputs))?, fused)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
        check_attention(q, k, v, heads)?;
        if let Some(attended) = self.attended([q, k, v], heads, causal)? {
            return Ok(attended);
        }
        let (batch, queries, channels) = q.dims3()?;
        let (_, keys, _) = k.dims3()?;
        let width = channels / heads;
        let split = |x: &Tensor| {
            let (batch, tokens, _) = x.dims3()?;
            self.swapped(x, [batch, tokens, heads, width])?.reshape((batch * heads, tokens, width))
        };
        let q = (split(q)? * (width as f64).powf(-0.5))?;
        let (k, v) = (split(k)?.t()?, split(v)?);
        let step = (SCORES / (batch * heads * keys).max(1)).clamp(1, queries.max(1));
        let mut parts = Vec::new();
        for first in (0..queries).step_by(step) {
            let rows = step.min(queries - first);
            let scores = q.narrow(1, first, rows)?.contiguous()?.matmul(&k)?;
            self.softmax(&scores, causal, first)?;
            parts.push(scores.matmul(&v)?);
        }
        let joined = if let [whole] = parts.as_slice() { whole.clone() } else { Tensor::cat(&parts, 1)? };
        self.swapped(&joined, [batch, heads, queries, width])?.reshape((batch, queries, channels))
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
        let width = x.dim(D::Minus1)?;
        fits(weight.elem_count() == width && bias.elem_count() == width, "a norm's weight", x)?;
        let x = x.contiguous()?;
        let to = self.room(x.dims(), self.dtype)?;
        self.kernels.rows(
            "layer_norm_{}",
            x.elem_count() / width.max(1),
            &[
                Argument::of(&x, self.dtype)?,
                Argument::of(&to, self.dtype)?,
                Argument::Int(width),
                Argument::Float(eps as f32),
                Argument::of(weight, DType::F32)?,
                Argument::of(bias, DType::F32)?,
            ],
        )?;
        Ok(to)
    }

    fn group_norm(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> Result<Tensor> {
        let (images, channels) = (x.dim(0)?, x.dim(D::Minus1)?);
        let divides = groups > 0 && channels.is_multiple_of(groups);
        fits(divides && weight.elem_count() == channels && bias.elem_count() == channels, "a norm's weight", x)?;
        let x = x.contiguous()?;
        let positions = x.elem_count() / (images * channels).max(1);
        let slab = positions.div_ceil(SLABS).max(SLAB);
        let count = positions.div_ceil(slab);
        let slabs = self.room(&[images, count, groups, 2], DType::F32)?;
        let moments = self.room(&[images, groups, 2], DType::F32)?;
        let to = self.room(x.dims(), self.dtype)?;
        let from = Argument::of(&x, self.dtype)?;
        let packed = 16 / self.dtype.size_in_bytes();
        let packed = if channels.is_multiple_of(packed) && from.is_aligned(16) { packed } else { 1 };
        self.kernels.slabs(
            &format!("slab_moments_{{}}_{packed}"),
            (count, images),
            size_of::<[f32; 2]>() * channels.max(packed * SLAB_THREADS),
            &[
                from,
                Argument::of(&slabs, DType::F32)?,
                Argument::Count(positions),
                Argument::Int(channels),
                Argument::Int(groups),
                Argument::Int(slab),
            ],
        )?;
        self.kernels.grid(
            "group_moments",
            (groups, images),
            &[
                Argument::of(&slabs, DType::F32)?,
                Argument::of(&moments, DType::F32)?,
                Argument::Int(count),
                Argument::Count(positions),
                Argument::Int(channels / groups),
                Argument::Int(groups),
                Argument::Int(slab),
                Argument::Float(eps as f32),
            ],
        )?;
        let at_once = if channels.is_multiple_of(4) { 4 } else { 1 };
        let packs = x.elem_count() / at_once;
        self.kernels.over(
            &format!("group_norm_{{}}_{at_once}"),
            packs,
            &[
                Argument::of(&x, self.dtype)?,
                Argument::of(&to, self.dtype)?,
                Argument::Count(packs),
                Argument::Int(positions),
                Argument::Int(channels),
                Argument::Int(groups),
                Argument::of(&moments, DType::F32)?,
                Argument::of(weight, DType::F32)?,
                Argument::of(bias, DType::F32)?,
                Argument::Int(usize::from(silu)),
            ],
        )?;
        Ok(to)
    }

    fn see(&self, part: &Tensor, moments: &mut Moments) -> Result<()> {
        self.candle.see(part, moments)
    }

    fn scaled_silu(&self, x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
        let channels = x.dim(D::Minus1)?;
        fits(scale.elem_count() == channels && shift.elem_count() == channels, "a scale", x)?;
        let x = x.contiguous()?;
        let to = self.room(x.dims(), self.dtype)?;
        let at_once = if channels.is_multiple_of(4) { 4 } else { 1 };
        let packs = x.elem_count() / at_once;
        self.kernels.over(
            &format!("scaled_silu_{{}}_{at_once}"),
            packs,
            &[
                Argument::of(&x, self.dtype)?,
                Argument::of(&to, self.dtype)?,
                Argument::Count(packs),
                Argument::Int(channels),
                Argument::of(scale, DType::F32)?,
                Argument::of(shift, DType::F32)?,
            ],
        )?;
        Ok(to)
    }

    fn resize_nearest(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        self.candle.resize_nearest(x, height, width)
    }

    fn spare(&self, does: bool) {
        self.spares.store(does, Ordering::Relaxed);
    }

    fn workspace(&self, work: Work) -> Workspace {
        let size = self.dtype.size_in_bytes();
        match work {
            // The matrix of its rows and their product, and all products before what is fused to them.
            Work::Conv3x3 { to, inputs, outputs, .. } => {
                let step = self.rows_at_once(9 * inputs);
                let part = if step < to { outputs } else { 0 };
                Workspace::beside(to.min(step) * (9 * inputs + part) + to * outputs, size)
            }
            Work::Linear { rows, outputs, .. } => Workspace::beside(rows * outputs, size),
            Work::Attention { heads, channels, .. } if self.attends(channels / heads.max(1)) => Workspace::default(),
            // Queries, keys, values and the result by heads; scores.
            Work::Attention { images, queries, keys, heads, channels } => {
                let scores = (images * heads * keys * queries).min(SCORES.max(images * heads * keys));
                Workspace::beside(images * channels * (3 * queries + 2 * keys) + scores, size)
            }
            Work::Norm { .. } => Workspace::default(),
        }
    }
}
