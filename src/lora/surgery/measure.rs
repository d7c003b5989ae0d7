//! How far what was written is from what it stands for, block by block.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::factors::Factors;
use super::matrix::f32_values;
use crate::block::{Block, Family};

/// The measured error of one block's modules.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct BlockError {
    /// The block's name; `outside` for modules outside the blocks.
    pub block: &'static str,
    /// How many were cut or rounded.
    pub modules: usize,
    /// ‖Δ‖ (Frobenius) of all deltas.
    pub norm: f64,
    /// ‖Δ − Δ'‖ with Δ' as it comes back from the file.
    pub error: f64,
    /// The least and the greatest rank written.
    pub ranks: (usize, usize),
}

impl BlockError {
    /// `error` by `norm`.
    pub fn relative(&self) -> f64 {
        if self.norm > 0.0 { self.error / self.norm } else { 0.0 }
    }
}

/// One module's ‖Δ‖², ‖Δ − Δ'‖² and rank.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub square: f64,
    pub error: f64,
    pub rank: usize,
}

impl Measured {
    /// `written` as it comes back from the file.
    pub fn of_factors(meant: &Factors, written: &Factors) -> Self {
        let error = meant.clone().minus(written).square();
        Measured { square: meant.square(), error, rank: written.rank() }
    }

    pub fn of_matrix(meant: &Tensor, written: &Factors) -> candle_core::Result<Self> {
        let rest = (meant.flatten_from(1)? - written.product()?)?;
        Ok(Measured { square: square(meant)?, error: square(&rest)?, rank: written.rank() })
    }
}

/// Σ of the squares of a tensor's numbers, in f64.
pub(super) fn square(tensor: &Tensor) -> candle_core::Result<f64> {
    Ok(f32_values(tensor)?.into_iter().map(|v| f64::from(v).powi(2)).sum())
}

/// Gathers modules by block, in the order of the blocks.
#[derive(Debug, Default)]
pub(super) struct ByBlock(BTreeMap<usize, BlockError>);

/// A block's place and name; modules outside the blocks come last.
pub(super) fn block_of(family: Family, module: &str) -> (usize, &'static str) {
    Block::of_module(family, module).map_or((usize::MAX, "outside"), |block| (block.index(), block.name()))
}

impl ByBlock {
    pub fn add(&mut self, family: Family, module: &str, measured: Measured) {
        let (index, block) = block_of(family, module);
        let new = BlockError { block, modules: 0, norm: 0.0, error: 0.0, ranks: (usize::MAX, 0) };
        let entry = self.0.entry(index).or_insert(new);
        entry.modules += 1;
        // Squares until all are there.
        entry.norm += measured.square;
        entry.error += measured.error;
        entry.ranks = (entry.ranks.0.min(measured.rank), entry.ranks.1.max(measured.rank));
    }

    pub fn finish(self) -> Vec<BlockError> {
        let root = |block: BlockError| BlockError { norm: block.norm.sqrt(), error: block.error.sqrt(), ..block };
        self.0.into_values().map(root).collect()
    }
}
