//! Infotext → settings: what a pasted infotext means for an image that is to be made.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Infotext, Problem, hires};
use crate::diagnostic::{Expected, Said, Text};
use crate::plan::{Dialect, Emphasis, NoiseSource, PadConds, Sampler, ScheduleType, Settings};
use crate::say;
use crate::syntax::python;

/// Everything an infotext says that is not a setting.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pasted {
    pub prompt: String,
    pub negative_prompt: String,
    /// Whether a seed was written; −1, which stands for any seed, is none.
    pub has_seed: bool,
    pub model: Option<String>,
    pub model_hash: Option<String>,
    pub vae: Option<String>,
    pub vae_hash: Option<String>,
    /// Names and hashes of the LoRAs, names without commas and colons.
    pub lora_hashes: Vec<(String, String)>,
    /// The image comes from a webui before 1.6, whose rules for `[from:to:when]` were others.
    pub old_prompt_editing: bool,
    /// The prompts of the second pass; empty where they are those of the first.
    pub hires_prompt: String,
    pub hires_negative_prompt: String,
    /// An upscaler of the second pass that lbw does not have.
    pub other_upscaler: Option<String>,
    /// How far the picture may be from the one it was drawn over. Where no second pass is written, that was another picture.
    pub denoising_strength: Option<f64>,
    pub not_understood: Vec<NotUnderstood>,
}

impl Pasted {
    /// The files that have other hashes in `drawn`, the infotext of the picture that came of this one: what, the hash that was
    /// pasted, and the one that is there. A file that is named on one side only is not compared.
    pub fn other_files(&self, drawn: &Pasted) -> Vec<(String, String, String)> {
        let model =
            [("the checkpoint", &self.model_hash, &drawn.model_hash), ("the VAE", &self.vae_hash, &drawn.vae_hash)];
        let models = model
            .into_iter()
            .filter_map(|(what, pasted, here)| Some((what.to_owned(), pasted.clone()?, here.clone()?)));
        let loras = self.lora_hashes.iter().filter_map(|(name, pasted)| {
            let (_, here) = drawn.lora_hashes.iter().find(|(other, _)| other == name)?;
            Some((format!("the LoRA {name}"), pasted.clone(), here.clone()))
        });
        models.chain(loras).filter(|(_, pasted, here)| !pasted.eq_ignore_ascii_case(here)).collect()
    }
}

/// A written field that did not become a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub struct NotUnderstood {
    pub key: String,
    pub value: String,
    pub why: Why,
}

impl Said for NotUnderstood {
    fn said(&self) -> Text {
        let (key, value, why) = (&self.key, &self.value, self.why.said());
        say!("`{key}: {value}` {why}", "`{key}: {value}` {why}", with why)
    }
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
pub enum Why {
    Unknown,
    NotA(Expected),
    Empty,
    Unsupported,
}

/// What is wrong with the field, behind it.
impl Said for Why {
    fn said(&self) -> Text {
        match self {
            Why::Unknown => say!("is not a field of infotext that lbw knows", "は lbw の知らない生成情報の項目です"),
            Why::NotA(expected) => {
                let expected = expected.said();
                say!("is not {expected}", "は{expected}ではありません", with expected)
            }
            Why::Empty => say!("has no value", "に値がありません"),
            Why::Unsupported => say!("asks for something lbw does not do", "は lbw にできないことです"),
        }
    }
}

/// Fields that say something about the image but have no influence on it.
const WITHOUT_EFFECT: &[&str] = &[
    "Version",
    "User",
    "TI hashes",
    "Hashes",
    "Civitai resources",
    "Civitai metadata",
    "lora",
    "Init image hash",
    // The seed draws the same again.
    "LBW drawn weights",
];

/// Fields of webui's other features, by how they begin.
const UNSUPPORTED: &[&str] = &[
    "Hires ",
    "Mask",
    "Inpaint",
    "Conditional mask weight",
    "Image CFG scale",
    "Refiner",
    "Face restoration",
    "Tiling",
    "Token merging",
    "Hypernet",
    "FP8 weight",
    "Cache FP16",
    "VAE Encoder",
    "VAE Decoder",
    "Batch ",
    "AddNet ",
    "ControlNet",
    "ADetailer",
];

/// webui's defaults; a field that says the same changes nothing.
static DEFAULTS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| Infotext::default().with_defaults().unwrap_or_default());

