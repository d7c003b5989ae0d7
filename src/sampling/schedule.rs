//! Noise schedules: the sigmas (or timesteps) a sampler walks through, from the noisiest down.
//!
//! Most schedules give n sigmas and a final 0. KL Optimal gives n + 1 and ends at the smallest sigma instead; DDIM may
//! give more than n. Values are computed in f32 where torch does, so that they agree to the last bits.

use super::noise_levels::{NoiseLevels, TRAINING_STEPS};
use super::{Error, Result, rounded};
use crate::plan::{Sampler, ScheduleType, Settings};

/// The sigmas `settings` asks for; what "Automatic" means, one more step for samplers that drop the next-to-last sigma,
/// and LCM's own table are applied here.
///
/// Errors when `steps` is 0 or the schedule's options give no usable sigmas.
pub fn sampler_sigmas(settings: &Settings, steps: usize, levels: &NoiseLevels) -> Result<Vec<f32>> {
    let sampler = settings.sampler;
    let discard = sampler.discards_next_to_last_sigma() || settings.always_discard_next_to_last_sigma;
    let steps = if discard { steps + 1 } else { steps };
    let kind = match settings.schedule_type {
        ScheduleType::Automatic => sampler.default_schedule().unwrap_or(ScheduleType::Uniform),
        chosen => chosen,
    };
    let mut sigmas = match sampler {
        Sampler::Lcm => sigmas(kind, steps, &levels.for_lcm(), settings)?,
        _ => sigmas(kind, steps, levels, settings)?,
    };
    if discard && sigmas.len() > 1 {
        sigmas.remove(sigmas.len() - 2);
    }
    Ok(sigmas)
}

/// Sampling steps above which a schedule is refused.
pub const MAX_STEPS: usize = 10_000;

/// The sigmas of schedule `kind` for `n` steps, before any rule of a sampler.
pub fn sigmas(kind: ScheduleType, n: usize, levels: &NoiseLevels, options: &Settings) -> Result<Vec<f32>> {
    if n == 0 {
        return Err(Error::NoSteps);
    }
    if n > MAX_STEPS {
        return Err(Error::TooManySteps { steps: n, limit: MAX_STEPS });
    }
    let (min, max) = sigma_range(levels, options);
    let rho = |default: f64| if options.rho == 0.0 { default } else { options.rho };
    let sigmas = match kind {
        ScheduleType::Automatic | ScheduleType::Uniform => uniform(n, levels),
        ScheduleType::Karras => karras(n, min, max, rho(7.0)),
        ScheduleType::Exponential => exponential(n, min, max),
        ScheduleType::Polyexponential => polyexponential(n, min, max, rho(1.0)),
        ScheduleType::SgmUniform => sgm_uniform(n, min, max, levels),
        ScheduleType::KlOptimal => kl_optimal(n, min, max),
        ScheduleType::AlignYourSteps => align_your_steps(n, levels.align_your_steps()),
        ScheduleType::Simple => simple(n, levels),
        ScheduleType::Normal => normal(n, min, max, levels),
        ScheduleType::Ddim => ddim(n, levels),
        ScheduleType::Beta => beta(n, min, max, options.beta_alpha, options.beta_beta)?,
    };
    match sigmas.iter().all(|s| s.is_finite() && *s >= 0.0) {
        true => Ok(sigmas),
        false => Err(Error::BadSchedule { kind, sigma_min: min, sigma_max: max }),
    }
}

/// Timesteps for DDIM and its kin, ascending; samplers use them backwards. There may be more than `steps`.
pub fn timesteps(steps: usize) -> Result<Vec<usize>> {
    match steps {
        0 => Err(Error::NoSteps),
        steps if steps > TRAINING_STEPS => Err(Error::TooManySteps { steps, limit: TRAINING_STEPS }),
        _ => {
            let spaced = (0..TRAINING_STEPS).step_by(TRAINING_STEPS / steps);
            Ok(spaced.map(|t| (t + 1).min(TRAINING_STEPS - 1)).collect())
        }
    }
}

