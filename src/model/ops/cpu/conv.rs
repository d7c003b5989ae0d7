//! 3×3 convolution over channels-last images: by [squares](super::winograd) where that pays, in a way of their
//! [own](super::narrow) for few channels, or else as a matrix product whose rows are read from the image in place.

use candle_core::{Result, Tensor};

use super::super::{Conv3x3, Fused};
use super::epilogue::Finish;
use super::gemm::{Rows, Target, multiply_into, product};
use super::linear::with_slices;
use super::narrow::{is_narrow, narrow};
use super::panels::Panels;
use super::patches::{Patches, Pixels};
use super::values::{Values, tensor};
use super::winograd::winograd;

/// x (b, h, w, inputs) → (b, h', w', outputs), where h' and w' are as [`Conv3x3`] makes them.
pub(super) fn conv3x3(x: &Tensor, panels: &Panels, kind: Conv3x3, fused: Fused<'_>) -> Result<Tensor> {
    let (images, height, width, inputs) = x.dims4()?;
    let (out_height, out_width) = (kind.output(height), kind.output(width));
    let shape = panels.shape();
    if shape.taps != 9
        || shape.inputs != inputs
        || x.elem_count() == 0
        || height + kind.before() < 2
        || width + kind.before() < 2
    {
        candle_core::bail!("conv3x3: {:?} does not fit a weight of {shape:?}", x.shape());
    }
    let x = Values::of(x)?;
    let patches = Patches::new(kind, Pixels::of(x.slice()?, inputs), (images, height, width));
    let convolve = |finish: Finish<'_>, result: Target| convolve(&patches, panels, finish, result);
    // SAFETY: all values are written.
    let y = with_slices(fused, |epilogue| unsafe { product(patches.count(), panels, epilogue, convolve) })?;
    tensor(y, (images, out_height, out_width, shape.outputs))
}

/// finish(convolution), of which every value is written to `result`.
pub(super) fn convolve(patches: &Patches<'_>, weight: &Panels, finish: Finish<'_>, result: Target) {
    match patches.pays_squares() {
        true if is_narrow(weight) => narrow(patches, weight, finish, result),
        true => winograd(patches, weight, finish, result),
        false => multiply_into(patches, weight, finish, result),
    }
}
