//! Nearest-neighbour resizing of channels-last images.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::super::nearest;
use super::values::values;

/// (b, h, w, c) → (b, height, width, c): pixel i comes from ⌊i·h/height⌋, as torch's `nearest`.
pub(super) fn resize_nearest(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (_, h, w, _) = x.dims4()?;
    if (h, w) == (height, width) {
        return Ok(x.clone());
    }
    x.contiguous()?.apply_op1_no_bwd(&Nearest { height, width })
}

struct Nearest {
    height: usize,
    width: usize,
}

impl CustomOp1 for Nearest {
    fn name(&self) -> &'static str {
        "resize_nearest"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, h, w, channels) = layout.shape().dims4()?;
        let x = values(x, layout)?;
        let row = self.width * channels;
        let mut y = vec![0f32; batch * self.height * row];
        if row == 0 || x.is_empty() {
            return Ok((CpuStorage::F32(y), Shape::from((batch, self.height, self.width, channels))));
        }
        let (lines, columns) = (nearest(h, self.height), nearest(w, self.width));
        y.par_chunks_exact_mut(row).enumerate().for_each(|(line, y)| {
            let (image, line) = (line / self.height, lines[line % self.height]);
            let source = &x[(image * h + line) * w * channels..][..w * channels];
            for (pixel, column) in y.chunks_exact_mut(channels).zip(&columns) {
                pixel.copy_from_slice(&source[column * channels..][..channels]);
            }
        });
        Ok((CpuStorage::F32(y), Shape::from((batch, self.height, self.width, channels))))
    }
}
