//! Linear layers with an eighth of the products left out, by one step of Strassen's algorithm.
//!
//! Both factors are cut into quarters: the left one into even and odd rows, and the inputs and the panels of the weight each
//! into two halves. Seven products of sums of quarters then take the place of eight products of quarters (V. Strassen,
//! Gaussian Elimination is not Optimal, 1969). Neighbouring rows belong to one image, so that an image comes out the same in
//! every batch.
//!
//! The sums of the left factor are made once for all outputs. Those of the weight are made by the thread that multiplies with
//! them, as it widens the weight anyway: keeping them would cost nearly twice the weight's memory, and each LoRA change the
//! same work again. Each sum is made in an order that depends on the shape alone.

use rayon::prelude::*;

use super::epilogue::{Epilogue, Finish};
use super::gemm::{Target, product};
use super::jobs::in_turn;
use super::memory::with_transformed;
use super::panels::{Panels, widen};
use super::simd::{MR, Simd, Sums, Task, UNROLLED};

/// Pairs of rows that a job works on: they and their results stay in the second-level cache.
const PAIRS: usize = 22 * MR;
/// Columns of each half that a job works on.
const COLUMNS: usize = 64;
/// Jobs for each thread, so that all of them end at about the same time.
const JOBS: usize = 8;
/// Values of the left factor's sums that are held at a time.
const HELD: usize = 1 << 23;
/// Fewer rows of an image, inputs or outputs do not make up for the sums.
const LEAST: (usize, usize, usize) = (256, 512, 512);

/// A quarter, and another one that is added to it with a sign. Quarters are numbered by halves of their rows and columns:
/// 2·row + column.
type Sum = (usize, Option<(usize, f32)>);

const PRODUCTS: usize = 7;
/// The left factors of the products.
const LEFT: [Sum; PRODUCTS] = [
    (0, Some((3, 1.0))),
    (2, Some((3, 1.0))),
    (0, None),
    (3, None),
    (0, Some((1, 1.0))),
    (2, Some((0, -1.0))),
    (1, Some((3, -1.0))),
];
/// The right factors.
const RIGHT: [Sum; PRODUCTS] = [
    (0, Some((3, 1.0))),
    (0, None),
    (1, Some((3, -1.0))),
    (2, Some((0, -1.0))),
    (3, None),
    (0, Some((1, 1.0))),
    (2, Some((3, 1.0))),
];
/// The quarters of the result that each product is added to, and its sign there.
const RESULT: [&[(usize, f32)]; PRODUCTS] = [
    &[(0, 1.0), (3, 1.0)],
    &[(2, 1.0), (3, -1.0)],
    &[(1, 1.0), (3, 1.0)],
    &[(0, 1.0), (2, 1.0)],
    &[(0, -1.0), (1, 1.0)],
    &[(3, 1.0)],
    &[(0, 1.0)],
];

/// Whether [`strassen`] is faster for images of `rows` rows than the product as it is. The number of images plays no part.
pub(super) fn pays(rows: usize, weight: &Panels) -> bool {
    let shape = weight.shape();
    has_quarters(rows, weight) && rows >= LEAST.0 && shape.inputs >= LEAST.1 && shape.outputs >= LEAST.2
}

/// About how many values of sums are held for a product, if it is made this way.
pub(super) fn sums(rows: usize, rows_of_image: usize, inputs: usize, outputs: usize) -> usize {
    match rows_of_image >= LEAST.0 && inputs >= LEAST.1 && outputs >= LEAST.2 {
        true => (PRODUCTS * (rows / 2) * (inputs / 2)).min(HELD),
        false => 0,
    }
}

fn has_quarters(rows: usize, weight: &Panels) -> bool {
    let inputs = weight.shape().inputs;
    weight.shape().taps == 1 && [rows, inputs, weight.count()].iter().all(|count| count.is_multiple_of(2))
}

