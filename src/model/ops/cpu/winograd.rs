//! 3×3 convolution by Winograd's minimal filtering F(4×4, 3×3).
//!
//! A square of 4×4 outputs depends on 6×6 inputs. Both the inputs and the kernels are transformed to 36 values each, which
//! are multiplied point by point and summed over the channels, and the sums are transformed back: 36 products instead of 144,
//! and the sums over channels are 36 matrix products. In matrices, for one square d and one kernel g (A. Lavin and S. Gray,
//! Fast Algorithms for Convolutional Neural Networks, 2015): y = Aᵀ·((G·g·Gᵀ) ∘ (Bᵀ·d·B))·A.
//!
//! Kernels are transformed anew each time, by the thread that multiplies with them: that costs a few hundredths of the
//! products, where keeping them transformed would cost four times the memory and each LoRA change the same work again.
//! Which values make up a sum, and in which order, depends on the shape alone.

use rayon::prelude::*;

use super::epilogue::Finish;
use super::gemm::Target;
use super::jobs::in_turn;
use super::memory::with_transformed;
use super::panels::{Panels, widen};
use super::patches::{Patches, REACH, SQUARE};
use super::simd::{MR, Simd, Sums, Task};

/// Products of a square.
pub(super) const POINTS: usize = REACH * REACH;
/// Squares whose products a thread sums up before it transforms them back: their sums stay in the second-level cache.
const BLOCK: usize = 16 * MR;
/// Panels that a thread multiplies with while it has a row of inputs.
const PANELS: usize = 2;
/// Inputs of a kernel that are transformed at a time.
pub(super) const INPUTS: usize = 32;
/// Values of transformed inputs that are held at a time.
const HELD: usize = 1 << 23;
/// Transformed inputs and kernels are kept this far apart beyond their length: else their places in the caches were the same.
pub(super) const GAP: usize = 16;

/// finish(convolution), of which every value is written to `result`: the jobs of all squares and all panels are run, and each
/// writes all outputs of its squares and panels.
pub(super) fn winograd(patches: &Patches<'_>, weight: &Panels, finish: Finish<'_>, result: Target) {
    let (squares, inputs) = (patches.squares(), patches.inputs());
    // Groups of MR squares: point by point, square by square, channel by channel.
    let group = POINTS * (MR * inputs + GAP);
    let at_once = (HELD / group * MR / BLOCK).max(1) * BLOCK;
    for first in (0..squares).step_by(at_once) {
        let count = at_once.min(squares - first);
        with_transformed(count.div_ceil(MR) * group, |transformed| {
            transformed.par_chunks_mut(group).enumerate().for_each(|(i, to)| {
                weight.isa().run(Inputs { patches, first: first + i * MR, to });
            });
            let transformed = &*transformed;
            in_turn(weight.count().div_ceil(PANELS), |scratch: &mut Scratch, job| {
                let panels = job * PANELS..weight.count().min((job + 1) * PANELS);
                let squares = first..first + count;
                weight.isa().run(Products { patches, weight, finish, transformed, squares, panels, result, scratch });
            });
        });
    }
}

/// About how many values of transformed inputs are held for a convolution to so many pixels.
pub(super) fn transformed(pixels: usize, inputs: usize) -> usize {
    (pixels.div_ceil(SQUARE * SQUARE) * POINTS * inputs).min(HELD)
}

/// A transformation of the rows of a square matrix and then of the columns. Not a function: what is called by way of a closure
/// or a pointer is compiled without the path's instructions.
macro_rules! both_ways {
    ($transform:ident::<$S:ident>($values:expr): $from:expr => $to:expr) => {{
        let mut columns = [[$S::splat(0.0); $from]; $to];
        for (i, row) in $values.into_iter().enumerate() {
            for (column, value) in columns.iter_mut().zip($transform::<$S>(row)) {
                column[i] = value;
            }
        }
        let mut rows = [[$S::splat(0.0); $to]; $to];
        for (j, column) in columns.into_iter().enumerate() {
            for (row, value) in rows.iter_mut().zip($transform::<$S>(column)) {
                row[j] = value;
            }
        }
        rows
    }};
}

/// Transforms the inputs of MR squares.
pub(super) struct Inputs<'a> {
    pub patches: &'a Patches<'a>,
    pub first: usize,
    /// (point, square, channel), with a gap after each point.
    pub to: &'a mut [f32],
}

