//! webui's "Extras": enlarging a finished picture by one upscaler, or by a mixture of two.

use super::{Result, UpscaleError, Upscaler, Watch, check};
use crate::picture::{Rgb, blend};

/// How large the picture shall be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Size {
    /// "Scale by"; where a side would be longer than `longest`, the scale is lowered.
    By {
        /// How many times as large.
        scale: f64,
        /// webui's "Max side length".
        longest: Option<usize>,
    },
    /// "Scale to": large enough to cover this, and cut to it if `crop`.
    To {
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
        /// Whether what is more is cut off.
        crop: bool,
    },
}

/// The settings of the tab.
#[derive(Clone)]
pub struct Extras {
    /// How large the picture shall be.
    pub size: Size,
    /// What enlarges it.
    pub first: Upscaler,
    /// Another upscaler, and its share from 0 to 1.
    pub second: Option<(Upscaler, f32)>,
}

impl Extras {
    /// The enlarged picture.
    pub fn run(&self, picture: &Rgb, watch: Watch<'_>) -> Result<Rgb> {
        let first = self.size.run(&self.first, picture, watch)?;
        match &self.second {
            Some((second, share)) if *share > 0.0 => Ok(blend(&first, &self.size.run(second, picture, watch)?, *share)),
            _ => Ok(first),
        }
    }
}

impl Size {
    fn run(&self, upscaler: &Upscaler, picture: &Rgb, watch: Watch<'_>) -> Result<Rgb> {
        let large = upscaler.upscale(picture, self.scale(picture), watch)?;
        let Size::To { width, height, crop: true } = *self else { return Ok(large) };
        check(width, height)?;
        if width == 0 || height == 0 {
            return Err(UpscaleError::Empty { width: picture.width, height: picture.height, scale: 0.0 });
        }
        let mut cut = Rgb::filled(width, height, [0; 3]);
        let place = |outer: usize, inner: usize| (outer / 2) as i64 - (inner / 2) as i64;
        cut.paste(&large, place(width, large.width), place(height, large.height));
        Ok(cut)
    }

    /// By how much the picture is enlarged.
    fn scale(&self, picture: &Rgb) -> f64 {
        let (width, height) = (picture.width as f64, picture.height as f64);
        let covering = |(to_width, to_height): (f64, f64)| (to_width / width).max(to_height / height);
        match *self {
            Size::To { width, height, .. } => covering((width as f64, height as f64)),
            Size::By { scale, longest: Some(longest) } if is_longer(width.max(height) * scale, longest) => {
                covering(limited(width * scale, height * scale, longest as f64))
            }
            Size::By { scale, .. } => scale,
        }
    }

    /// Whether the limit of the longest side is what decides.
    pub fn is_limited(&self, picture: &Rgb) -> bool {
        match *self {
            Size::By { scale, longest: Some(longest) } => {
                is_longer(picture.width.max(picture.height) as f64 * scale, longest)
            }
            _ => false,
        }
    }
}

/// A limit of 0 is none.
fn is_longer(side: f64, longest: usize) -> bool {
    longest != 0 && side > longest as f64
}

/// The size with its longer side at the limit, both truncated.
fn limited(width: f64, height: f64, limit: f64) -> (f64, f64) {
    let (width, height) = match height > width {
        true => ((limit * width / height).floor(), limit),
        false => (limit, (limit * height / width).floor()),
    };
    (width.trunc(), height.trunc())
}
