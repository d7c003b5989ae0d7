//! The deterministic and ancestral DPM-Solver++ methods.

use candle_core::Tensor;

use super::super::{Denoiser, NoiseSampler, OnStep, Result, Step};
use super::{Args, ancestral_step, mix, sigma_fn, step, steps, t_fn, to_d};

/// Second-order multistep. Source: Lu et al., "DPM-Solver++" (2022), algorithm 2.
pub fn dpmpp_2m(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    _args: &Args,
    _noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    let mut previous: Option<(Tensor, f32)> = None;
    for (i, sigma, next) in steps(sigmas) {
        let denoised = model.denoise(&x, sigma)?;
        on_step(Step { index: i, x: &x, sigma, denoised: &denoised })?;
        let h = t_fn(next) - t_fn(sigma);
        let target = match &previous {
            Some((old_denoised, h_last)) if next > 0.0 => {
                let share = 1.0 / (2.0 * (h_last / h));
                mix(1.0 + share, &denoised, -share, old_denoised)?
            }
            _ => denoised.clone(),
        };
        x = mix(next / sigma, &x, -(-h).exp_m1(), &target)?;
        previous = Some((denoised, h));
    }
    Ok(x)
}

/// Second-order single-step to σ_down, then fresh noise up to σ'. Source: Lu et al. (2022), algorithm 1 with r = 1/2.
pub fn dpmpp_2s_ancestral(
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
        if down == 0.0 {
            x = step(&x, &to_d(&x, sigma, &denoised)?, down - sigma)?;
        } else {
            let (t, t_next) = (t_fn(sigma), t_fn(down));
            let h = t_next - t;
            let mid = sigma_fn(t + 0.5 * h);
            let x_2 = mix(mid / sigma_fn(t), &x, -(-h * 0.5).exp_m1(), &denoised)?;
            let denoised_2 = model.denoise(&x_2, mid)?;
            x = mix(sigma_fn(t_next) / sigma_fn(t), &x, -(-h).exp_m1(), &denoised_2)?;
        }
        if next > 0.0 {
            x = step(&x, &(noise.sample(sigma, next)? * args.s_noise)?, up)?;
        }
    }
    Ok(x)
}
