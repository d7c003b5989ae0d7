//! Activations.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::values;

/// First half of the last axis times GELU (with erf) of the second: (…, 2n) → (…, n)
pub fn geglu(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() { x.contiguous()?.apply_op1_no_bwd(&Geglu) } else { Geglu::plain(x) }
}

/// x·Φ(x), with the error function.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.gelu_erf()
}

/// x·sigmoid(1.702·x), CLIP-L's activation.
pub fn quick_gelu(x: &Tensor) -> Result<Tensor> {
    x * candle_nn::ops::sigmoid(&(x * 1.702)?)?
}

struct Geglu;

impl Geglu {
    /// The same in candle's operators.
    fn plain(x: &Tensor) -> Result<Tensor> {
        let half = x.dim(D::Minus1)? / 2;
        x.narrow(D::Minus1, 0, half)? * x.narrow(D::Minus1, half, half)?.gelu_erf()?
    }
}

impl CustomOp1 for Geglu {
    fn name(&self) -> &'static str {
        "geglu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut dims = layout.shape().dims().to_vec();
        let width = match dims.last_mut() {
            Some(width) if *width > 0 && width.is_multiple_of(2) => width,
            _ => candle_core::bail!("geglu: {:?} has no two halves", layout.shape()),
        };
        let half = *width / 2;
        *width = half;
        let x = values(x, layout)?;
        let mut y = vec![0f32; x.len() / 2];
        y.par_chunks_exact_mut(half).zip(x.par_chunks_exact(2 * half)).with_min_len(4).for_each(|(y, x)| {
            let (value, gate) = x.split_at(half);
            for ((y, value), gate) in y.iter_mut().zip(value).zip(gate) {
                let phi = 0.5 * (1.0 + candle_core::cpu::erf::erf_f32(gate * std::f32::consts::FRAC_1_SQRT_2));
                *y = value * gate * phi;
            }
        });
        Ok((CpuStorage::F32(y), Shape::from(dims)))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn agrees_with_the_plain_expression() {
        let x = Tensor::randn(0f32, 3.0, (3, 5, 14), &Device::Cpu).unwrap();
        let difference = (geglu(&x).unwrap() - Geglu::plain(&x).unwrap()).unwrap();
        let difference = difference.abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
    }
}
