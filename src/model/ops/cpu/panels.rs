//! Weights packed for the tile.
//!
//! A weight is cut into panels of as many outputs as the tile has columns. A panel holds, for each tap and input in turn,
//! the values of its outputs side by side, in the type of the file: the multiplication widens them, so that numbers of 16
//! bits are held exactly in half the memory.

use std::marker::PhantomData;

use bytemuck::Pod;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::super::{LowRank, NumberType, Order, Shape, Stored};
use super::memory::Memory;
use super::simd::{Isa, MAX_PANEL, MR, SIDE, Simd, Sums, Task};

/// Bytes of the largest number in a file.
const MAX_SIZE: usize = 4;

/// A packed weight.
#[derive(Debug)]
pub struct Panels {
    isa: Isa,
    shape: Shape,
    values: Values,
}

#[derive(Debug)]
pub(super) enum Values {
    F32(Memory<f32>),
    F16(Memory<f16>),
    BF16(Memory<bf16>),
}

/// The output in `column` of panel `panel`, of panels `width` wide.
fn output_at(shape: Shape, width: usize, panel: usize, column: usize) -> Option<usize> {
    match shape.order {
        Order::Plain => Some(panel * width + column).filter(|output| *output < shape.outputs),
        Order::Paired => {
            let (half, pairs) = (column / (width / 2), shape.outputs / 2);
            let pair = panel * (width / 2) + column % (width / 2);
            (pair < pairs).then_some(half * pairs + pair)
        }
    }
}

impl Panels {
    /// The instructions it is packed for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The weight's shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    /// The number of panels.
    pub(super) fn count(&self) -> usize {
        self.shape.outputs.div_ceil(self.isa.panel())
    }

    /// Packs a weight as it is.
    pub fn pack(isa: Isa, stored: Stored<'_>) -> candle_core::Result<Panels> {
        stored.check(&[])?;
        let values = match stored.number {
            NumberType::F32 => Values::F32(packed(isa, &stored)?),
            NumberType::F16 => Values::F16(packed(isa, &stored)?),
            NumberType::BF16 => Values::BF16(packed(isa, &stored)?),
        };
        Ok(Panels { isa, shape: stored.shape, values })
    }

    /// Packs a weight with `changes` added, in their order and in f32, and holds the sum in f32 or (`narrow`) f16.
    pub fn merge(isa: Isa, stored: Stored<'_>, changes: &[LowRank], narrow: bool) -> candle_core::Result<Panels> {
        stored.check(changes)?;
        let changes: Vec<_> = changes.iter().map(|change| Change::new(isa, stored.shape, change)).collect();
        let values = match narrow {
            false => Values::F32(merged(isa, &stored, &changes)?),
            true => Values::F16(merged_narrow(isa, &stored, &changes)?),
        };
        Ok(Panels { isa, shape: stored.shape, values })
    }
}

/// A number that files hold.
trait Number: Pod + Send + Sync {
    fn read(bytes: &[u8]) -> Self;

    /// to\[i·stride + j\] = rows\[j\]\[i\], for [`SIDE`] rows of [`SIDE`] numbers.
    ///
    /// # Safety
    /// The processor has the instructions of `S`; all pointers are valid for what is read and written.
    unsafe fn transpose<S: Simd>(rows: &[*const u8; SIDE], to: *mut Self, stride: usize);
}

impl Number for f32 {
    fn read(bytes: &[u8]) -> Self {
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    #[inline(always)]
    unsafe fn transpose<S: Simd>(rows: &[*const u8; SIDE], to: *mut f32, stride: usize) {
        for (j, row) in rows.iter().enumerate() {
            for i in 0..SIDE {
                // SAFETY: as the caller promises.
                unsafe { *to.add(i * stride + j) = f32::from_le_bytes(*row.cast::<[u8; 4]>().add(i)) };
            }
        }
    }
}

impl Number for f16 {
    fn read(bytes: &[u8]) -> Self {
        f16::from_le_bytes([bytes[0], bytes[1]])
    }

    #[inline(always)]
    unsafe fn transpose<S: Simd>(rows: &[*const u8; SIDE], to: *mut f16, stride: usize) {
        // SAFETY: as the caller promises; `f16` is a transparent `u16`.
        unsafe { S::transpose_16_bits(rows, to.cast(), stride) }
    }
}

impl Number for bf16 {
    fn read(bytes: &[u8]) -> Self {
        bf16::from_le_bytes([bytes[0], bytes[1]])
    }

