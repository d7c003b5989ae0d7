//! The second pass of "hires. fix": the latent is enlarged and drawn over at the larger size.

use serde::{Deserialize, Serialize};

use super::enlarge::{HiresSize, HiresUpscaler, LatentUpscaler, Tiles};
use super::pass::Start;
use super::settings::{HiresFields, RefinerPass, Settings};
use super::{Sampler, ScheduleType};

/// What is asked of the second pass; [`lower`](super::lower) makes a [`Pass`](super::Pass) of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hires {
    pub size: HiresSize,
    /// 0 is as many as in the first pass.
    pub steps: u32,
    pub upscaler: HiresUpscaler,
    /// For pixel upscalers.
    pub tiles: Tiles,
    pub denoising_strength: f64,
    /// `None` is that of the first pass.
    pub sampler: Option<Sampler>,
    pub schedule_type: Option<ScheduleType>,
    /// `None` is that of the first pass.
    pub cfg_scale: Option<f64>,
    /// 0 is that of the first pass.
    pub token_merging_ratio: f64,
    /// Which pass switches to the refiner.
    pub refiner_pass: RefinerPass,
}

impl Default for Hires {
    fn default() -> Self {
        Hires {
            size: HiresSize::Scale(2.0),
            steps: 0,
            upscaler: HiresUpscaler::Latent(LatentUpscaler::Latent),
            tiles: Tiles::default(),
            denoising_strength: 0.7,
            sampler: None,
            schedule_type: None,
            cfg_scale: None,
            token_merging_ratio: 0.0,
            refiner_pass: RefinerPass::default(),
        }
    }
}

impl Hires {
    /// Steps of the second pass of an image with these settings.
    pub fn steps_of(&self, settings: &Settings) -> u32 {
        if self.steps == 0 { settings.steps } else { self.steps }
    }

    /// What the second pass of an image with these settings starts from.
    pub fn start(&self, first: &Settings) -> Start {
        let target = self.size.target(first.width, first.height);
        Start::Previous {
            upscaler: self.upscaler.clone(),
            tiles: self.tiles,
            denoising_strength: self.denoising_strength,
            cut: [target.cut.0, target.cut.1],
            asked: self.size,
        }
    }

    /// The settings that the first pass is sampled with, of an image with these settings.
    pub fn settings_of_first(&self, settings: &Settings) -> Settings {
        let refiner = settings.refiner.clone().filter(|_| self.refiner_pass != RefinerPass::Second);
        Settings { refiner, ..settings.clone() }
    }

    /// The settings that the second pass is sampled with. Width and height are what the prompt is conditioned on.
    pub fn settings_of(&self, first: &Settings) -> Settings {
        let target = self.size.target(first.width, first.height);
        Settings {
            steps: self.steps_of(first),
            sampler: self.sampler.unwrap_or(first.sampler),
            schedule_type: self.schedule_type.unwrap_or(first.schedule_type),
            cfg_scale: self.cfg_scale.unwrap_or(first.cfg_scale),
            token_merging_ratio: match self.token_merging_ratio {
                0.0 => first.token_merging_ratio,
                own => own,
            },
            refiner: first.refiner.clone().filter(|_| self.refiner_pass != RefinerPass::First),
            width: target.width,
            height: target.height,
            ..first.clone()
        }
    }
}

impl HiresFields {
    /// The second pass that is asked for, if one is.
    pub fn resolve(&self) -> Option<Hires> {
        if self.hires != Some(true) {
            return None;
        }
        let default = Hires::default();
        let size = match (self.hires_resize_width, self.hires_resize_height) {
            (0, 0) => self.hires_upscale.map_or(default.size, HiresSize::Scale),
            (width, height) => HiresSize::Resize { width, height },
        };
        Some(Hires {
            size,
            steps: self.hires_steps,
            upscaler: self.hires_upscaler.clone().into(),
            tiles: Tiles { tile: self.esrgan_tile, overlap: self.esrgan_tile_overlap },
            denoising_strength: self.denoising_strength.unwrap_or(default.denoising_strength),
            sampler: self.hires_sampler,
            schedule_type: self.hires_schedule_type,
            cfg_scale: self.hires_cfg_scale,
            token_merging_ratio: self.token_merging_ratio_hr,
            refiner_pass: self.hires_refiner_pass,
        })
    }
}
