//! Weights packed for the tile.
//!
//! A weight is cut into panels of as many outputs as the tile has columns. A panel holds, for each tap and input in turn,
//! the values of its outputs side by side, in the type of the file: the multiplication widens them, so that numbers of 16
//! bits are held exactly in half the memory.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::vec::HalfBitsVecExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::simd::{Isa, MR, Simd, Task};

/// A type of the numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberType {
    F32,
    F16,
    BF16,
}

/// A weight as it lies in a file: (outputs, inputs, taps), little-endian.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    pub bytes: &'a [u8],
    pub number: NumberType,
    pub shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub outputs: usize,
    pub inputs: usize,
    /// Pixels of a convolution's kernel, 1 for a matrix.
    pub taps: usize,
    pub order: Order,
}

/// Which outputs are neighbours in a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Plain,
    /// The outputs are two halves, and each panel holds as many of the first as of the second, at the same places in
    /// their halves: for activations of two values.
    Paired,
}

/// A product that is added to a weight: up (outputs × rank) · down (rank × inputs·taps).
#[derive(Debug, Clone)]
pub struct LowRank {
    /// The outputs that are changed.
    pub rows: Range<usize>,
    pub rank: usize,
    /// (rows, rank)
    pub up: Vec<f32>,
    /// (rank, inputs, taps)
    pub down: Vec<f32>,
}

/// A packed weight.
#[derive(Debug, Clone)]
pub struct Panels {
    isa: Isa,
    shape: Shape,
    values: Values,
}

#[derive(Debug, Clone)]
pub(super) enum Values {
    F32(Vec<f32>),
    F16(Vec<f16>),
    BF16(Vec<bf16>),
}

impl Shape {
    /// Values of one output.
    fn row(&self) -> usize {
        self.inputs * self.taps
    }

    fn len(&self) -> Option<usize> {
        self.outputs.checked_mul(self.inputs)?.checked_mul(self.taps)
    }

    /// The output in `column` of panel `panel`.
    fn output(&self, width: usize, panel: usize, column: usize) -> Option<usize> {
        match self.order {
            Order::Plain => Some(panel * width + column).filter(|output| *output < self.outputs),
            Order::Paired => {
                let (half, pairs) = (column / (width / 2), self.outputs / 2);
                let pair = panel * (width / 2) + column % (width / 2);
                (pair < pairs).then_some(half * pairs + pair)
            }
        }
    }
}

impl Panels {
    pub fn isa(&self) -> Isa {
        self.isa
    }

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
        check(&stored, &[])?;
        let values = match stored.number {
            NumberType::F32 => Values::F32(packed(isa, &stored)),
            NumberType::F16 => Values::F16(packed(isa, &stored)),
            NumberType::BF16 => Values::BF16(packed(isa, &stored)),
        };
        Ok(Panels { isa, shape: stored.shape, values })
    }

    /// Packs a weight with `changes` added, in their order and in f32, and holds the sum in f32 or (`narrow`) f16.
    pub fn merge(isa: Isa, stored: Stored<'_>, changes: &[LowRank], narrow: bool) -> candle_core::Result<Panels> {
        check(&stored, changes)?;
        let changes: Vec<_> = changes.iter().map(|change| Change::new(isa, stored.shape, change)).collect();
        let values = match narrow {
            false => Values::F32(merged(isa, &stored, &changes, |panel, to| to.copy_from_slice(panel))),
            true => {
                Values::F16(merged(isa, &stored, &changes, |panel, to: &mut [f16]| to.convert_from_f32_slice(panel)))
            }
        };
        Ok(Panels { isa, shape: stored.shape, values })
    }
}

