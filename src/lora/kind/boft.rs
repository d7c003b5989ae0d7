//! BOFT: OFT in butterfly stages. Stage i permutes the rows so that each block mixes rows 2ⁱ·b/2 apart, multiplies every
//! block, and permutes back.

use candle_core::{Result, Tensor};

use super::oft::{Rotation, difference};
use super::tensor::as_matrix;
use super::{Kind, Misfit, Update};
use crate::say;

#[derive(Debug)]
pub(super) struct Boft {
    /// Blocks of (stages, count, size, size).
    rotation: Rotation,
    rescale: Option<Tensor>,
}

impl Boft {
    pub(super) fn new(rotation: Rotation, rescale: Option<Tensor>, rows: usize) -> std::result::Result<Self, Misfit> {
        let (stages, _, size, _) = rotation.blocks.dims4()?;
        let fits = |stage: usize| {
            let group = 1usize.checked_shl(stage as u32).and_then(|s| s.checked_mul(size));
            size.is_multiple_of(2) && group.is_some_and(|group| group > 0 && rows.is_multiple_of(group))
        };
        if stages > 32 || !(0..stages).all(fits) {
            return Err(Misfit::Pair(say!(
                "`oft_blocks` has {stages} stages of blocks of {size} for {rows} rows",
                "`oft_blocks` は {rows} 行に対して大きさ {size} のブロックが {stages} 段です"
            )));
        }
        Ok(Boft { rotation, rescale })
    }
}

impl Update for Boft {
    fn kind(&self) -> Kind {
        Kind::Boft
    }

    fn dim(&self) -> Option<usize> {
        None
    }

    fn update(&self, base: &Tensor, ratio: f64) -> Result<Tensor> {
        let r = self.rotation.matrix()?;
        let base = as_matrix(base)?;
        let (rows, columns) = base.dims2()?;
        let (stages, count, size, _) = r.dims4()?;
        let mut rotated = base.clone();
        for stage in 0..stages {
            let k = (size / 2) << stage;
            let groups = rows / (2 * k);
            let mixed = swap(&rotated, (groups, 2, k, columns))?.reshape((count, size, columns))?;
            let mixed = r.get(stage)?.contiguous()?.matmul(&mixed)?;
            rotated = swap(&mixed, (groups, k, 2, columns))?.reshape((rows, columns))?;
        }
        difference(&rotated, &base, self.rescale.as_ref(), ratio)
    }
}

/// Rows seen as (group, x, y), reordered to (group, y, x).
fn swap(rows: &Tensor, shape: (usize, usize, usize, usize)) -> Result<Tensor> {
    rows.reshape(shape)?.transpose(1, 2)?.contiguous()
}
