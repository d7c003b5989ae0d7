//! 3×3 convolution over channels-last images: by [squares](super::winograd) where that pays, or else as a matrix product
//! whose rows are read from the image in place.

use candle_core::{Result, Tensor};

use super::gemm::{Rows, multiply};
use super::linear::{Fused, Weight};
use super::simd::MAX_LANES;
use super::values::{Values, tensor};
use super::winograd::{REACH, SQUARE, winograd};

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
    let patches = Patches {
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
    let y = fused.with_slices(|epilogue| match patches.pays_squares() {
        true => winograd(&patches, panels, epilogue),
        false => multiply(&patches, panels, epilogue),
    })?;
    tensor(y, (images, out_height, out_width, shape.outputs))
}

/// The pixels under the kernel at each place: a tap is a pixel.
pub(super) struct Patches<'a> {
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

impl Patches<'_> {
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The pixel of the input at (y, x) of the padded and doubled image.
    #[inline(always)]
    fn pixel(&self, image: usize, y: usize, x: usize) -> &[f32] {
        let place = |at: usize, len: usize| {
            let at = at.checked_sub(self.kind.before())?;
            let at = if self.kind.doubles() { at / 2 } else { at };
            (at < len).then_some(at)
        };
        match (place(y, self.height), place(x, self.width)) {
            (Some(y), Some(x)) => {
                &self.image[((image * self.height + y) * self.width + x) * self.inputs..][..self.inputs]
            }
            _ => &self.zeros,
        }
    }

    /// Whether [`winograd`] is faster than the sum over taps: not with few channels, and not with few squares. The number of
    /// images plays no part, so that an image comes out the same in every batch.
    fn pays_squares(&self) -> bool {
        let size = self.out_height.min(self.out_width);
        self.kind.stride() == 1 && size >= 2 * SQUARE && self.inputs >= 32 && self.inputs.is_multiple_of(MAX_LANES)
    }

    /// The squares of outputs that cover an image, down and across.
    fn grid(&self) -> (usize, usize) {
        (self.out_height.div_ceil(SQUARE), self.out_width.div_ceil(SQUARE))
    }

    /// The squares of outputs that cover all images.
    pub fn squares(&self) -> usize {
        self.images * self.grid().0 * self.grid().1
    }

    /// The image of a square, and its first output.
    fn place(&self, square: usize) -> (usize, usize, usize) {
        let (down, across) = self.grid();
        (square / across / down, square / across % down * SQUARE, square % across * SQUARE)
    }

    /// The inputs of a square, line by line.
    #[inline(always)]
    pub fn square(&self, square: usize) -> [&[f32]; REACH * REACH] {
        let (image, y, x) = self.place(square);
        std::array::from_fn(|i| self.pixel(image, y + i / REACH, x + i % REACH))
    }

    /// The outputs of a square that are inside of the image: the place in the square, and the row of the result.
    #[inline(always)]
    pub fn outputs(&self, square: usize) -> impl Iterator<Item = (usize, usize)> {
        let (image, y, x) = self.place(square);
        let (height, width) = (self.out_height, self.out_width);
        (0..SQUARE * SQUARE).filter_map(move |i| {
            let (y, x) = (y + i / SQUARE, x + i % SQUARE);
            (y < height && x < width).then_some((i, (image * height + y) * width + x))
        })
    }
}

impl Rows for Patches<'_> {
    fn count(&self) -> usize {
        self.images * self.out_height * self.out_width
    }

    #[inline(always)]
    fn stretch(&self, row: usize, tap: usize) -> &[f32] {
        let (line, ox) = (row / self.out_width, row % self.out_width);
        let (image, oy) = (line / self.out_height, line % self.out_height);
        self.pixel(image, oy * self.kind.stride() + tap / 3, ox * self.kind.stride() + tap % 3)
    }
}
