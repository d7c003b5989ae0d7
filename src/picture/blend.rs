//! Two pictures in one.

use super::{Picture, Rgba};

/// `first` and `second`, of one size, with `share` (0 to 1) of the second: Pillow's `Image.blend`, which truncates.
pub fn blend<const C: usize>(first: &Picture<C>, second: &Picture<C>, share: f32) -> Picture<C> {
    debug_assert_eq!((first.width, first.height), (second.width, second.height));
    let between = |a: u8, b: u8| (f32::from(a) + share * (f32::from(b) - f32::from(a))) as u8;
    let bytes = match share {
        share if share <= 0.0 => first.bytes.clone(),
        share if share >= 1.0 => second.bytes.clone(),
        _ => first.bytes.iter().zip(&second.bytes).map(|(a, b)| between(*a, *b)).collect(),
    };
    Picture { bytes, ..*first }
}

/// `upper` over `lower`, of one size: Pillow's `alpha_composite`.
pub fn alpha_composite(lower: &Rgba, upper: &Rgba) -> Rgba {
    debug_assert_eq!((lower.width, lower.height), (upper.width, upper.height));
    let pixels = lower.pixels().iter().zip(upper.pixels());
    Picture { bytes: pixels.flat_map(|(lower, upper)| over(*lower, *upper)).collect(), ..*lower }
}

/// In integers with 7 bits after the point.
fn over(lower: [u8; 4], upper: [u8; 4]) -> [u8; 4] {
    const BITS: u32 = 7;
    let (below, above) = (u32::from(lower[3]), u32::from(upper[3]));
    if above == 0 {
        return lower;
    }
    let by_255 = |value: u32| ((value >> 8) + value) >> 8;
    let alpha = above * 255 + below * (255 - above);
    let share = ((above * 255 * 255) << BITS) / alpha;
    let rest = (255 << BITS) - share;
    let colour = |i: usize| {
        let sum = u32::from(upper[i]) * share + u32::from(lower[i]) * rest;
        (by_255(sum + (0x80 << BITS)) >> BITS) as u8
    };
    [colour(0), colour(1), colour(2), by_255(alpha + 0x80) as u8]
}
