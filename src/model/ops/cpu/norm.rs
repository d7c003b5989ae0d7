//! Normalisations over channels-last data.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::super::Moments;
use super::epilogue::{part, store_part};
use super::math::swish;
use super::simd::{Isa, Simd, Task};
use super::values::{Values, tensor};

/// Positions that a job works on; of a group, the sums of so many are added up first.
const POSITIONS: usize = 256;

/// See [`Operators::layer_norm`](super::super::Operators::layer_norm).
pub(super) fn layer_norm(isa: Isa, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    let shape = x.shape();
    let width = shape.dims().last().copied().unwrap_or(0);
    let x = x.contiguous()?;
    let (x, weight, bias) = (Values::of(&x)?, Values::of(weight)?, Values::of(bias)?);
    let (x, weight, bias) = (x.slice()?, weight.slice()?, bias.slice()?);
    if width == 0 || weight.len() != width || bias.len() != width {
        candle_core::bail!("layer_norm: a weight of {} does not fit {shape:?}", weight.len());
    }
    let mut y = vec![0f32; x.len()];
    let rows = POSITIONS / 8 * width;
    y.par_chunks_mut(rows).zip(x.par_chunks(rows)).for_each(|(y, x)| {
        isa.run(NormaliseRows { x, y, weight, bias, eps: eps as f32 });
    });
    tensor(y, shape)
}

struct NormaliseRows<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
}

impl Task for NormaliseRows<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let width = self.weight.len();
        for (x, y) in self.x.chunks_exact(width).zip(self.y.chunks_exact_mut(width)) {
            // SAFETY: `S` is the processor's.
            unsafe {
                let mean = sum::<S>(x) / width as f32;
                let centre = S::splat(mean);
                let variance = sum_of_squares::<S>(x, mean) / width as f32;
                let scale = S::splat(1.0 / (variance + self.eps).sqrt());
                for at in (0..width).step_by(S::LANES) {
                    let to = width.min(at + S::LANES);
                    let v = S::mul(S::sub(part::<S>(&x[at..to]), centre), scale);
                    let v = S::mul_add(v, part::<S>(&self.weight[at..to]), part::<S>(&self.bias[at..to]));
                    store_part::<S>(y[at..to].as_mut_ptr(), to - at, v);
                }
            }
        }
    }
}

/// Σ x
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn sum<S: Simd>(x: &[f32]) -> f32 {
    // SAFETY: `S` is the processor's.
    unsafe {
        let mut total = S::splat(0.0);
        for at in (0..x.len()).step_by(S::LANES) {
            total = S::add(total, part::<S>(&x[at..x.len().min(at + S::LANES)]));
        }
        sum_of_lanes::<S>(total)
    }
}

/// Σ (x − centre)²
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn sum_of_squares<S: Simd>(x: &[f32], centre: f32) -> f32 {
    let (whole, rest) = x.split_at(x.len() / S::LANES * S::LANES);
    // One by one: the zeros that fill up a vector would count as values, and taking them off again would lose digits.
    let rest: f32 = rest.iter().map(|v| (v - centre) * (v - centre)).sum();
    // SAFETY: `S` is the processor's.
    unsafe {
        let (mut total, centre) = (S::splat(0.0), S::splat(centre));
        for v in whole.chunks_exact(S::LANES) {
            let v = S::sub(S::load(v.as_ptr()), centre);
            total = S::mul_add(v, v, total);
        }
        sum_of_lanes::<S>(total) + rest
    }
}

/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn sum_of_lanes<S: Simd>(v: S::V) -> f32 {
    let mut lanes = [0f32; 16];
    // SAFETY: `lanes` is as wide as the widest vector.
    unsafe { S::store(lanes.as_mut_ptr(), v) };
    lanes[..S::LANES].iter().sum()
}

