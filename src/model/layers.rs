//! The layers that all networks share, as parameters plus a call into [`kernels`](super::kernels).

use std::sync::Arc;

use candle_core::{Result, Tensor};

use super::builder::Builder;
use super::kernels;
use super::weights::Param;

/// y = x·Wᵀ + b over the last axis.
pub struct Linear {
    weight: Arc<Param>,
    bias: Option<Arc<Param>>,
}

impl Linear {
    /// `PREFIX.weight` (outputs, inputs) and `PREFIX.bias`.
    pub fn new(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize) -> Self {
        let weight = b.param(&format!("{prefix}.weight"), &[outputs, inputs]);
        Linear { weight, bias: Some(b.param(&format!("{prefix}.bias"), &[outputs])) }
    }

    pub fn without_bias(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize) -> Self {
        Linear { weight: b.param(&format!("{prefix}.weight"), &[outputs, inputs]), bias: None }
    }

    /// Weight and bias under names of their own.
    pub fn named(b: &mut Builder, weight: &str, bias: &str, inputs: usize, outputs: usize) -> Self {
        Linear { weight: b.param(weight, &[outputs, inputs]), bias: Some(b.param(bias, &[outputs])) }
    }

    /// (…, inputs) → (…, outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(|b| b.get()).transpose()?;
        kernels::linear(x, &self.weight.get()?, bias.as_ref())
    }
}

/// Normalisation over the last axis, ε = 1e-5.
pub struct LayerNorm {
    weight: Arc<Param>,
    bias: Arc<Param>,
}

impl LayerNorm {
    pub fn new(b: &mut Builder, prefix: &str, width: usize) -> Self {
        let weight = b.param(&format!("{prefix}.weight"), &[width]);
        LayerNorm { weight, bias: b.param(&format!("{prefix}.bias"), &[width]) }
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::layer_norm(x, &self.weight.get()?, &self.bias.get()?, 1e-5)
    }
}

/// Normalisation over 32 groups of channels, channels last.
pub struct GroupNorm {
    weight: Arc<Param>,
    bias: Arc<Param>,
    eps: f64,
}

impl GroupNorm {
    const GROUPS: usize = 32;

    pub fn new(b: &mut Builder, prefix: &str, channels: usize, eps: f64) -> Self {
        let weight = b.param(&format!("{prefix}.weight"), &[channels]);
        GroupNorm { weight, bias: b.param(&format!("{prefix}.bias"), &[channels]), eps }
    }

    /// (b, …, channels) → the same
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        kernels::group_norm(x, &self.weight.get()?, &self.bias.get()?, Self::GROUPS, self.eps, false)
    }

    /// SiLU of the normalised values.
    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        kernels::group_norm(x, &self.weight.get()?, &self.bias.get()?, Self::GROUPS, self.eps, true)
    }
}

/// A 3×3 convolution, channels last.
pub struct Conv3x3 {
    weight: Arc<Param>,
    bias: Arc<Param>,
    padding: Padding,
}

enum Padding {
    /// One pixel on all sides, with this stride.
    Around { stride: usize },
    /// One pixel at the right and the bottom, with stride 2.
    After,
}

impl Conv3x3 {
    /// `PREFIX.weight` (outputs, inputs, 3, 3) and `PREFIX.bias`.
    pub fn new(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize, stride: usize) -> Self {
        let weight = b.kernel(&format!("{prefix}.weight"), &[outputs, inputs, 3, 3]);
        let padding = Padding::Around { stride };
        Conv3x3 { weight, bias: b.param(&format!("{prefix}.bias"), &[outputs]), padding }
    }

    /// Stride 2 with padding at the right and the bottom only, as the VAE encoder halves its images.
    pub fn halving(b: &mut Builder, prefix: &str, channels: usize) -> Self {
        Conv3x3 { padding: Padding::After, ..Conv3x3::new(b, prefix, channels, channels, 2) }
    }

    /// (b, h, w, inputs) → (b, ⌈h/stride⌉, ⌈w/stride⌉, outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (weight, bias) = (self.weight.get()?, self.bias.get()?);
        match self.padding {
            Padding::Around { stride } => kernels::conv3x3(x, &weight, &bias, stride),
            Padding::After => kernels::conv3x3_padded(x, &weight, &bias),
        }
    }
}

/// A 1×1 convolution, channels last.
pub struct Conv1x1 {
    weight: Arc<Param>,
    bias: Arc<Param>,
}

impl Conv1x1 {
    /// `PREFIX.weight` (outputs, inputs, 1, 1) and `PREFIX.bias`.
    pub fn new(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize) -> Self {
        let weight = b.kernel(&format!("{prefix}.weight"), &[outputs, inputs, 1, 1]);
        Conv1x1 { weight, bias: b.param(&format!("{prefix}.bias"), &[outputs]) }
    }

    /// (…, inputs) → (…, outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = self.weight.get()?;
        let (outputs, _, _, inputs) = weight.dims4()?;
        kernels::linear(x, &weight.reshape((outputs, inputs))?, Some(&self.bias.get()?))
    }
}
