//! Heun's method.

use candle_core::Tensor;

use super::super::{Denoiser, NoiseSampler, OnStep, Result, Step};
use super::{Args, step, steps, to_d};

/// An Euler step averaged with the slope at its end. Source: Karras et al. (2022), algorithm 2.
pub fn heun(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    for (i, sigma, next) in steps(sigmas) {
        let (x_hat, sigma_hat) = args.churn(x, sigma, sigmas, noise)?;
        x = heun_step(model, &x_hat, sigma_hat, next, |denoised| {
            on_step(Step { index: i, x: &x_hat, sigma, denoised })
        })?;
    }
    Ok(x)
}

/// One step from `sigma` to `next`; a step to 0 is Euler's. `report` sees the first denoised latent.
pub(super) fn heun_step(
    model: &mut dyn Denoiser,
    x: &Tensor,
    sigma: f32,
    next: f32,
    report: impl FnOnce(&Tensor) -> Result<()>,
) -> Result<Tensor> {
    let denoised = model.denoise(x, sigma)?;
    report(&denoised)?;
    let d = to_d(x, sigma, &denoised)?;
    let x_2 = step(x, &d, next - sigma)?;
    if next == 0.0 {
        return Ok(x_2);
    }
    let d_2 = to_d(&x_2, next, &model.denoise(&x_2, next)?)?;
    step(x, &((d + d_2)? / 2.0)?, next - sigma)
}
