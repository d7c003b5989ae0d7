//! What a pass begins with: noise, a picture that is drawn over, or what the pass before has drawn.

use candle_core::Tensor;

use super::image::from_rgb8;
use super::over::Over;
use super::{Engine, EngineError, InitImage, Observer};
use crate::picture::Gray;
use crate::plan::{LatentUpscaler, MaskedContent, Pass, ResizeMode, Settings, Start as PassStart};
use crate::sampling::{Generator, LATENT_CHANNELS, Start, upscale};

/// What a pass begins with.
pub(super) struct Beginning {
    pub start: Start,
    /// The picture that is drawn over, which also finishes the result.
    pub over: Option<Over>,
    /// What an inpainting network is given beside the latent, (1, 5, h, w).
    pub beside: Option<Tensor>,
}

impl Engine {
    /// What the sampling of `pass` starts from; `previous` is the latent of the pass before.
    pub fn start(
        &mut self,
        pass: &Pass,
        previous: Option<Tensor>,
        observer: Observer<'_>,
    ) -> Result<Start, EngineError> {
        Ok(self.begin(pass, previous, observer)?.start)
    }

    pub(super) fn begin(
        &mut self,
        pass: &Pass,
        previous: Option<Tensor>,
        observer: Observer<'_>,
    ) -> Result<Beginning, EngineError> {
        let start = match (&pass.start, previous) {
            (PassStart::Picture { .. }, _) => return self.begin_over(pass, observer),
            (PassStart::Noise, _) | (PassStart::Previous { .. }, None) => Start::Noise,
            (PassStart::Previous { denoising_strength, .. }, Some(latent)) => Start::Latent {
                latent: self.enlarged(&latent, pass, observer)?,
                strength: *denoising_strength,
                fix_steps: true,
                noise_multiplier: 1.0,
                mask: None,
            },
        };
        Ok(Beginning { start, over: None, beside: self.beside_nothing(pass, observer)? })
    }

    fn begin_over(&self, pass: &Pass, observer: Observer<'_>) -> Result<Beginning, EngineError> {
        let PassStart::Picture {
            image,
            denoising_strength,
            fix_steps,
            resize_mode,
            noise_multiplier,
            mask,
            color_correction,
            conditional_mask_weight,
        } = &pass.start
        else {
            return Err(EngineError::InitImage(String::new()));
        };
        let picture = self.init_image(image)?.picture();
        let gray = match mask {
            Some(mask) => Some(self.init_image(&mask.image)?.as_mask()),
            None => None,
        };
        let (width, height) = (pass.settings.width as usize, pass.settings.height as usize);
        let over =
            Over::new(picture, gray.as_ref().zip(mask.as_ref()), *resize_mode, (width, height), *color_correction);
        let input = from_rgb8(&over.input, &self.device)?;
        let mut latent = self.encode_image(&input, observer)?;
        if *resize_mode == ResizeMode::Latent {
            latent = upscale(&latent, height / 8, width / 8, LatentUpscaler::Latent)?;
        }
        let (_, _, h, w) = latent.dims4()?;
        let latent_mask = over.latent_mask(h, w, &self.device)?;
        if let (Some(repaint), Some(mask)) = (&latent_mask, mask) {
            latent = filled(latent, repaint, mask.content, &pass.settings)?;
        }
        let beside = match self.is_inpainting() {
            true => Some(self.beside(&input, over.mask.as_ref(), *conditional_mask_weight, (h, w), observer)?),
            false => None,
        };
        let start = Start::Latent {
            latent,
            strength: *denoising_strength,
            fix_steps: *fix_steps,
            noise_multiplier: *noise_multiplier,
            mask: latent_mask,
        };
        Ok(Beginning { start, over: Some(over), beside })
    }

    pub(super) fn init_image(&self, id: &str) -> Result<&InitImage, EngineError> {
        self.init_images.get(id).ok_or_else(|| EngineError::InitImage(id.to_owned()))
    }

    /// Whether the network is given a mask and a masked picture beside the latent.
    pub fn is_inpainting(&self) -> bool {
        self.model.architecture.unet.inputs > LATENT_CHANNELS
    }

    /// What an inpainting network is given where there is no picture: everything is to be painted.
    pub(super) fn beside_nothing(&self, pass: &Pass, observer: Observer<'_>) -> Result<Option<Tensor>, EngineError> {
        if !self.is_inpainting() {
            return Ok(None);
        }
        let (width, height) = pass.size();
        let (width, height) = (width as usize, height as usize);
        let gray = Tensor::zeros((1, 3, height, width), candle_core::DType::F32, &self.device)?;
        self.beside(&gray, None, 1.0, (height / 8, width / 8), observer).map(Some)
    }

    /// The mask at the size of the latent, and the encoded picture of which a share `weight` of the masked part is hidden.
    pub(super) fn beside(
        &self,
        picture: &Tensor,
        mask: Option<&Gray>,
        weight: f64,
        (h, w): (usize, usize),
        observer: Observer<'_>,
    ) -> Result<Tensor, EngineError> {
        let (_, _, height, width) = picture.dims4()?;
        let rounded = |value: &u8| (f32::from(*value) / 255.0).round_ties_even();
        let repaint: Vec<f32> = match mask {
            Some(mask) => mask.bytes.iter().map(rounded).collect(),
            None => vec![1.0; height * width],
        };
        // As torch's `nearest`.
        let place = |i: usize, from: usize, to: usize| ((i as f32 * (from as f32 / to as f32)) as usize).min(from - 1);
        let places = (0..h).flat_map(|y| (0..w).map(move |x| (y, x)));
        let small = places.map(|(y, x)| repaint[place(y, height, h) * width + place(x, width, w)]);
        let small = Tensor::from_vec(small.collect(), (1, 1, h, w), &self.device)?;
        let repaint = Tensor::from_vec(repaint, (1, 1, height, width), &self.device)?;
        let seen = (picture - picture.broadcast_mul(&(repaint * weight)?)?)?;
        let mut encoded = self.encode_image(&seen, observer)?;
        if (encoded.dim(2)?, encoded.dim(3)?) != (h, w) {
            encoded = upscale(&encoded, h, w, LatentUpscaler::Latent)?;
        }
        Ok(Tensor::cat(&[&small, &encoded], 1)?)
    }
}

/// `latent` with what is there before the masked part is painted.
fn filled(
    latent: Tensor,
    repaint: &Tensor,
    content: MaskedContent,
    settings: &Settings,
) -> candle_core::Result<Tensor> {
    let kept = |latent: &Tensor| latent.broadcast_mul(&repaint.affine(-1.0, 1.0)?);
    match content {
        MaskedContent::Fill | MaskedContent::Original => Ok(latent),
        MaskedContent::LatentNothing => kept(&latent),
        MaskedContent::LatentNoise => {
            let noise = Generator::new(settings.noise_source, settings.seed).randn(latent.elem_count());
            let noise = Tensor::from_vec(noise, latent.shape(), latent.device())?;
            kept(&latent)? + noise.broadcast_mul(repaint)?
        }
    }
}