impl Infotext {
    /// Changes the settings that are written, and returns the rest.
    ///
    /// ```
    /// use lbw::{infotext::Infotext, plan::Settings};
    /// let mut settings = Settings::default();
    /// let pasted = Infotext::parse("a cat\nSteps: 28, Sampler: Euler a, Seed: 5, Size: 832x1216, Tiling: True");
    /// let rest = pasted.apply(&mut settings).unwrap();
    /// assert_eq!((settings.steps, settings.seed, settings.height), (28, 5, 1216));
    /// assert_eq!(rest.not_understood[0].to_string(), "`Tiling: True` asks for something lbw does not do");
    /// ```
    pub fn apply(&self, settings: &mut Settings) -> Result<Pasted, Problem> {
        let fields = self.with_defaults()?;
        let text = |key: &str| fields.get(key).map(value_text);
        let mut pasted = Pasted {
            prompt: text("Prompt").unwrap_or_default(),
            negative_prompt: self.negative_prompt.clone(),
            old_prompt_editing: fields.get("Old prompt editing timelines").is_some_and(is_true),
            not_understood: self.empty.iter().map(|key| NotUnderstood::new(key, "", Why::Empty)).collect(),
            ..Pasted::default()
        };
        // In the order they are written, but with the values webui corrects.
        for key in self.fields.keys() {
            let value = text(key).unwrap_or_default();
            if let Err(why) = pasted.take(settings, key, &value) {
                pasted.not_understood.push(NotUnderstood::new(key, &value, why));
            }
        }
        settings.old_prompt_editing |= pasted.old_prompt_editing;
        settings.downcast_alphas_cumprod |= fields.get("Downcast alphas_cumprod").is_some_and(is_true);
        if fields.get("Pad conds v0").is_some_and(is_true) {
            settings.pad_conds = PadConds::NegativeOnly;
        }
        if let Err(rest) = take_sampler(settings, self.text("Sampler"), self.text("Schedule type")) {
            pasted.not_understood.push(rest);
        }
        settings.hires = hires::of_fields(&fields, |key| self.fields.contains_key(key), &mut pasted);
        Ok(pasted)
    }
}

