//! Flags for webui's rarely touched options and for hires. fix; part of [`super::args::PromptArgs`].

use clap::{Args, ValueEnum};

use crate::plan::{LatentUpscaler, PadConds, UniPcSkipType, UniPcVariant};

/// Options that webui keeps in its settings. `--flag=false` takes back what a pasted infotext or webui's configuration says.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Rarely needed settings")]
pub struct RareArgs {
    /// webui's "eta noise seed delta"
    #[arg(long, visible_alias = "ensd", value_name = "N", allow_hyphen_values = true)]
    pub eta_noise_seed_delta: Option<i64>,
    /// Draw the noise at this size and lay it into the image's
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub seed_resize_from: Option<(u32, u32)>,
    /// Churn of Euler, Heun and DPM2
    #[arg(long, value_name = "X")]
    pub s_churn: Option<f64>,
    /// Churn only between these sigmas
    #[arg(long, value_name = "X")]
    pub s_tmin: Option<f64>,
    /// 0 is no limit
    #[arg(long, value_name = "X")]
    pub s_tmax: Option<f64>,
    /// Strength of the noise that samplers add
    #[arg(long, value_name = "X")]
    pub s_noise: Option<f64>,
    /// Smallest sigma of the schedule; 0 is the model's
    #[arg(long, value_name = "X")]
    pub sigma_min: Option<f64>,
    /// Largest sigma of the schedule; 0 is the model's
    #[arg(long, value_name = "X")]
    pub sigma_max: Option<f64>,
    /// Rho of the schedules Karras (7) and Polyexponential (1); 0 is their own
    #[arg(long, value_name = "X")]
    pub rho: Option<f64>,
    /// Alpha of the schedule Beta
    #[arg(long, value_name = "X")]
    pub beta_alpha: Option<f64>,
    /// Beta of the schedule Beta
    #[arg(long, value_name = "X")]
    pub beta_beta: Option<f64>,
    /// Drop the next-to-last sigma with every sampler
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub discard_penultimate_sigma: Option<bool>,
    /// Start from noise times √(1 + σ²)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub sgm_noise_multiplier: Option<bool>,
    /// Sigmas from 0.1 to 10, as very old images have
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub old_karras_sigmas: Option<bool>,
    /// Round timesteps to whole ones
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub quantize_timesteps: Option<bool>,
    /// Round the noise levels to half precision, as webui did before 1.7
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub downcast_alphas_cumprod: Option<bool>,
    /// webui's noise schedule "Zero Terminal SNR"
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub zero_terminal_snr: Option<bool>,
    /// Form of UniPC [default: bh1]
    #[arg(long, value_name = "VARIANT", value_enum)]
    pub unipc_variant: Option<UniPcVariantArg>,
    /// How UniPC spreads its times [default: time_uniform]
    #[arg(long, value_name = "TYPE", value_enum)]
    pub unipc_skip_type: Option<UniPcSkipTypeArg>,
    /// Highest order of UniPC [default: 3]
    #[arg(long, value_name = "N")]
    pub unipc_order: Option<u32>,
    /// Lower the order of UniPC in the last steps [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub unipc_lower_order_final: Option<bool>,
    /// Below this sigma every second step leaves out the negative prompt (webui's NGMS)
    #[arg(long, visible_alias = "ngms", value_name = "X")]
    pub s_min_uncond: Option<f64>,
    /// Below it, every step does
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub s_min_uncond_all: Option<bool>,
    /// Leave out the negative prompt in this share of the first steps
    #[arg(long, value_name = "X")]
    pub skip_early_cfg: Option<f64>,
    /// Crop coordinates that the model is told
    #[arg(long, value_name = "PIXELS")]
    pub crop_top: Option<u32>,
    /// See --crop-top
    #[arg(long, value_name = "PIXELS")]
    pub crop_left: Option<u32>,
    /// Let --clip-skip act on CLIP-L, as webui's option "Clip skip SDXL" does
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub clip_skip_sdxl: Option<bool>,
    /// How far back a full chunk may end at a comma; 0 turns that off [default: 20]
    #[arg(long, value_name = "TOKENS")]
    pub comma_padding_backtrack: Option<u32>,
    /// Bring prompt and negative prompt to one length
    #[arg(long, value_name = "HOW", value_enum)]
    pub pad_conds: Option<PadCondsArg>,
    /// Steps of [from:to:N] as before webui 1.6
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub old_prompt_editing: Option<bool>,
    /// Noise added over that of the schedule where a picture is drawn over
    #[arg(long, value_name = "X")]
    pub extra_noise: Option<f64>,
}