    #[inline(always)]
    unsafe fn transpose<S: Simd>(rows: &[*const u8; SIDE], to: *mut bf16, stride: usize) {
        // SAFETY: as the caller promises; `bf16` is a transparent `u16`.
        unsafe { S::transpose_16_bits(rows, to.cast(), stride) }
    }
}

/// What a panel holds the numbers `T` of a file as.
trait Holds<T>: Pod + Send + Sync {
    /// Writes whole vectors.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    unsafe fn put<S: Simd>(from: &[T], to: &mut [Self]);
}

impl<T: Number> Holds<T> for T {
    #[inline(always)]
    unsafe fn put<S: Simd>(from: &[T], to: &mut [T]) {
        to.copy_from_slice(from);
    }
}

impl Holds<f16> for f32 {
    #[inline(always)]
    unsafe fn put<S: Simd>(from: &[f16], to: &mut [f32]) {
        for (from, to) in from.chunks_exact(S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
            // SAFETY: both have a vector of values.
            unsafe { S::store(to.as_mut_ptr(), S::load_f16(from.as_ptr())) };
        }
    }
}

impl Holds<bf16> for f32 {
    #[inline(always)]
    unsafe fn put<S: Simd>(from: &[bf16], to: &mut [f32]) {
        for (from, to) in from.chunks_exact(S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
            // SAFETY: both have a vector of values.
            unsafe { S::store(to.as_mut_ptr(), S::load_bf16(from.as_ptr())) };
        }
    }
}

fn packed<T: Number>(isa: Isa, stored: &Stored<'_>) -> candle_core::Result<Memory<T>> {
    let len = stored.shape.row() * isa.panel();
    let mut values = Memory::<T>::zeros(stored.shape.outputs.div_ceil(isa.panel()) * len)?;
    values.par_chunks_mut(len.max(1)).enumerate().for_each(|(p, panel)| {
        isa.run(Fill { stored, p, panel, number: PhantomData::<T> });
    });
    Ok(values)
}

/// Fills panel `p` with the numbers `T` of the file. Columns without an output become 0.
struct Fill<'a, T, U> {
    stored: &'a Stored<'a>,
    p: usize,
    panel: &'a mut [U],
    number: PhantomData<T>,
}

impl<T: Number, U: Holds<T>> Task for Fill<'_, T, U> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Fill { stored, p, panel, .. } = self;
        let Shape { inputs, taps, .. } = stored.shape;
        let (len, size) = (stored.shape.row(), size_of::<T>());
        assert!(S::PANEL.is_multiple_of(SIDE) && S::PANEL <= MAX_PANEL && panel.len() == len * S::PANEL);
        let nothing = [0u8; SIDE * MAX_SIZE];
        let mut rows = [None; MAX_PANEL];
        for (column, row) in rows[..S::PANEL].iter_mut().enumerate() {
            let output = output_at(stored.shape, S::PANEL, p, column);
            *row = output.map(|output| &stored.bytes[output * len * size..][..len * size]);
        }
        // As many values of all outputs, transposed.
        let mut block = [[T::zeroed(); MAX_PANEL]; SIDE];
        let (mut input, mut tap) = (0, 0);
        for first in (0..len).step_by(SIDE) {
            let count = SIDE.min(len - first);
            for (group, rows) in rows[..S::PANEL].chunks_exact(SIDE).enumerate() {
                if count < SIDE {
                    for (j, row) in rows.iter().enumerate() {
                        let Some(row) = row else { continue };
                        for (i, block) in block[..count].iter_mut().enumerate() {
                            block[group * SIDE + j] = T::read(&row[(first + i) * size..][..size]);
                        }
                    }
                    continue;
                }
                let mut from = [nothing.as_ptr(); SIDE];
                for (from, row) in from.iter_mut().zip(rows) {
                    if let Some(row) = row {
                        *from = row[first * size..][..SIDE * size].as_ptr();
                    }
                }
                // SAFETY: each pointer is to SIDE numbers, and the block has SIDE rows of whole groups, MAX_PANEL apart.
                unsafe { T::transpose::<S>(&from, block.as_mut_ptr().cast::<T>().add(group * SIDE), MAX_PANEL) };
            }
            for block in &block[..count] {
                let place = (tap * inputs + input) * S::PANEL;
                // SAFETY: `S` is the processor's.
                unsafe { U::put::<S>(&block[..S::PANEL], &mut panel[place..][..S::PANEL]) };
                tap += 1;
                if tap == taps {
                    (input, tap) = (input + 1, 0);
                }
            }
        }
    }
}

/// A change in the order of the panels.
struct Change {
    rank: usize,
    /// (taps·inputs, rank)
    down: Vec<f32>,
    /// (panel, rank, column)
    up: Vec<f32>,
}

impl Change {
    fn new(isa: Isa, shape: Shape, change: &LowRank) -> Self {
        let (rank, width) = (change.rank, isa.panel());
        let mut down = vec![0f32; shape.row() * rank];
        for (r, row) in change.down.chunks_exact(shape.row().max(1)).enumerate() {
            for (i, v) in row.iter().enumerate() {
                let (input, tap) = (i / shape.taps, i % shape.taps);
                down[(tap * shape.inputs + input) * rank + r] = *v;
            }
        }
        let panels = shape.outputs.div_ceil(width);
        let mut up = vec![0f32; panels * rank * width];
        for p in 0..panels {
            for column in 0..width {
                let Some(output) = output_at(shape, width, p, column).filter(|o| change.rows.contains(o)) else {
                    continue;
                };
                let row = &change.up[(output - change.rows.start) * rank..][..rank];
                for (r, v) in row.iter().enumerate() {
                    up[(p * rank + r) * width + column] = *v;
                }
            }
        }
        Change { rank, down, up }
    }
}

