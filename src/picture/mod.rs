//! Pictures of bytes, and what webui does with them, bit for bit: resizing, masks, blur, overlays, colour correction.
//!
//! webui leaves this arithmetic to Pillow, OpenCV, scikit-image and blendmodes. Each function says whose it is; the formulas
//! are theirs, and golden values of webui prove them.

mod blend;
mod box_blur;
mod colour;
mod fit;
mod gaussian;
mod lab;
mod mask;
mod overlay;
mod resample;
#[cfg(test)]
mod tests;

pub use blend::{alpha_composite, blend};
pub use box_blur::gaussian_blur;
pub use colour::{ColourCorrection, luminosity};
pub use fit::{Fit, fit, lanczos};
pub use gaussian::blur_mask;
pub use lab::{from_lab, to_lab};
pub use mask::{Region, doubled, fill_masked, latent_mask, mask_from};
pub use overlay::{finish, overlay};
pub use resample::{Filter, Part};

/// A picture of `C` channels, rows of interleaved bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture<const C: usize> {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// `C` × `width` × `height` bytes.
    pub bytes: Vec<u8>,
}

/// A mask: Pillow's mode L.
pub type Gray = Picture<1>;
/// Red, green, blue.
pub type Rgb = Picture<3>;
/// The same with an alpha, which is not multiplied in.
pub type Rgba = Picture<4>;

impl<const C: usize> Picture<C> {
    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, colour: [u8; C]) -> Self {
        Picture { width, height, bytes: colour.repeat(width * height) }
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> &[[u8; C]] {
        self.bytes.as_chunks().0
    }

    /// The pixel at column `x` of row `y`, both inside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> &[u8] {
        let at = C * (y * self.width + x);
        &self.bytes[at..at + C]
    }

    /// Another picture, pixel by pixel.
    pub fn map<const D: usize>(&self, f: impl Fn([u8; C]) -> [u8; D]) -> Picture<D> {
        let bytes = self.pixels().iter().flat_map(|pixel| f(*pixel)).collect();
        Picture { width: self.width, height: self.height, bytes }
    }

    /// The part from (x, y) on; what is outside of the picture is 0.
    pub fn crop(&self, x: i64, y: i64, width: usize, height: usize) -> Self {
        let mut part = Picture::filled(width, height, [0; C]);
        part.paste(self, -x, -y);
        part
    }

    /// Puts `other` with its upper left corner at (x, y); what is outside is left out.
    pub fn paste(&mut self, other: &Self, x: i64, y: i64) {
        let Some(common) = Common::of((self.width, self.height), (other.width, other.height), x, y) else { return };
        for (to, from) in common.rows(C, self.width, other.width) {
            self.bytes[to].copy_from_slice(&other.bytes[from]);
        }
    }

    /// [`Picture::paste`] through a mask of `other`'s size: 255 is `other`, 0 is what was there. As Pillow blends in `paste`.
    pub fn paste_through(&mut self, other: &Self, mask: &Gray, x: i64, y: i64) {
        debug_assert_eq!((other.width, other.height), (mask.width, mask.height));
        let Some(common) = Common::of((self.width, self.height), (other.width, other.height), x, y) else { return };
        for (to, from) in common.rows(C, self.width, other.width) {
            let masks = &mask.bytes[from.start / C..from.end / C];
            let pairs = self.bytes[to].as_chunks_mut::<C>().0.iter_mut().zip(other.bytes[from].as_chunks::<C>().0);
            for ((to, from), mask) in pairs.zip(masks) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = by_255(u32::from(*from) * u32::from(*mask) + u32::from(*to) * u32::from(255 - mask));
                }
            }
        }
    }

    /// 255 less each byte.
    pub fn inverted(&self) -> Self {
        Picture { bytes: self.bytes.iter().map(|byte| 255 - byte).collect(), ..*self }
    }

    /// Rows become columns.
    fn transposed(&self) -> Self {
        let pixels = self.pixels();
        let columns = (0..self.width).flat_map(|x| (0..self.height).map(move |y| y * self.width + x));
        let bytes = columns.flat_map(|at| pixels[at]).collect();
        Picture { width: self.height, height: self.width, bytes }
    }
}

impl Rgb {
    /// The picture stretched to `width` × `height` with Lanczos.
    pub fn resize(&self, width: usize, height: usize) -> Rgb {
        self.resized(Filter::Lanczos, width, height)
    }

    /// Opaque.
    pub fn with_alpha(&self) -> Rgba {
        self.map(|[r, g, b]| [r, g, b, 255])
    }

    /// Brightness, as Pillow converts to L.
    pub fn to_gray(&self) -> Gray {
        let gray = |[r, g, b]: [u8; 3]| u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000;
        self.map(|pixel| [(gray(pixel) >> 16) as u8])
    }
}

impl Rgba {
    /// The colours, whatever the alpha.
    pub fn without_alpha(&self) -> Rgb {
        self.map(|[r, g, b, _]| [r, g, b])
    }

    /// On a ground of one colour, as webui flattens a picture that is drawn over.
    pub fn flattened(&self, ground: [u8; 3]) -> Rgb {
        let mut flat = Rgb::filled(self.width, self.height, ground);
        flat.paste_through(&self.without_alpha(), &self.map(|[.., alpha]| [alpha]), 0, 0);
        flat
    }

    /// Colours times alpha: Pillow's mode RGBa.
    fn premultiplied(&self) -> Rgba {
        self.map(|[r, g, b, a]| {
            let times = |v: u8| by_255(u32::from(v) * u32::from(a));
            [times(r), times(g), times(b), a]
        })
    }

    /// The inverse of [`Rgba::premultiplied`], as far as bytes have one.
    fn unpremultiplied(&self) -> Rgba {
        self.map(|[r, g, b, a]| {
            let divided = |v: u8| (255 * u32::from(v)).checked_div(u32::from(a)).map_or(v, |v| v.min(255) as u8);
            [divided(r), divided(g), divided(b), a]
        })
    }
}

/// The rounded quotient by 255 of a number below 2¹⁶, in the way of Pillow's paste.
fn by_255(value: u32) -> u8 {
    let value = value + 128;
    ((value + (value >> 8)) >> 8) as u8
}

/// The part that two pictures have in common when one is put on the other.
struct Common {
    /// In the lower picture, and in the upper one.
    to: (usize, usize),
    from: (usize, usize),
    width: usize,
    height: usize,
}

impl Common {
    fn of(lower: (usize, usize), upper: (usize, usize), x: i64, y: i64) -> Option<Common> {
        let one = |lower: usize, upper: usize, at: i64| {
            let to = at.max(0);
            let end = at.saturating_add(upper as i64).min(lower as i64);
            (to < end).then(|| (to as usize, (to - at) as usize, (end - to) as usize))
        };
        let (across, down) = (one(lower.0, upper.0, x)?, one(lower.1, upper.1, y)?);
        Some(Common { to: (across.0, down.0), from: (across.1, down.1), width: across.2, height: down.2 })
    }

    /// The ranges of bytes of each row, in the lower and in the upper picture.
    fn rows(
        &self,
        channels: usize,
        lower: usize,
        upper: usize,
    ) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> {
        (0..self.height).map(move |row| {
            let range = |(x, y): (usize, usize), width: usize| {
                let first = channels * ((y + row) * width + x);
                first..first + channels * self.width
            };
            (range(self.to, lower), range(self.from, upper))
        })
    }
}
