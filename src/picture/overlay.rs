//! What is put over a result, so that all that is not masked stays as it was.

use super::mask::kept;
use super::{Fit, Gray, Picture, Region, Rgb, Rgba, alpha_composite, fit};

/// The picture where the mask lets it through: its alpha is 255 less the mask.
pub fn overlay(picture: &Rgb, mask: &Gray) -> Rgba {
    kept(picture, mask).unpremultiplied()
}

/// `result` under `overlay`. Where only the masked `region` was drawn, the result is first brought to its place, stretched
/// by `resize`.
pub fn finish<E>(
    result: &Rgb,
    overlay: &Rgba,
    region: Option<Region>,
    resize: impl FnMut(&Rgb, usize, usize) -> Result<Rgb, E>,
) -> Result<Rgb, E> {
    let below = match region {
        None => result.with_alpha(),
        Some(Region { x, y, width, height }) => {
            let mut whole = Picture::filled(overlay.width, overlay.height, [0; 4]);
            whole.paste(&fit(result, Fit::Crop, width, height, resize)?.with_alpha(), x as i64, y as i64);
            whole
        }
    };
    Ok(alpha_composite(&below, overlay).without_alpha())
}
