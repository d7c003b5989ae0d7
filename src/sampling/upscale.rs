//! Enlarging a latent as torch's `interpolate` does (without aligned corners).
//!
//! Every mode is linear and separable: a matrix of row weights on the left, one of column weights on the right. Latents are
//! small, so the matrices are dense.

use candle_core::{Device, Tensor};

use super::Result;
use crate::plan::LatentUpscaler;

/// Resizes a latent (b, c, h, w) to (b, c, `height`, `width`).
pub fn upscale(latent: &Tensor, height: usize, width: usize, how: LatentUpscaler) -> Result<Tensor> {
    let (_, _, h, w) = latent.dims4()?;
    let rows = matrix(h, height, how, latent.device())?;
    let columns = matrix(w, width, how, latent.device())?.t()?;
    Ok(rows.broadcast_matmul(latent)?.broadcast_matmul(&columns)?)
}

/// Weights (to, from) of one axis.
fn matrix(from: usize, to: usize, how: LatentUpscaler, device: &Device) -> Result<Tensor> {
    let mut weights = vec![0f32; from * to];
    for (i, row) in weights.chunks_exact_mut(from).enumerate() {
        for (at, weight) in taps(i, from, to, how) {
            row[at] += weight as f32;
        }
    }
    Ok(Tensor::from_vec(weights, (to, from), device)?)
}

/// Which inputs make output `i`, and by how much.
fn taps(i: usize, from: usize, to: usize, how: LatentUpscaler) -> Vec<(usize, f64)> {
    let scale = from as f64 / to as f64;
    let nearest = |position: f64| vec![((position as usize).min(from - 1), 1.0)];
    match how {
        LatentUpscaler::Nearest => nearest(i as f64 * scale),
        LatentUpscaler::NearestExact => nearest((i as f64 + 0.5) * scale),
        LatentUpscaler::Latent => {
            let position = ((i as f64 + 0.5) * scale - 0.5).max(0.0);
            let low = (position as usize).min(from - 1);
            let share = position - low as f64;
            vec![(low, 1.0 - share), ((low + 1).min(from - 1), share)]
        }
        LatentUpscaler::Bicubic => {
            let position = (i as f64 + 0.5) * scale - 0.5;
            let low = position.floor();
            let clamped = |at: f64| at.clamp(0.0, from as f64 - 1.0) as usize;
            (-1..=2).map(|k| low + f64::from(k)).map(|at| (clamped(at), cubic(at - position, -0.75))).collect()
        }
        LatentUpscaler::Antialiased => antialiased(i, from, scale, 1.0, |x| (1.0 - x.abs()).max(0.0)),
        LatentUpscaler::BicubicAntialiased => antialiased(i, from, scale, 2.0, |x| cubic(x, -0.5)),
    }
}

/// A filter that is widened where the axis shrinks, cut off at the edges and made to sum to 1.
fn antialiased(i: usize, from: usize, scale: f64, radius: f64, filter: impl Fn(f64) -> f64) -> Vec<(usize, f64)> {
    let stretch = scale.max(1.0);
    let center = (i as f64 + 0.5) * scale;
    let first = (center - radius * stretch + 0.5).max(0.0) as usize;
    let end = ((center + radius * stretch + 0.5) as usize).min(from);
    let taps: Vec<_> = (first..end).map(|at| (at, filter((at as f64 - center + 0.5) / stretch))).collect();
    let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
    taps.into_iter().map(|(at, weight)| (at, weight / sum)).collect()
}

/// Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981).
fn cubic(x: f64, a: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * a,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f32], to: usize, how: LatentUpscaler) -> Vec<f32> {
        let x = Tensor::from_slice(values, (1, 1, 1, values.len()), &Device::Cpu).unwrap();
        upscale(&x, 1, to, how).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
    }

    /// Values worked out by hand from the definitions.
    #[test]
    fn doubling_a_step() {
        let step = [0.0, 1.0];
        close(&line(&step, 4, LatentUpscaler::Nearest), &[0.0, 0.0, 1.0, 1.0]);
        close(&line(&step, 4, LatentUpscaler::NearestExact), &[0.0, 0.0, 1.0, 1.0]);
        close(&line(&step, 4, LatentUpscaler::Latent), &[0.0, 0.25, 0.75, 1.0]);
        close(&line(&step, 4, LatentUpscaler::Antialiased), &[0.0, 0.25, 0.75, 1.0]);
        // At a quarter the weights of a = −0.75 are −0.10546875, 0.87890625, 0.26171875, −0.03515625.
        // What lies beyond an edge has the edge's value.
        let (first, second) = (-0.105_468_75, 0.261_718_75 - 0.035_156_25);
        close(&line(&step, 4, LatentUpscaler::Bicubic), &[first, second, 1.0 - second, 1.0 - first]);
    }

    #[test]
    fn nearest_and_nearest_exact_differ() {
        let x = [0.0, 1.0, 2.0];
        assert_eq!(line(&x, 4, LatentUpscaler::Nearest), [0.0, 0.0, 1.0, 2.0]);
        assert_eq!(line(&x, 4, LatentUpscaler::NearestExact), [0.0, 1.0, 1.0, 2.0]);
    }

    #[test]
    fn a_flat_latent_stays_flat() {
        for how in LatentUpscaler::ALL {
            for to in [1, 3, 5, 8, 13] {
                close(&line(&[2.0; 5], to, how), &vec![2.0; to]);
            }
        }
    }
}
