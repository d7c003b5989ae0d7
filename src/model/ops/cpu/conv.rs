//! 3×3 convolution over channels-last images: by [squares](super::winograd) where that pays, or else as a matrix product
//! whose rows are read from the image in place.

use candle_core::{Result, Tensor};

use super::super::{Conv3x3, Fused};
use super::gemm::{Rows, multiply};
use super::linear::with_slices;
use super::panels::Panels;
use super::simd::MAX_LANES;
use super::values::{Values, tensor};
use super::winograd::{REACH, SQUARE, winograd};

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
    let y = with_slices(fused, |epilogue| match patches.pays_squares() {
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
