//! The noise levels a model was trained at, and the way between a timestep t and its sigma.
//!
//! Entry k of a table belongs to timestep `stride · k + stride − 1`: stride 1 is the model's own table of 1000 entries,
//! stride 20 the 50 entries that an LCM model knows. Everything is computed in f32, as torch does it: sigmas are
//! compared and hashed further on, so that the last bit matters.

use half::f16;

use super::rounded;

/// Timesteps of the training schedule.
pub const TRAINING_STEPS: usize = 1000;

/// ᾱ at the last step of a schedule with zero terminal signal-to-noise ratio: as close to 0 as f32 allows to work with.
const ZERO_TERMINAL_ALPHA: f32 = 4.897_345_e-8;

/// Entries of the table whose sigma torch computes one unit in the last place too small on the CPU: its square root
/// is not correctly rounded. 10⁻⁷ of a sigma moves Brownian noise by 10⁻³, so the table follows torch's.
const ROUNDED_DOWN: [usize; 11] = [108, 125, 360, 366, 462, 565, 612, 686, 827, 899, 964];

/// A table of noise levels, ascending in sigma.
#[derive(Debug, Clone)]
pub struct NoiseLevels {
    alphas_cumprod: Vec<f32>,
    sigmas: Vec<f32>,
    log_sigmas: Vec<f32>,
    stride: usize,
    /// Timesteps are rounded to those of the table.
    quantized: bool,
    align_your_steps: [f64; 11],
}

/// SDXL's. Source: Sabour et al., "Align Your Steps" (2024).
const ALIGN_YOUR_STEPS: [f64; 11] = [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029];

impl NoiseLevels {
    /// The table of Stable Diffusion models: β_t is the square of 1000 values from √0.00085 to √0.012, ᾱ = ∏ (1 − β).
    pub fn scaled_linear() -> Self {
        let (start, end) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
        let step = (end - start) / (TRAINING_STEPS - 1) as f64;
        let root = |i: usize| match i < TRAINING_STEPS / 2 {
            true => start + step * i as f64,
            false => end - step * (TRAINING_STEPS - 1 - i) as f64,
        };
        let remaining = |alpha: &mut f64, i| {
            *alpha *= 1.0 - root(i) * root(i);
            Some(*alpha as f32)
        };
        let alphas: Vec<f32> = (0..TRAINING_STEPS).scan(1.0, remaining).collect();
        let mut sigmas = sigmas_of(&alphas);
        ROUNDED_DOWN.iter().for_each(|k| sigmas[*k] = sigmas[*k].next_down());
        Self::from_table(alphas, sigmas, 1)
    }

    fn with_alphas(&self, alphas: Vec<f32>) -> Self {
        let sigmas = sigmas_of(&alphas);
        NoiseLevels { align_your_steps: self.align_your_steps, ..Self::from_table(alphas, sigmas, 1) }
    }

    fn from_table(alphas_cumprod: Vec<f32>, sigmas: Vec<f32>, stride: usize) -> Self {
        let log_sigmas = sigmas.iter().map(|s| rounded::ln(*s)).collect();
        let align_your_steps = ALIGN_YOUR_STEPS;
        NoiseLevels { alphas_cumprod, sigmas, log_sigmas, stride, quantized: false, align_your_steps }
    }

    /// The table rescaled so that its last entry is all noise (webui's noise schedule "Zero Terminal SNR").
    ///
    /// Source: Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed" (2023), algorithm 1.
    pub fn with_zero_terminal_snr(&self) -> Self {
        let roots: Vec<f32> = self.alphas_cumprod.iter().map(|a| a.sqrt()).collect();
        let (first, last) = (roots[0], roots[roots.len() - 1]);
        let rescale = |r: &f32| (r - last) * (first / (first - last));
        let mut alphas: Vec<f32> = roots.iter().map(|r| rescale(r) * rescale(r)).collect();
        alphas[roots.len() - 1] = ZERO_TERMINAL_ALPHA;
        self.with_alphas(alphas)
    }

    /// The table as it is after ᾱ went through half precision (webui's "Downcast alphas_cumprod").
    pub fn downcast(&self) -> Self {
        self.with_alphas(self.alphas_cumprod.iter().map(|a| f16::from_f32(*a).to_f32()).collect())
    }

    /// The same table, of whose timesteps only whole ones are used (webui's "enable quantization in K samplers").
    pub fn quantized(self) -> Self {
        NoiseLevels { quantized: true, ..self }
    }

