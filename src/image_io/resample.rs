//! Resizing pictures bit for bit as Pillow does with its Lanczos filter, which webui uses for init images.
//!
//! Pillow works in fixed point: weights have 22 bits after the point, and rows are rounded to bytes between the horizontal
//! and the vertical pass.

use std::f64::consts::PI;

/// Lobes of the filter.
const RADIUS: f64 = 3.0;
/// Bits after the point of a weight: 32, less 8 for the byte and 2 for the sign and the overshoot.
const PRECISION: u32 = 22;

/// An RGB picture, rows of interleaved bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// height × width × 3.
    pub bytes: Vec<u8>,
}

impl Rgb {
    /// The picture stretched to `width` × `height`, none of which is 0.
    pub fn resize(&self, width: usize, height: usize) -> Rgb {
        let horizontal =
            if width == self.width { self.clone() } else { self.transposed().stretched(width).transposed() };
        if height == horizontal.height { horizontal } else { horizontal.stretched(height) }
    }

    /// The picture stretched along its height.
    fn stretched(&self, height: usize) -> Rgb {
        let row = 3 * self.width;
        let mut bytes = Vec::with_capacity(row * height);
        for i in 0..height {
            let (first, weights) = weights(i, self.height, height);
            for column in 0..row {
                let taps = weights.iter().enumerate();
                let sum: i64 = taps.map(|(k, w)| i64::from(self.bytes[(first + k) * row + column]) * w).sum();
                bytes.push(((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8);
            }
        }
        Rgb { width: self.width, height, bytes }
    }

    fn transposed(&self) -> Rgb {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for x in 0..self.width {
            for y in 0..self.height {
                bytes.extend_from_slice(self.pixel(x, y));
            }
        }
        Rgb { width: self.height, height: self.width, bytes }
    }

    /// The three bytes at column `x` of row `y`, both inside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> &[u8] {
        let at = 3 * (y * self.width + x);
        &self.bytes[at..at + 3]
    }
}

/// The first input of output `i`, and the weights of it and those after it.
fn weights(i: usize, from: usize, to: usize) -> (usize, Vec<i64>) {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = RADIUS * stretch;
    let center = (i as f64 + 0.5) * scale;
    let first = (center - support + 0.5).max(0.0) as usize;
    let end = ((center + support + 0.5) as usize).min(from);
    let inverse = 1.0 / stretch;
    let raw: Vec<f64> = (first..end).map(|at| lanczos((at as f64 - center + 0.5) * inverse)).collect();
    let sum: f64 = raw.iter().sum();
    let fixed = |w: f64| {
        let scaled = w / sum * f64::from(1u32 << PRECISION);
        // Halves go away from zero.
        (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i64
    };
    (first, raw.into_iter().map(fixed).collect())
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
    if (-RADIUS..RADIUS).contains(&x) { sinc(x) * sinc(x / RADIUS) } else { 0.0 }
}
