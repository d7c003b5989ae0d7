//! 3×3 convolution by [squares](super::winograd) for weights whose transformed kernels fit into the second-level cache.
//!
//! There each thread takes some panels and all squares: that needs many panels, and transformed inputs of all squares in
//! memory. Here a thread takes some squares and all panels, so that all it works on stays in its cache. The sums are made of the
//! same values in the same order.

use super::epilogue::Finish;
use super::gemm::Target;
use super::jobs::in_turn;
use super::memory::with_transformed;
use super::panels::Panels;
use super::patches::{Patches, SQUARE};
use super::simd::{Isa, MR, Simd, Sums, Task};
use super::winograd::{GAP, INPUTS, Inputs, POINTS, transform_kernels, transform_sums};
use rayon::prelude::*;

/// Values of transformed kernels.
const KERNELS: usize = 1 << 19;
/// Values of transformed inputs and sums that a thread works on. With second-level caches of 512 KiB eight times as many were a
/// fifth slower.
const HELD: usize = 3 << 15;

/// Whether the transformed kernels are few enough.
pub(super) fn is_narrow(weight: &Panels) -> bool {
    weight.count() * kernel(weight) * POINTS <= KERNELS
}

/// How many values of transformed kernels are held for a convolution, if it is made this way.
pub(super) fn kernels(isa: Isa, inputs: usize, outputs: usize) -> Option<usize> {
    let panel = isa.panel();
    let values = outputs.div_ceil(panel) * (inputs * panel + GAP) * POINTS;
    (values <= KERNELS).then_some(values)
}

/// Values of the kernels of a panel at a point, with the gap behind them.
fn kernel(weight: &Panels) -> usize {
    weight.shape().inputs * weight.isa().panel() + GAP
}

/// finish(convolution), of which every value is written to `result`.
pub(super) fn narrow(patches: &Patches<'_>, weight: &Panels, finish: Finish<'_>, result: Target) {
    let panel = kernel(weight) * POINTS;
    with_transformed(weight.count() * panel, |kernels| {
        kernels.par_chunks_mut(panel).enumerate().for_each_init(Vec::new, |widened, (panel, to)| {
            weight.isa().run(Kernels { weight, panel, widened, to });
        });
        let kernels = &*kernels;
        let square = POINTS * (patches.inputs() + weight.count() * weight.isa().panel());
        let at_once = (HELD / square / MR).max(1) * MR;
        let squares = patches.squares();
        in_turn(squares.div_ceil(at_once), |scratch: &mut Scratch, job| {
            let squares = job * at_once..squares.min((job + 1) * at_once);
            weight.isa().run(Products { patches, weight, kernels, finish, squares, result, scratch });
        });
    });
}

struct Kernels<'a> {
    weight: &'a Panels,
    panel: usize,
    widened: &'a mut Vec<f32>,
    /// (point, input, column), with a gap after each point.
    to: &'a mut [f32],
}

impl Task for Kernels<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        self.widened.resize(9 * INPUTS * S::PANEL, 0.0);
        // SAFETY: `S` is the processor's.
        unsafe { transform_kernels::<S>(self.weight, self.panel, self.widened, self.to) };
    }
}

#[derive(Default)]
struct Scratch {
    /// (group of MR squares, point, square, channel), with a gap after each point.
    transformed: Vec<f32>,
    /// (panel, point, square, column)
    sums: Vec<f32>,
    /// (y, x, column)
    outputs: Vec<f32>,
}

struct Products<'a> {
    patches: &'a Patches<'a>,
    weight: &'a Panels,
    /// (panel, point, input, column), with a gap after each point.
    kernels: &'a [f32],
    finish: Finish<'a>,
    squares: std::ops::Range<usize>,
    result: Target,
    scratch: &'a mut Scratch,
}

impl Task for Products<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Products { patches, weight, kernels, finish, squares, result, scratch } = self;
        let Scratch { transformed, sums, outputs } = scratch;
        let inputs = patches.inputs();
        let (rows, stride, kernel) = (squares.len().next_multiple_of(MR), MR * inputs + GAP, inputs * S::PANEL + GAP);
        let sums_of_panel = POINTS * rows * S::PANEL;
        transformed.resize(transformed.len().max(rows / MR * POINTS * stride), 0.0);
        sums.resize(sums.len().max(weight.count() * sums_of_panel), 0.0);
        outputs.resize(SQUARE * SQUARE * S::PANEL, 0.0);
        let groups = transformed.chunks_exact_mut(POINTS * stride).take(rows / MR);
        for (group, to) in groups.enumerate() {
            let inputs = Inputs { patches, first: squares.start + group * MR, to };
            // SAFETY: `S` is the processor's.
            unsafe { inputs.run::<S>() };
        }
        let groups = transformed.chunks_exact(POINTS * stride).take(rows / MR);
        for point in 0..POINTS {
            for (p, sums) in sums.chunks_exact_mut(sums_of_panel).take(weight.count()).enumerate() {
                let is_half = weight.shape().outputs - p * S::PANEL <= S::PANEL / 2;
                let sums = &mut sums[point * rows * S::PANEL..][..rows * S::PANEL];
                for from in (0..inputs).step_by(S::STEP) {
                    let len = S::STEP.min(inputs - from);
                    let panel = &kernels[(p * POINTS + point) * kernel + from * S::PANEL..][..len * S::PANEL];
                    for (group, sums) in groups.clone().zip(sums.chunks_exact_mut(MR * S::PANEL)) {
                        let group = &group[point * stride..][..MR * inputs];
                        // SAFETY: each square has `inputs` values, of which `len` are left behind `from`; the panel has
                        // len × PANEL and `sums` MR × PANEL values, with no gap between the rows.
                        unsafe {
                            let rows = std::array::from_fn(|i| group.as_ptr().add(i * inputs + from));
                            let sums = Sums { at: sums.as_mut_ptr(), stride: S::PANEL, fresh: from == 0 };
                            match is_half {
                                true => S::half_tile(&rows, panel.as_ptr(), len, sums),
                                false => S::tile::<1>(&rows, panel.as_ptr(), len, sums),
                            }
                        }
                    }
                }
            }
        }
        for (panel, sums) in sums.chunks_exact(sums_of_panel).take(weight.count()).enumerate() {
            for (i, square) in squares.clone().enumerate() {
                // SAFETY: the result has room for all pixels, of which those of this square are no other job's; `S` is the
                // processor's.
                unsafe {
                    transform_sums::<S>(&sums[i * S::PANEL..], rows * S::PANEL, outputs);
                    for (at, row) in patches.outputs(square) {
                        finish.row::<S>(&outputs[at * S::PANEL..][..S::PANEL], row, panel, result.0);
                    }
                }
            }
        }
    }
}
