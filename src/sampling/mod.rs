//! From noise to a latent: random numbers, noise schedules, samplers.
//!
//! A sampler is a free function over a list of sigmas (or timesteps) that asks a [`Denoiser`] for the denoised latent
//! and a [`NoiseSampler`] for noise; it knows neither the network nor the prompt. [`sample`] picks sampler, schedule and
//! noise for the settings of a plan. Latents are f32 tensors (1, 4, h, w) on any device; the same settings draw the same
//! numbers everywhere.

mod brownian;
mod denoiser;
mod mt19937;
mod noise;
mod noise_levels;
mod philox;
mod rounded;
mod run;
pub mod samplers;
pub mod schedule;
mod upscale;

pub use brownian::BrownianTree;
pub use denoiser::{
    Denoiser, Eps, EpsModel, Guided, LcmDenoiser, Parameterization, Predictions, SigmaDenoiser, TimestepDenoiser,
    denoised, eps, guide, scaled_input,
};
pub use noise::{Generator, ImageRng, LATENT_CHANNELS};
pub use noise_levels::{NoiseLevels, TRAINING_STEPS};
pub use run::{Run, Start, sample, sampling_sigmas};
pub use upscale::upscale;

use candle_core::Tensor;

use crate::plan::ScheduleType;

pub type Result<T> = std::result::Result<T, Error>;

/// Why sampling stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// The network or the step callback gave up; its own error.
    #[error("{0}")]
    Caller(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("0 sampling steps leave nothing to sample; use at least 1")]
    NoSteps,
    #[error("{steps} sampling steps are more than the {limit} this sampler can take")]
    TooManySteps { steps: usize, limit: usize },
    #[error("the schedule {} cannot reach from sigma {sigma_max} to {sigma_min}; both must be positive", .kind.label())]
    BadSchedule { kind: ScheduleType, sigma_min: f64, sigma_max: f64 },
    #[error("the Beta schedule works with alpha and beta between 0.01 and 100, not {alpha} and {beta}")]
    BadBeta { alpha: f64, beta: f64 },
    #[error("DPM adaptive found no usable step size within {steps} steps; the model's predictions may not be finite")]
    NoConvergence { steps: usize },
    #[error("the model gave a prediction for none of the prompt's parts")]
    NoParts,
}

impl Error {
    /// Carries an error of the caller's out through a sampler.
    pub fn caller(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Caller(Box::new(error))
    }
}

/// Source of the noise that a sampler adds when it goes from `sigma` to `sigma_next`, with variance 1.
pub trait NoiseSampler {
    fn sample(&mut self, sigma: f32, sigma_next: f32) -> Result<Tensor>;
}

impl<F: FnMut(f32, f32) -> Result<Tensor>> NoiseSampler for F {
    fn sample(&mut self, sigma: f32, sigma_next: f32) -> Result<Tensor> {
        self(sigma, sigma_next)
    }
}

/// Where a sampler is, reported when webui's callback fires.
///
/// Samplers over sigmas report after the first model call of a step and before its update (DPM adaptive after it);
/// samplers over timesteps report after the update.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// 0-based; webui's `sampling_step` from here until the next report.
    pub index: usize,
    pub x: &'a Tensor,
    /// 0 for samplers over timesteps.
    pub sigma: f32,
    pub denoised: &'a Tensor,
}

/// Observes every step; an error ends the sampling with that error.
pub type OnStep<'a> = &'a mut dyn FnMut(Step<'_>) -> Result<()>;