/// See [`Operators::group_norm`](super::super::Operators::group_norm).
pub(super) fn group_norm(
    isa: Isa,
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    groups: usize,
    eps: f64,
    silu: bool,
) -> Result<Tensor> {
    let shape = x.shape();
    let (batch, channels) = match shape.dims() {
        [batch, .., channels] => (*batch, *channels),
        _ => candle_core::bail!("group_norm: {shape:?} has no batch or no channels"),
    };
    let x = x.contiguous()?;
    let (x, weight, bias) = (Values::of(&x)?, Values::of(weight)?, Values::of(bias)?);
    let (x, weight, bias) = (x.slice()?, weight.slice()?, bias.slice()?);
    let fits = weight.len() == channels && bias.len() == channels;
    if x.is_empty() || !fits || groups == 0 || !channels.is_multiple_of(groups) {
        candle_core::bail!("group_norm: {shape:?} does not divide into {groups} groups");
    }
    let image = x.len() / batch;
    let mut y = vec![0f32; x.len()];
    let len = POSITIONS * channels;
    for (y, x) in y.chunks_exact_mut(image).zip(x.chunks_exact(image)) {
        let mut moments = Moments::default();
        see_rows(x, channels, &mut moments);
        let (scale, shift) = moments.scales(weight, bias, groups, eps);
        y.par_chunks_mut(len).zip(x.par_chunks(len)).for_each(|(y, x)| {
            isa.run(ScaleRows { x, y, scale: &scale, shift: &shift, silu });
        });
    }
    tensor(y, shape)
}

/// Adds the statistics of some positions of one image.
fn see_rows(rows: &[f32], channels: usize, moments: &mut Moments) {
    let sums: Vec<Vec<(f64, f64)>> = rows
        .par_chunks(POSITIONS * channels)
        .map(|rows| {
            let mut sums = vec![(0f64, 0f64); channels];
            for row in rows.chunks_exact(channels) {
                for (sum, v) in sums.iter_mut().zip(row) {
                    let v = f64::from(*v);
                    sum.0 += v;
                    sum.1 += v * v;
                }
            }
            sums
        })
        .collect();
    moments.add(rows.len() / channels, sums);
}

/// See [`Operators::see`](super::super::Operators::see).
pub(super) fn see(part: &Tensor, moments: &mut Moments) -> Result<()> {
    let channels = part.dims().last().copied().unwrap_or(0);
    if part.elem_count() == 0 {
        candle_core::bail!("{:?} has no statistics", part.shape());
    }
    let part = part.contiguous()?;
    see_rows(Values::of(&part)?.slice()?, channels, moments);
    Ok(())
}

/// See [`Operators::scaled_silu`](super::super::Operators::scaled_silu).
pub(super) fn scaled_silu(isa: Isa, x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    let shape = x.shape();
    let x = x.contiguous()?;
    let (x, scale, shift) = (Values::of(&x)?, Values::of(scale)?, Values::of(shift)?);
    let (x, scale, shift) = (x.slice()?, scale.slice()?, shift.slice()?);
    let channels = scale.len();
    if shape.dims().last() != Some(&channels) || shift.len() != channels || channels == 0 {
        candle_core::bail!("a scale of {channels} does not fit {shape:?}");
    }
    let mut y = vec![0f32; x.len()];
    let len = POSITIONS * channels;
    y.par_chunks_mut(len).zip(x.par_chunks(len)).for_each(|(y, x)| {
        isa.run(ScaleRows { x, y, scale, shift, silu: true });
    });
    tensor(y, shape)
}

/// y = x·scale + shift, then SiLU if `silu`, in every row.
struct ScaleRows<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    silu: bool,
}

impl Task for ScaleRows<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let channels = self.scale.len();
        for (x, y) in self.x.chunks_exact(channels).zip(self.y.chunks_exact_mut(channels)) {
            for at in (0..channels).step_by(S::LANES) {
                let to = channels.min(at + S::LANES);
                // SAFETY: `S` is the processor's, and y[at..to] has the values that are written.
                unsafe {
                    let (scale, shift) = (part::<S>(&self.scale[at..to]), part::<S>(&self.shift[at..to]));
                    let v = S::mul_add(part::<S>(&x[at..to]), scale, shift);
                    let v = if self.silu { swish::<S>(v, 1.0) } else { v };
                    store_part::<S>(y[at..to].as_mut_ptr(), to - at, v);
                }
            }
        }
    }
}
