//! webui's resize modes.

use std::convert::Infallible;

use super::{Filter, Part, Picture};

/// What becomes of a picture that has another shape than is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is stretched ("Just resize", mode 0).
    Stretch,
    /// What is too much is cut off on both sides ("Crop and resize", mode 1).
    Crop,
    /// What is missing is filled with the lines at the edges ("Resize and fill", mode 2).
    Fill,
}

/// The picture at `width` × `height`, resized by `resize`, which gets a size and gives a picture of that size.
pub fn fit<const C: usize, E>(
    picture: &Picture<C>,
    mode: Fit,
    width: usize,
    height: usize,
    mut resize: impl FnMut(&Picture<C>, usize, usize) -> Result<Picture<C>, E>,
) -> Result<Picture<C>, E> {
    if mode == Fit::Stretch || picture.bytes.is_empty() || width == 0 || height == 0 {
        return resize(picture, width, height);
    }
    let (wanted, found) = (width as f64 / height as f64, picture.width as f64 / picture.height as f64);
    // The picture takes the whole width if it is cut to a wider shape, or filled to a higher one; else the whole height.
    let (inner_width, inner_height) = match if mode == Fit::Crop { wanted > found } else { wanted < found } {
        true => (width, (picture.height * width / picture.width).max(1)),
        false => ((picture.width * height / picture.height).max(1), height),
    };
    let inner = resize(picture, inner_width, inner_height)?;
    let (x, y) = (half_apart(width, inner_width), half_apart(height, inner_height));
    let mut result = Picture::filled(width, height, [0; C]);
    result.paste(&inner, x, y);
    if mode == Fit::Fill {
        fill_borders(&mut result, &inner, x, y);
    }
    Ok(result)
}

/// Half of `outer` less half of `inner`, each truncated.
fn half_apart(outer: usize, inner: usize) -> i64 {
    (outer / 2) as i64 - (inner / 2) as i64
}

/// Stretches the outermost lines of `inner`, which lies at (x, y), into the borders. A last line that is left over by the
/// truncation above stays black, as in webui.
fn fill_borders<const C: usize>(result: &mut Picture<C>, inner: &Picture<C>, x: i64, y: i64) {
    let (width, height) = (inner.width as f32, inner.height as f32);
    let mut strip = |left, top, right, bottom, strip_width: usize, strip_height: usize, to: (i64, i64)| {
        let part = Part { left, top, right, bottom };
        result.paste(&inner.part_resized(Filter::Bicubic, part, strip_width, strip_height), to.0, to.1);
    };
    if y > 0 {
        strip(0.0, 0.0, width, 0.0, inner.width, y as usize, (0, 0));
        strip(0.0, height, width, height, inner.width, y as usize, (0, y + inner.height as i64));
    } else if x > 0 {
        strip(0.0, 0.0, 0.0, height, x as usize, inner.height, (0, 0));
        strip(width, 0.0, width, height, x as usize, inner.height, (x + inner.width as i64, 0));
    }
}

/// [`fit`] with Lanczos.
pub fn lanczos<const C: usize>(picture: &Picture<C>, mode: Fit, width: usize, height: usize) -> Picture<C> {
    let resize = |picture: &Picture<C>, width, height| Ok(picture.resized(Filter::Lanczos, width, height));
    let fitted: Result<_, Infallible> = fit(picture, mode, width, height, resize);
    match fitted {
        Ok(picture) => picture,
        Err(never) => match never {},
    }
}
