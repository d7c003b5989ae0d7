//! Sampling a part of a latent: all that is not masked stays what it was (inpainting).
//!
//! webui blends at every model call: for samplers over sigmas what the model has denoised, for samplers over timesteps what it is
//! given.

use candle_core::Tensor;

use super::{Denoiser, Eps, EpsModel, Result};

/// A latent, and which of it is painted anew.
#[derive(Debug, Clone)]
pub struct LatentMask {
    /// (1, 4, h, w)
    pub latent: Tensor,
    /// (1, 1, h, w): 1 is painted anew, 0 stays.
    pub mask: Tensor,
}

impl LatentMask {
    /// `x` where it is painted anew, the latent elsewhere.
    pub fn blend(&self, x: &Tensor) -> Result<Tensor> {
        let kept = self.latent.broadcast_mul(&self.mask.affine(-1.0, 1.0)?)?;
        Ok((x.broadcast_mul(&self.mask)? + kept)?)
    }
}

/// A model over sigmas whose denoised latent is blended.
pub(super) struct MaskedDenoiser<'a> {
    pub model: &'a mut dyn Denoiser,
    pub mask: &'a LatentMask,
}

impl Denoiser for MaskedDenoiser<'_> {
    fn denoise(&mut self, x: &Tensor, sigma: f32) -> Result<Tensor> {
        self.mask.blend(&self.model.denoise(x, sigma)?)
    }
}

/// A model over timesteps whose input is blended.
pub(super) struct MaskedEps<'a> {
    pub model: &'a mut dyn EpsModel,
    pub mask: &'a LatentMask,
}

impl EpsModel for MaskedEps<'_> {
    fn eps(&mut self, x: &Tensor, t: f32) -> Result<Eps> {
        self.model.eps(&self.mask.blend(x)?, t)
    }
}
