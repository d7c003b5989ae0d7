//! One pass of a plan: texts, LoRAs and settings, and what its sampling starts from.

use serde::{Deserialize, Serialize};

use super::enlarge::{HiresSize, HiresUpscaler, Tiles};
use super::settings::{PictureFields, ResizeMode, Settings};
use super::{LoraPlan, Mask, Part, Schedule};

/// What one run of a sampler is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pass {
    #[serde(default, skip_serializing_if = "Start::is_noise")]
    pub start: Start,
    /// The prompt as infotext shows it: comments removed, tags still in it.
    pub prompt: String,
    pub negative_prompt: String,
    /// The parts between `AND`, at least one.
    pub positive: Vec<Part>,
    /// The negative prompt over the steps, never split at `AND`. Nothing stands for an empty one, whose conditioning is all
    /// zeros.
    pub negative: Schedule,
    /// One entry per LoRA that is loaded, in the order of webui's list.
    pub loras: Vec<LoraPlan>,
    /// Random block weights (`R`, `U`) in the order they were drawn; they stand in `loras` too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drawn: Vec<f64>,
    /// Width and height are what the prompt is conditioned on, and the size of the image before anything is cut off.
    pub settings: Settings,
}

impl Pass {
    /// Pixels of the pass's picture: whole eighths of what the settings say, less what is cut off.
    pub fn size(&self) -> (u32, u32) {
        let (width, height) = (self.settings.width, self.settings.height);
        match &self.start {
            Start::Previous { cut: [x, y], .. } => {
                ((width / 8).saturating_sub(*x) * 8, (height / 8).saturating_sub(*y) * 8)
            }
            Start::Noise | Start::Picture { .. } => (width, height),
        }
    }
}

/// What sampling starts from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Start {
    /// Noise alone.
    #[default]
    Noise,
    /// A picture (img2img). The plan knows it by its pixels, not by a path: who runs the plan brings the picture along.
    Picture {
        /// SHA-256 in hex of the picture as it was given, before resizing: width and height as little-endian u32, then rows of RGB.
        image: String,
        /// 0 keeps the picture, 1 keeps nothing of it.
        denoising_strength: f64,
        /// webui's option "with img2img, do exactly the amount of steps the slider specifies".
        #[serde(default)]
        fix_steps: bool,
        #[serde(default)]
        resize_mode: ResizeMode,
        /// The initial noise is multiplied with this.
        #[serde(default = "one")]
        noise_multiplier: f64,
        /// Which part of it is painted anew; nothing stands for all of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mask: Option<Mask>,
        /// Whether the colours of the result are brought to those of the picture.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        color_correction: bool,
        /// How much of the masked part an inpainting checkpoint does not see.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        conditional_mask_weight: f64,
    },
    /// What the pass before has drawn, enlarged (hires. fix).
    Previous {
        upscaler: HiresUpscaler,
        /// For pixel upscalers.
        #[serde(default, skip_serializing_if = "Tiles::is_default")]
        tiles: Tiles,
        denoising_strength: f64,
        /// Latent columns and rows that are cut off after enlarging to the size of the settings, half of them on each side.
        cut: [u32; 2],
        /// How the size was asked for, for infotext.
        asked: HiresSize,
    },
}

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}

impl Start {
    /// A picture of this id, drawn over as the fields say, and its mask.
    pub fn over(image: &str, mask: Option<&str>, denoising_strength: f64, fields: &PictureFields) -> Self {
        Start::Picture {
            image: image.to_owned(),
            denoising_strength,
            fix_steps: fields.fix_steps,
            resize_mode: fields.resize_mode,
            noise_multiplier: fields.noise_multiplier,
            mask: mask.map(|mask| fields.mask(mask)),
            color_correction: fields.img2img_color_correction,
            conditional_mask_weight: fields.inpainting_mask_weight,
        }
    }

    /// The ids of the picture that is drawn over, and of its mask.
    pub fn pictures(&self) -> Vec<&str> {
        match self {
            Start::Picture { image, mask, .. } => {
                std::iter::once(image).chain(mask.as_ref().map(|mask| &mask.image)).map(String::as_str).collect()
            }
            Start::Noise | Start::Previous { .. } => Vec::new(),
        }
    }

    fn is_noise(&self) -> bool {
        *self == Start::Noise
    }

    /// How many of `steps` are run: webui leaves the first ones out where something is drawn over, unless it is to run them all.
    pub fn steps(&self, steps: u32) -> u32 {
        match self {
            Start::Picture { denoising_strength, fix_steps: false, .. } => {
                let share = denoising_strength.clamp(0.0, 0.999) * f64::from(steps);
                (share as u32).saturating_add(1).min(steps)
            }
            Start::Noise | Start::Picture { .. } | Start::Previous { .. } => steps,
        }
    }

    /// How far the picture may go away from what it starts from.
    pub fn denoising_strength(&self) -> Option<f64> {
        match self {
            Start::Noise => None,
            Start::Picture { denoising_strength, .. } | Start::Previous { denoising_strength, .. } => {
                Some(*denoising_strength)
            }
        }
    }
}
