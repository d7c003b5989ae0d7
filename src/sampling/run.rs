//! One image's way from noise (or from another latent) to its final latent.

use candle_core::Tensor;

use super::denoiser::{Guided, LcmDenoiser, Parameterization, SigmaDenoiser};
use super::noise::ImageRng;
use super::noise_levels::NoiseLevels;
use super::samplers::{self, Args, KSampler};
use super::schedule::{MAX_STEPS, sampler_sigmas};
use super::{BrownianTree, Denoiser, Error, NoiseSampler, OnStep, Result};
use crate::plan::{Sampler, Settings};

/// Everything that sampling one image needs.
pub struct Run<'a> {
    pub settings: &'a Settings,
    pub levels: &'a NoiseLevels,
    pub parameterization: Parameterization,
    pub model: &'a mut dyn Guided,
    /// The image's own generator: its next draw is the initial noise.
    pub rng: &'a mut ImageRng,
    pub start: Start,
}

/// What the sampling starts from.
#[derive(Debug, Clone)]
pub enum Start {
    /// Noise alone.
    Noise,
    /// A scaled latent (1, 4, h, w) that is partly covered with noise.
    Latent {
        latent: Tensor,
        /// Denoising strength, 0 to 1: the share of the schedule that is run.
        strength: f64,
        /// Run as many steps as the settings say, on a longer schedule, instead of a share of them.
        fix_steps: bool,
    },
}

/// The whole schedule, and from which of its steps on it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    /// Steps of the schedule.
    steps: usize,
    /// Steps that are left out at the beginning.
    skipped: usize,
}

impl Start {
    /// webui's rule: without `fix_steps`, int(strength · steps) + 1 steps are run.
    fn extent(&self, steps: usize) -> Result<Extent> {
        let (steps, t_enc) = match *self {
            Start::Noise => return Ok(Extent { steps, skipped: 0 }),
            Start::Latent { strength, fix_steps: false, .. } => (steps, (clamped(strength) * steps as f64) as usize),
            Start::Latent { strength, fix_steps: true, .. } => {
                ((steps as f64 / clamped(strength)) as usize, steps.saturating_sub(1))
            }
        };
        if steps > MAX_STEPS {
            return Err(Error::TooManySteps { steps, limit: MAX_STEPS });
        }
        Ok(Extent { steps, skipped: steps.saturating_sub(t_enc + 1) })
    }
}

fn clamped(strength: f64) -> f64 {
    strength.clamp(0.0, 0.999)
}

/// The sigmas the run walks through, from the noisiest down; for samplers over timesteps an empty list.
pub fn sampling_sigmas(settings: &Settings, levels: &NoiseLevels, start: &Start) -> Result<Vec<f32>> {
    let extent = start.extent(settings.steps as usize)?;
    let sigmas = sampler_sigmas(settings, extent.steps, levels)?;
    Ok(sigmas[extent.skipped.min(sigmas.len() - 1)..].to_vec())
}

/// Runs the sampler of the settings and gives the final latent, (1, 4, h, w).
///
/// Errors come from the schedule's options, from the network, or from `on_step`.
pub fn sample(run: Run, on_step: OnStep) -> Result<Tensor> {
    let Run { settings, levels, parameterization, model, rng, start } = run;
    let sigmas = sampling_sigmas(settings, levels, &start)?;
    let x = initial(&start, rng, &sigmas, settings)?;
    let args = args(settings);
    let sampler = k_sampler(settings.sampler).unwrap();
    let mut denoiser: Box<dyn Denoiser> = match settings.sampler {
        Sampler::Lcm => {
            let levels = levels.for_lcm();
            Box::new(LcmDenoiser { model, levels, parameterization, cfg_scale: settings.cfg_scale })
        }
        _ => Box::new(SigmaDenoiser { model, levels, parameterization, cfg_scale: settings.cfg_scale }),
    };
    if is_brownian(settings.sampler) {
        let whole = sampler_sigmas(settings, start.extent(settings.steps as usize)?.steps, levels)?;
        let mut tree = BrownianTree::new(settings.noise_source, settings.seed, &whole, x.shape(), x.device());
        sampler(denoiser.as_mut(), x, &sigmas, &args, &mut tree, on_step)
    } else {
        sampler(denoiser.as_mut(), x, &sigmas, &args, rng as &mut dyn NoiseSampler, on_step)
    }
}

/// The first x: noise at the first sigma, over the latent where there is one.
fn initial(start: &Start, rng: &mut ImageRng, sigmas: &[f32], settings: &Settings) -> Result<Tensor> {
    let noise = rng.draw()?;
    let sigma = f64::from(sigmas[0]);
    Ok(match start {
        Start::Latent { latent, .. } => (latent + (noise * sigma)?)?,
        Start::Noise if settings.sgm_noise_multiplier => (noise * (1.0 + sigma * sigma).sqrt())?,
        Start::Noise => (noise * sigma)?,
    })
}

/// The sampler's arguments as webui passes them: a sampler that it does not give an option keeps the default.
fn args(settings: &Settings) -> Args {
    use Sampler::*;
    let default_eta = if settings.sampler.is_timestep() { 0.0 } else { 1.0 };
    let takes_noise_strength = !matches!(settings.sampler, EulerA | DpmAdaptive | Restart | Lcm);
    Args {
        eta: settings.eta.unwrap_or(default_eta),
        s_churn: settings.s_churn,
        s_tmin: settings.s_tmin,
        s_tmax: if settings.s_tmax == 0.0 { f64::INFINITY } else { settings.s_tmax },
        s_noise: if takes_noise_strength { settings.s_noise } else { 1.0 },
    }
}

fn k_sampler(sampler: Sampler) -> Option<KSampler> {
    use Sampler::*;
    Some(match sampler {
        DpmPp2M => samplers::dpmpp_2m,
        DpmPpSde => samplers::dpmpp_sde,
        DpmPp2MSde => samplers::dpmpp_2m_sde,
        DpmPp2MSdeHeun => samplers::dpmpp_2m_sde_heun,
        DpmPp2SA => samplers::dpmpp_2s_ancestral,
        DpmPp3MSde => samplers::dpmpp_3m_sde,
        EulerA => samplers::euler_ancestral,
        Euler => samplers::euler,
        Lms => samplers::lms,
        Heun => samplers::heun,
        Dpm2 => samplers::dpm_2,
        Dpm2A => samplers::dpm_2_ancestral,
        Restart => samplers::restart,
        Lcm => samplers::lcm,
        DpmFast | DpmAdaptive | Ddim | DdimCfgPp | Plms | UniPc => return None,
    })
}

/// Draws its noise from one Brownian motion per image.
fn is_brownian(sampler: Sampler) -> bool {
    use Sampler::*;
    matches!(sampler, DpmPpSde | DpmPp2MSde | DpmPp2MSdeHeun | DpmPp3MSde)
}
