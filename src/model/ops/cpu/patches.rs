//! Images as convolutions read them: the pixels under a kernel, place by place or square by square.

use std::marker::PhantomData;

use super::super::Conv3x3;
use super::gemm::Rows;
use super::simd::MAX_LANES;

/// Outputs of a square in each direction.
pub(super) const SQUARE: usize = 4;
/// Inputs of a square in each direction.
pub(super) const REACH: usize = SQUARE + 2;

/// The first channels of the pixels of an image.
#[derive(Clone, Copy)]
pub(super) struct Pixels<'a> {
    /// The first pixel.
    at: *const f32,
    pixels: usize,
    /// Channels that are read, and from one pixel to the next.
    inputs: usize,
    stride: usize,
    lives: PhantomData<&'a [f32]>,
}

// SAFETY: as a slice, they are only read, and nothing writes to the channels that are read meanwhile.
unsafe impl Send for Pixels<'_> {}
// SAFETY: as above.
unsafe impl Sync for Pixels<'_> {}

impl<'a> Pixels<'a> {
    /// All channels of an image that has `inputs` of them.
    pub fn of(image: &'a [f32], inputs: usize) -> Self {
        let pixels = image.len() / inputs.max(1);
        Pixels { at: image.as_ptr(), pixels, inputs, stride: inputs, lives: PhantomData }
    }

    /// The first `inputs` channels of `pixels` pixels, which lie `stride` values apart.
    ///
    /// # Safety
    /// `at` is valid for reading these channels for as long as `'a`, and nothing writes to them meanwhile.
    pub unsafe fn first(at: *const f32, pixels: usize, inputs: usize, stride: usize) -> Self {
        assert!(inputs <= stride);
        Pixels { at, pixels, inputs, stride, lives: PhantomData }
    }

    #[inline(always)]
    fn get(&self, pixel: usize) -> &'a [f32] {
        assert!(pixel < self.pixels);
        // SAFETY: the pixel is one of the image's, whose channels are there and are not written to.
        unsafe { std::slice::from_raw_parts(self.at.add(pixel * self.stride), self.inputs) }
    }
}

/// The pixels under the kernel at each place: a tap is a pixel.
pub(super) struct Patches<'a> {
    kind: Conv3x3,
    /// (images, height, width)
    image: Pixels<'a>,
    /// A pixel of the padding.
    zeros: Vec<f32>,
    images: usize,
    height: usize,
    width: usize,
    inputs: usize,
    out_height: usize,
    out_width: usize,
}

impl<'a> Patches<'a> {
    pub fn new(kind: Conv3x3, image: Pixels<'a>, (images, height, width): (usize, usize, usize)) -> Self {
        let (out_height, out_width, inputs) = (kind.output(height), kind.output(width), image.inputs);
        Patches { kind, image, zeros: vec![0.0; inputs], images, height, width, inputs, out_height, out_width }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The pixel of the input at (y, x) of the padded and doubled image.
    #[inline(always)]
    fn pixel(&self, image: usize, y: usize, x: usize) -> &[f32] {
        let place = |at: usize, len: usize| {
            let doubled = u32::from(self.kind.doubles());
            let at = match self.kind.wraps() {
                // Places beyond a square's outputs may lie further beyond the edge than one pixel.
                true => (at + (len << doubled) - 1) % (len << doubled),
                false => at.checked_sub(self.kind.before())?,
            };
            Some(at >> doubled).filter(|at| *at < len)
        };
        match (place(y, self.height), place(x, self.width)) {
            (Some(y), Some(x)) => self.image.get((image * self.height + y) * self.width + x),
            _ => &self.zeros,
        }
    }

    /// Whether [squares](super::winograd) are faster than the sum over taps: not with few channels, and not with few squares. The number of
    /// images plays no part, so that an image comes out the same in every batch.
    pub fn pays_squares(&self) -> bool {
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
