//! DPM-Solver-2 with its midpoint in ln σ, plain and ancestral.

use candle_core::Tensor;

use super::super::{Denoiser, NoiseSampler, OnStep, Result, Step};
use super::{Args, ancestral_step, sigma_between, step, steps, to_d};

/// A step along the slope at the midpoint, with churn. Source: Lu et al., "DPM-Solver" (2022), and Karras et al. (2022).
pub fn dpm_2(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    for (i, sigma, next) in steps(sigmas) {
        let (x_hat, sigma_hat) = args.churn(x, sigma, sigmas, noise)?;
        let denoised = model.denoise(&x_hat, sigma_hat)?;
        on_step(Step { index: i, x: &x_hat, sigma, denoised: &denoised })?;
        x = midpoint_step(model, &x_hat, sigma_hat, next, &denoised)?;
    }
    Ok(x)
}

/// The midpoint step to σ_down, then fresh noise up to σ'.
pub fn dpm_2_ancestral(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    for (i, sigma, next) in steps(sigmas) {
        let denoised = model.denoise(&x, sigma)?;
        on_step(Step { index: i, x: &x, sigma, denoised: &denoised })?;
        let (down, up) = ancestral_step(sigma, next, args.eta);
        x = midpoint_step(model, &x, sigma, down, &denoised)?;
        if down > 0.0 {
            x = step(&x, &(noise.sample(sigma, next)? * args.s_noise)?, up)?;
        }
    }
    Ok(x)
}

/// From `sigma` to `next` along the slope at their geometric mean; a step to 0 is Euler's.
fn midpoint_step(model: &mut dyn Denoiser, x: &Tensor, sigma: f32, next: f32, denoised: &Tensor) -> Result<Tensor> {
    let d = to_d(x, sigma, denoised)?;
    if next == 0.0 {
        return step(x, &d, next - sigma);
    }
    let mid = sigma_between(sigma, next);
    let x_2 = step(x, &d, mid - sigma)?;
    let d_2 = to_d(&x_2, mid, &model.denoise(&x_2, mid)?)?;
    step(x, &d_2, next - sigma)
}
