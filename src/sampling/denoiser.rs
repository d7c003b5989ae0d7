//! From raw network outputs to what samplers walk along: a denoised image, or a noise prediction.
//!
//! A network predicts noise (eps) or velocity (v) for a latent and a timestep. k-diffusion's samplers want the denoised
//! latent D(x, σ), DDIM and its kin the noise; guidance combines the parts of a prompt *after* that conversion, in the
//! sampler's own space. The caller supplies [`Guided`]; [`SigmaDenoiser`], [`LcmDenoiser`] and [`TimestepDenoiser`]
//! do the rest.

use candle_core::Tensor;

use super::Result;
use super::noise_levels::NoiseLevels;

/// What the network's output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parameterization {
    /// The noise that was added.
    #[default]
    Eps,
    /// √ᾱ · noise − √(1 − ᾱ) · image.
    V,
}

/// Raw network outputs for one latent.
#[derive(Debug, Clone)]
pub struct Predictions {
    /// The output for every part of the prompt with the part's weight; never empty.
    pub parts: Vec<(Tensor, f64)>,
    /// The output for the negative prompt; `None` where it was skipped.
    pub uncond: Option<Tensor>,
}

/// One call of the network for every part of the prompt and the negative prompt.
pub trait Guided {
    /// The outputs for `x_in`, already scaled for the network, at timestep `t`.
    ///
    /// `level` is what webui compares with "negative guidance minimum sigma": sigma for samplers over sigmas, the
    /// timestep for samplers over timesteps.
    fn predict(&mut self, x_in: &Tensor, t: f32, level: f32) -> Result<Predictions>;
}

/// D(x, σ): the denoised latent that a k-diffusion sampler steps towards.
pub trait Denoiser {
    /// The denoised latent for `x` = latent + noise of standard deviation `sigma`, of the same shape.
    fn denoise(&mut self, x: &Tensor, sigma: f32) -> Result<Tensor>;
}

impl<F: FnMut(&Tensor, f32) -> Result<Tensor>> Denoiser for F {
    fn denoise(&mut self, x: &Tensor, sigma: f32) -> Result<Tensor> {
        self(x, sigma)
    }
}

/// A guided noise prediction.
#[derive(Debug, Clone)]
pub struct Eps {
    /// With guidance.
    pub guided: Tensor,
    /// The negative prompt's own prediction, which CFG++ steps along.
    pub uncond: Tensor,
}

/// The noise in `x` at timestep `t`, for samplers over timesteps.
pub trait EpsModel {
    /// The noise in `x`, (1, 4, h, w), at timestep `t`.
    fn eps(&mut self, x: &Tensor, t: f32) -> Result<Eps>;
}

impl<F: FnMut(&Tensor, f32) -> Result<Eps>> EpsModel for F {
    fn eps(&mut self, x: &Tensor, t: f32) -> Result<Eps> {
        self(x, t)
    }
}

/// Classifier-free guidance over composed prompts: U + Σ (C_k − U) · w_k · cfg.
///
/// Without `uncond` the first part stands in for it and the CFG scale is 1: C_0 + Σ (C_k − C_0) · w_k.
pub fn guide(parts: &[(Tensor, f64)], uncond: Option<&Tensor>, cfg_scale: f64) -> Result<Tensor> {
    let Some((first, _)) = parts.first() else { return Err(super::Error::NoParts) };
    let (base, scale) = match uncond {
        Some(uncond) => (uncond, cfg_scale),
        None => (first, 1.0),
    };
    let mut guided = base.clone();
    for (part, weight) in parts {
        guided = (guided + ((part - base)? * (weight * scale)))?;
    }
    Ok(guided)
}

/// The denoised latent from one raw output, data variance 1.
///
/// eps: x − σ f; v: x / (σ² + 1) − σ / √(σ² + 1) f. Source: Karras et al. (2022), table 1, and Salimans and Ho,
/// "Progressive Distillation" (2022), appendix D.
pub fn denoised(parameterization: Parameterization, x: &Tensor, sigma: f32, output: &Tensor) -> Result<Tensor> {
    let variance = sigma * sigma + 1.0;
    let (skip, out) = match parameterization {
        Parameterization::Eps => return Ok((x - (output * f64::from(sigma))?)?),
        Parameterization::V => (1.0 / variance, sigma / variance.sqrt()),
    };
    Ok(((x * f64::from(skip))? - (output * f64::from(out))?)?)
}

/// x / √(σ² + 1): what the network expects as input.
pub fn scaled_input(x: &Tensor, sigma: f32) -> Result<Tensor> {
    Ok((x * f64::from(1.0 / (sigma * sigma + 1.0).sqrt()))?)
}

