//! Restart sampling.

use candle_core::Tensor;

use super::super::schedule::karras;
use super::super::{Denoiser, NoiseSampler, OnStep, Result, Step};
use super::heun::heun_step;
use super::{Args, step, steps};

/// Where a restart begins and how far up it goes.
const RESTART_SIGMA: f32 = 0.1;
const RESTART_TOP: f32 = 2.0;

/// Heun steps with returns to a higher noise level near the end. Source: Xu et al., "Restart Sampling" (2023).
pub fn restart(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    let mut reached: Option<f32> = None;
    for (i, (sigma, next)) in step_list(sigmas).into_iter().enumerate() {
        if let Some(reached) = reached.filter(|reached| *reached < sigma) {
            let added = (sigma * sigma - reached * reached).sqrt();
            x = step(&x, &(noise.sample(reached, sigma)? * args.s_noise)?, added)?;
        }
        x = heun_step(model, &x, sigma, next, |denoised| on_step(Step { index: i, x: &x, sigma, denoised }))?;
        reached = Some(next);
    }
    Ok(x)
}

/// Pairs of sigma and next sigma. From 20 steps on, some of the steps are spent on restarts.
fn step_list(sigmas: &[f32]) -> Vec<(f32, f32)> {
    let (count, times) = match sigmas.len().saturating_sub(1) {
        0..20 => return steps(sigmas).map(|(_, sigma, next)| (sigma, next)).collect(),
        20..36 => (9, 1),
        steps => (steps / 4, 2),
    };
    let n = sigmas.len() - 1;
    let sigmas = karras(n - count * times, sigmas[n - 1].into(), sigmas[0].into(), 7.0);
    let (bottom, top) = (nearest(&sigmas, RESTART_SIGMA), nearest(&sigmas, RESTART_TOP));
    let mut list = Vec::new();
    for (i, sigma, next) in steps(&sigmas) {
        list.push((sigma, next));
        if i + 1 == bottom && top < bottom {
            let again = karras(count + 1, sigmas[bottom].into(), sigmas[top].into(), 7.0);
            let pairs = steps(&again[..count + 1]).map(|(_, sigma, next)| (sigma, next));
            let pairs: Vec<_> = pairs.collect();
            (0..times).for_each(|_| list.extend(&pairs));
        }
    }
    list
}

/// Index of the sigma nearest to `value`, the first of equals.
fn nearest(sigmas: &[f32], value: f32) -> usize {
    let distance = |i: &usize| (sigmas[*i] - value).abs();
    (0..sigmas.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
}
