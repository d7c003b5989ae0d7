//! The DPM-Solver++ methods for the diffusion SDE. Their noise is an increment of one Brownian motion.

use candle_core::Tensor;

use super::super::{Denoiser, NoiseSampler, OnStep, Result, Step};
use super::{Args, ancestral_step, mix, sigma_fn, step, steps, t_fn, to_d};

/// Stochastic single-step with its intermediate point at half the step in ln σ.
/// Source: Lu et al., "DPM-Solver++" (2022), algorithm 1, made ancestral in both stages.
pub fn dpmpp_sde(
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
        if next == 0.0 {
            x = step(&x, &to_d(&x, sigma, &denoised)?, next - sigma)?;
            continue;
        }
        let (t, t_next) = (t_fn(sigma), t_fn(next));
        // The noise is asked for at these rounded levels, not at the schedule's own.
        let (from, mid, to) = (sigma_fn(t), sigma_fn(t + (t_next - t) * 0.5), sigma_fn(t_next));
        let stage = |denoised: &Tensor, to: f32, noise: &mut dyn NoiseSampler| -> Result<Tensor> {
            let (down, up) = ancestral_step(from, to, args.eta);
            let t_down = t_fn(down);
            let moved = mix(sigma_fn(t_down) / from, &x, -(t - t_down).exp_m1(), denoised)?;
            step(&moved, &(noise.sample(from, to)? * args.s_noise)?, up)
        };
        let x_2 = stage(&denoised, mid, noise)?;
        let denoised_2 = model.denoise(&x_2, mid)?;
        x = stage(&denoised_2, to, noise)?;
    }
    Ok(x)
}

/// Second-order multistep SDE, midpoint form. Source: Lu et al., "DPM-Solver++" (2022), SDE-DPM-Solver++(2M).
pub fn dpmpp_2m_sde(
    model: &mut dyn Denoiser,
    x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    multistep_2m(model, x, sigmas, args, noise, on_step, |h_eta| -0.5 * (-h_eta).exp_m1())
}

/// Second-order multistep SDE, Heun form.
pub fn dpmpp_2m_sde_heun(
    model: &mut dyn Denoiser,
    x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    multistep_2m(model, x, sigmas, args, noise, on_step, |h_eta| (-h_eta).exp_m1() / h_eta + 1.0)
}

/// `correction` weighs the change of the denoised latent, given h (1 + η).
fn multistep_2m(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
    correction: impl Fn(f32) -> f32,
) -> Result<Tensor> {
    let mut previous: Option<(Tensor, f32)> = None;
    for (i, sigma, next) in steps(sigmas) {
        let denoised = model.denoise(&x, sigma)?;
        on_step(Step { index: i, x: &x, sigma, denoised: &denoised })?;
        if next == 0.0 {
            x = denoised;
            continue;
        }
        let h = t_fn(next) - t_fn(sigma);
        let eta_h = args.eta as f32 * h;
        let h_eta = h + eta_h;
        x = mix(next / sigma * (-eta_h).exp(), &x, -(-h_eta).exp_m1(), &denoised)?;
        if let Some((old_denoised, h_last)) = &previous {
            let r = h_last / h;
            x = step(&x, &(&denoised - old_denoised)?, correction(h_eta) / r)?;
        }
        x = add_sde_noise(x, sigma, next, eta_h, args, noise)?;
        previous = Some((denoised, h));
    }
    Ok(x)
}

/// Third-order multistep SDE. Source: k-diffusion, after Lu et al. (2022).
pub fn dpmpp_3m_sde(
    model: &mut dyn Denoiser,
    mut x: Tensor,
    sigmas: &[f32],
    args: &Args,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    // Denoised latent and h of the last step and of the one before.
    let mut last: Option<(Tensor, f32)> = None;
    let mut before: Option<(Tensor, f32)> = None;
    for (i, sigma, next) in steps(sigmas) {
        let denoised = model.denoise(&x, sigma)?;
        on_step(Step { index: i, x: &x, sigma, denoised: &denoised })?;
        if next == 0.0 {
            x = denoised;
            continue;
        }
        let h = t_fn(next) - t_fn(sigma);
        let h_eta = h * (args.eta + 1.0) as f32;
        let phi_2 = (-h_eta).exp_m1() / h_eta + 1.0;
        x = mix((-h_eta).exp(), &x, -(-h_eta).exp_m1(), &denoised)?;
        match (&last, &before) {
            (Some((denoised_1, h_1)), Some((denoised_2, h_2))) => {
                let (r0, r1) = (h_1 / h, h_2 / h);
                let d1_0 = ((&denoised - denoised_1)? / f64::from(r0))?;
                let d1_1 = ((denoised_1 - denoised_2)? / f64::from(r1))?;
                let change = (&d1_0 - d1_1)?;
                let d1 = step(&d1_0, &change, r0 / (r0 + r1))?;
                let d2 = (change / f64::from(r0 + r1))?;
                let phi_3 = phi_2 / h_eta - 0.5;
                x = step(&step(&x, &d1, phi_2)?, &d2, -phi_3)?;
            }
            (Some((denoised_1, h_1)), None) => x = step(&x, &(&denoised - denoised_1)?, phi_2 / (h_1 / h))?,
            _ => (),
        }
        x = add_sde_noise(x, sigma, next, h * args.eta as f32, args, noise)?;
        before = last.replace((denoised, h));
    }
    Ok(x)
}

/// Adds noise of deviation σ' √(1 − e^(−2 η h)).
fn add_sde_noise(
    x: Tensor,
    sigma: f32,
    next: f32,
    eta_h: f32,
    args: &Args,
    noise: &mut dyn NoiseSampler,
) -> Result<Tensor> {
    if args.eta == 0.0 {
        return Ok(x);
    }
    let deviation = next * (-(-2.0 * eta_h).exp_m1()).sqrt() * args.s_noise as f32;
    step(&x, &noise.sample(sigma, next)?, deviation)
}
