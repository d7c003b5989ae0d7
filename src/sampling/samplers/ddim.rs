//! Samplers over integer timesteps: DDIM, its CFG++ form, PLMS.
//!
//! They step from noise prediction to noise prediction on the table ᾱ. The first timestep of the list is only ever
//! stepped to: the result stays at its noise level, as in webui.

use std::collections::VecDeque;

use candle_core::Tensor;

use super::super::{Eps, EpsModel, NoiseLevels, NoiseSampler, OnStep, Result, Step};
use super::{mix, step};

/// One step of a timestep sampler, from ᾱ_t to ᾱ_prev with fresh noise of deviation `sigma`.
struct Move {
    alpha: f32,
    alpha_prev: f32,
    sigma: f32,
}

impl Move {
    fn new(levels: &NoiseLevels, t: usize, t_prev: usize, eta: f64) -> Self {
        let alpha_of = |t: usize| levels.alphas_cumprod()[t];
        let (alpha, alpha_prev) = (alpha_of(t), alpha_of(t_prev));
        let (a, prev) = (f64::from(alpha), f64::from(alpha_prev));
        let sigma = eta * ((1.0 - prev) / (1.0 - a) * (1.0 - a / prev)).sqrt();
        Move { alpha, alpha_prev, sigma: sigma as f32 }
    }

    /// The denoised latent that a noise prediction implies.
    fn denoised(&self, x: &Tensor, eps: &Tensor) -> Result<Tensor> {
        Ok((step(x, eps, -(1.0 - self.alpha).sqrt())? / f64::from(self.alpha.sqrt()))?)
    }

    /// √ᾱ_prev · denoised + √(1 − ᾱ_prev − σ²) · direction
    fn apply(&self, denoised: &Tensor, direction: &Tensor) -> Result<Tensor> {
        let remaining = (1.0 - self.alpha_prev - self.sigma * self.sigma).sqrt();
        mix(self.alpha_prev.sqrt(), denoised, remaining, direction)
    }
}

/// The moves of a run: timestep, the next lower one, and the move between them.
fn moves<'a>(
    levels: &'a NoiseLevels,
    timesteps: &'a [usize],
    eta: f64,
) -> impl Iterator<Item = (usize, (usize, usize, Move))> + 'a {
    let pairs = timesteps.windows(2).rev();
    pairs.map(move |pair| (pair[1], pair[0], Move::new(levels, pair[1], pair[0], eta))).enumerate()
}

/// Source: Song et al., "Denoising Diffusion Implicit Models" (2021), equation 12.
///
/// `timesteps` ascend below the table's size; the walk is downwards. Noise is drawn in every step, used or not.
pub fn ddim(
    model: &mut dyn EpsModel,
    x: Tensor,
    timesteps: &[usize],
    levels: &NoiseLevels,
    eta: f64,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    ddim_along(model, x, moves(levels, timesteps, eta), noise, on_step, |eps| &eps.guided)
}

/// DDIM whose direction is the unconditional prediction. Source: Chung et al., "CFG++" (2024).
///
/// The model's guidance must already be scaled down by [`CFG_PP_SCALE`].
pub fn ddim_cfgpp(
    model: &mut dyn EpsModel,
    x: Tensor,
    timesteps: &[usize],
    levels: &NoiseLevels,
    eta: f64,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
) -> Result<Tensor> {
    ddim_along(model, x, moves(levels, timesteps, eta), noise, on_step, |eps| &eps.uncond)
}

/// What the CFG scale is multiplied by for CFG++, which brings webui's usual scales to its range of 0 to 1.
pub const CFG_PP_SCALE: f64 = 1.0 / 12.5;

fn ddim_along(
    model: &mut dyn EpsModel,
    mut x: Tensor,
    moves: impl Iterator<Item = (usize, (usize, usize, Move))>,
    noise: &mut dyn NoiseSampler,
    on_step: OnStep,
    direction: impl Fn(&Eps) -> &Tensor,
) -> Result<Tensor> {
    for (i, (t, _, step_to)) in moves {
        let eps = model.eps(&x, t as f32)?;
        let denoised = step_to.denoised(&x, &eps.guided)?;
        x = step(&step_to.apply(&denoised, direction(&eps))?, &noise.sample(0.0, 0.0)?, step_to.sigma)?;
        on_step(Step { index: i, x: &x, sigma: 0.0, denoised: &denoised })?;
    }
    Ok(x)
}

/// Pseudo linear multistep: DDIM along an extrapolation of the last four predictions. The first step looks ahead once.
/// Source: Liu et al., "Pseudo Numerical Methods for Diffusion Models" (2022).
pub fn plms(
    model: &mut dyn EpsModel,
    mut x: Tensor,
    timesteps: &[usize],
    levels: &NoiseLevels,
    on_step: OnStep,
) -> Result<Tensor> {
    // Earlier predictions, the newest first.
    let mut old: VecDeque<Tensor> = VecDeque::new();
    for (i, (t, t_prev, step_to)) in moves(levels, timesteps, 0.0) {
        let eps = model.eps(&x, t as f32)?.guided;
        let combined = match (old.front(), old.get(1), old.get(2)) {
            (Some(e1), Some(e2), Some(e3)) => weighted(&[(55.0, &eps), (-59.0, e1), (37.0, e2), (-9.0, e3)], 24.0)?,
            (Some(e1), Some(e2), None) => weighted(&[(23.0, &eps), (-16.0, e1), (5.0, e2)], 12.0)?,
            (Some(e1), ..) => weighted(&[(3.0, &eps), (-1.0, e1)], 2.0)?,
            (None, ..) => {
                let ahead = step_to.apply(&step_to.denoised(&x, &eps)?, &eps)?;
                let eps_ahead = model.eps(&ahead, t_prev as f32)?.guided;
                weighted(&[(1.0, &eps), (1.0, &eps_ahead)], 2.0)?
            }
        };
        let denoised = step_to.denoised(&x, &combined)?;
        x = step_to.apply(&denoised, &combined)?;
        old.truncate(2);
        old.push_front(eps);
        on_step(Step { index: i, x: &x, sigma: 0.0, denoised: &denoised })?;
    }
    Ok(x)
}

/// Σ weight · tensor / divisor of a non-empty list.
fn weighted(terms: &[(f64, &Tensor)], divisor: f64) -> Result<Tensor> {
    let mut sum = (terms[0].1 * terms[0].0)?;
    for (weight, tensor) in &terms[1..] {
        sum = (sum + (*tensor * *weight)?)?;
    }
    Ok((sum / divisor)?)
}