impl Pasted {
    fn take(&mut self, settings: &mut Settings, key: &str, value: &str) -> Result<(), Why> {
        match key {
            "Steps" => settings.steps = whole(value)?,
            "CFG scale" => settings.cfg_scale = number(value)?,
            "Seed" => self.has_seed = take_seed(value, &mut settings.seed)?,
            "Size-1" => settings.width = whole(value)?,
            "Size-2" => settings.height = whole(value)?,
            "Clip skip" => settings.clip_skip = whole(value)?,
            "ENSD" => settings.eta_noise_seed_delta = python::int(value).ok_or(Why::NotA(Expected::Whole))?,
            "RNG" => settings.noise_source = noise_source(value)?,
            "Variation seed" => drop(take_seed(value, &mut settings.subseed)?),
            "Variation seed strength" => settings.subseed_strength = number(value)?,
            "Seed resize from-1" => settings.seed_resize_from_width = whole(value)?,
            "Seed resize from-2" => settings.seed_resize_from_height = whole(value)?,
            "Eta" | "Eta DDIM" => settings.eta = Some(number(value)?),
            "Sigma churn" => settings.s_churn = number(value)?,
            "Sigma tmin" => settings.s_tmin = number(value)?,
            "Sigma tmax" => settings.s_tmax = number(value)?,
            "Sigma noise" => settings.s_noise = number(value)?,
            "Schedule min sigma" => settings.sigma_min = number(value)?,
            "Schedule max sigma" => settings.sigma_max = number(value)?,
            "Schedule rho" => settings.rho = number(value)?,
            "Beta schedule alpha" => settings.beta_alpha = number(value)?,
            "Beta schedule beta" => settings.beta_beta = number(value)?,
            "Emphasis" => settings.emphasis = emphasis(value)?,
            "NGMS" => settings.s_min_uncond = number(value)?,
            "NGMS all steps" => settings.s_min_uncond_all = flag(value)?,
            "Skip Early CFG" => settings.skip_early_cond = number(value)?,
            "Discard penultimate sigma" => settings.always_discard_next_to_last_sigma = flag(value)?,
            "SGM noise multiplier" => settings.sgm_noise_multiplier = flag(value)?,
            "LBW dialect" => settings.lbw_dialect = Dialect::from_name(value).ok_or(Why::NotA(Expected::Dialect))?,
            "Model" => self.model = Some(value.to_string()),
            "Model hash" => self.model_hash = Some(value.to_string()),
            "VAE" => self.vae = Some(value.to_string()),
            "VAE hash" => self.vae_hash = Some(value.to_string()),
            "Lora hashes" => self.lora_hashes = name_hash_pairs(value),
            "Pad conds" if flag(value)? => settings.pad_conds = PadConds::EmptyPrompts,
            "Noise Schedule" => settings.zero_terminal_snr = noise_schedule(value)?,
            "Extra noise" => settings.extra_noise = number(value)?,
            "UniPC variant" => {
                settings.unipc.variant =
                    named(value).ok_or(Why::NotA(Expected::OneOf(&["bh1", "bh2", "vary_coeff"])))?
            }
            "UniPC skip type" => {
                let kinds = Why::NotA(Expected::OneOf(&["time_uniform", "time_quadratic", "logSNR"]));
                settings.unipc.skip_type = named(value).ok_or(kinds)?;
            }
            "UniPC order" => settings.unipc.order = whole(value)?,
            "UniPC lower order final" => settings.unipc.lower_order_final = flag(value)?,
            "SDXL crop top" => settings.crop_top = whole(value)?,
            "SDXL crop left" => settings.crop_left = whole(value)?,
            "Clip skip SDXL" => settings.clip_skip_sdxl = flag(value)?,
            "Comma padding backtrack" => settings.comma_padding_backtrack = whole(value)?,
            "Quantize timesteps" => settings.quantize_timesteps = flag(value)?,
            "Old karras sigmas" => settings.use_old_karras_scheduler_sigmas = flag(value)?,
            "Denoising strength" => self.denoising_strength = Some(number(value)?),
            // Read together, at the end.
            "Sampler" | "Schedule type" | "Pad conds" | "Pad conds v0" => {}
            "Downcast alphas_cumprod" | "Old prompt editing timelines" => {}
            _ if hires::FIELDS.contains(&key) => {}
            _ if WITHOUT_EFFECT.contains(&key) => {}
            _ if is_default(key, value) => {}
            _ if UNSUPPORTED.iter().any(|start| key.starts_with(start)) => return Err(Why::Unsupported),
            _ => return Err(Why::Unknown),
        }
        Ok(())
    }
}

impl NotUnderstood {
    pub(super) fn new(key: &str, value: &str, why: Why) -> Self {
        NotUnderstood { key: key.to_string(), value: value.to_string(), why }
    }
}

fn take_sampler(settings: &mut Settings, name: Option<&str>, schedule: Option<&str>) -> Result<(), NotUnderstood> {
    if let Some(schedule) = schedule {
        settings.schedule_type = ScheduleType::from_any_name(schedule)
            .ok_or_else(|| NotUnderstood::new("Schedule type", schedule, Why::NotA(Expected::ScheduleType)))?;
    }
    let Some(name) = name else { return Ok(()) };
    let found = Sampler::from_any_name(name);
    let (sampler, legacy) = found.ok_or_else(|| NotUnderstood::new("Sampler", name, Why::NotA(Expected::Sampler)))?;
    settings.sampler = sampler;
    if let Some(legacy) = legacy.filter(|s| *s != ScheduleType::Automatic) {
        settings.schedule_type = legacy;
    }
    Ok(())
}

pub(super) fn value_text(value: &Value) -> String {
    super::python_text::of(value)
}

fn is_true(value: &Value) -> bool {
    *value == true || *value == "True"
}

fn is_default(key: &str, value: &str) -> bool {
    DEFAULTS.get(key).is_some_and(|default| value_text(default) == value)
}

pub(super) fn whole(value: &str) -> Result<u32, Why> {
    python::int(value).and_then(|n| u32::try_from(n).ok()).ok_or(Why::NotA(Expected::Count))
}

