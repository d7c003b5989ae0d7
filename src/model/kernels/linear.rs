//! Linear layers: products of channels-last data with a weight.

use candle_core::{D, Result, Tensor};

use super::epilogue::{Activation, Epilogue};
use super::gemm::{Matrix, multiply};
use super::panels::Panels;
use super::strassen::{self, strassen};
use super::values::{Values, tensor};

/// A weight as the kernels of a device want it.
#[derive(Debug, Clone)]
pub enum Weight {
    /// For our kernels on the CPU.
    Panels(std::sync::Arc<Panels>),
    /// For candle's operators: (outputs, inputs), or (outputs, inputs, 3, 3) for a convolution.
    Tensor(Tensor),
}

/// What a linear layer or a convolution does besides its product: activation(product + bias + shift) + residual.
#[derive(Clone, Copy)]
pub struct Fused<'a> {
    /// (outputs)
    pub bias: Option<&'a Tensor>,
    /// (images, outputs): added at all positions of an image.
    pub shift: Option<&'a Tensor>,
    pub activation: Activation,
    /// Of the result's shape.
    pub residual: Option<&'a Tensor>,
}

impl Fused<'_> {
    pub const NOTHING: Fused<'static> = Fused { bias: None, shift: None, activation: Activation::None, residual: None };

    /// The same in candle's operators, over the last axis of `product`.
    pub(super) fn plain(&self, product: Tensor) -> Result<Tensor> {
        let mut y = product;
        if let Some(bias) = self.bias {
            y = y.broadcast_add(bias)?;
        }
        if let Some(shift) = self.shift {
            let mut shape = vec![1; y.rank()];
            (shape[0], shape[y.rank() - 1]) = shift.dims2()?;
            y = y.broadcast_add(&shift.reshape(shape)?)?;
        }
        y = match self.activation {
            Activation::None => y,
            Activation::Silu => y.silu()?,
            Activation::Gelu => y.gelu_erf()?,
            Activation::QuickGelu => (&y * candle_nn::ops::sigmoid(&(&y * 1.702)?)?)?,
            Activation::Geglu => {
                let half = y.dim(D::Minus1)? / 2;
                (y.narrow(D::Minus1, 0, half)? * y.narrow(D::Minus1, half, half)?.gelu_erf()?)?
            }
        };
        match self.residual {
            Some(residual) => y + residual,
            None => Ok(y),
        }
    }

    /// Calls `f` with the operands as slices.
    pub(super) fn with_slices<T>(&self, f: impl FnOnce(Epilogue<'_>) -> Result<T>) -> Result<T> {
        let bias = self.bias.map(Values::of).transpose()?;
        let shift = self.shift.map(Values::of).transpose()?;
        let residual = self.residual.map(Values::of).transpose()?;
        f(Epilogue {
            bias: bias.as_ref().map(Values::slice).transpose()?,
            shift: shift.as_ref().map(Values::slice).transpose()?,
            activation: self.activation,
            residual: residual.as_ref().map(Values::slice).transpose()?,
        })
    }
}

/// x·Wᵀ over the last axis, and what is fused to it: x (…, inputs) → (…, outputs).
pub fn linear(x: &Tensor, weight: &Weight, fused: Fused<'_>) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    match weight {
        Weight::Panels(panels) => {
            let (inputs, outputs, taps) = (panels.shape().inputs, panels.shape().outputs, panels.shape().taps);
            if x.rank() == 0 || x.dim(D::Minus1)? != inputs || taps != 1 {
                candle_core::bail!("linear: {:?} does not fit a weight of {:?}", x.shape(), panels.shape());
            }
            let width = if fused.activation == Activation::Geglu { outputs / 2 } else { outputs };
            shape[x.rank() - 1] = width;
            // Where there is no axis of images, each row may be one.
            let rows_per_image = if x.rank() < 3 { 1 } else { shape[1..x.rank() - 1].iter().product() };
            let x = Values::of(x)?;
            let values = x.slice()?;
            let y = fused.with_slices(|epilogue| match strassen::pays(rows_per_image, panels) {
                true => strassen(values, panels, epilogue),
                false => multiply(&Matrix { values, width: inputs }, panels, epilogue),
            })?;
            tensor(y, shape)
        }
        Weight::Tensor(weight) => {
            let (outputs, inputs) = weight.dims2()?;
            let rows = x.elem_count() / inputs.max(1);
            if let Some(last) = shape.last_mut() {
                *last = outputs;
            }
            // One matrix of all rows: a batched product would multiply the same weight once per batch entry.
            fused.plain(x.reshape((rows, inputs))?.matmul(&weight.t()?)?.reshape(shape)?)
        }
    }
}
