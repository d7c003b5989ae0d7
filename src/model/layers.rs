//! The layers that all networks share: parameters, and the [operators](super::ops) that they are given to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, Result, Tensor};

use super::builder::Builder;
use super::ops::{self, Activation, Fused, Moments, Operators, Order};
use super::weights::Param;
use crate::checkpoint::architecture::Projection;

/// y = activation(x·Wᵀ + b) over the last axis.
pub struct Linear {
    operators: Arc<dyn Operators>,
    weight: Arc<Param>,
    bias: Option<Arc<Param>>,
    activation: Activation,
}

impl Linear {
    /// `PREFIX.weight` (outputs, inputs) and `PREFIX.bias`.
    pub fn new(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize) -> Self {
        Self::activated(b, prefix, inputs, outputs, Activation::None)
    }

    /// A layer with the tensor `prefix.weight`, (outputs, inputs), alone.
    pub fn without_bias(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize) -> Self {
        let weight = b.matrix(&format!("{prefix}.weight"), outputs, inputs, Order::Plain);
        Linear { operators: b.operators().clone(), weight, bias: None, activation: Activation::None }
    }

    /// Weight and bias under names of their own.
    pub fn named(b: &mut Builder, weight: &str, bias: &str, inputs: usize, outputs: usize) -> Self {
        let weight = b.matrix(weight, outputs, inputs, Order::Plain);
        let bias = Some(b.param(bias, &[outputs]));
        Linear { operators: b.operators().clone(), weight, bias, activation: Activation::None }
    }

    /// With an activation behind it. GEGLU makes `outputs`/2 values of `outputs`.
    pub fn activated(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize, activation: Activation) -> Self {
        let order = if activation == Activation::Geglu { Order::Paired } else { Order::Plain };
        let weight = b.matrix(&format!("{prefix}.weight"), outputs, inputs, order);
        let bias = Some(b.param(&format!("{prefix}.bias"), &[outputs]));
        Linear { operators: b.operators().clone(), weight, bias, activation }
    }

    /// (…, inputs) → (…, outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fused(x, None)
    }

    /// `residual` + y
    pub fn forward_onto(&self, residual: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.fused(x, Some(residual))
    }

    /// Values that go in.
    pub fn inputs(&self) -> usize {
        self.weight.shape().map_or(0, |shape| shape.inputs)
    }

    /// Values that come out, before an activation that makes one of two.
    pub fn outputs(&self) -> usize {
        self.weight.shape().map_or(0, |shape| shape.outputs)
    }

    /// A number that changes with the parameters.
    pub fn version(&self) -> u64 {
        // Versions only grow, and so does their sum.
        self.weight.version() + self.bias.as_ref().map_or(0, |bias| bias.version())
    }

    fn fused(&self, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(|b| b.get()).transpose()?;
        let fused = Fused { bias: bias.as_ref(), activation: self.activation, residual, ..Fused::NOTHING };
        self.operators.linear(x, &self.weight.weight()?, fused)
    }
}

/// Normalisation over the last axis, ε = 1e-5.
pub struct LayerNorm {
    operators: Arc<dyn Operators>,
    weight: Arc<Param>,
    bias: Arc<Param>,
}

impl LayerNorm {
    /// The layer of the tensors `prefix.weight` and `prefix.bias`, both of `width` numbers.
    pub fn new(b: &mut Builder, prefix: &str, width: usize) -> Self {
        let weight = b.param(&format!("{prefix}.weight"), &[width]);
        let bias = b.param(&format!("{prefix}.bias"), &[width]);
        LayerNorm { operators: b.operators().clone(), weight, bias }
    }

    /// `x` with its last dimension, of the layer's width, normalised.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.operators.layer_norm(x, &self.weight.get()?, &self.bias.get()?, 1e-5)
    }
}

/// Normalisation over 32 groups of channels, channels last.
pub struct GroupNorm {
    operators: Arc<dyn Operators>,
    weight: Arc<Param>,
    bias: Arc<Param>,
    eps: f64,
}

impl GroupNorm {
    const GROUPS: usize = 32;

    pub fn new(b: &mut Builder, prefix: &str, channels: usize, eps: f64) -> Self {
        let weight = b.param(&format!("{prefix}.weight"), &[channels]);
        let bias = b.param(&format!("{prefix}.bias"), &[channels]);
        GroupNorm { operators: b.operators().clone(), weight, bias, eps }
    }