/// epilogue(x · weightᵀ) for x (rows, inputs), an even number of each, and an even number of panels.
pub(super) fn strassen(x: &[f32], weight: &Panels, epilogue: Epilogue<'_>) -> candle_core::Result<Vec<f32>> {
    let inputs = weight.shape().inputs;
    let rows = x.len() / inputs.max(1);
    if !has_quarters(rows, weight) {
        candle_core::bail!("a product of {rows} rows with {:?} cannot be cut into quarters", weight.shape());
    }
    // SAFETY: the jobs of all pairs of rows and all pairs of panels are run, and each writes all four of its rectangles.
    unsafe { product(rows, weight, epilogue, |finish, result| multiply(x, rows, weight, finish, result)) }
}

fn multiply(x: &[f32], rows: usize, weight: &Panels, finish: Finish<'_>, result: Target) {
    let (pairs, half) = (rows / 2, weight.shape().inputs / 2);
    let block = PRODUCTS * PAIRS * half;
    let blocks_at_once = (HELD / block.max(1)).max(1);
    let isa = weight.isa();
    let panels = weight.count() / 2;
    for first in (0..pairs).step_by(blocks_at_once * PAIRS) {
        let blocks = (pairs - first).div_ceil(PAIRS).min(blocks_at_once);
        let pairs_of = |block: usize| first + block * PAIRS..pairs.min(first + (block + 1) * PAIRS);
        with_transformed(blocks * block, |sums| {
            sums.par_chunks_mut((PAIRS * half).max(1)).enumerate().for_each(|(i, to)| {
                isa.run(LeftSums { x, half, sum: LEFT[i % PRODUCTS], pairs: pairs_of(i / PRODUCTS), to });
            });
            let sums = &*sums;
            let fair = panels * blocks / (JOBS * rayon::current_num_threads());
            let at_once = (COLUMNS / isa.panel()).min(fair).max(1);
            in_turn(blocks * panels.div_ceil(at_once), |scratch: &mut Scratch, job| {
                let (i, p) = (job % blocks, job / blocks * at_once);
                isa.run(Products {
                    left: &sums[i * block..][..block],
                    weight,
                    finish,
                    pairs: pairs_of(i),
                    panels: p..panels.min(p + at_once),
                    result,
                    scratch,
                });
            });
        });
    }
}

/// How many of `inputs` are taken at a time, at most `most`: about equal parts, in whole rounds of the tile's loop, as a short
/// last part would load and store its sums for little.
#[inline(always)]
fn step(inputs: usize, most: usize) -> usize {
    let parts = inputs.div_ceil(most).max(1);
    inputs.div_ceil(parts).max(1).next_multiple_of(UNROLLED)
}

/// Makes the left factor of one product.
struct LeftSums<'a> {
    /// (rows, inputs)
    x: &'a [f32],
    /// Half of the inputs.
    half: usize,
    sum: Sum,
    pairs: std::ops::Range<usize>,
    /// (step, tile, input, row)
    to: &'a mut [f32],
}

impl Task for LeftSums<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let LeftSums { x, half, sum: (quarter, other), pairs, to } = self;
        let tiles = pairs.len().div_ceil(MR);
        assert!(to.len() >= tiles * MR * half);
        for first in (0..half).step_by(step(half, S::STEP)) {
            let len = step(half, S::STEP).min(half - first);
            let to = &mut to[first * tiles * MR..][..len * tiles * MR];
            for (t, to) in to.chunks_exact_mut(len * MR).enumerate() {
                let mut rows = [std::ptr::null::<f32>(); MR];
                let mut others = rows;
                for i in 0..MR {
                    // Pairs beyond the last repeat it, into sums that are not kept.
                    let pair = (pairs.start + t * MR + i).min(pairs.end - 1);
                    let stretch = |quarter: usize| {
                        let (row, column) = (2 * pair + quarter / 2, quarter % 2 * half + first);
                        x[row * 2 * half + column..][..len].as_ptr()
                    };
                    rows[i] = stretch(quarter);
                    others[i] = stretch(other.map_or(quarter, |(other, _)| other));
                }
                let plus = other.map(|(_, sign)| (&others, sign));
                // SAFETY: all rows were sliced to `len` values, and `to` has MR × len.
                unsafe { S::interleave(&rows, plus, len, to.as_mut_ptr()) };
            }
        }
    }
}