pub(super) fn number(value: &str) -> Result<f64, Why> {
    python::float(value).filter(|n| n.is_finite()).ok_or(Why::NotA(Expected::Number))
}

fn flag(value: &str) -> Result<bool, Why> {
    match value {
        "True" | "true" => Ok(true),
        "False" | "false" => Ok(false),
        _ => Err(Why::NotA(Expected::OneOf(&["True", "False"]))),
    }
}

/// Sets the seed unless it is −1; says whether it did.
fn take_seed(value: &str, seed: &mut u64) -> Result<bool, Why> {
    match python::int(value) {
        Some(-1) => Ok(false),
        Some(n) => {
            *seed = u64::try_from(n).map_err(|_| Why::NotA(Expected::Seed))?;
            Ok(true)
        }
        None => Err(Why::NotA(Expected::Seed)),
    }
}

fn noise_source(value: &str) -> Result<NoiseSource, Why> {
    match value {
        "GPU" | "NV" => Ok(NoiseSource::Gpu),
        "CPU" => Ok(NoiseSource::Cpu),
        _ => Err(Why::NotA(Expected::OneOf(&["GPU", "CPU", "NV"]))),
    }
}

fn noise_schedule(value: &str) -> Result<bool, Why> {
    match value {
        "Default" => Ok(false),
        "Zero Terminal SNR" => Ok(true),
        _ => Err(Why::NotA(Expected::OneOf(&["Default", "Zero Terminal SNR"]))),
    }
}

/// One of a type's serialised names.
fn named<T: serde::de::DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_value(value.into()).ok()
}

fn emphasis(value: &str) -> Result<Emphasis, Why> {
    match value {
        "Original" => Ok(Emphasis::Original),
        "No norm" => Ok(Emphasis::NoNorm),
        "Ignore" => Ok(Emphasis::Ignore),
        "None" => Ok(Emphasis::None),
        _ => Err(Why::NotA(Expected::OneOf(&["Original", "No norm", "Ignore", "None"]))),
    }
}

