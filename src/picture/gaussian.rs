//! OpenCV's Gaussian blur of bytes, in fixed point: weights have 8 bits after the point.

use super::Gray;

/// 1 as a weight.
const ONE: i64 = 1 << 8;

/// A mask blurred as webui does it: along x, rounded to bytes, and then along y. A standard deviation of 0 leaves its direction
/// as it is. What lies outside is mirrored at the middle of the pixel at the edge.
pub fn blur_mask(mask: &Gray, sigma_x: f64, sigma_y: f64) -> Gray {
    let along_x = blurred_lines(mask, sigma_x);
    if sigma_y > 0.0 { blurred_lines(&along_x.transposed(), sigma_y).transposed() } else { along_x }
}

fn blurred_lines(mask: &Gray, sigma: f64) -> Gray {
    // webui's size of the kernel.
    let reach = (2.5 * sigma + 0.5) as usize;
    if sigma <= 0.0 || reach == 0 || mask.bytes.is_empty() {
        return mask.clone();
    }
    // Of a wide kernel most weights are nothing once they are rounded.
    let weights: Vec<(i64, i64)> =
        (-(reach as i64)..).zip(weights(reach, sigma)).filter(|(_, weight)| *weight != 0).collect();
    let mut bytes = Vec::with_capacity(mask.bytes.len());
    for line in mask.bytes.chunks_exact(mask.width) {
        for x in 0..line.len() {
            let sum: i64 = weights.iter().map(|(by, w)| w * i64::from(line[mirrored(x as i64 + by, line.len())])).sum();
            bytes.push(((sum + ONE / 2) / ONE).clamp(0, 255) as u8);
        }
    }
    Gray { bytes, ..*mask }
}

/// The place inside a line of `len` that stands for `at`.
fn mirrored(at: i64, len: usize) -> usize {
    // The mirror images repeat after twice the line without its ends.
    let period = 2 * (len as i64 - 1);
    if period == 0 {
        return 0;
    }
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

/// The kernel of 2·`reach` + 1 values, whose sum is exactly 1: what rounding takes from a weight goes to the next, and what is
/// left to the one in the middle.
fn weights(reach: usize, sigma: f64) -> Vec<i64> {
    let exact = |i: usize| {
        let x = 2.0 * (i as f64 - reach as f64);
        (x * x * (-0.125 / (sigma * sigma))).exp()
    };
    let side: Vec<f64> = (0..reach).map(exact).collect();
    let scale = 1.0 / (side.iter().sum::<f64>() * 2.0 + 1.0);
    let mut carried = 0.0;
    let side: Vec<i64> = side
        .iter()
        .map(|weight| {
            let wanted = weight * scale * ONE as f64 + carried;
            carried = wanted - wanted.round_ties_even();
            wanted.round_ties_even() as i64
        })
        .collect();
    let middle = ONE - 2 * side.iter().sum::<i64>();
    side.iter().chain([&middle]).chain(side.iter().rev()).copied().collect()
}