/// The weight with all changes, in f32.
fn merged(isa: Isa, stored: &Stored<'_>, changes: &[Change]) -> candle_core::Result<Memory<f32>> {
    let len = stored.shape.row() * isa.panel();
    let mut values = Memory::zeros(stored.shape.outputs.div_ceil(isa.panel()) * len)?;
    values.par_chunks_mut(len.max(1)).enumerate().for_each(|(p, panel)| merge_panel(isa, stored, changes, p, panel));
    Ok(values)
}

/// The same, rounded to f16.
fn merged_narrow(isa: Isa, stored: &Stored<'_>, changes: &[Change]) -> candle_core::Result<Memory<f16>> {
    let len = stored.shape.row() * isa.panel();
    let mut values = Memory::<f16>::zeros(stored.shape.outputs.div_ceil(isa.panel()) * len)?;
    values.par_chunks_mut(len.max(1)).enumerate().for_each_init(Vec::new, |panel: &mut Vec<f32>, (p, to)| {
        panel.resize(len, 0.0);
        merge_panel(isa, stored, changes, p, panel);
        to.convert_from_f32_slice(panel);
    });
    Ok(values)
}

/// Fills panel `p` with the widened values of the file and adds the changes.
fn merge_panel(isa: Isa, stored: &Stored<'_>, changes: &[Change], p: usize, panel: &mut [f32]) {
    match stored.number {
        NumberType::F32 => isa.run(Fill { stored, p, panel, number: PhantomData::<f32> }),
        NumberType::F16 => isa.run(Fill { stored, p, panel, number: PhantomData::<f16> }),
        NumberType::BF16 => isa.run(Fill { stored, p, panel, number: PhantomData::<bf16> }),
    }
    let width = isa.panel();
    for change in changes.iter().filter(|change| change.rank > 0) {
        isa.run(AddProduct { change, up: &change.up[p * change.rank * width..][..change.rank * width], panel });
    }
}

/// panel += down · up
struct AddProduct<'a> {
    change: &'a Change,
    /// (rank, column)
    up: &'a [f32],
    panel: &'a mut [f32],
}

impl Task for AddProduct<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let AddProduct { change: Change { rank, down, .. }, up, panel } = self;
        let count = down.len() / rank;
        assert!(up.len() == rank * S::PANEL && panel.len() == count * S::PANEL);
        let mut last = [0f32; MR * MAX_PANEL];
        for (t, sums) in panel.chunks_mut(MR * S::PANEL).enumerate() {
            let mut rows = [down.as_ptr(); MR];
            for (i, pointer) in rows.iter_mut().enumerate() {
                // Rows beyond the last repeat it, into sums that are not kept.
                *pointer = down[(t * MR + i).min(count - 1) * rank..][..*rank].as_ptr();
            }
            let whole = sums.len() == MR * S::PANEL;
            let to = if whole { sums.as_mut_ptr() } else { last.as_mut_ptr() };
            if !whole {
                last[..sums.len()].copy_from_slice(sums);
            }
            // SAFETY: each row was sliced to `rank` values, `up` has rank × PANEL and `to` at least MR × PANEL of them.
            unsafe { S::tile::<1>(&rows, up.as_ptr(), *rank, Sums { at: to, stride: S::PANEL, fresh: false }) };
            if !whole {
                sums.copy_from_slice(&last[..sums.len()]);
            }
        }
    }
}

/// `len` of the `values` from `from` on as f32, and if `plus` is given, those from another place on added with a factor. They
/// are in `buffer` unless they lie there as they are. `len` is a number of whole vectors.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn widen<'a, S: Simd>(
    values: &'a Values,
    from: usize,
    plus: Option<(usize, f32)>,
    len: usize,
    buffer: &'a mut [f32],
) -> &'a [f32] {
    macro_rules! widen {
        ($values:expr, $load:ident) => {{
            let (source, to) = (&$values[from..from + len], &mut buffer[..len]);
            assert!(len.is_multiple_of(S::LANES));
            // SAFETY: all slices have `len` values, of which i..i + LANES are the next.
            unsafe {
                match plus {
                    None => {
                        for i in (0..len).step_by(S::LANES) {
                            S::store(to.as_mut_ptr().add(i), S::$load(source.as_ptr().add(i)));
                        }
                    }
                    Some((other, factor)) => {
                        let (other, factor) = (&$values[other..other + len], S::splat(factor));
                        for i in (0..len).step_by(S::LANES) {
                            let more = S::$load(other.as_ptr().add(i));
                            let sum = S::mul_add(factor, more, S::$load(source.as_ptr().add(i)));
                            S::store(to.as_mut_ptr().add(i), sum);
                        }
                    }
                }
            }
            to
        }};
    }
    match values {
        Values::F32(values) if plus.is_none() => &values[from..from + len],
        Values::F32(values) => widen!(values, load),
        Values::F16(values) => widen!(values, load_f16),
        Values::BF16(values) => widen!(values, load_bf16),
    }
}