/// Ends of the schedules that are formulas: the table's, unless options say otherwise.
fn sigma_range(levels: &NoiseLevels, options: &Settings) -> (f64, f64) {
    let (min, max) = match options.use_old_karras_scheduler_sigmas {
        true => (0.1, 10.0),
        false => (f64::from(levels.sigma_min()), f64::from(levels.sigma_max())),
    };
    let option = |value: f64, default| if value == 0.0 { default } else { value };
    (option(options.sigma_min, min), option(options.sigma_max, max))
}

/// Evenly spaced timesteps over the whole table.
fn uniform(n: usize, levels: &NoiseLevels) -> Vec<f32> {
    let (first, last) = levels.t_range();
    and_zero(linspace(last, first, n).map(|t| levels.sigma(t)))
}

/// Source: Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models" (2022), equation 5.
pub(super) fn karras(n: usize, min: f64, max: f64, rho: f64) -> Vec<f32> {
    let (min_inv, max_inv) = (min.powf(1.0 / rho), max.powf(1.0 / rho));
    let sigma = |ramp: f32| rounded::powf(max_inv as f32 + ramp * (min_inv - max_inv) as f32, rho);
    and_zero(linspace(0.0, 1.0, n).map(sigma))
}

/// Evenly spaced in ln sigma.
fn exponential(n: usize, min: f64, max: f64) -> Vec<f32> {
    and_zero(linspace(max.ln() as f32, min.ln() as f32, n).map(rounded::exp))
}

/// A power of an even spacing in ln sigma.
fn polyexponential(n: usize, min: f64, max: f64, rho: f64) -> Vec<f32> {
    let span = (max.ln() - min.ln()) as f32;
    let sigma = |ramp: f32| rounded::exp(rounded::powf(ramp, rho) * span + min.ln() as f32);
    and_zero(linspace(1.0, 0.0, n).map(sigma))
}

/// Evenly spaced timesteps from the noisiest, without the last one.
fn sgm_uniform(n: usize, min: f64, max: f64, levels: &NoiseLevels) -> Vec<f32> {
    let (start, end) = (levels.t(max as f32), levels.t(min as f32));
    and_zero(linspace(start, end, n + 1).take(n).map(|t| levels.sigma(t)))
}

/// n + 1 sigmas, none of them 0. Source: Sabour et al., "Align Your Steps" (2024), equation 31.
fn kl_optimal(n: usize, min: f64, max: f64) -> Vec<f32> {
    let (alpha_min, alpha_max) = (rounded::atan(min as f32), rounded::atan(max as f32));
    let share = |i: usize| i as f32 / n as f32;
    (0..=n).map(|i| rounded::tan(share(i) * alpha_min + (1.0 - share(i)) * alpha_max)).collect()
}

/// A family's optimised table for 10 steps, interpolated in ln sigma. Source: Sabour et al., "Align Your Steps" (2024).
fn align_your_steps(n: usize, table: &[f64; 11]) -> Vec<f32> {
    if n == table.len() {
        return and_zero(table.iter().map(|s| *s as f32));
    }
    // The position is counted from the table's end, where a single step lands.
    let last = table.len() - 1;
    let sigma = |i: usize| {
        let position = if n == 1 { 0.0 } else { (n - 1 - i) as f64 / (n - 1) as f64 * last as f64 };
        let low = (position.floor() as usize).min(last - 1);
        let [a, b] = [table[last - low].ln(), table[last - low - 1].ln()];
        (a + (b - a) * (position - low as f64)).exp() as f32
    };
    and_zero((0..n).map(sigma))
}

/// Evenly spaced entries of the table.
fn simple(n: usize, levels: &NoiseLevels) -> Vec<f32> {
    let table = levels.sigmas();
    let step = table.len() as f64 / n as f64;
    and_zero((0..n).map(|i| table[table.len() - 1 - (i as f64 * step) as usize]))
}

/// Evenly spaced timesteps between the ends.
fn normal(n: usize, min: f64, max: f64, levels: &NoiseLevels) -> Vec<f32> {
    and_zero(linspace(levels.t(max as f32), levels.t(min as f32), n).map(|t| levels.sigma(t)))
}

