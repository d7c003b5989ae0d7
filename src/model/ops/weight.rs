//! Weights of linear layers and convolutions: as files have them, and as sets of operators want them.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::cpu::Panels;

/// A type of the numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberType {
    /// 32 bits.
    F32,
    /// 16 bits, IEEE half precision.
    F16,
    /// 16 bits, the upper half of 32.
    BF16,
}

impl NumberType {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        if self == NumberType::F32 { 4 } else { 2 }
    }

    pub(super) fn dtype(self) -> DType {
        match self {
            NumberType::F32 => DType::F32,
            NumberType::F16 => DType::F16,
            NumberType::BF16 => DType::BF16,
        }
    }
}

/// A weight as it lies in a file: (outputs, inputs, taps), little-endian.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The numbers, little-endian.
    pub bytes: &'a [u8],
    /// Their type.
    pub number: NumberType,
    /// Their shape.
    pub shape: Shape,
}

impl Stored<'_> {
    /// Refuses bytes or changes that have another shape.
    pub(super) fn check(&self, changes: &[LowRank]) -> candle_core::Result<()> {
        let shape = self.shape;
        let fits = shape.len().and_then(|len| len.checked_mul(self.number.size())) == Some(self.bytes.len());
        let change_fits = |c: &LowRank| {
            let rows = c.rows.start <= c.rows.end && c.rows.end <= shape.outputs;
            rows && c.up.len() == c.rows.len() * c.rank && c.down.len() == c.rank * shape.row()
        };
        let pairs = shape.order == Order::Plain || shape.outputs.is_multiple_of(2);
        if !fits || !pairs || !changes.iter().all(change_fits) {
            candle_core::bail!("a weight of {} bytes or its changes do not have the shape {shape:?}", self.bytes.len());
        }
        Ok(())
    }
}

/// The shape of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Output channels.
    pub outputs: usize,
    /// Input channels.
    pub inputs: usize,
    /// Pixels of a convolution's kernel, 1 for a matrix.
    pub taps: usize,
    /// How the numbers lie in the file.
    pub order: Order,
}

impl Shape {
    /// Values of one output.
    pub(super) fn row(&self) -> usize {
        self.inputs * self.taps
    }

    pub(super) fn len(&self) -> Option<usize> {
        self.outputs.checked_mul(self.inputs)?.checked_mul(self.taps)
    }
}

/// Which outputs are neighbours in memory, where a set of operators packs its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Outputs × inputs, as a linear layer has them.
    Plain,
    /// The outputs are two halves, and values of the one lie beside those of the other at the same places: for activations of
    /// two values.
    Paired,
}

/// A product that is added to a weight: up (outputs × rank) · down (rank × inputs·taps).
#[derive(Debug, Clone)]
pub struct LowRank {
    /// The outputs that are changed.
    pub rows: Range<usize>,
    /// Columns of the left factor, rows of the right one.
    pub rank: usize,
    /// (rows, rank)
    pub up: Vec<f32>,
    /// (rank, inputs, taps)
    pub down: Vec<f32>,
}

/// How our kernels on the CPU hold the weights of linear layers and convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Held {
    /// In the type of the file, which is exact; with LoRA deltas added, in f32.
    #[default]
    Exact,
    /// In 16 bits each: with LoRA deltas added, and from f32 files, rounded to f16.
    Half,
}

/// A weight as a set of operators wants it. No set takes another's.
#[derive(Debug, Clone)]
pub enum Weight {
    /// For [`Cpu`](super::Cpu).
    Panels(Arc<Panels>),
    /// For [`Candle`](super::Candle): (outputs, inputs), or (outputs, inputs, 3, 3) for a convolution.
    Tensor(Tensor),
}

impl Weight {
    pub(super) fn panels(&self) -> candle_core::Result<&Panels> {
        match self {
            Weight::Panels(panels) => Ok(panels),
            Weight::Tensor(_) => candle_core::bail!("the CPU's operators were given a weight that is not packed"),
        }
    }

    pub(super) fn tensor(&self) -> candle_core::Result<&Tensor> {
        match self {
            Weight::Tensor(tensor) => Ok(tensor),
            Weight::Panels(_) => candle_core::bail!("candle's operators were given a packed weight"),
        }
    }
}
