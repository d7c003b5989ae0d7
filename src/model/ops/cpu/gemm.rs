//! Matrix products with packed weights.
//!
//! A job computes a block of rows times a few panels: step by step along the inputs, each step of a panel is widened once
//! and multiplied with all rows while it lies in the first-level cache. The sums stay in a scratch until they are whole and
//! go through the [epilogue](super::epilogue) then. Each sum is made by one thread in the order of the inputs, whatever the
//! block it falls into: the result depends neither on the number of threads nor on what else is in the batch.

use super::super::Order;
use super::epilogue::{Epilogue, Finish};
use super::jobs::in_turn;
use super::panels::{Panels, widen};
use super::simd::{MR, Simd, Sums, Task};

/// Rows that a job works on.
const ROWS: usize = 16 * MR;
/// Columns that a job works on.
const COLUMNS: usize = 128;

/// The left factor: rows of as many stretches as the weight has taps.
pub(super) trait Rows: Sync {
    fn count(&self) -> usize;

    /// As many values as the weight has inputs.
    fn stretch(&self, row: usize, tap: usize) -> &[f32];
}

/// The rows of a matrix.
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub width: usize,
}

impl Rows for Matrix<'_> {
    fn count(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    #[inline(always)]
    fn stretch(&self, row: usize, _: usize) -> &[f32] {
        &self.values[row * self.width..][..self.width]
    }
}

/// epilogue(rows · weightᵀ)
pub(super) fn multiply(rows: &impl Rows, weight: &Panels, epilogue: Epilogue<'_>) -> candle_core::Result<Vec<f32>> {
    // SAFETY: all values are written.
    unsafe { product(rows.count(), weight, epilogue, |finish, result| multiply_into(rows, weight, finish, result)) }
}

/// The same, of which every value is written to `result`.
pub(super) fn multiply_into(rows: &impl Rows, weight: &Panels, finish: Finish<'_>, result: Target) {
    let count = rows.count();
    let panels_per_job = (COLUMNS / weight.isa().panel()).max(1);
    let blocks = count.div_ceil(ROWS);
    let jobs = blocks * weight.count().div_ceil(panels_per_job);
    // The jobs cover all rows and all panels, and each writes every value of its rectangle.
    in_turn(jobs, |scratch: &mut Scratch, job| {
        let (first_row, first_panel) = (job % blocks * ROWS, job / blocks * panels_per_job);
        weight.isa().run(Job {
            rows,
            weight,
            finish,
            row_range: (first_row, count.min(first_row + ROWS)),
            panel_range: (first_panel, weight.count().min(first_panel + panels_per_job)),
            result,
            scratch,
        });
    });
}

/// The result of a product of `rows` rows with `weight`, which `write` writes.
///
/// # Safety
/// `write` writes all rows of all panels.
pub(super) unsafe fn product(
    rows: usize,
    weight: &Panels,
    epilogue: Epilogue<'_>,
    write: impl FnOnce(Finish<'_>, Target),
) -> candle_core::Result<Vec<f32>> {
    let finish = finish(rows, weight, epilogue)?;
    let len = rows * finish.stride;
    let mut y = Vec::with_capacity(len);
    write(finish, Target(y.as_mut_ptr()));
    // SAFETY: as the caller promises, and there is room for all rows.
    unsafe { y.set_len(len) };
    Ok(y)
}

/// The epilogue of a product whose rows are written one behind the other.
pub(super) fn finish<'a>(rows: usize, weight: &Panels, epilogue: Epilogue<'a>) -> candle_core::Result<Finish<'a>> {
    let outputs = weight.shape().outputs;
    let paired = weight.shape().order == Order::Paired;
    if !epilogue.fits(rows, outputs, paired) {
        candle_core::bail!("a product of {rows} rows and {outputs} outputs has operands of other shapes");
    }
    Ok(Finish { epilogue, rows, outputs, paired, stride: if paired { outputs / 2 } else { outputs } })
}

/// The result, to whose parts the jobs write at the same time.
#[derive(Clone, Copy)]
pub(super) struct Target(pub *mut f32);

// SAFETY: the jobs write to disjoint rectangles, and nothing reads until all have ended.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

#[derive(Default)]
struct Scratch {
    /// (panel, tile, row, column)
    sums: Vec<f32>,
    panel: Vec<f32>,
}

struct Job<'a, R> {
    rows: &'a R,
    weight: &'a Panels,
    finish: Finish<'a>,
    row_range: (usize, usize),
    panel_range: (usize, usize),
    result: Target,
    scratch: &'a mut Scratch,
}

impl<R: Rows> Task for Job<'_, R> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (shape, tile_len) = (self.weight.shape(), MR * S::PANEL);
        let (first_row, end_row) = self.row_range;
        let (first_panel, end_panel) = self.panel_range;
        let tiles = (end_row - first_row).div_ceil(MR);
        let Scratch { sums, panel: buffer } = self.scratch;
        let needed = tiles * (end_panel - first_panel) * tile_len;
        sums.resize(needed.max(sums.len()), 0.0);
        let sums = &mut sums[..needed];
        if shape.taps * shape.inputs == 0 {
            sums.fill(0.0);
        }
        buffer.resize(S::STEP * S::PANEL, 0.0);

        let mut pointers = [[std::ptr::null::<f32>(); MR]; ROWS / MR];
        for tap in 0..shape.taps {
            for (i, pointer) in pointers[..tiles].as_flattened_mut().iter_mut().enumerate() {
                // Rows beyond the last repeat it, into sums that are not kept.
                let stretch = self.rows.stretch((first_row + i).min(end_row - 1), tap);
                assert!(stretch.len() == shape.inputs);
                *pointer = stretch.as_ptr();
            }
            for first in (0..shape.inputs).step_by(S::STEP) {
                let len = S::STEP.min(shape.inputs - first);
                for (p, sums) in sums.chunks_exact_mut(tiles * tile_len).enumerate() {
                    let from = (((first_panel + p) * shape.taps + tap) * shape.inputs + first) * S::PANEL;
                    // SAFETY: `S` is the processor's.
                    let panel = unsafe { widen::<S>(self.weight.values(), from, None, len * S::PANEL, buffer) };
                    for (rows, sums) in pointers.iter().zip(sums.chunks_exact_mut(tile_len)) {
                        // SAFETY: each stretch has `inputs` values, of which `len` are left behind `first`; the panel has
                        // len × PANEL and `sums` MR × PANEL values, with no gap between the rows.
                        unsafe {
                            let rows = rows.map(|row| row.add(first));
                            let fresh = tap == 0 && first == 0;
                            let sums = Sums { at: sums.as_mut_ptr(), stride: S::PANEL, fresh };
                            S::tile::<1>(&rows, panel.as_ptr(), len, sums);
                        }
                    }
                }
            }
        }
        for (p, sums) in sums.chunks_exact(tiles * tile_len).enumerate() {
            for (row, sums) in (first_row..end_row).zip(sums.chunks_exact(S::PANEL)) {
                // SAFETY: the result has room for all rows, and this row of this panel is no other job's.
                unsafe { self.finish.row::<S>(sums, row, first_panel + p, self.result.0) };
            }
        }
    }
}