fn check(stored: &Stored<'_>, changes: &[LowRank]) -> candle_core::Result<()> {
    let shape = stored.shape;
    let size = if stored.number == NumberType::F32 { 4 } else { 2 };
    let fits = shape.len().and_then(|len| len.checked_mul(size)) == Some(stored.bytes.len());
    let change_fits = |c: &LowRank| {
        let rows = c.rows.start <= c.rows.end && c.rows.end <= shape.outputs;
        rows && c.up.len() == c.rows.len() * c.rank && c.down.len() == c.rank * shape.row()
    };
    let pairs = shape.order == Order::Plain || shape.outputs.is_multiple_of(2);
    if !fits || !pairs || !changes.iter().all(change_fits) {
        candle_core::bail!("a weight of {} bytes or its changes do not have the shape {shape:?}", stored.bytes.len());
    }
    Ok(())
}

/// A number that files hold.
trait Number: Copy + Default + Send + Sync {
    const SIZE: usize;

    fn read(bytes: &[u8]) -> Self;

    /// Zeros in memory that the system clears when it is first touched, by the threads that fill it.
    fn zeros(len: usize) -> Vec<Self>;
}

impl Number for f32 {
    const SIZE: usize = 4;

    fn read(bytes: &[u8]) -> Self {
        f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    fn zeros(len: usize) -> Vec<f32> {
        vec![0.0; len]
    }
}

impl Number for f16 {
    const SIZE: usize = 2;

    fn read(bytes: &[u8]) -> Self {
        f16::from_le_bytes([bytes[0], bytes[1]])
    }

    fn zeros(len: usize) -> Vec<f16> {
        vec![0u16; len].reinterpret_into()
    }
}

impl Number for bf16 {
    const SIZE: usize = 2;

    fn read(bytes: &[u8]) -> Self {
        bf16::from_le_bytes([bytes[0], bytes[1]])
    }

