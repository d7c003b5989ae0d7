//! Pillow's Gaussian blur: three box blurs of a width that need not be whole (P. Gwosdek et al., Theoretical Foundations of
//! Gaussian Convolution by Extended Box Filtering, 2011).

use super::Picture;

/// Box blurs in each direction.
const PASSES: u8 = 3;
/// Bits after the point of a weight.
const BITS: u32 = 24;

/// The picture blurred with standard deviation `radius` in both directions; what lies outside is as the pixel at the edge.
pub fn gaussian_blur<const C: usize>(picture: &Picture<C>, radius: f32) -> Picture<C> {
    let width = box_radius(radius);
    if picture.bytes.is_empty() || width <= 0.0 {
        return picture.clone();
    }
    let lines = |picture: Picture<C>| (0..PASSES).fold(picture, |picture, _| blur_lines(&picture, width));
    lines(lines(picture.clone()).transposed()).transposed()
}

/// The radius of the boxes, with its fraction.
fn box_radius(radius: f32) -> f32 {
    let sigma2 = radius * radius / f32::from(PASSES);
    let length = (12.0 * f64::from(sigma2) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let over = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * sigma2);
    whole + over / (6.0 * (sigma2 - (whole + 1.0) * (whole + 1.0)))
}

fn blur_lines<const C: usize>(picture: &Picture<C>, radius: f32) -> Picture<C> {
    let whole = radius as usize;
    let weight = ((1u32 << BITS) as f32 / (radius * 2.0 + 1.0)) as u32;
    let rest = (1u32 << BITS).saturating_sub((2 * whole as u32 + 1).saturating_mul(weight));
    // The two pixels beyond the box count with what is left.
    let edge = rest / 2;
    let mut bytes = Vec::with_capacity(picture.bytes.len());
    for line in picture.pixels().chunks_exact(picture.width) {
        let last = line.len() - 1;
        let at = |x: usize, step: usize| line[(x + step).min(last)];
        let before = |x: usize, step: usize| line[x.saturating_sub(step)];
        for channel in 0..C {
            let value = |pixel: [u8; C]| u32::from(pixel[channel]);
            // The sum of the box around the first pixel.
            let right: u32 = (1..=whole.min(last)).map(|x| value(line[x])).sum();
            let beyond = (whole - whole.min(last)) as u32 * value(line[last]);
            let mut sum = value(line[0]) * (whole as u32 + 1) + right + beyond;
            for x in 0..line.len() {
                if x > 0 {
                    sum = sum + value(at(x, whole)) - value(before(x, whole + 1));
                }
                let edges = value(before(x, whole + 1)) + value(at(x, whole + 1));
                let blurred = sum * weight + edges * edge;
                bytes.push(((blurred + (1 << (BITS - 1))) >> BITS) as u8);
            }
        }
    }
    interleaved(picture, &bytes)
}

/// Lines of channel after channel become lines of pixels.
fn interleaved<const C: usize>(picture: &Picture<C>, lines: &[u8]) -> Picture<C> {
    let width = picture.width;
    let places =
        (0..picture.height).flat_map(|y| (0..width).flat_map(move |x| (0..C).map(move |c| (y * C + c) * width + x)));
    Picture { bytes: places.map(|at| lines[at]).collect(), ..*picture }
}