impl Task for Inputs<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let inputs = self.patches.inputs();
        let stride = MR * inputs + GAP;
        assert!(self.to.len() == POINTS * stride && inputs.is_multiple_of(S::LANES));
        let last = self.patches.squares() - 1;
        for square in 0..MR {
            // Squares beyond the last repeat it, into sums that are not kept.
            let pixels = self.patches.square((self.first + square).min(last)).map(|pixel| {
                assert!(pixel.len() == inputs);
                pixel.as_ptr()
            });
            for channel in (0..inputs).step_by(S::LANES) {
                // SAFETY: each pixel has `inputs` values, and so has each square of each point in `to`; both are whole
                // vectors.
                unsafe {
                    let mut d = [[S::splat(0.0); REACH]; REACH];
                    for (d, pixel) in d.as_flattened_mut().iter_mut().zip(&pixels) {
                        *d = S::load(pixel.add(channel));
                    }
                    let points = both_ways!(input::<S>(d): REACH => REACH);
                    let to = self.to.as_mut_ptr().add(square * inputs + channel);
                    for (i, point) in points.as_flattened().iter().enumerate() {
                        S::store(to.add(i * stride), *point);
                    }
                }
            }
        }
    }
}

#[derive(Default)]
struct Scratch {
    /// (panel, point, input, column), with a gap after each point.
    kernels: Vec<f32>,
    /// (panel, point, square, column)
    sums: Vec<f32>,
    widened: Vec<f32>,
    /// (y, x, column)
    outputs: Vec<f32>,
}

/// Multiplies transformed inputs with some panels and transforms the sums back.
struct Products<'a> {
    patches: &'a Patches<'a>,
    weight: &'a Panels,
    finish: Finish<'a>,
    /// (group of MR squares, point, square, channel), with a gap after each point.
    transformed: &'a [f32],
    squares: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
    result: Target,
    scratch: &'a mut Scratch,
}

impl Task for Products<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Products { patches, weight, finish, transformed, squares, panels, result, scratch } = self;
        let Scratch { kernels, sums, widened, outputs } = scratch;
        let inputs = patches.inputs();
        let kernel = inputs * S::PANEL + GAP;
        kernels.resize(panels.len() * POINTS * kernel, 0.0);
        widened.resize(9 * INPUTS * S::PANEL, 0.0);
        outputs.resize(SQUARE * SQUARE * S::PANEL, 0.0);
        for (panel, to) in panels.clone().zip(kernels.chunks_exact_mut(POINTS * kernel)) {
            // SAFETY: `S` is the processor's.
            unsafe { transform_kernels::<S>(weight, panel, widened, to) };
        }
        let stride = MR * inputs + GAP;
        let groups = transformed.chunks_exact(POINTS * stride);
        for (block, first) in squares.clone().step_by(BLOCK).enumerate() {
            let count = BLOCK.min(squares.end - first);
            let rows = count.next_multiple_of(MR);
            let needed = panels.len() * POINTS * rows * S::PANEL;
            sums.resize(needed.max(sums.len()), 0.0);
            for point in 0..POINTS {
                for from in (0..inputs).step_by(S::STEP) {
                    let len = S::STEP.min(inputs - from);
                    for p in 0..panels.len() {
                        let panel = &kernels[(p * POINTS + point) * kernel + from * S::PANEL..][..len * S::PANEL];
                        let sums = &mut sums[(p * POINTS + point) * rows * S::PANEL..][..rows * S::PANEL];
                        let groups = groups.clone().skip(block * BLOCK / MR);
                        for (group, sums) in groups.zip(sums.chunks_exact_mut(MR * S::PANEL)) {
                            let group = &group[point * stride..][..MR * inputs];
                            // SAFETY: each square has `inputs` values, of which `len` are left behind `from`; the panel
                            // has len × PANEL and `sums` MR × PANEL values, with no gap between the rows.
                            unsafe {
                                let rows = std::array::from_fn(|i| group.as_ptr().add(i * inputs + from));
                                let sums = Sums { at: sums.as_mut_ptr(), stride: S::PANEL, fresh: from == 0 };
                                S::tile::<1>(&rows, panel.as_ptr(), len, sums);
                            }
                        }
                    }
                }
            }
            for (p, panel) in panels.clone().enumerate() {
                let sums = &sums[p * POINTS * rows * S::PANEL..][..POINTS * rows * S::PANEL];
                for square in 0..count {
                    // SAFETY: the result has room for all pixels, of which those of this square and panel are no other
                    // job's; `S` is the processor's.
                    unsafe {
                        transform_sums::<S>(&sums[square * S::PANEL..], rows * S::PANEL, outputs);
                        for (at, row) in patches.outputs(first + square) {
                            let values = &outputs[at * S::PANEL..][..S::PANEL];
                            finish.row::<S>(values, row, panel, result.0);
                        }
                    }
                }
            }
        }
    }
}