/// A second pass at a larger size. Any of these but the prompts turns it on.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Hires. fix")]
pub struct HiresArgs {
    /// Leave out the second pass of a pasted infotext
    #[arg(long, conflicts_with_all = ["hires_upscale", "hires_resize"])]
    pub no_hires: bool,
    /// Draw a second pass, both sides times this
    #[arg(long, value_name = "FACTOR", conflicts_with = "hires_resize")]
    pub hires_upscale: Option<f64>,
    /// Draw a second pass at this size; a side of 0 follows from the other
    #[arg(long, value_name = "WxH", value_parser = size)]
    pub hires_resize: Option<(u32, u32)>,
    /// 0 is as many as --steps [default: 0]
    #[arg(long, value_name = "N")]
    pub hires_steps: Option<u32>,
    /// How the latent is enlarged [default: Latent]
    #[arg(long, value_name = "NAME", long_help = upscaler_help())]
    pub hires_upscaler: Option<String>,
    /// [default: that of the first pass]
    #[arg(long, value_name = "NAME")]
    pub hires_sampler: Option<String>,
    /// [default: that of the first pass]
    #[arg(long, value_name = "NAME")]
    pub hires_schedule_type: Option<String>,
    /// The prompt of the second pass, tags included [default: that of the first]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub hires_prompt: Option<String>,
    /// [default: that of the first pass]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub hires_negative_prompt: Option<String>,
    /// How far the second pass, or img2img, may go: 0 changes nothing, 1 keeps nothing [default: 0.7; img2img: 0.75]
    #[arg(long, value_name = "0..1")]
    pub denoising_strength: Option<f64>,
}

impl HiresArgs {
    /// Whether a flag asks for a second pass.
    pub fn asks(&self) -> bool {
        let named = [&self.hires_upscaler, &self.hires_sampler, &self.hires_schedule_type];
        let sized = self.hires_upscale.is_some() || self.hires_resize.is_some() || self.hires_steps.is_some();
        sized || named.iter().any(|name| name.is_some())
    }
}

fn upscaler_help() -> String {
    let labels: Vec<_> = LatentUpscaler::ALL.iter().map(|u| format!("\"{}\"", u.label())).collect();
    format!("How the latent is enlarged: {} [default: Latent]", labels.join(", "))
}

/// `512x768`
fn size(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("`{text}` is not a size such as 512x768");
    let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(wrong)?;
    let side = |t: &str| t.trim().parse::<u32>().map_err(|_| wrong());
    Ok((side(width)?, side(height)?))
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum UniPcVariantArg {
    Bh1,
    Bh2,
    #[value(name = "vary_coeff")]
    VaryCoeff,
}

impl From<UniPcVariantArg> for UniPcVariant {
    fn from(arg: UniPcVariantArg) -> Self {
        match arg {
            UniPcVariantArg::Bh1 => UniPcVariant::Bh1,
            UniPcVariantArg::Bh2 => UniPcVariant::Bh2,
            UniPcVariantArg::VaryCoeff => UniPcVariant::VaryCoeff,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum UniPcSkipTypeArg {
    #[value(name = "time_uniform")]
    TimeUniform,
    #[value(name = "time_quadratic")]
    TimeQuadratic,
    #[value(name = "logSNR")]
    LogSnr,
}

impl From<UniPcSkipTypeArg> for UniPcSkipType {
    fn from(arg: UniPcSkipTypeArg) -> Self {
        match arg {
            UniPcSkipTypeArg::TimeUniform => UniPcSkipType::TimeUniform,
            UniPcSkipTypeArg::TimeQuadratic => UniPcSkipType::TimeQuadratic,
            UniPcSkipTypeArg::LogSnr => UniPcSkipType::LogSnr,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PadCondsArg {
    /// Not at all: the model is called for each
    No,
    /// With empty prompts
    Empty,
    /// The negative prompt alone, with its last vector, or cut
    V0,
}

impl From<PadCondsArg> for PadConds {
    fn from(arg: PadCondsArg) -> Self {
        match arg {
            PadCondsArg::No => PadConds::Separate,
            PadCondsArg::Empty => PadConds::EmptyPrompts,
            PadCondsArg::V0 => PadConds::NegativeOnly,
        }
    }
}