/// Drives a network for samplers over sigmas; guidance acts on the denoised latents.
pub struct SigmaDenoiser<'a> {
    /// The network with its prompts.
    pub model: &'a mut dyn Guided,
    /// Sigma for each timestep.
    pub levels: &'a NoiseLevels,
    /// What the network predicts.
    pub parameterization: Parameterization,
    /// How far guidance goes; 1 is the conditional prediction.
    pub cfg_scale: f64,
}

impl Denoiser for SigmaDenoiser<'_> {
    fn denoise(&mut self, x: &Tensor, sigma: f32) -> Result<Tensor> {
        let output = self.model.predict(&scaled_input(x, sigma)?, self.levels.t(sigma), sigma)?;
        guide_in(output, self.cfg_scale, |f| denoised(self.parameterization, x, sigma, f))
    }
}

/// Drives a network for the LCM sampler, whose denoised latent keeps a share of its input near the end.
///
/// Source: Luo et al., "Latent Consistency Models" (2023): boundary scalings with data deviation 0.5 and timestep scaling 10.
pub struct LcmDenoiser<'a> {
    /// The network with its prompts.
    pub model: &'a mut dyn Guided,
    /// LCM's own table, [`NoiseLevels::for_lcm`].
    pub levels: NoiseLevels,
    /// What the network predicts.
    pub parameterization: Parameterization,
    /// How far guidance goes; 1 is the conditional prediction.
    pub cfg_scale: f64,
}

impl Denoiser for LcmDenoiser<'_> {
    fn denoise(&mut self, x: &Tensor, sigma: f32) -> Result<Tensor> {
        let t = self.levels.t(sigma);
        let output = self.model.predict(&scaled_input(x, sigma)?, t, sigma)?;
        let timestep = 10.0 * t;
        let variance = timestep * timestep + 0.25;
        let (skip, out) = (0.25 / variance, timestep / variance.sqrt());
        guide_in(output, self.cfg_scale, |f| {
            let denoised = denoised(self.parameterization, x, sigma, f)?;
            Ok(((denoised * f64::from(out))? + (x * f64::from(skip))?)?)
        })
    }
}

/// Drives a network for samplers over timesteps; guidance acts on noise predictions.
pub struct TimestepDenoiser<'a> {
    /// The network with its prompts.
    pub model: &'a mut dyn Guided,
    /// Sigma for each timestep.
    pub levels: &'a NoiseLevels,
    /// What the network predicts.
    pub parameterization: Parameterization,
    /// How far guidance goes; 1 is the conditional prediction.
    pub cfg_scale: f64,
}

impl EpsModel for TimestepDenoiser<'_> {
    fn eps(&mut self, x: &Tensor, t: f32) -> Result<Eps> {
        let output = self.model.predict(x, t, t)?;
        let convert = |f: &Tensor| eps(self.parameterization, self.levels, x, t, f);
        let Predictions { parts, uncond } = converted(output, convert)?;
        let guided = guide(&parts, uncond.as_ref(), self.cfg_scale)?;
        let uncond = match uncond {
            Some(uncond) => uncond,
            None => parts.into_iter().next().map(|(first, _)| first).ok_or(super::Error::NoParts)?,
        };
        Ok(Eps { guided, uncond })
    }
}

/// The noise prediction from one raw output: √ᾱ v + √(1 − ᾱ) x for v, with ᾱ of the whole part of `t`.
pub fn eps(p: Parameterization, levels: &NoiseLevels, x: &Tensor, t: f32, output: &Tensor) -> Result<Tensor> {
    if p == Parameterization::Eps {
        return Ok(output.clone());
    }
    let table = levels.alphas_cumprod();
    let alpha = table[(t.max(0.0) as usize).min(table.len() - 1)];
    Ok(((output * f64::from(alpha.sqrt()))? + (x * f64::from((1.0 - alpha).sqrt()))?)?)
}

fn guide_in(output: Predictions, cfg_scale: f64, convert: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let Predictions { parts, uncond } = converted(output, convert)?;
    guide(&parts, uncond.as_ref(), cfg_scale)
}

fn converted(output: Predictions, convert: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Predictions> {
    let parts = output.parts.iter().map(|(f, weight)| Ok((convert(f)?, *weight))).collect::<Result<_>>()?;
    let uncond = output.uncond.as_ref().map(convert).transpose()?;
    Ok(Predictions { parts, uncond })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn scalar(v: f32) -> Tensor {
        Tensor::new(&[v], &Device::Cpu).unwrap()
    }

    #[test]
    fn guidance_adds_weighted_directions() {
        let parts = [(scalar(3.0), 1.0), (scalar(2.0), -0.5)];
        let guided = guide(&parts, Some(&scalar(1.0)), 4.0).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(guided, [1.0 + 2.0 * 4.0 - 1.0 * 2.0]);
    }

    #[test]
    fn without_negative_the_first_part_is_the_base() {
        let parts = [(scalar(3.0), 1.0), (scalar(5.0), 0.5)];
        let guided = guide(&parts, None, 9.0).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(guided, [3.0 + 2.0 * 0.5]);
    }
}