/// Transforms the kernels of a panel: `to` is (point, input, column), with a gap after each point.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn transform_kernels<S: Simd>(weight: &Panels, panel: usize, widened: &mut [f32], to: &mut [f32]) {
    let inputs = weight.shape().inputs;
    let stride = inputs * S::PANEL + GAP;
    assert!(to.len() == POINTS * stride);
    for first in (0..inputs).step_by(INPUTS) {
        let len = INPUTS.min(inputs - first) * S::PANEL;
        let mut taps: [&[f32]; 9] = [&[]; 9];
        for ((tap, values), buffer) in taps.iter_mut().enumerate().zip(widened.chunks_exact_mut(INPUTS * S::PANEL)) {
            let from = ((panel * 9 + tap) * inputs + first) * S::PANEL;
            // SAFETY: `S` is the processor's.
            *values = unsafe { widen::<S>(weight.values(), from, None, len, buffer) };
        }
        assert!(taps.iter().all(|tap| tap.len() == len));
        for at in (0..len).step_by(S::LANES) {
            // SAFETY: each tap has `len` values, a number of whole vectors, and each point of `to` as many behind
            // `first` inputs.
            unsafe {
                let mut g = [[S::splat(0.0); 3]; 3];
                for (g, tap) in g.as_flattened_mut().iter_mut().zip(taps) {
                    *g = S::load(tap.as_ptr().add(at));
                }
                let points = both_ways!(kernel::<S>(g): 3 => REACH);
                let to = to.as_mut_ptr().add(first * S::PANEL + at);
                for (i, point) in points.as_flattened().iter().enumerate() {
                    S::store(to.add(i * stride), *point);
                }
            }
        }
    }
}

/// Transforms the sums of one square back: (point, column), the points `stride` apart, to (y, x, column).
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn transform_sums<S: Simd>(sums: &[f32], stride: usize, to: &mut [f32]) {
    assert!(sums.len() >= (POINTS - 1) * stride + S::PANEL && to.len() == SQUARE * SQUARE * S::PANEL);
    for column in (0..S::PANEL).step_by(S::LANES) {
        // SAFETY: the lengths were just checked, and PANEL is a number of whole vectors.
        unsafe {
            let mut m = [[S::splat(0.0); REACH]; REACH];
            for (i, m) in m.as_flattened_mut().iter_mut().enumerate() {
                *m = S::load(sums.as_ptr().add(i * stride + column));
            }
            let outputs = both_ways!(output::<S>(m): REACH => SQUARE);
            for (i, y) in outputs.as_flattened().iter().enumerate() {
                S::store(to.as_mut_ptr().add(i * S::PANEL + column), *y);
            }
        }
    }
}

/// Bᵀ·d
///
/// # Safety
/// The processor has the instructions of `S`; so for the other two.
#[inline(always)]
unsafe fn input<S: Simd>(d: [S::V; REACH]) -> [S::V; REACH] {
    // SAFETY: as the caller promises.
    unsafe {
        let (two, four, five) = (S::splat(2.0), S::splat(4.0), S::splat(-5.0));
        let a = S::sub(d[4], S::mul(four, d[2]));
        let b = S::sub(d[3], S::mul(four, d[1]));
        let c = S::sub(d[4], d[2]);
        let e = S::mul(two, S::sub(d[3], d[1]));
        [
            S::mul_add(four, d[0], S::mul_add(five, d[2], d[4])),
            S::add(a, b),
            S::sub(a, b),
            S::add(c, e),
            S::sub(c, e),
            S::mul_add(four, d[1], S::mul_add(five, d[3], d[5])),
        ]
    }
}

/// G·g
#[inline(always)]
unsafe fn kernel<S: Simd>(g: [S::V; 3]) -> [S::V; REACH] {
    // SAFETY: as the caller promises.
    unsafe {
        let a = S::mul(S::splat(-1.0 / 6.0), S::add(g[0], g[2]));
        let b = S::mul(S::splat(-1.0 / 6.0), g[1]);
        let c = S::mul_add(S::splat(1.0 / 24.0), g[0], S::mul(S::splat(1.0 / 6.0), g[2]));
        let e = S::mul(S::splat(1.0 / 12.0), g[1]);
        [S::mul(S::splat(0.25), g[0]), S::add(a, b), S::sub(a, b), S::add(c, e), S::sub(c, e), g[2]]
    }
}

/// Aᵀ·m
#[inline(always)]
unsafe fn output<S: Simd>(m: [S::V; REACH]) -> [S::V; SQUARE] {
    // SAFETY: as the caller promises.
    unsafe {
        let (two, four, eight) = (S::splat(2.0), S::splat(4.0), S::splat(8.0));
        let (a, b) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (c, e) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(S::add(m[0], a), c),
            S::mul_add(two, e, b),
            S::mul_add(four, c, a),
            S::add(S::mul_add(eight, e, b), m[5]),
        ]
    }
}
