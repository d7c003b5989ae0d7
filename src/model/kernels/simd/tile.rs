//! The innermost loop of every matrix product.

use super::Simd;

/// Rows of the tile.
pub(in crate::model::kernels) const MR: usize = 6;

/// sums\[i\]\[j\] += Σₖ rows\[i\]\[k\] · panel\[k\]\[j\], for [`MR`] rows and one panel of columns, in the order of k.
///
/// # Safety
/// The processor has the instructions of `S`; `rows` are valid for `k` values each, `panel` for k × [`Simd::PANEL`],
/// and `sums` for [`MR`] rows of [`Simd::PANEL`] values, `stride` apart. Nothing else accesses the sums meanwhile.
#[inline(always)]
pub(super) unsafe fn tile<S: Simd, const VECTORS: usize>(
    rows: &[*const f32; MR],
    panel: *const f32,
    k: usize,
    sums: *mut f32,
    stride: usize,
) {
    // SAFETY: as the caller promises; no index reaches beyond the lengths that it gave.
    unsafe {
        let mut acc = [[S::splat(0.0); VECTORS]; MR];
        for (i, acc) in acc.iter_mut().enumerate() {
            for (j, acc) in acc.iter_mut().enumerate() {
                *acc = S::load(sums.add(i * stride + j * S::LANES));
            }
        }
        for k in 0..k {
            let mut columns = [S::splat(0.0); VECTORS];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = S::load(panel.add(k * S::PANEL + j * S::LANES));
            }
            for (acc, row) in acc.iter_mut().zip(rows) {
                let a = S::splat(*row.add(k));
                for (acc, column) in acc.iter_mut().zip(columns) {
                    *acc = S::mul_add(a, column, *acc);
                }
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                S::store(sums.add(i * stride + j * S::LANES), *acc);
            }
        }
    }
}