#[derive(Default)]
struct Scratch {
    /// The sums of one product: (panel, tile, row, column).
    product: Vec<f32>,
    /// The quarters of the result, each like a product.
    quarters: Vec<f32>,
    panel: Vec<f32>,
}

/// The products of some pairs of rows with some pairs of panels.
struct Products<'a> {
    /// (product, step, tile, input, row)
    left: &'a [f32],
    weight: &'a Panels,
    finish: Finish<'a>,
    pairs: std::ops::Range<usize>,
    /// Of the first half of the panels.
    panels: std::ops::Range<usize>,
    result: Target,
    scratch: &'a mut Scratch,
}

impl Task for Products<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Products { left, weight, finish, pairs, panels, result, scratch } = self;
        let Scratch { product, quarters, panel: buffer } = scratch;
        let (inputs, other_half) = (weight.shape().inputs, weight.count() / 2);
        let half = inputs / 2;
        let tiles = pairs.len().div_ceil(MR);
        let (tile_len, len) = (MR * S::PANEL, panels.len() * tiles * MR * S::PANEL);
        product.resize(len.max(product.len()), 0.0);
        quarters.resize((4 * len).max(quarters.len()), 0.0);
        buffer.resize(S::STEP * S::PANEL, 0.0);
        let (product, quarters) = (&mut product[..len], &mut quarters[..4 * len]);
        let mut begun = [false; 4];
        for (i, left) in left.chunks_exact(PAIRS * half).enumerate() {
            let (quarter, other) = RIGHT[i];
            for first in (0..half).step_by(step(half, S::STEP)) {
                let step = step(half, S::STEP).min(half - first);
                let left = &left[first * tiles * MR..][..step * tiles * MR];
                for (panel, sums) in panels.clone().zip(product.chunks_exact_mut(tiles * tile_len)) {
                    let place = |quarter: usize| {
                        ((panel + quarter % 2 * other_half) * inputs + quarter / 2 * half + first) * S::PANEL
                    };
                    let plus = other.map(|(other, sign)| (place(other), sign));
                    // SAFETY: `S` is the processor's.
                    let panel = unsafe { widen::<S>(weight.values(), place(quarter), plus, step * S::PANEL, buffer) };
                    for (left, sums) in left.chunks_exact(MR * step).zip(sums.chunks_exact_mut(tile_len)) {
                        // SAFETY: the rows are interleaved, each with `step` values; the panel has step × PANEL and `sums`
                        // MR × PANEL values, with no gap between the rows.
                        unsafe {
                            let rows = std::array::from_fn(|i| left.as_ptr().add(i));
                            let sums = Sums { at: sums.as_mut_ptr(), stride: S::PANEL, fresh: first == 0 };
                            S::tile::<MR>(&rows, panel.as_ptr(), step, sums);
                        }
                    }
                }
            }
            for (quarter, sign) in RESULT[i] {
                let to = &mut quarters[quarter * len..][..len];
                // SAFETY: both have `len` values, a number of whole vectors.
                unsafe {
                    let sign = S::splat(*sign);
                    for at in (0..len).step_by(S::LANES) {
                        let value = S::mul(sign, S::load(product.as_ptr().add(at)));
                        let to = to.as_mut_ptr().add(at);
                        S::store(to, if begun[*quarter] { S::add(S::load(to), value) } else { value });
                    }
                }
                begun[*quarter] = true;
            }
        }
        for (quarter, sums) in quarters.chunks_exact(len).enumerate() {
            for (panel, sums) in panels.clone().zip(sums.chunks_exact(tiles * tile_len)) {
                let panel = panel + quarter % 2 * other_half;
                for (pair, sums) in pairs.clone().zip(sums.chunks_exact(S::PANEL)) {
                    // SAFETY: the result has room for all rows, and this row of this panel is no other job's.
                    unsafe { finish.row::<S>(sums, 2 * pair + quarter / 2, panel, result.0) };
                }
            }
        }
    }
}
