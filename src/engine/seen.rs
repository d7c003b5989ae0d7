//! What a checkpoint sees in a finished picture: its own networks as a measure of pictures, so that no other has to be fetched.
//!
//! On pictures of the embedded model's world, whose shapes, colours, places and styles are known, these two tell most
//! (`fixtures/embedded/MODEL-CARD.md` has the numbers, and what tells less):
//!
//! - *content*: the channels of one deep block of the UNet's way up, place by place, at a middle noise level and without any text.
//!   They change with what is where; colours move them little.
//! - *style*: mean and standard deviation of each channel in the first two levels of the VAE's encoder. They change with colours,
//!   lines and sharpness, and not with the place of things.

use std::ops::ControlFlow;

use candle_core::{DType, Tensor};

use super::event::watched;
use super::image::from_rgb8;
use super::model::Model;
use super::{Engine, EngineError, Event, Observer, prompt};
use crate::model::{EmptyText, ModelError, Watch};
use crate::picture::{Filter, Rgb};
use crate::plan::NoiseSource;
use crate::sampling::{Generator, NoiseLevels};
use crate::text::{Conditioning, Sizes};

/// The features of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// A vector of length 1 for each place of a coarse grid, row by row.
    pub content: Vec<f32>,
    /// Numbers in each of these vectors.
    pub channels: usize,
    /// For each level of the encoder that is looked at: the means of its channels, then their standard deviations.
    pub style: Vec<Vec<f32>>,
}

/// The timestep of the noise that the UNet sees the picture under.
const TIMESTEP: usize = 500;
/// Levels of the encoder that are looked at.
const LEVELS: usize = 2;
/// The noise is the same for all pictures of a size.
const SEED: u64 = 0;

impl Engine {
    /// What the checkpoint, without any network, sees in a picture.
    pub fn see(&mut self, picture: &Rgb, observer: Observer<'_>) -> Result<Features, EngineError> {
        if !self.vae.can_encode() {
            return Err(EngineError::NoEncoder);
        }
        let side = |length: usize| (length / 8 * 8).max(8);
        let (width, height) = (side(picture.width), side(picture.height));
        let image = from_rgb8(&picture.resized(Filter::Lanczos, width, height), &self.device)?;
        self.tiling.set(false);
        let mut style = Vec::new();
        let mut encoding = watched(observer, |part, of| Event::EncodingImage { part, of });
        let latent = self.vae.encode_with(&image, &mut Watch::new(&mut encoding), &mut |level| {
            if style.len() < LEVELS {
                style.push(statistics(level)?);
            }
            Ok(())
        })?;
        drop(encoding);
        let beside = match self.is_inpainting() {
            true => Some(self.beside(&image, None, 1.0, (height / 8, width / 8), observer)?),
            false => None,
        };
        let sizes = Sizes { height: height as u32, width: width as u32, crop_top: 0, crop_left: 0 };
        let (content, channels) = self.model.content(&latent, beside.as_ref(), sizes, observer)?;
        Ok(Features { content, channels, style })
    }
}

impl Model {
    /// What is where: directions of the channels, and how many there are.
    fn content(
        &mut self,
        latent: &Tensor,
        beside: Option<&Tensor>,
        sizes: Sizes,
        observer: Observer<'_>,
    ) -> Result<(Vec<f32>, usize), EngineError> {
        let mut merging = watched(observer, |part, of| Event::Merging { part, of });
        self.weights.apply(&[], &mut Watch::new(&mut merging))?;
        drop(merging);
        let device = latent.device();
        let mut text = prompt::zeros(&self.architecture, &sizes.embed(device)?)?;
        if self.architecture.empty_text == EmptyText::Encoded {
            text = Conditioning { crossattn: self.empty_prompt(observer)?, ..text };
        }
        let noise = Generator::new(NoiseSource::Cpu, SEED).randn(latent.elem_count());
        let noise = Tensor::from_vec(noise, latent.shape(), device)?;
        let kept = f64::from(NoiseLevels::scaled_linear().alphas_cumprod()[TIMESTEP]);
        let mut x = ((latent * kept.sqrt())? + (noise * (1.0 - kept).sqrt())?)?;
        if let Some(beside) = beside {
            x = Tensor::cat(&[&x, beside], 1)?;
        }
        let t = Tensor::new(&[TIMESTEP as f32], device)?;
        // The last block of the lowest resolution.
        let up = self.unet.architecture().levels.last().map_or(0, |level| level.up.len());
        let wanted = format!("OUT{:02}", up.saturating_sub(1));
        let (of, mut part, mut seen) = (self.unet.blocks(), 0, None);
        let answer = self.unet.forward(&x, &t, &text.crossattn, text.vector.as_ref(), &mut |id, h| {
            part += 1;
            if id == wanted {
                seen = Some(h.clone());
                return ControlFlow::Break(());
            }
            observer(Event::Block { id, part, of })
        });
        match (seen, answer) {
            (Some(seen), _) => Ok(directions(&seen)?),
            (None, Err(ModelError::Stopped)) => Err(EngineError::Stopped),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(_)) => Err(candle_core::Error::Msg(format!("the UNet has no block {wanted}")).into()),
        }
    }
}

/// (1, h, w, c) → means of the channels, then their standard deviations.
fn statistics(level: &Tensor) -> candle_core::Result<Vec<f32>> {
    let channels = level.dim(3)?;
    let level = level.to_dtype(DType::F32)?.reshape(((), channels))?;
    let means = level.mean_keepdim(0)?;
    let deviations = level.broadcast_sub(&means)?.sqr()?.mean(0)?.sqrt()?;
    let [mut means, deviations] = [means.flatten_all()?.to_vec1::<f32>()?, deviations.to_vec1::<f32>()?];
    means.extend(deviations);
    Ok(means)
}

/// (1, h, w, c) → a vector of length 1 for each place, and their length.
fn directions(block: &Tensor) -> candle_core::Result<(Vec<f32>, usize)> {
    let channels = block.dim(3)?;
    let mut values = block.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    for place in values.chunks_exact_mut(channels) {
        let length = place.iter().map(|v| v * v).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        place.iter_mut().for_each(|v| *v /= length);
    }
    Ok((values, channels))
}
