//! 3×3 convolution over channels-last images as a matrix product with patches.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use gemm::Parallelism;
use rayon::prelude::*;

use super::values;

/// 3×3 convolution with padding 1 on all sides.
///
/// x (b, h, w, inputs), weight (outputs, 3, 3, inputs), bias (outputs) → (b, ⌈h/stride⌉, ⌈w/stride⌉, outputs)
pub fn conv3x3(x: &Tensor, weight: &Tensor, bias: &Tensor, stride: usize) -> Result<Tensor> {
    convolve(x, weight, bias, Conv3x3 { stride, before: 1, after: 1 })
}

/// 3×3 convolution with stride 2 and padding only at the right and the bottom, as the VAE encoder does it.
///
/// x (b, h, w, inputs) → (b, ⌊h/2⌋, ⌊w/2⌋, outputs)
pub fn conv3x3_padded(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    convolve(x, weight, bias, Conv3x3 { stride: 2, before: 0, after: 1 })
}

fn convolve(x: &Tensor, weight: &Tensor, bias: &Tensor, conv: Conv3x3) -> Result<Tensor> {
    if x.device().is_cpu() {
        x.contiguous()?.apply_op3_no_bwd(weight, bias, &conv)
    } else {
        conv.plain(x, weight, bias)
    }
}

#[derive(Debug, Clone, Copy)]
struct Conv3x3 {
    stride: usize,
    /// Padding above and left.
    before: usize,
    /// Padding below and right.
    after: usize,
}

/// A block of patches takes at most this many values, so that it stays in a core's share of the cache.
const PATCH_VALUES: usize = 1 << 20;

impl Conv3x3 {
    /// The same in candle's operators.
    fn plain(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let x = x.permute((0, 3, 1, 2))?;
        let x = x.pad_with_zeros(2, self.before, self.after)?.pad_with_zeros(3, self.before, self.after)?;
        let y = x.contiguous()?.conv2d(&weight.permute((0, 3, 1, 2))?.contiguous()?, 0, self.stride, 1, 1)?;
        y.permute((0, 2, 3, 1))?.broadcast_add(bias)?.contiguous()
    }

    fn output(&self, len: usize) -> usize {
        (len + self.before + self.after).saturating_sub(3) / self.stride + 1
    }
}

/// Sizes of one convolution.
struct Geometry {
    conv: Conv3x3,
    height: usize,
    width: usize,
    inputs: usize,
    out_height: usize,
    out_width: usize,
}

impl Geometry {
    /// Values of a patch: nine pixels.
    fn patch(&self) -> usize {
        9 * self.inputs
    }

    /// Writes the patches of the output pixels `first`… of one image into `patches`.
    fn gather(&self, image: &[f32], first: usize, patches: &mut [f32]) {
        let row = 3 * self.inputs;
        for (i, patch) in patches.chunks_exact_mut(self.patch()).enumerate() {
            let (oy, ox) = ((first + i) / self.out_width, (first + i) % self.out_width);
            // May be −1 (as a wrapped number) at the upper and left edge.
            let x0 = (ox * self.conv.stride).wrapping_sub(self.conv.before);
            for (ky, taps) in patch.chunks_exact_mut(row).enumerate() {
                let y = (oy * self.conv.stride + ky).wrapping_sub(self.conv.before);
                if y >= self.height {
                    taps.fill(0.0);
                    continue;
                }
                let line = &image[y * self.width * self.inputs..][..self.width * self.inputs];
                if x0 < self.width && x0 + 3 <= self.width {
                    taps.copy_from_slice(&line[x0 * self.inputs..][..row]);
                    continue;
                }
                for (kx, tap) in taps.chunks_exact_mut(self.inputs).enumerate() {
                    let x = x0.wrapping_add(kx);
                    match x < self.width {
                        true => tap.copy_from_slice(&line[x * self.inputs..][..self.inputs]),
                        false => tap.fill(0.0),
                    }
                }
            }
        }
    }
}

