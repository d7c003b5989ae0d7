//! Drawing over a picture: what the encoder is given, which part is painted anew, and what is laid over the result.

use candle_core::{Device, Tensor};

use crate::picture::{
    ColourCorrection, Fit, Gray, Region, Rgb, Rgba, blur_mask, doubled, fill_masked, finish, lanczos, latent_mask,
    overlay,
};
use crate::plan::{Mask, MaskedContent, ResizeMode};

/// A picture that is drawn over, prepared as webui prepares it.
pub(super) struct Over {
    /// What the encoder is given.
    pub input: Rgb,
    /// What is painted anew, of the input's size.
    pub mask: Option<Gray>,
    /// Laid over the result, at its place.
    overlay: Option<(Rgba, Option<Region>)>,
    colours: Option<ColourCorrection>,
}

impl Over {
    /// Of a picture and its mask, for an image of `size`.
    pub fn new(
        picture: &Rgb,
        mask: Option<(&Gray, &Mask)>,
        mode: ResizeMode,
        size: (usize, usize),
        corrects: bool,
    ) -> Self {
        let (width, height) = size;
        let fit = fit(mode);
        let masked = mask.and_then(|(mask, how)| Masked::new(mask, how, fit, size, picture));
        let region = masked.as_ref().and_then(|masked| masked.region);
        // Of a mode that resizes the latent the picture stays as it is.
        let whole = match (region, fit) {
            (None, Some(fit)) => lanczos(picture, fit, width, height),
            _ => picture.clone(),
        };
        let over = masked.as_ref().map(|masked| overlay(&whole, &masked.overlay));
        let mut input = match region {
            Some(region) => lanczos(&region.of(&whole), Fit::Fill, width, height),
            None => whole,
        };
        if let (Some(masked), Some((_, how))) = (&masked, mask)
            && how.content != MaskedContent::Original
        {
            input = fill_masked(&input, &masked.drawn);
        }
        Over {
            colours: corrects.then(|| ColourCorrection::to(&input)),
            overlay: over.filter(|_| mask.is_some_and(|(_, how)| how.overlay)).map(|over| (over, region)),
            mask: masked.map(|masked| masked.drawn),
            input,
        }
    }

    /// The finished picture of what was decoded.
    pub fn finish(&self, mut result: Rgb) -> Rgb {
        if let Some(colours) = &self.colours {
            result = colours.apply(&result);
        }
        if let Some((over, region)) = &self.overlay {
            let resize =
                |picture: &Rgb, width, height| Ok::<_, std::convert::Infallible>(picture.resize(width, height));
            result = match finish(&result, over, *region, resize) {
                Ok(picture) => picture,
                Err(never) => match never {},
            };
        }
        result
    }

    /// The mask at the size of a latent, (1, 1, height, width): 1 is painted anew.
    pub fn latent_mask(&self, height: usize, width: usize, device: &Device) -> candle_core::Result<Option<Tensor>> {
        let mask = self.mask.as_ref().map(|mask| latent_mask(mask, width, height));
        mask.map(|values| Tensor::from_vec(values, (1, 1, height, width), device)).transpose()
    }
}

/// What a mask comes to.
struct Masked {
    /// At the size of the picture that is drawn.
    drawn: Gray,
    /// What of the picture is not laid over the result, at the size of the whole.
    overlay: Gray,
    /// The part that is drawn, where it is not the whole.
    region: Option<Region>,
}

impl Masked {
    /// `None` where only the masked part is to be drawn and nothing is masked: webui draws the whole picture then.
    fn new(mask: &Gray, how: &Mask, fit: Option<Fit>, (width, height): (usize, usize), picture: &Rgb) -> Option<Self> {
        let mask = if how.inverted { mask.inverted() } else { mask.clone() };
        let [x, y] = how.blur.map(f64::from);
        let mask = blur_mask(&mask, x, y);
        let Some(padding) = how.only_masked else {
            let drawn = match fit {
                Some(fit) => lanczos(&mask, fit, width, height),
                None => mask,
            };
            return Some(Masked { overlay: doubled(&drawn), drawn, region: None });
        };
        let region = Region::masked(&mask, padding as usize)?;
        let region = region.expanded((width, height), (picture.width, picture.height));
        let drawn = lanczos(&region.of(&mask), Fit::Fill, width, height);
        Some(Masked { drawn, overlay: mask, region: Some(region) })
    }
}

/// `None` where the latent is resized.
fn fit(mode: ResizeMode) -> Option<Fit> {
    match mode {
        ResizeMode::Just => Some(Fit::Stretch),
        ResizeMode::Crop => Some(Fit::Crop),
        ResizeMode::Fill => Some(Fit::Fill),
        ResizeMode::Latent => None,
    }
}
