//! From what one pass has drawn to what the next one draws over, at its size (hires. fix).

use candle_core::{DType, Tensor};

use super::event::watched;
use super::image::{from_rgb8, to_rgb8};
use super::{Engine, EngineError, Event, Observer};
use crate::model::{ModelError, Watch};
use crate::picture::{Fit, Rgb};
use crate::plan::{HiresUpscaler, NoiseSource, Pass, Settings, Start, Tiles};
use crate::sampling::{Generator, upscale};
use crate::upscale::{Progress, Tiling};

impl Engine {
    /// `latent` at the size of `pass`, less what is cut off on both sides.
    pub(super) fn enlarged(
        &mut self,
        latent: &Tensor,
        pass: &Pass,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let Start::Previous { upscaler, tiles, cut, .. } = &pass.start else { return Ok(latent.clone()) };
        let (height, width) = (pass.settings.height as usize / 8, pass.settings.width as usize / 8);
        let [x, y] = cut.map(|side| side as usize);
        let latent = match upscaler {
            HiresUpscaler::Latent(how) => upscale(latent, height, width, *how)?,
            HiresUpscaler::Pixel(name) => self.redrawn(latent, &pass.settings, name, *tiles, observer)?,
        };
        Ok(latent.narrow(2, y / 2, height - y)?.narrow(3, x / 2, width - x)?)
    }

    /// Decoded, enlarged as a picture, and encoded again.
    fn redrawn(
        &mut self,
        latent: &Tensor,
        settings: &Settings,
        upscaler: &str,
        tiles: Tiles,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let upscaler = self.upscalers.get(upscaler, tiling(tiles))?;
        let small = self.picture(latent, observer)?;
        let mut enlarging = |Progress { tile, tiles, .. }| observer(Event::Enlarging { part: tile, of: tiles });
        let (width, height) = (settings.width as usize, settings.height as usize);
        let large = upscaler.resize(&small, Fit::Stretch, width, height, &mut enlarging)?;
        self.encode_between(&large, settings, observer)
    }

    /// Encodes a picture between two passes, the second of which has these settings, to a scaled latent.
    pub fn encode_between(
        &self,
        picture: &Rgb,
        settings: &Settings,
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let image = from_rgb8(picture, &self.device)?;
        match settings.noise_source {
            NoiseSource::Gpu => self.encode_image(&image, observer),
            // webui draws from the encoder's distribution with torch's generator of the CPU, which it has seeded then.
            NoiseSource::Cpu => {
                let mut encoding = watched(observer, |part, of| Event::EncodingImage { part, of });
                let moments = self.vae.moments(&image, &mut Watch::new(&mut encoding))?;
                let (_, channels, height, width) = moments.dims4()?;
                let shape = (1, channels / 2, height, width);
                let noise = Generator::new(NoiseSource::Cpu, settings.seed).randn(channels / 2 * height * width);
                let noise = Tensor::from_vec(noise, shape, &self.device)?;
                Ok(self.vae.drawn(&moments, &noise)?)
            }
        }
    }

    /// The picture of a latent (1, 4, h, w).
    pub(super) fn picture(&self, latent: &Tensor, observer: Observer<'_>) -> Result<Rgb, EngineError> {
        super::event::tell(observer, Event::Decoding { part: 0, of: self.vae.parts() })?;
        let mut decoding = watched(observer, |part, of| Event::Decoding { part, of });
        let decoded: Result<Tensor, ModelError> = self.vae.decode(latent, &mut Watch::new(&mut decoding));
        let decoded = decoded?;
        match decoded.sum_all()?.to_dtype(DType::F32)?.to_scalar::<f32>()?.is_finite() {
            true => Ok(to_rgb8(&decoded)?),
            false => Err(EngineError::NanPicture),
        }
    }
}

fn tiling(Tiles { tile, overlap }: Tiles) -> Tiling {
    Tiling { tile: tile as usize, overlap: overlap as usize }
}
