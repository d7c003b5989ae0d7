//! The samplers, each a loop in the form and with the names of k-diffusion's `sampling.py`.
//!
//! Scalars are f32 like torch's 0-dimensional tensors; `x` is updated with tensor operations on its own device. With
//! d = (x − D) / σ every sampler over sigmas solves dx/dσ = d (Karras et al. 2022), some with fresh noise on the way.

mod ddim;
mod dpm2;
mod dpm_solver;
mod dpmpp;
mod dpmpp_sde;
mod euler;
mod heun;
mod lcm;
mod lms;
mod restart;
mod unipc;

pub use ddim::{CFG_PP_SCALE, ddim, ddim_cfgpp, plms};
pub use dpm_solver::{SigmaRange, dpm_adaptive, dpm_fast};
pub use dpm2::{dpm_2, dpm_2_ancestral};
pub use dpmpp::{dpmpp_2m, dpmpp_2s_ancestral};
pub use dpmpp_sde::{dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_3m_sde, dpmpp_sde};
pub use euler::{euler, euler_ancestral};
pub use heun::heun;
pub use lcm::lcm;
pub use lms::lms;
pub use restart::restart;
pub use unipc::unipc;

use candle_core::Tensor;

use super::{Denoiser, NoiseSampler, OnStep, Result, rounded};

/// A sampler over sigmas.
pub type KSampler = fn(&mut dyn Denoiser, Tensor, &[f32], &Args, &mut dyn NoiseSampler, OnStep) -> Result<Tensor>;

/// Strength and kind of the randomness of a sampler; a sampler uses the fields it knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Args {
    /// Share of the noise that ancestral and SDE steps replace; 0 makes them deterministic.
    pub eta: f64,
    /// Noise added before steps, spread over all of them (Karras et al. 2022, algorithm 2).
    pub s_churn: f64,
    /// The lowest sigma at which it is added.
    pub s_tmin: f64,
    /// The highest sigma at which it is added.
    pub s_tmax: f64,
    /// Multiplies every noise that is added.
    pub s_noise: f64,
}

/// k-diffusion's defaults.
impl Default for Args {
    fn default() -> Self {
        Args { eta: 1.0, s_churn: 0.0, s_tmin: 0.0, s_tmax: f64::INFINITY, s_noise: 1.0 }
    }
}

impl Args {
    /// Stochastic churn (Karras et al. 2022, algorithm 2): raises the noise level of `x` from `sigma` to what is returned.
    /// The noise is drawn whether it is used or not.
    fn churn(&self, x: Tensor, sigma: f32, sigmas: &[f32], noise: &mut dyn NoiseSampler) -> Result<(Tensor, f32)> {
        let gamma = match (self.s_tmin..=self.s_tmax).contains(&f64::from(sigma)) {
            true => (self.s_churn / (sigmas.len() - 1) as f64).min(std::f64::consts::SQRT_2 - 1.0),
            false => 0.0,
        };
        let n = noise.sample(sigma, sigma)?;
        let sigma_hat = sigma * (gamma + 1.0) as f32;
        if gamma <= 0.0 {
            return Ok((x, sigma_hat));
        }
        let added = (sigma_hat * sigma_hat - sigma * sigma).sqrt();
        Ok((step(&x, &(n * self.s_noise)?, added)?, sigma_hat))
    }
}

/// The derivative dx/dσ at noise level `sigma`.
fn to_d(x: &Tensor, sigma: f32, denoised: &Tensor) -> Result<Tensor> {
    Ok(((x - denoised)? / f64::from(sigma))?)
}

/// `x + d · dt`
fn step(x: &Tensor, d: &Tensor, dt: f32) -> Result<Tensor> {
    Ok((x + (d * f64::from(dt))?)?)
}

/// `a · x + b · y`
fn mix(a: f32, x: &Tensor, b: f32, y: &Tensor) -> Result<Tensor> {
    Ok(((x * f64::from(a))? + (y * f64::from(b))?)?)
}

/// Splits a step to noise level `to` into a deterministic one to `sigma_down` and fresh noise of deviation `sigma_up`.
fn ancestral_step(from: f32, to: f32, eta: f64) -> (f32, f32) {
    if eta == 0.0 {
        return (to, 0.0);
    }
    let up = to.min(eta as f32 * (to * to * (from * from - to * to) / (from * from)).sqrt());
    ((to * to - up * up).sqrt(), up)
}

/// The steps of a schedule: index, sigma, next sigma.
fn steps(sigmas: &[f32]) -> impl Iterator<Item = (usize, f32, f32)> + '_ {
    sigmas.windows(2).enumerate().map(|(i, pair)| (i, pair[0], pair[1]))
}

/// Time of the DPM solvers, t = −ln σ.
fn t_fn(sigma: f32) -> f32 {
    -rounded::ln(sigma)
}

/// The noise level at time t of the DPM solvers.
fn sigma_fn(t: f32) -> f32 {
    rounded::exp(-t)
}

/// The geometric mean of two noise levels.
fn sigma_between(a: f32, b: f32) -> f32 {
    let (log_a, log_b) = (rounded::ln(a), rounded::ln(b));
    rounded::exp(log_b - (log_b - log_a) * 0.5)
}