    /// Every 20th entry, counted from the noisiest one: the steps an LCM model was distilled for.
    pub fn for_lcm(&self) -> Self {
        let stride = 20;
        let every = |table: &[f32]| table.iter().skip(stride - 1).step_by(stride).copied().collect();
        let table = Self::from_table(every(&self.alphas_cumprod), every(&self.sigmas), stride);
        NoiseLevels { align_your_steps: self.align_your_steps, ..table }
    }

    /// The same table, with these sigmas for the schedule "Align Your Steps" at ten steps.
    pub fn with_align_your_steps(self, sigmas: [f64; 11]) -> Self {
        NoiseLevels { align_your_steps: sigmas, ..self }
    }

    /// The sigmas of the schedule "Align Your Steps" at ten steps, the noisiest first.
    pub fn align_your_steps(&self) -> &[f64; 11] {
        &self.align_your_steps
    }

    /// ᾱ of every entry.
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// Sigma of every entry, ascending.
    pub fn sigmas(&self) -> &[f32] {
        &self.sigmas
    }

    /// The lowest sigma the network was trained on.
    pub fn sigma_min(&self) -> f32 {
        self.sigmas[0]
    }

    /// The highest sigma the network was trained on.
    pub fn sigma_max(&self) -> f32 {
        self.sigmas[self.sigmas.len() - 1]
    }

    /// Timesteps of the first and the last entry.
    pub fn t_range(&self) -> (f32, f32) {
        (self.t_of_entry(0), self.t_of_entry(self.sigmas.len() - 1))
    }

    /// The timestep of `sigma`: between two entries linear in ln sigma, outside them the nearest end.
    /// An LCM table and a quantized one know only their own timesteps and give the nearest.
    pub fn t(&self, sigma: f32) -> f32 {
        let log_sigma = rounded::ln(sigma);
        if self.stride > 1 || self.quantized {
            return self.t_of_entry(self.nearest_entry(log_sigma));
        }
        let at_most = self.log_sigmas.partition_point(|l| *l <= log_sigma);
        let low = at_most.saturating_sub(1).min(self.sigmas.len() - 2);
        let (log_low, log_high) = (self.log_sigmas[low], self.log_sigmas[low + 1]);
        let w = ((log_low - log_sigma) / (log_low - log_high)).clamp(0.0, 1.0);
        (1.0 - w) * low as f32 + w * (low + 1) as f32
    }

    /// The sigma of timestep `t`, between two entries linear in ln sigma; `t` is clamped to the table.
    pub fn sigma(&self, t: f32) -> f32 {
        let last = self.sigmas.len() - 1;
        let first_t = self.t_of_entry(0);
        let entry = ((t - first_t) / self.stride as f32).clamp(0.0, last as f32);
        let (low, high, w) = (entry.floor() as usize, entry.ceil() as usize, entry.fract());
        rounded::exp((1.0 - w) * self.log_sigmas[low] + w * self.log_sigmas[high])
    }

    fn t_of_entry(&self, entry: usize) -> f32 {
        (self.stride * entry + self.stride - 1) as f32
    }

    fn nearest_entry(&self, log_sigma: f32) -> usize {
        let distance = |k: &usize| (log_sigma - self.log_sigmas[*k]).abs();
        (0..self.sigmas.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
    }
}

/// sigma = √((1 − ᾱ) / ᾱ).
fn sigmas_of(alphas: &[f32]) -> Vec<f32> {
    alphas.iter().map(|a| ((1.0 - a) / a).sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_ends() {
        let levels = NoiseLevels::scaled_linear();
        assert_eq!((levels.sigma_min(), levels.sigma_max()), (0.029_167_533, 14.614_642));
        assert_eq!(levels.for_lcm().t_range(), (19.0, 999.0));
    }

    #[test]
    fn quantized_timesteps_are_whole() {
        let levels = NoiseLevels::scaled_linear();
        let between = (levels.sigma(500.0) * levels.sigma(501.0)).sqrt();
        assert!((levels.t(between) - 500.5).abs() < 1e-3);
        assert!(levels.quantized().t(between).fract() == 0.0);
    }

    #[test]
    fn odd_values_stay_inside() {
        let levels = NoiseLevels::scaled_linear();
        assert_eq!((levels.t(0.0), levels.t(f32::INFINITY)), (0.0, 999.0));
        assert_eq!(levels.sigma(-5.0), levels.sigma(0.0));
        assert_eq!(levels.sigma(5000.0), levels.sigma(999.0));
    }
}
