//! DoRA: the updated weight M = W + scale·U is given the norms of the file: W' = M · dora_scale / ‖M‖.

use candle_core::{Result, Tensor};

use super::Misfit;
use super::tensor::{as_matrix, f32, product};
use crate::say;

/// The magnitudes of a DoRA module, and what their norms run over.
#[derive(Debug, Clone)]
pub(in crate::lora) struct Dora {
    /// Broadcast against the weight's shape.
    magnitude: Tensor,
    per_row: bool,
}

impl Dora {
    /// webui divides by the norm of each input column whatever `dora_scale`'s shape. With `as_meant`, magnitudes stored
    /// per output row (LyCORIS's `wd_on_out`, PEFT) are divided by the norms of the rows.
    pub(in crate::lora) fn read(
        dora_scale: &Tensor,
        target: &[usize],
        as_meant: bool,
    ) -> std::result::Result<Self, Misfit> {
        let [rows, columns, ..] = *target else {
            return Err(Misfit::Layer(say!(
                "DoRA works on linear and convolution layers",
                "DoRA が使えるのは線形層と畳み込み層です"
            )));
        };
        let ones = |dims: &[usize]| dims.iter().all(|n| *n == 1);
        let mut dims = dora_scale.dims().to_vec();
        let per_row = match *dims {
            [n] => as_meant && n == rows,
            [n, ref rest @ ..] => as_meant && n == rows && ones(rest),
            [] => false,
        };
        if per_row {
            dims = vec![1; target.len()];
            dims[0] = rows;
        } else {
            while dims.len() < target.len() {
                dims.insert(0, 1);
            }
        }
        let fits = dims.len() == target.len() && dims.iter().zip(target).all(|(n, size)| *n == 1 || n == size);
        if !fits || product(&dims) == 0 {
            let shape = dora_scale.dims();
            return Err(Misfit::Pair(say!(
                "`dora_scale` is {shape:?} and should be [1, {columns}] or [{rows}, 1] with ones for the kernel",
                "`dora_scale` は [1, {columns}] か [{rows}, 1] (カーネルの分は 1) のはずが {shape:?} です"
            )));
        }
        Ok(Dora { magnitude: dora_scale.reshape(dims)?, per_row })
    }

    /// W' − W for U already scaled; `base` and `update` in the target's shape.
    pub(in crate::lora) fn renormalise(&self, base: &Tensor, update: &Tensor) -> Result<Tensor> {
        let merged = (base + update)?;
        let by_row = if self.per_row { merged.clone() } else { merged.transpose(0, 1)?.contiguous()? };
        let norms = as_matrix(&by_row)?.sqr()?.sum_keepdim(1)?.sqrt()?;
        let mut shape = vec![1; base.rank()];
        shape[usize::from(!self.per_row)] = norms.dim(0)?;
        let factor = f32(&self.magnitude)?.broadcast_div(&norms.reshape(shape)?)?;
        merged.broadcast_mul(&factor)? - base
    }
}
