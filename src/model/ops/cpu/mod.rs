//! Our operators, for the CPU, in f32.
//!
//! One generic source (`simd`) is compiled for AVX-512, AVX2 and for what every processor has. Inputs are contiguous f32. Each
//! value of a result is computed by one thread in an order that its shape alone decides, so results do not depend on the
//! number of threads.
//!
//! Only here is there `unsafe` code. The functions of this file and those it calls check all shapes.

mod attention;
mod conv;
mod dense;
mod epilogue;
mod gemm;
mod jobs;
mod limit;
mod linear;
mod math;
mod memory;
mod narrow;
mod norm;
mod panels;
mod patches;
mod resize;
mod simd;
mod strassen;
#[cfg(test)]
mod tests;
mod values;
mod winograd;

pub use dense::DenseImage;
pub use limit::arithmetic_limit;
pub use panels::Panels;
pub use simd::Isa;

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use super::{Conv3x3, Fused, Held, LowRank, Moments, NumberType, Operators, Stored, Weight, Work, Workspace};

/// Our operators with the instructions of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu(Isa);

impl Cpu {
    /// `None` if the processor does not have the instructions.
    pub fn new(isa: Isa) -> Option<Self> {
        isa.is_available().then_some(Cpu(isa))
    }

    /// With the best instructions that the processor has.
    pub fn best() -> Self {
        Cpu(Isa::ALL.iter().copied().rfind(|isa| isa.is_available()).unwrap_or(Isa::Portable))
    }

    /// The instructions that are used.
    pub fn isa(self) -> Isa {
        self.0
    }
}

impl Operators for Cpu {
    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn exact(&self) -> Arc<dyn Operators> {
        Arc::new(*self)
    }

    fn weight(&self, stored: Stored<'_>, changes: &[LowRank], held: Held) -> Result<Weight> {
        let narrow = held == Held::Half;
        let as_it_is = changes.is_empty() && !(narrow && stored.number == NumberType::F32);
        Ok(Weight::Panels(Arc::new(match as_it_is {
            true => Panels::pack(self.0, stored)?,
            false => Panels::merge(self.0, stored, changes, narrow)?,
        })))
    }

    fn linear(&self, x: &Tensor, weight: &Weight, fused: Fused<'_>) -> Result<Tensor> {
        linear::linear(x, weight.panels()?, fused)
    }

    fn conv3x3(&self, x: &Tensor, weight: &Weight, kind: Conv3x3, fused: Fused<'_>) -> Result<Tensor> {
        conv::conv3x3(x, weight.panels()?, kind, fused)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, heads: usize, causal: bool) -> Result<Tensor> {
        attention::attention(self.0, q, k, v, heads, causal)
    }

    fn layer_norm(&self, x: &Tensor, weight: &Tensor, bias: &Tensor, eps: f64) -> Result<Tensor> {
        norm::layer_norm(self.0, x, weight, bias, eps)
    }

    fn group_norm(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        groups: usize,
        eps: f64,
        silu: bool,
    ) -> Result<Tensor> {
        norm::group_norm(self.0, x, weight, bias, groups, eps, silu)
    }

    fn see(&self, part: &Tensor, moments: &mut Moments) -> Result<()> {
        norm::see(part, moments)
    }

    fn scaled_silu(&self, x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
        norm::scaled_silu(self.0, x, scale, shift)
    }

    fn resize_nearest(&self, x: &Tensor, height: usize, width: usize) -> Result<Tensor> {
        resize::resize_nearest(x, height, width)
    }

    fn workspace(&self, work: Work) -> Workspace {
        const SIZE: usize = size_of::<f32>();
        match work {
            Work::Conv3x3 { to, inputs, outputs, .. } => {
                let kernels = narrow::kernels(self.0, inputs, outputs);
                Workspace::kept(kernels.unwrap_or(winograd::transformed(to, inputs)), SIZE)
            }
            Work::Linear { rows, rows_of_image, inputs, outputs } => {
                Workspace::kept(strassen::sums(rows, rows_of_image, inputs, outputs), SIZE)
            }
            Work::Attention { images, keys, heads, channels, .. } => {
                Workspace::beside(attention::packed(self.0, images * heads, keys, channels / heads.max(1)), SIZE)
            }
            Work::Norm { .. } => Workspace::default(),
        }
    }

    fn size_in_weights(&self, number: NumberType, changed: bool, held: Held) -> usize {
        match held {
            Held::Half => NumberType::F16.size(),
            Held::Exact if changed => NumberType::F32.size(),
            Held::Exact => number.size(),
        }
    }
}
