//! One image's way from noise (or from another latent) to its final latent.

use candle_core::Tensor;

use super::denoiser::{Denoiser, EpsModel, Guided, LcmDenoiser, Parameterization, SigmaDenoiser, TimestepDenoiser};
use super::masked::{LatentMask, MaskedDenoiser, MaskedEps};
use super::noise::ImageRng;
use super::noise_levels::{NoiseLevels, TRAINING_STEPS};
use super::samplers::{self, Args, KSampler, SigmaRange};
use super::schedule::{MAX_STEPS, sampler_sigmas, timesteps};
use super::{BrownianTree, Error, OnStep, Result};
use crate::plan::{Sampler, Settings};

/// Everything that sampling one image needs.
pub struct Run<'a> {
    /// Sampler, schedule, steps, seed and the rest.
    pub settings: &'a Settings,
    /// Sigma for each timestep.
    pub levels: &'a NoiseLevels,
    /// What the network predicts.
    pub parameterization: Parameterization,
    /// The network with its prompts.
    pub model: &'a mut dyn Guided,
    /// The image's own generator: its next draw is the initial noise.
    pub rng: &'a mut ImageRng,
    /// Noise alone, or a latent that is drawn over.
    pub start: Start,
}

/// What the sampling starts from.
#[derive(Debug, Clone)]
pub enum Start {
    /// Noise alone.
    Noise,
    /// A scaled latent (1, 4, h, w) that is partly covered with noise: img2img, or the second pass of hires. fix, which
    /// takes a fresh [`ImageRng`] of the larger size and `fix_steps`.
    Latent {
        /// What is drawn over, (1, 4, h, w), in the network's scale.
        latent: Tensor,
        /// Denoising strength, 0 to 1: the share of the schedule that is run.
        strength: f64,
        /// Run as many steps as the settings say, on a longer schedule, instead of a share of them.
        fix_steps: bool,
        /// The initial noise is multiplied with this.
        noise_multiplier: f64,
        /// Which of it is painted anew, (1, 1, h, w): 1 is, 0 is not. Nothing stands for all of it.
        mask: Option<Tensor>,
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
    /// What of a latent stays as it is.
    fn masked(&self) -> Option<LatentMask> {
        match self {
            Start::Latent { latent, mask: Some(mask), .. } => {
                Some(LatentMask { latent: latent.clone(), mask: mask.clone() })
            }
            Start::Noise | Start::Latent { .. } => None,
        }
    }

    /// Steps that are run of a schedule of `steps`.
    pub fn steps(&self, steps: usize) -> Result<usize> {
        let extent = self.extent(steps)?;
        Ok(extent.steps - extent.skipped)
    }

    /// webui's rule: without `fix_steps`, int(strength · steps) + 1 steps are run.
    fn extent(&self, steps: usize) -> Result<Extent> {
        let (steps, t_enc) = match *self {
            Start::Noise => (steps, steps),
            Start::Latent { strength, fix_steps: false, .. } => (steps, (clamped(strength) * steps as f64) as usize),
            Start::Latent { strength, fix_steps: true, .. } => {
                ((steps as f64 / clamped(strength)) as usize, steps.saturating_sub(1))
            }
        };
        if steps == 0 {
            return Err(Error::NoSteps);
        }
        if steps > MAX_STEPS {
            return Err(Error::TooManySteps { steps, limit: MAX_STEPS });
        }
        Ok(Extent { steps, skipped: steps.saturating_sub(t_enc + 1) })
    }
}

fn clamped(strength: f64) -> f64 {
    strength.clamp(0.0, 0.999)
}

/// The sigmas the run walks through, from the noisiest down; none for a sampler over timesteps.
pub fn sampling_sigmas(settings: &Settings, levels: &NoiseLevels, start: &Start) -> Result<Vec<f32>> {
    if settings.sampler.is_timestep() {
        return Ok(Vec::new());
    }
    let extent = start.extent(settings.steps as usize)?;
    let mut sigmas = sampler_sigmas(settings, extent.steps, levels)?;
    sigmas.drain(..extent.skipped.min(sigmas.len() - 1));
    Ok(sigmas)
}

/// Runs the sampler of the settings and gives the final latent, (1, 4, h, w).
///
/// Errors come from the schedule's options, from the network, or from `on_step`.
pub fn sample(run: Run, on_step: OnStep) -> Result<Tensor> {
    if let Start::Latent { latent, strength, fix_steps: true, .. } = &run.start
        && clamped(*strength) == 0.0
    {
        return Ok(latent.clone());
    }
    let masked = run.start.masked();
    let latent = match method(run.settings.sampler) {
        Method::Sigmas(method) => over_sigmas(run, method, masked.as_ref(), on_step),
        Method::Timesteps(method) => over_timesteps(run, method, masked.as_ref(), on_step),
    }?;
    masked.map_or(Ok(latent.clone()), |masked| masked.blend(&latent))
}

fn over_sigmas(run: Run, method: OverSigmas, mask: Option<&LatentMask>, on_step: OnStep) -> Result<Tensor> {
    let Run { settings, levels, parameterization, model, rng, start } = run;
    let cfg_scale = settings.cfg_scale;
    let sigmas = sampling_sigmas(settings, levels, &start)?;
    let x = first_x(&start, first_noise(&start, rng)?, sigmas[0], settings)?;
    let args = args(settings);
    // LCM's own table of levels decides what the model sees.
    let mut lcm;
    let mut plain;
    let model: &mut dyn Denoiser = match method {
        OverSigmas::Lcm => {
            lcm = LcmDenoiser { model, levels: levels.for_lcm(), parameterization, cfg_scale };
            &mut lcm
        }
        _ => {
            plain = SigmaDenoiser { model, levels, parameterization, cfg_scale };
            &mut plain
        }
    };
    let mut masked;
    let model = match mask {
        Some(mask) => {
            masked = MaskedDenoiser { model, mask };
            &mut masked
        }
        None => model,
    };
    let (range, nfe) = solver_range(settings, levels, &start, &sigmas);
    match method {
        OverSigmas::Drawn(sampler) => sampler(model, x, &sigmas, &args, rng, on_step),
        OverSigmas::Brownian(sampler) => {
            let mut tree = brownian_tree(settings, levels, &start, &x)?;
            sampler(model, x, &sigmas, &args, &mut tree, on_step)
        }
        OverSigmas::Lcm => samplers::lcm(model, x, &sigmas, &args, rng, on_step),
        OverSigmas::DpmFast => samplers::dpm_fast(model, x, range, nfe, &args, rng, on_step),
        OverSigmas::DpmAdaptive => samplers::dpm_adaptive(model, x, range, &args, rng, on_step),
    }
}

fn over_timesteps(run: Run, method: OverTimesteps, mask: Option<&LatentMask>, on_step: OnStep) -> Result<Tensor> {
    let Run { settings, levels, parameterization, model, rng, start } = run;
    let extent = start.extent(settings.steps as usize)?;
    let mut timesteps = timesteps(extent.steps + usize::from(settings.always_discard_next_to_last_sigma))?;
    let noise = first_noise(&start, rng)?;
    let (x, first_time) = match &start {
        Start::Noise => (noise, 1.0),
        Start::Latent { latent, .. } => {
            // As many timesteps as webui's t_enc are stepped through, from the noise level of the one after them.
            let count = (extent.steps - extent.skipped - 1).min(timesteps.len() - 1);
            let alpha = levels.alphas_cumprod()[timesteps[count]];
            timesteps.truncate(count);
            let image = (latent * f64::from(alpha.sqrt()))?;
            let extra = settings.extra_noise * f64::from(alpha.sqrt());
            let x = (image + (noise * (f64::from((1.0 - alpha).sqrt()) + extra))?)?;
            (x, (timesteps.last().copied().unwrap_or(0) + 1) as f64 / TRAINING_STEPS as f64)
        }
    };
    let cfg_scale = match method {
        OverTimesteps::DdimCfgPp => settings.cfg_scale * samplers::CFG_PP_SCALE,
        _ => settings.cfg_scale,
    };
    let mut plain = TimestepDenoiser { model, levels, parameterization, cfg_scale };
    let mut masked;
    let model: &mut dyn EpsModel = match mask {
        Some(mask) => {
            masked = MaskedEps { model: &mut plain, mask };
            &mut masked
        }
        None => &mut plain,
    };
    let eta = args(settings).eta;
    match method {
        OverTimesteps::Ddim => samplers::ddim(model, x, &timesteps, levels, eta, rng, on_step),
        OverTimesteps::DdimCfgPp => samplers::ddim_cfgpp(model, x, &timesteps, levels, eta, rng, on_step),
        OverTimesteps::Plms => samplers::plms(model, x, &timesteps, levels, on_step),
        OverTimesteps::UniPc => {
            let walk = (timesteps.len(), first_time);
            samplers::unipc(model, x, walk, levels, settings.unipc(), on_step)
        }
    }
}

fn first_noise(start: &Start, rng: &mut ImageRng) -> Result<Tensor> {
    let noise = rng.draw()?;
    match *start {
        Start::Latent { noise_multiplier, .. } if noise_multiplier != 1.0 => Ok((noise * noise_multiplier)?),
        _ => Ok(noise),
    }
}

/// Noise at the first sigma, over the latent where there is one.
fn first_x(start: &Start, noise: Tensor, sigma: f32, settings: &Settings) -> Result<Tensor> {
    Ok(match start {
        Start::Latent { latent, .. } => (latent + (noise * (f64::from(sigma) + settings.extra_noise))?)?,
        Start::Noise if settings.sgm_noise_multiplier => (noise * f64::from((1.0 + sigma * sigma).sqrt()))?,
        Start::Noise => (noise * f64::from(sigma))?,
    })
}

/// Range and number of model calls of the solvers that make their own steps: from noise the table's ends, from a latent
/// the part of the schedule that is run.
fn solver_range(settings: &Settings, levels: &NoiseLevels, start: &Start, sigmas: &[f32]) -> (SigmaRange, usize) {
    match start {
        Start::Noise => {
            let range = SigmaRange { max: levels.sigma_max(), min: levels.sigma_min() };
            (range, settings.steps as usize)
        }
        Start::Latent { .. } => {
            let steps = sigmas.len().saturating_sub(1).max(1);
            (SigmaRange { max: sigmas[0], min: sigmas[steps - 1] }, steps)
        }
    }
}

/// The motion spans the whole schedule, also where only its end is run.
fn brownian_tree(settings: &Settings, levels: &NoiseLevels, start: &Start, x: &Tensor) -> Result<BrownianTree> {
    let whole = sampler_sigmas(settings, start.extent(settings.steps as usize)?.steps, levels)?;
    Ok(BrownianTree::new(settings.noise_source, settings.seed, &whole, x.shape(), x.device()))
}

/// The sampler's arguments as webui passes them: a sampler that it does not give an option keeps the default.
fn args(settings: &Settings) -> Args {
    use Sampler::*;
    let takes_noise_strength = !matches!(settings.sampler, EulerA | DpmAdaptive | Restart | Lcm);
    Args {
        eta: settings.eta.unwrap_or(settings.sampler.default_eta()),
        s_churn: settings.s_churn,
        s_tmin: settings.s_tmin,
        s_tmax: if settings.s_tmax == 0.0 { f64::INFINITY } else { settings.s_tmax },
        s_noise: if takes_noise_strength { settings.s_noise } else { 1.0 },
    }
}

/// How a sampler is run.
enum Method {
    Sigmas(OverSigmas),
    Timesteps(OverTimesteps),
}

enum OverSigmas {
    /// Along the schedule, with noise from the image's generator, draw by draw.
    Drawn(KSampler),
    /// Along the schedule, with noise from one Brownian motion over it.
    Brownian(KSampler),
    Lcm,
    DpmFast,
    DpmAdaptive,
}

enum OverTimesteps {
    Ddim,
    DdimCfgPp,
    Plms,
    UniPc,
}

fn method(sampler: Sampler) -> Method {
    use OverSigmas::{Brownian, DpmAdaptive, DpmFast, Drawn, Lcm};
    use OverTimesteps::{Ddim, DdimCfgPp, Plms, UniPc};
    Method::Sigmas(match sampler {
        Sampler::DpmPp2M => Drawn(samplers::dpmpp_2m),
        Sampler::DpmPpSde => Brownian(samplers::dpmpp_sde),
        Sampler::DpmPp2MSde => Brownian(samplers::dpmpp_2m_sde),
        Sampler::DpmPp2MSdeHeun => Brownian(samplers::dpmpp_2m_sde_heun),
        Sampler::DpmPp2SA => Drawn(samplers::dpmpp_2s_ancestral),
        Sampler::DpmPp3MSde => Brownian(samplers::dpmpp_3m_sde),
        Sampler::EulerA => Drawn(samplers::euler_ancestral),
        Sampler::Euler => Drawn(samplers::euler),
        Sampler::Lms => Drawn(samplers::lms),
        Sampler::Heun => Drawn(samplers::heun),
        Sampler::Dpm2 => Drawn(samplers::dpm_2),
        Sampler::Dpm2A => Drawn(samplers::dpm_2_ancestral),
        Sampler::Restart => Drawn(samplers::restart),
        Sampler::Lcm => Lcm,
        Sampler::DpmFast => DpmFast,
        Sampler::DpmAdaptive => DpmAdaptive,
        Sampler::Ddim => return Method::Timesteps(Ddim),
        Sampler::DdimCfgPp => return Method::Timesteps(DdimCfgPp),
        Sampler::Plms => return Method::Timesteps(Plms),
        Sampler::UniPc => return Method::Timesteps(UniPc),
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::super::Predictions;
    use super::*;

    /// Predicts no noise at all, and notes the timesteps it was asked for.
    struct Nothing(Vec<f32>);

    impl Guided for Nothing {
        fn predict(&mut self, x_in: &Tensor, t: f32, _level: f32) -> Result<Predictions> {
            self.0.push(t);
            Ok(Predictions { parts: vec![(x_in.zeros_like()?, 1.0)], uncond: None })
        }
    }

    fn run(settings: &Settings, start: Start) -> (Result<Tensor>, Vec<f32>) {
        let mut model = Nothing(Vec::new());
        let run = Run {
            settings,
            levels: &NoiseLevels::scaled_linear(),
            parameterization: Parameterization::Eps,
            model: &mut model,
            rng: &mut ImageRng::new(settings, &Device::Cpu),
            start,
        };
        let latent = sample(run, &mut |_| Ok(()));
        (latent, model.0)
    }

    fn small(sampler: Sampler) -> Settings {
        Settings { sampler, width: 64, height: 64, ..Settings::default() }
    }

    fn from_zero(strength: f64, fix_steps: bool) -> Start {
        Start::Latent {
            latent: Tensor::zeros((1, 4, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap(),
            strength,
            fix_steps,
            noise_multiplier: 1.0,
            mask: None,
        }
    }

    #[test]
    fn strength_chooses_the_steps() {
        let extent = |strength, fix_steps| {
            let Extent { steps, skipped } = from_zero(strength, fix_steps).extent(20).unwrap();
            (steps, skipped)
        };
        assert_eq!(extent(0.75, false), (20, 4));
        assert_eq!(extent(1.0, false), (20, 0));
        assert_eq!(extent(0.0, false), (20, 19));
        assert_eq!(extent(0.5, true), (40, 20));
        assert!(matches!(from_zero(1e-9, true).extent(20), Err(Error::TooManySteps { .. })));
        assert!(matches!(Start::Noise.extent(0), Err(Error::NoSteps)));
    }

    #[test]
    fn every_sampler_runs_from_noise_and_from_a_latent() {
        for sampler in Sampler::ALL {
            for steps in [1, 2, 3, 5, 24] {
                let settings = Settings { steps, ..small(sampler) };
                for start in [Start::Noise, from_zero(0.5, false), from_zero(0.01, false), from_zero(0.6, true)] {
                    let (latent, _) = run(&settings, start.clone());
                    let latent = latent.unwrap_or_else(|e| panic!("{sampler:?} {steps} {start:?}: {e}"));
                    let values = latent.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    assert!(values.iter().all(|v| v.is_finite()), "{sampler:?} {steps} {start:?}");
                }
            }
        }
    }

    #[test]
    fn a_latent_skips_the_noisiest_steps() {
        let (_, t) = run(&small(Sampler::Euler), from_zero(0.5, false));
        assert_eq!(t.len(), 11);
        let (_, t) = run(&small(Sampler::Ddim), from_zero(0.5, false));
        assert_eq!(t, (1..10).rev().map(|k| (50 * k + 1) as f32).collect::<Vec<_>>());
    }

    #[test]
    fn strength_0_of_fixed_steps_changes_nothing() {
        let (latent, t) = run(&small(Sampler::Euler), from_zero(0.0, true));
        assert_eq!((latent.unwrap().abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap(), t.len()), (0.0, 0));
    }

    #[test]
    fn the_observers_error_comes_out() {
        let settings = small(Sampler::DpmPp2M);
        let run = Run {
            settings: &settings,
            levels: &NoiseLevels::scaled_linear(),
            parameterization: Parameterization::Eps,
            model: &mut Nothing(Vec::new()),
            rng: &mut ImageRng::new(&settings, &Device::Cpu),
            start: Start::Noise,
        };
        let stop = |step: super::super::Step| match step.index {
            3 => Err(Error::caller(std::io::Error::other("enough"))),
            _ => Ok(()),
        };
        assert_eq!(sample(run, &mut { stop }).unwrap_err().to_string(), "enough");
    }
}
