//! Linear multistep.

use std::collections::VecDeque;

use candle_core::Tensor;

use super::super::{Denoiser, NoiseSampler, OnStep, Result, Step};
use super::{Args, step, steps, to_d};

const ORDER: usize = 4;

/// Integrates the polynomial through the last four slopes (Adams-Bashforth on uneven steps).
pub fn lms(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    _args: &Args,
    _noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    // Slopes, the newest first.
    let mut slopes: VecDeque<Tensor> = VecDeque::new();
    for (i, sigma, next) in steps(sigmas) {
        let denoised = model.denoise(&x, sigma)?;
        slopes.truncate(ORDER - 1);
        slopes.push_front(to_d(&x, sigma, &denoised)?);
        on_step(Step { index: i, x: &x, sigma, denoised: &denoised })?;
        let nodes: Vec<f64> = (0..slopes.len()).map(|j| f64::from(sigmas[i - j])).collect();
        for (j, slope) in slopes.iter().enumerate() {
            x = step(&x, slope, lagrange_integral(&nodes, j, sigma.into(), next.into()) as f32)?;
        }
    }
    Ok(x)
}

/// The integral from `from` to `to` of the Lagrange polynomial that is 1 at node `j` and 0 at the others.
fn lagrange_integral(nodes: &[f64], j: usize, from: f64, to: f64) -> f64 {
    // Three-point Gauss-Legendre quadrature is exact up to degree 5; the polynomial has degree 3 at most.
    let offset = (3.0_f64 / 5.0).sqrt();
    let (centre, half) = ((from + to) / 2.0, (to - from) / 2.0);
    let basis = |t: f64| -> f64 {
        let others = nodes.iter().enumerate().filter(|(k, _)| *k != j);
        others.map(|(_, node)| (t - node) / (nodes[j] - node)).product()
    };
    let [low, mid, high] = [-offset, 0.0, offset].map(|p| basis(centre + half * p));
    half * (5.0 * low + 8.0 * mid + 5.0 * high) / 9.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On even steps these are the classic Adams-Bashforth coefficients.
    #[test]
    fn even_steps_give_adams_bashforth() {
        let nodes = [3.0, 2.0, 1.0, 0.0];
        for (j, expected) in [55.0, -59.0, 37.0, -9.0].into_iter().enumerate() {
            assert!((lagrange_integral(&nodes, j, 3.0, 4.0) - expected / 24.0).abs() < 1e-14);
        }
    }
}
