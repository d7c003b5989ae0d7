//! Nearest-neighbour resizing of channels-last images.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::values::values;

/// (b, h, w, c) → (b, height, width, c): pixel i comes from ⌊i·h/height⌋, as torch's `nearest`.
pub fn resize_nearest(x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
    let (_, h, w, _) = x.dims4()?;
    if (h, w) == (height, width) {
        return Ok(x.clone());
    }
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op1_no_bwd(&Nearest { height, width });
    }
    x.permute((0, 3, 1, 2))?.upsample_nearest2d(height, width)?.permute((0, 2, 3, 1))?.contiguous()
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
        let (scale_y, scale_x) = (h as f32 / self.height as f32, w as f32 / self.width as f32);
        let columns: Vec<usize> = (0..self.width).map(|i| ((i as f32 * scale_x) as usize).min(w - 1)).collect();
        y.par_chunks_exact_mut(row).enumerate().for_each(|(line, y)| {
            let (image, oy) = (line / self.height, line % self.height);
            let iy = ((oy as f32 * scale_y) as usize).min(h - 1);
            let source = &x[(image * h + iy) * w * channels..][..w * channels];
            for (pixel, column) in y.chunks_exact_mut(channels).zip(&columns) {
                pixel.copy_from_slice(&source[column * channels..][..channels]);
            }
        });
        Ok((CpuStorage::F32(y), Shape::from((batch, self.height, self.width, channels))))
    }
}
