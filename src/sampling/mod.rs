//! From noise to a latent: random numbers, noise schedules, samplers.
//!
//! A sampler is a free function over a list of sigmas (or timesteps) that asks a [`Denoiser`] for the denoised latent
//! and a [`NoiseSampler`] for noise; it knows neither the network nor the prompt. [`sample`] picks sampler, schedule and
//! noise for the settings of a plan. Latents are f32 tensors (1, 4, h, w) on any device; the same settings draw the same
//! numbers everywhere.

mod brownian;
mod denoiser;
mod masked;
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
pub use masked::LatentMask;
pub use noise::{Generator, ImageRng, LATENT_CHANNELS};
pub use noise_levels::{NoiseLevels, TRAINING_STEPS};
pub use run::{Run, Start, sample, sampling_sigmas};
pub use upscale::upscale;

use candle_core::Tensor;

use crate::diagnostic::{Said, Text};
use crate::plan::ScheduleType;
use crate::say;

/// What sampling gives, or why it stopped.
pub type Result<T> = std::result::Result<T, Error>;

/// Why sampling stopped.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum Error {
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// The network or the step callback gave up; its own error.
    Caller(#[source] Box<dyn std::error::Error + Send + Sync>),
    NoSteps,
    TooManySteps {
        steps: usize,
        limit: usize,
    },
    BadSchedule {
        kind: ScheduleType,
        sigma_min: f64,
        sigma_max: f64,
    },
    BadBeta {
        alpha: f64,
        beta: f64,
    },
    NoConvergence {
        steps: usize,
    },
    NoParts,
}

impl Said for Error {
    fn said(&self) -> Text {
        match self {
            Error::Tensor(error) => error.said(),
            Error::Caller(error) => Text::same(error),
            Error::NoSteps => say!(
                "0 sampling steps leave nothing to sample; use at least 1",
                "ステップ数が 0 では何も描けません。1 以上にしてください"
            ),
            Error::TooManySteps { steps, limit } => say!(
                "{steps} sampling steps are more than the {limit} this sampler can take",
                "ステップ数 {steps} は多すぎます。このサンプラーでは {limit} までです"
            ),
            Error::BadSchedule { kind, sigma_min, sigma_max } => {
                let kind = kind.label();
                say!(
                    "the schedule {kind} cannot reach from sigma {sigma_max} to {sigma_min}; both must be positive",
                    "スケジュールタイプ {kind} では sigma を {sigma_max} から {sigma_min} まで下げられません。どちらも正の数にしてください"
                )
            }
            Error::BadBeta { alpha, beta } => say!(
                "the Beta schedule works with alpha and beta between 0.01 and 100, not {alpha} and {beta}",
                "スケジュールタイプ Beta の alpha と beta は 0.01 から 100 までです ({alpha} と {beta} は使えません)"
            ),
            Error::NoConvergence { steps } => say!(
                "DPM adaptive found no usable step size within {steps} steps; the model's predictions may not be finite",
                "DPM adaptive は {steps} ステップのうちに使える刻み幅を見つけられませんでした。モデルの予測が有限の数値でないのかもしれません"
            ),
            Error::NoParts => say!(
                "the model gave a prediction for none of the prompt's parts",
                "プロンプトのどの部分についてもモデルの予測がありません"
            ),
        }
    }
}

impl Error {
    /// Carries an error of the caller's out through a sampler.
    pub fn caller(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::Caller(Box::new(error))
    }
}

/// Source of the noise that a sampler adds when it goes from `sigma` to `sigma_next`, with variance 1.
pub trait NoiseSampler {
    /// Noise of the latent's shape.
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
    /// The noisy latent.
    pub x: &'a Tensor,
    /// 0 for samplers over timesteps.
    pub sigma: f32,
    /// What the network takes it for.
    pub denoised: &'a Tensor,
}

/// Observes every step; an error ends the sampling with that error.
pub type OnStep<'a> = &'a mut dyn FnMut(Step<'_>) -> Result<()>;