/// Every d-th entry of the table from its second one, d = max(size / n, 1).
fn ddim(n: usize, levels: &NoiseLevels) -> Vec<f32> {
    let table = levels.sigmas();
    let entries: Vec<f32> = table.iter().skip(1).step_by((table.len() / n).max(1)).copied().collect();
    and_zero(entries.into_iter().rev())
}

/// Quantiles of a beta distribution. Source: Lee et al., "Beta Sampling is All You Need" (2024).
fn beta(n: usize, min: f64, max: f64, alpha: f64, beta: f64) -> Result<Vec<f32>> {
    // Far outside these the quantile function loses its precision; webui offers 0.01 to 2.
    let range = 0.01..=100.0;
    if !range.contains(&alpha) || !range.contains(&beta) {
        return Err(Error::BadBeta { alpha, beta });
    }
    let step = if n == 1 { 0.0 } else { 1.0 / (n - 1) as f64 };
    let quantile = |i: usize| puruspe::invbetai(1.0 - i as f64 * step, alpha, beta);
    Ok(and_zero((0..n).map(|i| (min + quantile(i) * (max - min)) as f32)))
}

fn and_zero(sigmas: impl Iterator<Item = f32>) -> Vec<f32> {
    sigmas.chain([0.0]).collect()
}

/// `n` evenly spaced values, computed from both ends towards the middle with one rounding each, as torch does.
pub(super) fn linspace(start: f32, end: f32, n: usize) -> impl Iterator<Item = f32> {
    let step = if n > 1 { (end - start) / (n - 1) as f32 } else { 0.0 };
    (0..n).map(move |i| match i < n / 2 || n == 1 {
        true => step.mul_add(i as f32, start),
        false => (-step).mul_add((n - 1 - i) as f32, end),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> (NoiseLevels, Settings) {
        (NoiseLevels::scaled_linear(), Settings::default())
    }

    #[test]
    fn every_schedule_descends() {
        let (levels, options) = plain();
        for kind in ScheduleType::ALL {
            for n in [1, 2, 3, 7, 20, 150, 999, 1000] {
                let sigmas = sigmas(kind, n, &levels, &options).unwrap();
                assert!(sigmas.windows(2).all(|w| w[0] >= w[1]), "{kind:?} {n}: {sigmas:?}");
            }
        }
    }

    #[test]
    fn unusable_options_are_errors() {
        let (levels, options) = plain();
        let negative = Settings { sigma_min: -1.0, ..options.clone() };
        assert!(matches!(sigmas(ScheduleType::Karras, 5, &levels, &negative), Err(Error::BadSchedule { .. })));
        for (beta_alpha, beta_beta) in [(0.0, 0.6), (0.6, -1.0), (f64::NAN, 0.6), (0.6, f64::INFINITY)] {
            let bad = Settings { beta_alpha, beta_beta, ..options.clone() };
            assert!(matches!(sigmas(ScheduleType::Beta, 5, &levels, &bad), Err(Error::BadBeta { .. })));
        }
        assert!(matches!(sigmas(ScheduleType::Karras, 0, &levels, &options), Err(Error::NoSteps)));
        assert!(matches!(timesteps(0), Err(Error::NoSteps)));
        assert!(matches!(timesteps(1001), Err(Error::TooManySteps { .. })));
        assert_eq!(timesteps(1000).unwrap().len(), 1000);
    }

    #[test]
    fn extreme_beta_options_are_usable() {
        let (levels, options) = plain();
        for beta_alpha in [0.01, 0.3, 1.0, 2.0, 100.0] {
            for beta_beta in [0.01, 0.3, 1.0, 2.0, 100.0] {
                let options = Settings { beta_alpha, beta_beta, ..options.clone() };
                let sigmas = sigmas(ScheduleType::Beta, 30, &levels, &options).unwrap();
                assert!(sigmas.windows(2).all(|w| w[0] >= w[1]), "{beta_alpha} {beta_beta}: {sigmas:?}");
            }
        }
    }
}