/// `a: 0123, b: 4567`
fn name_hash_pairs(value: &str) -> Vec<(String, String)> {
    let pair = |item: &str| item.rsplit_once(':').map(|(n, h)| (n.trim().to_string(), h.trim().to_string()));
    value.split(',').filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Hires, HiresSize, LatentUpscaler};

    fn paste(fields: &str) -> (Settings, Pasted) {
        let mut settings = Settings::default();
        let pasted = Infotext::parse(&format!("a\nNegative prompt: b\n{fields}")).apply(&mut settings).unwrap();
        (settings, pasted)
    }

    #[test]
    fn every_setting_arrives() {
        let (settings, pasted) = paste(
            "Steps: 30, Sampler: DPM++ 2M SDE Karras, CFG scale: 6.5, Seed: 7, Size: 832x1216, Model hash: 31e3, Model: x, \
             VAE hash: 1a, VAE: y, Variation seed: 3, Variation seed strength: 0.25, Seed resize from: 512x640, Clip skip: 2, \
             ENSD: 31337, RNG: CPU, Eta: 0.67, Sigma churn: 1, Sigma tmin: 2, Sigma tmax: 3, Sigma noise: 1.003, \
             Schedule min sigma: 0.03, Schedule max sigma: 14, Schedule rho: 5, Beta schedule alpha: 0.4, \
             Beta schedule beta: 0.3, Emphasis: No norm, NGMS: 0.2, NGMS all steps: True, Skip Early CFG: 0.1, \
             Discard penultimate sigma: True, SGM noise multiplier: True, Lora hashes: \"a: 1b, c d: 2e\", Version: v1.10.1",
        );
        assert_eq!(pasted.not_understood, []);
        let expected = Settings {
            steps: 30,
            sampler: Sampler::DpmPp2MSde,
            schedule_type: ScheduleType::Karras,
            cfg_scale: 6.5,
            seed: 7,
            width: 832,
            height: 1216,
            noise_source: NoiseSource::Cpu,
            clip_skip: 2,
            emphasis: Emphasis::NoNorm,
            eta_noise_seed_delta: 31337,
            subseed: 3,
            subseed_strength: 0.25,
            seed_resize_from_width: 512,
            seed_resize_from_height: 640,
            eta: Some(0.67),
            s_churn: 1.0,
            s_tmin: 2.0,
            s_tmax: 3.0,
            s_noise: 1.003,
            s_min_uncond: 0.2,
            s_min_uncond_all: true,
            skip_early_cond: 0.1,
            sigma_min: 0.03,
            sigma_max: 14.0,
            rho: 5.0,
            beta_alpha: 0.4,
            beta_beta: 0.3,
            always_discard_next_to_last_sigma: true,
            sgm_noise_multiplier: true,
            ..Settings::default()
        };
        assert_eq!(settings, expected);
        assert_eq!((pasted.prompt.as_str(), pasted.negative_prompt.as_str(), pasted.has_seed), ("a", "b", true));
        assert_eq!((pasted.model.as_deref(), pasted.vae_hash.as_deref()), (Some("x"), Some("1a")));
        let hashes = [("a", "1b"), ("c d", "2e")].map(|(n, h)| (n.to_string(), h.to_string()));
        assert_eq!(pasted.lora_hashes, hashes);
    }

    #[test]
    fn a_second_pass_arrives() {
        let (settings, pasted) = paste(
            "Steps: 20, Sampler: euler_ancestral, Denoising strength: 0.4, Hires sampler: DPM++ 2M Karras, \
             Hires prompt: \"a, b\", Hires upscale: 1.5, Hires steps: 10, Hires upscaler: Latent (nearest-exact)",
        );
        assert_eq!(pasted.not_understood, []);
        let hires = Hires {
            size: HiresSize::Scale(1.5),
            steps: 10,
            upscaler: LatentUpscaler::NearestExact,
            denoising_strength: 0.4,
            sampler: Some(Sampler::DpmPp2M),
            schedule_type: Some(ScheduleType::Karras),
        };
        assert_eq!((settings.sampler, settings.hires), (Sampler::EulerA, Some(hires)));
        assert_eq!((pasted.hires_prompt.as_str(), pasted.other_upscaler), ("a, b", None));

        let (settings, pasted) =
            paste("Steps: 20, Denoising strength: 0.4, Hires upscale: 2, Hires upscaler: 4x-UltraSharp");
        assert_eq!((settings.hires.is_some(), pasted.other_upscaler.as_deref()), (true, Some("4x-UltraSharp")));
        let (settings, pasted) = paste("Steps: 20, Seed: 1, Denoising strength: 0.4");
        assert_eq!((settings.hires, pasted.denoising_strength), (None, Some(0.4)));
        let (_, pasted) = paste("Steps: 20, Hires upscale: big, Hires steps: -1, Hires sampler: Nope");
        let named: Vec<_> = pasted.not_understood.iter().map(|n| n.key.as_str()).collect();
        assert_eq!(named, ["Hires upscale", "Hires steps", "Hires sampler"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let (settings, pasted) = paste(
            "Steps: many, Sampler: Nope, CFG scale: nan, Seed: -1, Hires checkpoint: other, FP8 weight: Disable, Mood: good, Eta:",
        );
        assert_eq!(settings, Settings::default());
        assert!(!pasted.has_seed);
        let named: Vec<_> = pasted.not_understood.iter().map(|n| (n.key.as_str(), n.why)).collect();
        assert_eq!(
            named,
            [
                ("Eta", Why::Empty),
                ("Steps", Why::NotA(Expected::Count)),
                ("CFG scale", Why::NotA(Expected::Number)),
                ("Hires checkpoint", Why::Unsupported),
                ("Mood", Why::Unknown),
                ("Sampler", Why::NotA(Expected::Sampler)),
            ]
        );
    }

    #[test]
    fn old_images_keep_their_rules() {
        let mut settings = Settings::default();
        let old = "[a:b:5]\nSteps: 20, Sampler: Euler, Size: 1024x1536, First pass size: 512x768, Version: v1.5.1";
        let pasted = Infotext::parse(old).apply(&mut settings).unwrap();
        assert!(pasted.old_prompt_editing);
        assert_eq!((settings.width, settings.height), (512, 768));
        let size = HiresSize::Resize { width: 1024, height: 1536 };
        assert_eq!(settings.hires, Some(Hires { size, ..Hires::default() }));
        assert!(settings.downcast_alphas_cumprod, "as webui before 1.7");
    }
}
