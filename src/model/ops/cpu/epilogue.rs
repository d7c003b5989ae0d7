//! What is done with the sums of a product before they are written.

use super::super::Activation;
use super::math::{gelu, swish};
use super::simd::{MAX_LANES, Simd};

/// activation(sum + bias + shift) + residual, where values below 0 are first multiplied by their slope
#[derive(Clone, Copy)]
pub(super) struct Epilogue<'a> {
    /// (outputs)
    pub bias: Option<&'a [f32]>,
    /// (images, outputs): added to all rows of an image.
    pub shift: Option<&'a [f32]>,
    pub activation: Activation,
    /// (outputs): of a leaky or parametric ReLU.
    pub slope: Option<&'a [f32]>,
    /// (rows, outputs), of the activation's outputs.
    pub residual: Option<&'a [f32]>,
}

impl Epilogue<'_> {
    /// Whether all operands have the lengths that a product of `rows` and `outputs` needs.
    pub fn fits(&self, rows: usize, outputs: usize, paired: bool) -> bool {
        let width = if paired { outputs / 2 } else { outputs };
        let shift_fits = |shift: &[f32]| {
            let images = shift.len() / outputs.max(1);
            images > 0 && shift.len() == images * outputs && rows.is_multiple_of(images)
        };
        paired == (self.activation == Activation::Geglu)
            && self.bias.is_none_or(|bias| bias.len() == outputs)
            && self.shift.is_none_or(|shift| !paired && shift_fits(shift))
            && self.slope.is_none_or(|slope| !paired && slope.len() == outputs)
            && self.residual.is_none_or(|residual| residual.len() == rows * width)
    }
}

/// The epilogue of a product of `rows` rows. Operands fit (see [`Epilogue::fits`]).
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub epilogue: Epilogue<'a>,
    pub rows: usize,
    pub outputs: usize,
    pub paired: bool,
    /// From one row of the result to the next.
    pub stride: usize,
}

impl Finish<'_> {
    /// Writes row `row` of panel `panel`, whose sums are given, to its place in `result`.
    ///
    /// # Safety
    /// The processor has the instructions of `S`, `result` has room for all rows, and nothing else accesses this part of it.
    #[inline(always)]
    pub unsafe fn row<S: Simd>(&self, sums: &[f32], row: usize, panel: usize, result: *mut f32) {
        assert!(sums.len() == S::PANEL);
        let (columns, width) = match self.paired {
            true => (S::PANEL / 2, self.outputs / 2),
            false => (S::PANEL, self.outputs),
        };
        let first = panel * columns;
        let Epilogue { bias, shift, activation, slope, residual } = self.epilogue;
        let shift = shift.map(|shift| {
            let rows_per_image = self.rows / (shift.len() / self.outputs);
            &shift[row / rows_per_image * self.outputs..][..self.outputs]
        });
        for j in (0..columns.min(width - first)).step_by(S::LANES) {
            let at = first + j;
            let len = S::LANES.min(width - at);
            // SAFETY: `sums` has PANEL values, of which a vector begins at `j` and, if paired, at `columns + j`; `part` and
            // `store_part` touch `len` values only, which are inside of the row.
            unsafe {
                let mut value = S::load(sums.as_ptr().add(j));
                if let Some(bias) = bias {
                    value = S::add(value, part::<S>(&bias[at..at + len]));
                }
                if let Some(shift) = shift {
                    value = S::add(value, part::<S>(&shift[at..at + len]));
                }
                if let Some(slope) = slope {
                    value = S::if_negative(value, S::mul(value, part::<S>(&slope[at..at + len])), value);
                }
                value = match activation {
                    Activation::None => value,
                    Activation::Silu => swish::<S>(value, 1.0),
                    Activation::Gelu => gelu::<S>(value),
                    Activation::QuickGelu => swish::<S>(value, 1.702),
                    Activation::Geglu => {
                        let mut gate = S::load(sums.as_ptr().add(columns + j));
                        if let Some(bias) = bias {
                            gate = S::add(gate, part::<S>(&bias[width + at..width + at + len]));
                        }
                        S::mul(value, gelu::<S>(gate))
                    }
                };
                if let Some(residual) = residual {
                    let place = row * width + at;
                    value = S::add(value, part::<S>(&residual[place..place + len]));
                }
                store_part::<S>(result.add(row * self.stride + at), len, value);
            }
        }
    }
}

/// A vector that begins with `values`, at most [`Simd::LANES`] of them; the rest is anything.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn part<S: Simd>(values: &[f32]) -> S::V {
    if values.len() == S::LANES {
        // SAFETY: there is a whole vector.
        return unsafe { S::load(values.as_ptr()) };
    }
    let mut whole = [0f32; MAX_LANES];
    whole[..values.len()].copy_from_slice(values);
    // SAFETY: no vector is wider than `whole`.
    unsafe { S::load(whole.as_ptr()) }
}

/// Writes the first `len` values of `v`, at most [`Simd::LANES`].
///
/// # Safety
/// The processor has the instructions of `S`; `to` is valid for `len` values.
#[inline(always)]
pub(super) unsafe fn store_part<S: Simd>(to: *mut f32, len: usize, v: S::V) {
    // SAFETY: `to` has room for `len` values, and no vector is wider than `whole`.
    unsafe {
        if len == S::LANES {
            return S::store(to, v);
        }
        let mut whole = [0f32; MAX_LANES];
        S::store(whole.as_mut_ptr(), v);
        std::ptr::copy_nonoverlapping(whole.as_ptr(), to, len);
    }
}
