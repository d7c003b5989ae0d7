//! Masks of inpainting: which part of a picture is painted anew.

use super::{Filter, Gray, Picture, Rgb, Rgba, alpha_composite, gaussian_blur};

/// A rectangle of a picture, not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Of its left edge.
    pub x: usize,
    /// Of its upper edge.
    pub y: usize,
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
}

/// The mask that a picture means: where it has transparency, what is more than half opaque; else its brightness.
pub fn mask_from(picture: &Rgba) -> Gray {
    match picture.pixels().iter().all(|[.., alpha]| *alpha == 255) {
        true => picture.without_alpha().to_gray(),
        false => picture.map(|[.., alpha]| [if alpha > 128 { 255 } else { 0 }]),
    }
}

/// The mask of the overlay where the whole picture is drawn: twice the mask, at most 255.
pub fn doubled(mask: &Gray) -> Gray {
    mask.map(|[value]| [value.saturating_mul(2)])
}

/// The mask at the size of the latent, row by row: 1 is painted anew, 0 stays.
pub fn latent_mask(mask: &Gray, width: usize, height: usize) -> Vec<f32> {
    let small = mask.resized(Filter::Bicubic, width, height);
    small.bytes.iter().map(|value| (f32::from(*value) / 255.0).round_ties_even()).collect()
}

/// The picture with what is masked filled from its surroundings, blurred more and more.
pub fn fill_masked(picture: &Rgb, mask: &Gray) -> Rgb {
    const PYRAMID: [(f32, usize); 6] = [(256.0, 1), (64.0, 1), (16.0, 2), (4.0, 4), (2.0, 2), (0.0, 1)];
    let kept = kept(picture, mask);
    let empty = Rgba::filled(picture.width, picture.height, [0; 4]);
    let filled = PYRAMID.into_iter().fold(empty, |filled, (radius, repeats)| {
        let blurred = gaussian_blur(&kept, radius).unpremultiplied();
        (0..repeats).fold(filled, |filled, _| alpha_composite(&filled, &blurred))
    });
    filled.without_alpha()
}

/// The picture, premultiplied, with 255 less the mask as its alpha.
pub(super) fn kept(picture: &Rgb, mask: &Gray) -> Rgba {
    let mut kept = Rgba::filled(picture.width, picture.height, [0; 4]);
    kept.paste_through(&picture.with_alpha().premultiplied(), &mask.inverted(), 0, 0);
    kept
}

impl Region {
    /// The rectangle around all that is masked, and `padding` pixels more on each side; `None` where nothing is.
    pub fn masked(mask: &Gray, padding: usize) -> Option<Region> {
        let rows = mask.bytes.chunks_exact(mask.width.max(1));
        let marked = |line: &[u8]| line.iter().any(|value| *value != 0);
        let top = rows.clone().position(marked)?;
        let bottom = rows.clone().rposition(marked)? + 1;
        let first = |line: &[u8]| line.iter().position(|value| *value != 0);
        let last = |line: &[u8]| line.iter().rposition(|value| *value != 0);
        let left = rows.clone().filter_map(first).min()?.saturating_sub(padding);
        let right = (rows.filter_map(last).max()? + 1).saturating_add(padding).min(mask.width);
        let (y, bottom) = (top.saturating_sub(padding), bottom.saturating_add(padding).min(mask.height));
        Some(Region { x: left, y, width: right - left, height: bottom - y })
    }

    /// Made larger, within a picture of `image`, until it has the shape of `target`; both are (width, height).
    pub fn expanded(self, target: (usize, usize), image: (usize, usize)) -> Region {
        let shape = target.0 as f64 / target.1 as f64;
        if self.width as f64 / self.height as f64 > shape {
            let height = (self.width as f64 / shape) as usize;
            let (y, height) = grown(self.y, self.height, height, image.1);
            Region { y, height, ..self }
        } else {
            let width = (self.height as f64 * shape) as usize;
            let (x, width) = grown(self.x, self.width, width, image.0);
            Region { x, width, ..self }
        }
    }

    /// This part of a picture.
    pub fn of<const C: usize>(&self, picture: &Picture<C>) -> Picture<C> {
        picture.crop(self.x as i64, self.y as i64, self.width, self.height)
    }
}

/// A stretch grown to `wanted` on both sides, moved and then cut to lie below `limit`.
fn grown(first: usize, len: usize, wanted: usize, limit: usize) -> (usize, usize) {
    let more = wanted.saturating_sub(len) as i64;
    let mut start = first as i64 - more / 2;
    let mut end = (first + len) as i64 + more - more / 2;
    let limit = limit as i64;
    if end >= limit {
        (start, end) = (start - (end - limit), limit);
    }
    if start < 0 {
        (start, end) = (0, end - start);
    }
    (start as usize, (end.min(limit) - start) as usize)
}
