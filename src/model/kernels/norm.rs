//! Normalisations over channels-last data.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::values;

/// Over the last axis: (x − mean) / √(variance + eps) · weight + bias. x (…, width), weight and bias (width).
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
    if x.device().is_cpu() {
        return x.contiguous()?.apply_op3_no_bwd(weight, bias, &LayerNorm { eps });
    }
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred.broadcast_div(&(variance + eps)?.sqrt()?)?.broadcast_mul(weight)?.broadcast_add(bias)
}

/// Over each group of neighbouring channels and all positions of an image, then SiLU if `silu`.
///
/// x (b, …, channels), weight and bias (channels).
pub fn group_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, groups: usize, eps: f64, silu: bool) -> Result<Tensor> {
    let op = GroupNorm { groups, eps, silu };
    if x.device().is_cpu() { x.contiguous()?.apply_op3_no_bwd(weight, bias, &op) } else { op.plain(x, weight, bias) }
}

struct LayerNorm {
    eps: f64,
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
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
        let shape = x_layout.shape();
        let width = shape.dims().last().copied().unwrap_or(0);
        let (x, weight, bias) = (values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
        if width == 0 || weight.len() != width || bias.len() != width {
            candle_core::bail!("layer_norm: {:?} does not fit {shape:?}", weight_layout.shape());
        }
        let mut y = vec![0f32; x.len()];
        y.par_chunks_exact_mut(width).zip(x.par_chunks_exact(width)).with_min_len(16).for_each(|(y, x)| {
            let mean = x.iter().sum::<f32>() / width as f32;
            let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / width as f32;
            let scale = 1.0 / (variance + self.eps as f32).sqrt();
            for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = (x - mean) * scale * w + b;
            }
        });
        Ok((CpuStorage::F32(y), shape.clone()))
    }
}

struct GroupNorm {
    groups: usize,
    eps: f64,
    silu: bool,
}

/// Positions summed together before their sums are added up, whatever the number of threads.
const ROWS: usize = 256;

impl GroupNorm {
    /// The same in candle's operators.
    fn plain(&self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let shape = x.shape().clone();
        let (batch, channels) = (x.dim(0)?, x.dim(D::Minus1)?);
        let y = x.reshape((batch, (), self.groups, channels / self.groups.max(1)))?;
        let centred = y.broadcast_sub(&y.mean_keepdim((1, 3))?)?;
        let variance = centred.sqr()?.mean_keepdim((1, 3))?;
        let y = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?.reshape(shape)?;
        let y = y.broadcast_mul(weight)?.broadcast_add(bias)?;
        if self.silu { y.silu() } else { Ok(y) }
    }

    /// Scale and shift of each channel of one image (positions × channels), from the statistics of its group.
    fn scales(&self, image: &[f32], weight: &[f32], bias: &[f32]) -> Vec<(f32, f32)> {
        let channels = weight.len();
        let partial: Vec<Vec<(f64, f64)>> = image
            .par_chunks(ROWS * channels)
            .map(|rows| {
                let mut sums = vec![(0f64, 0f64); channels];
                for row in rows.chunks_exact(channels) {
                    for (sum, v) in sums.iter_mut().zip(row) {
                        let v = f64::from(*v);
                        sum.0 += v;
                        sum.1 += v * v;
                    }
                }
                sums
            })
            .collect();
        let per_group = channels / self.groups;
        let count = (image.len() / channels * per_group) as f64;
        let statistics: Vec<(f64, f64)> = (0..self.groups)
            .map(|g| {
                let members = g * per_group..(g + 1) * per_group;
                let sums = partial.iter().flat_map(|p| &p[members.clone()]);
                let (sum, squares) = sums.fold((0.0, 0.0), |(s, q), (a, b)| (s + a, q + b));
                let mean = sum / count;
                // In f64 the difference of squares is exact enough for any f32 input.
                let variance = (squares / count - mean * mean).max(0.0);
                (mean, 1.0 / (variance + self.eps).sqrt())
            })
            .collect();
        weight
            .iter()
            .zip(bias)
            .enumerate()
            .map(|(c, (w, b))| {
                let (mean, inverse) = statistics[c / per_group];
                let scale = inverse * f64::from(*w);
                (scale as f32, (f64::from(*b) - mean * scale) as f32)
            })
            .collect()
    }
}

impl CustomOp3 for GroupNorm {
    fn name(&self) -> &'static str {
        "group_norm"
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
        let shape = x_layout.shape();
        let (batch, channels) = match shape.dims() {
            [batch, .., channels] => (*batch, *channels),
            _ => candle_core::bail!("group_norm: {shape:?} has no batch or no channels"),
        };
        let (x, weight, bias) = (values(x, x_layout)?, values(weight, weight_layout)?, values(bias, bias_layout)?);
        let fits = weight.len() == channels && bias.len() == channels;
        if x.is_empty() || !fits || self.groups == 0 || !channels.is_multiple_of(self.groups) {
            candle_core::bail!("group_norm: {shape:?} does not divide into {} groups", self.groups);
        }
        let image = x.len() / batch;
        let mut y = vec![0f32; x.len()];
        for (y, x) in y.chunks_exact_mut(image).zip(x.chunks_exact(image)) {
            let scales = self.scales(x, weight, bias);
            y.par_chunks_mut(ROWS * channels).zip(x.par_chunks(ROWS * channels)).for_each(|(y, x)| {
                for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                    for ((y, x), (scale, shift)) in y.iter_mut().zip(x).zip(&scales) {
                        let v = x * scale + shift;
                        *y = if self.silu { v / (1.0 + (-v).exp()) } else { v };
                    }
                }
            });
        }
        Ok((CpuStorage::F32(y), shape.clone()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn agrees_with_the_plain_expression() {
        for (positions, channels, groups) in [(1, 4, 2), (300, 32, 32), (513, 96, 32), (7, 64, 1)] {
            for silu in [false, true] {
                let op = GroupNorm { groups, eps: 1e-5, silu };
                let x = Tensor::randn(3f32, 2.0, (2, positions, channels), &Device::Cpu).unwrap();
                let weight = Tensor::randn(0f32, 1.0, channels, &Device::Cpu).unwrap();
                let bias = Tensor::randn(0f32, 1.0, channels, &Device::Cpu).unwrap();
                let ours = x.apply_op3_no_bwd(&weight, &bias, &op).unwrap();
                let plain = op.plain(&x, &weight, &bias).unwrap();
                let difference = (ours - plain).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
                assert!(difference.to_scalar::<f32>().unwrap() < 2e-5);
            }
        }
    }
}
