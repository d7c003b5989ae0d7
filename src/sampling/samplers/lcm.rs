//! Latent consistency sampling.

use candle_core::Tensor;

use super::super::{Denoiser, NoiseSampler, OnStep, Result, Step};
use super::{Args, step, steps};

/// Jumps to the denoised latent and adds fresh noise of level σ'. Source: Luo et al. (2023), algorithm 2.
pub fn lcm(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    _args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    for (i, sigma, next) in steps(sigmas) {
        let denoised = model.denoise(&x, sigma)?;
        on_step(Step { index: i, x: &x, sigma, denoised: &denoised })?;
        x = denoised;
        if next > 0.0 {
            x = step(&x, &noise.sample(sigma, next)?, next)?;
        }
    }
    Ok(x)
}
