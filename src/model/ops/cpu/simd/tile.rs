//! The innermost loop of every matrix product.

use std::sync::atomic::{Ordering, compiler_fence};

use super::Simd;

/// Steps that are written out in the loop, so that its own instructions weigh little: a processor whose other thread belongs
/// to somebody else starts half as many instructions, and then every one counts.
pub(in crate::model::ops::cpu) const UNROLLED: usize = 8;

/// Rows of the tile.
pub(in crate::model::ops::cpu) const MR: usize = 6;

/// Where the sums of a tile are.
#[derive(Clone, Copy)]
pub(in crate::model::ops::cpu) struct Sums {
    pub at: *mut f32,
    /// From one row to the next.
    pub stride: usize,
    /// Whether they begin at 0, whatever is there.
    pub fresh: bool,
}

/// sums\[i\]\[j\] += Σₖ rows\[i\]\[k·STRIDE\] · panel\[k\]\[j\], for [`MR`] rows and one panel of columns, in the order of k.
///
/// # Safety
/// The processor has the instructions of `S`; `rows` are valid for `k` values each, `STRIDE` apart, `panel` for k × [`Simd::PANEL`],
/// and `sums` for [`MR`] rows of [`Simd::PANEL`] values. Nothing else accesses the sums meanwhile.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const VECTORS: usize, const STRIDE: usize>(
    rows: &[*const f32; MR],
    panel: *const f32,
    k: usize,
    sums: Sums,
) {
    // SAFETY: as the caller promises; no index reaches beyond the lengths that it gave.
    unsafe {
        let mut acc = [[S::splat(0.0); VECTORS]; MR];
        if !sums.fresh {
            for (i, acc) in acc.iter_mut().enumerate() {
                for (j, acc) in acc.iter_mut().enumerate() {
                    *acc = S::load(sums.at.add(i * sums.stride + j * S::LANES));
                }
            }
        }
        let whole = k - k % UNROLLED;
        for first in (0..whole).step_by(UNROLLED) {
            for k in first..first + UNROLLED {
                step::<S, VECTORS, STRIDE>(rows, panel, k, &mut acc);
            }
        }
        for k in whole..k {
            step::<S, VECTORS, STRIDE>(rows, panel, k, &mut acc);
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                S::store(sums.at.add(i * sums.stride + j * S::LANES), *acc);
            }
        }
    }
}

/// acc\[i\]\[j\] += rows\[i\]\[k·STRIDE\] · panel\[k\]\[j\]
///
/// # Safety
/// As for [`tile`], with a `k` below its own.
#[inline(always)]
unsafe fn step<S: Simd, const VECTORS: usize, const STRIDE: usize>(
    rows: &[*const f32; MR],
    panel: *const f32,
    k: usize,
    acc: &mut [[S::V; VECTORS]; MR],
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut columns = [S::splat(0.0); VECTORS];
        for (j, column) in columns.iter_mut().enumerate() {
            *column = S::load(panel.add(k * S::PANEL + j * S::LANES));
        }
        for (acc, row) in acc.iter_mut().zip(rows) {
            let a = S::splat(*row.add(k * STRIDE));
            for (acc, column) in acc.iter_mut().zip(columns) {
                *acc = S::mul_add(a, column, *acc);
            }
        }
        // Loads of the next step would need registers before this one has given them back, and sums would go to memory.
        compiler_fence(Ordering::SeqCst);
    }
}