    fn zeros(len: usize) -> Vec<bf16> {
        vec![0u16; len].reinterpret_into()
    }
}

fn packed<T: Number>(isa: Isa, stored: &Stored<'_>) -> Vec<T> {
    let len = stored.shape.row() * isa.panel();
    let mut values = T::zeros(stored.shape.outputs.div_ceil(isa.panel()) * len);
    values.par_chunks_mut(len.max(1)).enumerate().for_each(|(p, panel)| transpose(isa.panel(), stored, p, panel));
    values
}

/// Values of as many outputs that are transposed at a time. All panels are so many columns, or a multiple of it.
const SIDE: usize = 8;

/// Fills panel `p`. Columns without an output become 0.
fn transpose<T: Number>(width: usize, stored: &Stored<'_>, p: usize, panel: &mut [T]) {
    let Shape { inputs, taps, .. } = stored.shape;
    let len = stored.shape.row();
    assert!(width.is_multiple_of(SIDE) && panel.len() == len * width);
    let row = |column| {
        let output = stored.shape.output(width, p, column)?;
        Some(&stored.bytes[output * len * T::SIZE..][..len * T::SIZE])
    };
    let rows: Vec<Option<&[u8]>> = (0..width).map(row).collect();
    let (mut input, mut tap) = (0, 0);
    for first in (0..len).step_by(SIDE) {
        let count = SIDE.min(len - first);
        let mut places = [0; SIDE];
        for place in &mut places[..count] {
            *place = (tap * inputs + input) * width;
            tap += 1;
            if tap == taps {
                (input, tap) = (input + 1, 0);
            }
        }
        for (group, rows) in rows.chunks_exact(SIDE).enumerate() {
            let mut block = [[T::default(); SIDE]; SIDE];
            for (block, row) in block.iter_mut().zip(rows) {
                let Some(row) = row else { continue };
                let bytes = &row[first * T::SIZE..][..count * T::SIZE];
                match count {
                    // Of a known length, so that no function is called to copy it.
                    SIDE => (0..SIDE).for_each(|i| block[i] = T::read(&bytes[i * T::SIZE..])),
                    _ => (0..count).for_each(|i| block[i] = T::read(&bytes[i * T::SIZE..])),
                }
            }
            for (i, place) in places[..count].iter().enumerate() {
                let to = &mut panel[place + group * SIDE..][..SIDE];
                for (to, block) in to.iter_mut().zip(&block) {
                    *to = block[i];
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
                let Some(output) = shape.output(width, p, column).filter(|o| change.rows.contains(o)) else { continue };
                let row = &change.up[(output - change.rows.start) * rank..][..rank];
                for (r, v) in row.iter().enumerate() {
                    up[(p * rank + r) * width + column] = *v;
                }
            }
        }
        Change { rank, down, up }
    }
}

fn merged<T: Number>(
    isa: Isa,
    stored: &Stored<'_>,
    changes: &[Change],
    store: impl Fn(&[f32], &mut [T]) + Sync,
) -> Vec<T> {
    let width = isa.panel();
    let (row, len) = (stored.shape.row(), stored.shape.row() * width);
    let mut values = T::zeros(stored.shape.outputs.div_ceil(width) * len);
    values.par_chunks_mut(len.max(1)).enumerate().for_each_init(Vec::new, |panel: &mut Vec<f32>, (p, to)| {
        panel.clear();
        // Whole tiles: the last one may reach beyond the last input.
        panel.resize(row.next_multiple_of(MR) * width, 0.0);
        base(width, stored, p, panel);
        for change in changes.iter().filter(|change| change.rank > 0) {
            isa.run(AddProduct { change, up: &change.up[p * change.rank * width..][..change.rank * width], panel });
        }
        store(&panel[..len], to);
    });
    values
}

/// Fills panel `p` with the widened values of the file.
fn base(width: usize, stored: &Stored<'_>, p: usize, panel: &mut [f32]) {
    let len = stored.shape.row() * width;
    match stored.number {
        NumberType::F32 => transpose(width, stored, p, &mut panel[..len]),
        NumberType::F16 => {
            let mut narrow = f16::zeros(len);
            transpose(width, stored, p, &mut narrow);
            narrow.convert_to_f32_slice(&mut panel[..len]);
        }
        NumberType::BF16 => {
            let mut narrow = bf16::zeros(len);
            transpose(width, stored, p, &mut narrow);
            narrow.convert_to_f32_slice(&mut panel[..len]);
        }
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
        assert!(up.len() == rank * S::PANEL && panel.len() == count.next_multiple_of(MR) * S::PANEL);
        for (t, sums) in panel.chunks_exact_mut(MR * S::PANEL).enumerate() {
            let mut rows = [down.as_ptr(); MR];
            for (i, pointer) in rows.iter_mut().enumerate() {
                // Rows beyond the last repeat it, into sums that are not kept.
                *pointer = down[(t * MR + i).min(count - 1) * rank..][..*rank].as_ptr();
            }
            // SAFETY: each row was sliced to `rank` values, `up` has rank × PANEL and `sums` MR × PANEL of them.
            unsafe { S::tile(&rows, up.as_ptr(), *rank, sums.as_mut_ptr(), S::PANEL) };
        }
    }
}

/// `len` of the `values` from `from` on as f32, in `buffer` unless they are f32 already. `len` is a number of whole vectors.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn widen<'a, S: Simd>(
    values: &'a Values,
    from: usize,
    len: usize,
    buffer: &'a mut [f32],
) -> &'a [f32] {
    macro_rules! widen {
        ($values:expr, $load:ident) => {{
            let (source, to) = (&$values[from..from + len], &mut buffer[..len]);
            assert!(len.is_multiple_of(S::LANES));
            for i in (0..len).step_by(S::LANES) {
                // SAFETY: both slices have `len` values, of which i..i + LANES are the next.
                unsafe { S::store(to.as_mut_ptr().add(i), S::$load(source.as_ptr().add(i))) };
            }
            to
        }};
    }
    match values {
        Values::F32(values) => &values[from..from + len],
        Values::F16(values) => widen!(values, load_f16),
        Values::BF16(values) => widen!(values, load_bf16),
    }
}