    /// (b, …, channels) → the same
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.normalised(x, false)
    }

    /// SiLU of the normalised values.
    pub fn forward_silu(&self, x: &Tensor) -> Result<Tensor> {
        self.normalised(x, true)
    }

    /// Adds the statistics of a part of an image to `moments`.
    pub fn see(&self, part: &Tensor, moments: &mut Moments) -> Result<()> {
        self.operators.see(part, moments)
    }

    /// Scale and shift, (channels) each, by the statistics of an image.
    pub fn scales(&self, moments: &Moments) -> Result<(Tensor, Tensor)> {
        let (weight, bias) = (self.weight.get()?, self.bias.get()?);
        let numbers = |of: &Tensor| of.to_device(&Device::Cpu)?.to_vec1::<f32>();
        let (scale, shift) = moments.scales(&numbers(&weight)?, &numbers(&bias)?, Self::GROUPS, self.eps);
        let there = |numbers: Vec<f32>| Tensor::new(numbers, weight.device());
        Ok((there(scale)?, there(shift)?))
    }

    /// [`forward_silu`](GroupNorm::forward_silu) of a part of an image of these [`scales`](GroupNorm::scales).
    pub fn scaled_silu(&self, part: &Tensor, (scale, shift): &(Tensor, Tensor)) -> Result<Tensor> {
        self.operators.scaled_silu(part, scale, shift)
    }

    fn normalised(&self, x: &Tensor, silu: bool) -> Result<Tensor> {
        self.operators.group_norm(x, &self.weight.get()?, &self.bias.get()?, Self::GROUPS, self.eps, silu)
    }
}

/// Whether images are tiles, whose opposite edges meet: one switch for all convolutions that were built with it.
#[derive(Debug, Clone, Default)]
pub struct Tiling(Arc<AtomicBool>);

impl Tiling {
    /// From now on.
    pub fn set(&self, on: bool) {
        self.0.store(on, Ordering::Relaxed);
    }

    /// Whether they are.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A 3×3 convolution, channels last.
pub struct Conv3x3 {
    operators: Arc<dyn Operators>,
    weight: Arc<Param>,
    bias: Arc<Param>,
    kind: ops::Conv3x3,
    tiling: Tiling,
}

impl Conv3x3 {
    /// `PREFIX.weight` (outputs, inputs, 3, 3) and `PREFIX.bias`.
    pub fn new(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize) -> Self {
        let weight = b.kernel(&format!("{prefix}.weight"), outputs, inputs, 3);
        let bias = b.param(&format!("{prefix}.bias"), &[outputs]);
        let (operators, tiling) = (b.operators().clone(), b.tiling().clone());
        Conv3x3 { operators, weight, bias, kind: ops::Conv3x3::Same, tiling }
    }

    /// One that changes the size of the image.
    pub fn resizing(b: &mut Builder, prefix: &str, channels: usize, kind: ops::Conv3x3) -> Self {
        Conv3x3 { kind, ..Conv3x3::new(b, prefix, channels, channels) }
    }

    /// Channels that go in.
    pub fn inputs(&self) -> usize {
        self.weight.shape().map_or(0, |shape| shape.inputs)
    }

    /// Channels that come out.
    pub fn outputs(&self) -> usize {
        self.weight.shape().map_or(0, |shape| shape.outputs)
    }

    /// (b, h, w, inputs) → (b, h', w', outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fused(x, Fused::NOTHING)
    }

    /// `residual` + y
    pub fn forward_onto(&self, residual: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.fused(x, Fused { residual: Some(residual), ..Fused::NOTHING })
    }

    /// y + `shift` (b, outputs), the same at all pixels.
    pub fn forward_shifted(&self, x: &Tensor, shift: &Tensor) -> Result<Tensor> {
        self.fused(x, Fused { shift: Some(shift), ..Fused::NOTHING })
    }

    fn fused(&self, x: &Tensor, fused: Fused<'_>) -> Result<Tensor> {
        let bias = self.bias.get()?;
        let kind = if self.tiling.is_on() { self.kind.around() } else { self.kind };
        self.operators.conv3x3(x, &self.weight.weight()?, kind, Fused { bias: Some(&bias), ..fused })
    }
}

/// A 1×1 convolution, channels last; or a linear layer, which is the same.
pub struct Conv1x1(Linear);

impl Conv1x1 {
    /// Channels that come out.
    pub fn outputs(&self) -> usize {
        self.0.outputs()
    }

    /// `PREFIX.weight` (outputs, inputs, 1, 1) and `PREFIX.bias`.
    pub fn new(b: &mut Builder, prefix: &str, inputs: usize, outputs: usize) -> Self {
        let weight = b.kernel(&format!("{prefix}.weight"), outputs, inputs, 1);
        let bias = Some(b.param(&format!("{prefix}.bias"), &[outputs]));
        Conv1x1(Linear { operators: b.operators().clone(), weight, bias, activation: Activation::None })
    }

    /// What a transformer's projection is in the checkpoint.
    pub fn projection(b: &mut Builder, prefix: &str, channels: usize) -> Self {
        match b.architecture().unet.projection {
            Projection::Linear => Conv1x1(Linear::new(b, prefix, channels, channels)),
            Projection::Conv1x1 => Conv1x1::new(b, prefix, channels, channels),
        }
    }

    /// (…, inputs) → (…, outputs)
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x)
    }

    /// `residual` + y
    pub fn forward_onto(&self, residual: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.0.forward_onto(residual, x)
    }
}
