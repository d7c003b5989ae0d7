//! Everything of a plan that is not text or LoRA.

use serde::{Deserialize, Serialize};

use super::{Dialect, Hires, Img2Img, Sampler, ScheduleType, UniPcOptions};

/// Generation settings with every default resolved, named after webui's fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub steps: u32,
    pub sampler: Sampler,
    pub schedule_type: ScheduleType,
    pub cfg_scale: f64,
    pub seed: u64,
    /// Pixels, a multiple of 8.
    pub width: u32,
    pub height: u32,
    pub noise_source: NoiseSource,
    /// Only written to infotext, unless `clip_skip_sdxl` is on.
    pub clip_skip: u32,
    /// webui's option "Clip skip SDXL": CLIP-L takes the layer that `clip_skip` names.
    pub clip_skip_sdxl: bool,
    pub emphasis: Emphasis,
    /// webui's "increase coherency by padding from the last comma within n tokens"; 0 turns it off.
    pub comma_padding_backtrack: u32,
    pub crop_top: u32,
    pub crop_left: u32,
    /// webui's "eta noise seed delta".
    pub eta_noise_seed_delta: i64,
    pub subseed: u64,
    pub subseed_strength: f64,
    /// Noise is drawn at this size in pixels and laid into the image's; 0 is off.
    pub seed_resize_from_width: u32,
    pub seed_resize_from_height: u32,
    /// Noise multiplier of ancestral samplers; `None` is the sampler's default (1 for ancestral ones, 0 for DDIM).
    pub eta: Option<f64>,
    pub s_churn: f64,
    pub s_tmin: f64,
    /// 0 stands for infinity, as in webui.
    pub s_tmax: f64,
    pub s_noise: f64,
    /// "Negative guidance minimum sigma": below it every second step skips the negative prompt. 0 is off.
    pub s_min_uncond: f64,
    /// Applies `s_min_uncond` to every step.
    pub s_min_uncond_all: bool,
    /// Fraction of the first steps without the negative prompt. 0 is off.
    pub skip_early_cond: f64,
    /// Overrides of the schedule; 0 is the model's own.
    pub sigma_min: f64,
    pub sigma_max: f64,
    pub rho: f64,
    pub beta_alpha: f64,
    pub beta_beta: f64,
    pub always_discard_next_to_last_sigma: bool,
    pub sgm_noise_multiplier: bool,
    pub use_old_karras_scheduler_sigmas: bool,
    pub unipc: UniPcOptions,
    /// How the tags of the prompt were read.
    #[serde(skip_serializing_if = "Dialect::is_webui")]
    pub lbw_dialect: Dialect,
    // What came later is written only where it is used, so that the ids of all other plans stay.
    /// How prompt and negative prompt of different lengths are brought to the same one.
    #[serde(skip_serializing_if = "is_default")]
    pub pad_conds: PadConds,
    /// webui's "downcast alphas_cumprod": the noise levels are rounded to half precision, as before webui 1.7.
    #[serde(skip_serializing_if = "is_default")]
    pub downcast_alphas_cumprod: bool,
    /// webui's noise schedule "Zero Terminal SNR", whatever the checkpoint says.
    #[serde(skip_serializing_if = "is_default")]
    pub zero_terminal_snr: bool,
    /// webui's "enable quantization in K samplers": timesteps are rounded to whole ones.
    #[serde(skip_serializing_if = "is_default")]
    pub quantize_timesteps: bool,
    /// webui's "use old prompt editing timelines".
    #[serde(skip_serializing_if = "is_default")]
    pub old_prompt_editing: bool,
    /// Noise over that of the schedule, where sampling starts from a picture (webui's "extra noise").
    #[serde(skip_serializing_if = "is_default")]
    pub extra_noise: f64,
    /// The picture that is drawn over, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub img2img: Option<Img2Img>,
    /// The second pass at a larger size, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hires: Option<Hires>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            steps: 20,
            sampler: Sampler::DpmPp2M,
            schedule_type: ScheduleType::Automatic,
            cfg_scale: 7.0,
            seed: 0,
            width: 1024,
            height: 1024,
            noise_source: NoiseSource::Gpu,
            clip_skip: 1,
            clip_skip_sdxl: false,
            emphasis: Emphasis::Original,
            comma_padding_backtrack: 20,
            crop_top: 0,
            crop_left: 0,
            eta_noise_seed_delta: 0,
            subseed: 0,
            subseed_strength: 0.0,
            seed_resize_from_width: 0,
            seed_resize_from_height: 0,
            eta: None,
            s_churn: 0.0,
            s_tmin: 0.0,
            s_tmax: 0.0,
            s_noise: 1.0,
            s_min_uncond: 0.0,
            s_min_uncond_all: false,
            skip_early_cond: 0.0,
            sigma_min: 0.0,
            sigma_max: 0.0,
            rho: 0.0,
            beta_alpha: 0.6,
            beta_beta: 0.6,
            always_discard_next_to_last_sigma: false,
            sgm_noise_multiplier: false,
            use_old_karras_scheduler_sigmas: false,
            unipc: UniPcOptions::default(),
            lbw_dialect: Dialect::Webui,
            pad_conds: PadConds::Separate,
            downcast_alphas_cumprod: false,
            zero_terminal_snr: false,
            quantize_timesteps: false,
            old_prompt_editing: false,
            extra_noise: 0.0,
            img2img: None,
            hires: None,
        }
    }
}

impl Settings {
    /// Steps that prompt schedules are built for: samplers with two model calls per step count both.
    pub fn schedule_steps(&self) -> u32 {
        if self.sampler.is_second_order() { self.steps * 2 } else { self.steps }
    }

    /// Height and width of the latent, one eighth of the image's.
    pub fn latent_size(&self) -> (usize, usize) {
        (self.height as usize / 8, self.width as usize / 8)
    }
}

/// Where random numbers come from. Each is rebuilt exactly, whatever the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NoiseSource {
    /// Philox, as torch draws on CUDA. webui's "GPU" and "NV" are the same here.
    #[serde(rename = "GPU", alias = "NV")]
    Gpu,
    /// Mersenne Twister, as torch draws on the CPU.
    #[serde(rename = "CPU")]
    Cpu,
}

/// How emphasis weights act on the text encoders' output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Emphasis {
    /// Multiply, then restore the mean.
    Original,
    #[serde(rename = "No norm")]
    NoNorm,
    /// Brackets are read but have no effect.
    Ignore,
    /// Brackets are ordinary text.
    None,
}

/// What is done where prompt and negative prompt differ in length; both count in chunks of 77 vectors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadConds {
    /// Nothing: the UNet is called for each.
    #[default]
    Separate,
    /// The shorter one is lengthened by empty prompts (webui's "pad prompt/negative prompt").
    EmptyPrompts,
    /// The negative prompt is lengthened by its last vector, or cut (webui's "… v0").
    NegativeOnly,
}
