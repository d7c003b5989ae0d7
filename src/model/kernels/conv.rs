//! 3×3 convolution over channels-last images, as a matrix product whose rows are read from the image in place.

use candle_core::{Result, Tensor};

use super::gemm::{Rows, multiply};
use super::linear::{Fused, Weight};
use super::values::{Values, tensor};

/// How a kernel of 3×3 pixels moves over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conv3x3 {
    /// With one pixel of padding on all sides.
    Same,
    /// The same in steps of two pixels.
    Halving,
    /// In steps of two pixels, with padding only at the right and the bottom, as the VAE encoder does it.
    HalvingAfter,
    /// With padding on all sides, over the image with each pixel doubled in both directions.
    Doubling,
}

impl Conv3x3 {
    fn stride(self) -> usize {
        if matches!(self, Conv3x3::Same | Conv3x3::Doubling) { 1 } else { 2 }
    }

    /// Padding above and left; below and right it is always 1.
    fn before(self) -> usize {
        if self == Conv3x3::HalvingAfter { 0 } else { 1 }
    }

    fn doubles(self) -> bool {
        self == Conv3x3::Doubling
    }

    fn output(self, len: usize) -> usize {
        let len = if self.doubles() { 2 * len } else { len };
        (len + self.before() + 1).saturating_sub(3) / self.stride() + 1
    }

    /// The same in candle's operators.
    fn plain(self, x: &Tensor, weight: &Tensor, fused: Fused<'_>) -> Result<Tensor> {
        let mut x = x.permute((0, 3, 1, 2))?;
        if self.doubles() {
            let (_, _, height, width) = x.dims4()?;
            x = x.upsample_nearest2d(2 * height, 2 * width)?;
        }
        let x = x.pad_with_zeros(2, self.before(), 1)?.pad_with_zeros(3, self.before(), 1)?;
        let y = x.contiguous()?.conv2d(weight, 0, self.stride(), 1, 1)?;
        fused.plain(y.permute((0, 2, 3, 1))?.contiguous()?)
    }
}

/// x (b, h, w, inputs) → (b, h', w', outputs), where h' and w' are as [`Conv3x3`] makes them.
pub fn conv3x3(x: &Tensor, weight: &Weight, kind: Conv3x3, fused: Fused<'_>) -> Result<Tensor> {
    let panels = match weight {
        Weight::Panels(panels) => panels,
        Weight::Tensor(weight) => return kind.plain(x, weight, fused),
    };
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
    let rows = Patches {
        kind,
        image: x.slice()?,
        zeros: vec![0.0; inputs],
        images,
        height,
        width,
        inputs,
        out_height,
        out_width,
    };
    let y = fused.with_slices(|epilogue| multiply(&rows, panels, epilogue))?;
    tensor(y, (images, out_height, out_width, shape.outputs))
}

/// The pixels under the kernel at each place: a tap is a pixel.
struct Patches<'a> {
    kind: Conv3x3,
    /// (images, height, width, inputs)
    image: &'a [f32],
    /// A pixel of the padding.
    zeros: Vec<f32>,
    images: usize,
    height: usize,
    width: usize,
    inputs: usize,
    out_height: usize,
    out_width: usize,
}

impl Rows for Patches<'_> {
    fn count(&self) -> usize {
        self.images * self.out_height * self.out_width
    }

    #[inline(always)]
    fn stretch(&self, row: usize, tap: usize) -> &[f32] {
        let (line, ox) = (row / self.out_width, row % self.out_width);
        let (image, oy) = (line / self.out_height, line % self.out_height);
        let place = |o: usize, tap: usize, len: usize| {
            let at = (o * self.kind.stride() + tap).checked_sub(self.kind.before())?;
            let at = if self.kind.doubles() { at / 2 } else { at };
            (at < len).then_some(at)
        };
        match (place(oy, tap / 3, self.height), place(ox, tap % 3, self.width)) {
            (Some(y), Some(x)) => {
                &self.image[((image * self.height + y) * self.width + x) * self.inputs..][..self.inputs]
            }
            _ => &self.zeros,
        }
    }
}