impl CustomOp3 for Conv3x3 {
    fn name(&self) -> &'static str {
        "conv3x3"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (batch, height, width, inputs) = x_layout.shape().dims4()?;
        let (outputs, kh, kw, kernel_inputs) = weight_layout.shape().dims4()?;
        if (kh, kw, kernel_inputs) != (3, 3, inputs) || bias_layout.shape().dims1()? != outputs || inputs == 0 {
            candle_core::bail!("conv3x3: {:?} does not fit {:?}", weight_layout.shape(), x_layout.shape());
        }
        let (x, weight, bias) = (values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
        let (out_height, out_width) = (self.output(height), self.output(width));
        let geometry = Geometry { conv: *self, height, width, inputs, out_height, out_width };
        let pixels = geometry.out_height * out_width;
        let patch = geometry.patch();
        let block = (PATCH_VALUES / patch).clamp(16, 1024);

        let mut y = vec![0f32; batch * pixels * outputs];
        if outputs > 0 && pixels > 0 {
            let blocks: Vec<_> = y
                .chunks_mut(pixels * outputs)
                .zip(x.chunks(height * width * inputs))
                .flat_map(|(y, x)| y.chunks_mut(block * outputs).enumerate().map(move |(i, y)| (i * block, x, y)))
                .collect();
            blocks.into_par_iter().for_each_init(Vec::new, |patches: &mut Vec<f32>, (first, image, y)| {
                patches.resize(y.len() / outputs * patch, 0.0);
                geometry.gather(image, first, patches);
                y.chunks_exact_mut(outputs).for_each(|pixel| pixel.copy_from_slice(bias));
                accumulate_product(y, patches, weight, patch, outputs);
            });
        }
        Ok((CpuStorage::F32(y), Shape::from((batch, out_height, out_width, outputs))))
    }
}

/// y += a·bᵀ with row-major y (rows, n), a (rows, k) and b (n, k).
fn accumulate_product(y: &mut [f32], a: &[f32], b: &[f32], k: usize, n: usize) {
    let rows = y.len() / n;
    assert!(y.len() == rows * n && a.len() == rows * k && b.len() == n * k);
    // SAFETY: the three pointers are valid for rows×n, rows×k and n×k values with the strides given (checked above), `y`
    // is borrowed mutably and so overlaps neither input.
    unsafe {
        gemm::gemm(
            rows,
            n,
            k,
            y.as_mut_ptr(),
            1,
            n as isize,
            true,
            a.as_ptr(),
            1,
            k as isize,
            b.as_ptr(),
            k as isize,
            1,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn agrees_with_the_plain_expression() {
        let device = Device::Cpu;
        let shapes = [(1, 1, 1, 1, 1), (2, 5, 7, 3, 4), (1, 8, 8, 32, 16), (1, 33, 17, 40, 5), (1, 2, 90, 64, 3)];
        for (batch, height, width, inputs, outputs) in shapes {
            for (stride, before, after) in [(1, 1, 1), (2, 1, 1), (2, 0, 1)] {
                if height + before + after < 3 || width + before + after < 3 {
                    continue;
                }
                let conv = Conv3x3 { stride, before, after };
                let x = Tensor::randn(0f32, 1.0, (batch, height, width, inputs), &device).unwrap();
                let weight = Tensor::randn(0f32, 1.0, (outputs, 3, 3, inputs), &device).unwrap();
                let bias = Tensor::randn(0f32, 1.0, outputs, &device).unwrap();
                let ours = convolve(&x, &weight, &bias, conv).unwrap();
                let plain = conv.plain(&x, &weight, &bias).unwrap();
                assert_eq!(ours.dims(), plain.dims());
                let difference = (ours - plain).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
                assert!(difference.to_scalar::<f32>().unwrap() < 1e-4);
            }
        }
    }
}
