//! Euler's method, plain and ancestral.

use candle_core::Tensor;

use super::super::{Denoiser, NoiseSampler, OnStep, Result, Step};
use super::{Args, ancestral_step, step, steps, to_d};

/// x += d · (σ' − σ̂), with churn. Source: Karras et al. (2022), algorithm 2, first-order part.
pub fn euler(
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
        let d = to_d(&x_hat, sigma_hat, &denoised)?;
        on_step(Step { index: i, x: &x_hat, sigma, denoised: &denoised })?;
        x = step(&x_hat, &d, next - sigma_hat)?;
    }
    Ok(x)
}

/// Euler's method to σ_down, then fresh noise up to σ'.
pub fn euler_ancestral(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    for (i, sigma, next) in steps(sigmas) {
        let denoised = model.denoise(&x, sigma)?;
        let (down, up) = ancestral_step(sigma, next, args.eta);
        on_step(Step { index: i, x: &x, sigma, denoised: &denoised })?;
        let d = to_d(&x, sigma, &denoised)?;
        x = step(&x, &d, down - sigma)?;
        if next > 0.0 {
            x = step(&x, &(noise.sample(sigma, next)? * args.s_noise)?, up)?;
        }
    }
    Ok(x)
}
