//! Linear layers: products of channels-last data with a weight.

use candle_core::{D, Result, Tensor};

use super::super::{Activation, Fused};
use super::epilogue::Epilogue;
use super::gemm::{Matrix, multiply};
use super::panels::Panels;
use super::strassen::{self, strassen};
use super::values::{Values, tensor};

/// Calls `f` with the operands as slices.
pub(super) fn with_slices<T>(fused: Fused<'_>, f: impl FnOnce(Epilogue<'_>) -> Result<T>) -> Result<T> {
    let bias = fused.bias.map(Values::of).transpose()?;
    let shift = fused.shift.map(Values::of).transpose()?;
    let slope = fused.slope.map(Values::of).transpose()?;
    let residual = fused.residual.map(Values::of).transpose()?;
    f(Epilogue {
        bias: bias.as_ref().map(Values::slice).transpose()?,
        shift: shift.as_ref().map(Values::slice).transpose()?,
        activation: fused.activation,
        slope: slope.as_ref().map(Values::slice).transpose()?,
        residual: residual.as_ref().map(Values::slice).transpose()?,
    })
}

/// x·Wᵀ over the last axis, and what is fused to it: x (…, inputs) → (…, outputs).
pub(super) fn linear(x: &Tensor, panels: &Panels, fused: Fused<'_>) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
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
    let y = with_slices(fused, |epilogue| match strassen::pays(rows_per_image, panels) {
        true => strassen(values, panels, epilogue),
        false => multiply(&Matrix { values, width: inputs }, panels, epilogue),
    })?;
    tensor(y, shape)
}
