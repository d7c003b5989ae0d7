//! Infotext → settings: what a pasted infotext means for an image that is to be made.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{Infotext, Problem};
use crate::diagnostic::{Said, Text};
use crate::plan::settings::table;
use crate::plan::{Choice, PadConds, Patch, PatchError};
use crate::say;

/// What an infotext says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pasted {
    /// Prompts, settings, and names of files.
    pub patch: Patch,
    /// The checkpoint's hash.
    pub model_hash: Option<String>,
    /// The VAE's hash.
    pub vae_hash: Option<String>,
    /// The refiner's hash.
    pub refiner_hash: Option<String>,
    /// Names and hashes of the LoRAs, names without commas and colons.
    pub lora_hashes: Vec<(String, String)>,
    /// LoRAs that Civitai's generator used, with their weights: they stand beside the prompt.
    pub resources: Vec<(String, String)>,
    /// Whether a program made the text, and nobody typed it as a prompt.
    pub is_infotext: bool,
    /// Fields that became nothing of this.
    pub not_understood: Vec<NotUnderstood>,
}

impl Pasted {
    /// The files that have other hashes in `drawn`, the infotext of the picture that came of this one: what, the hash that was
    /// pasted, and the one that is there. A file that is named on one side only is not compared.
    pub fn other_files(&self, drawn: &Pasted) -> Vec<(Text, String, String)> {
        let model = [
            (say!("the checkpoint", "チェックポイント"), &self.model_hash, &drawn.model_hash),
            (say!("the VAE", "VAE のファイル"), &self.vae_hash, &drawn.vae_hash),
            (say!("the refiner", "refiner のチェックポイント"), &self.refiner_hash, &drawn.refiner_hash),
        ];
        let models = model.into_iter().filter_map(|(what, pasted, here)| Some((what, pasted.clone()?, here.clone()?)));
        // Of a VAE of its own the hash is written; the checkpoint's has none.
        let none = self.vae_hash.clone().filter(|_| drawn.vae_hash.is_none());
        let none = none.map(|pasted| (say!("the VAE", "VAE のファイル"), pasted, "-".to_owned()));
        let loras = self.lora_hashes.iter().filter_map(|(name, pasted)| {
            let (_, here) = drawn.lora_hashes.iter().find(|(other, _)| other == name)?;
            Some((say!("the LoRA {name}", "LoRA のファイル {name}"), pasted.clone(), here.clone()))
        });
        models.chain(none).chain(loras).filter(|(_, pasted, here)| !pasted.eq_ignore_ascii_case(here)).collect()
    }
}

/// A written field that did not become a setting.
#[derive(Debug, Clone, PartialEq)]
pub struct NotUnderstood {
    /// The field's name.
    pub key: String,
    /// Its value as written.
    pub value: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// Nobody knows it.
    Unknown,
    /// Its value is not this; perhaps that was meant.
    NotA(Text, Option<&'static str>),
    /// It has no value.
    Empty,
    /// lbw does not do it.
    Unsupported,
    /// It was done to the finished picture.
    Afterwards,
}

impl Said for NotUnderstood {
    fn said(&self) -> Text {
        let (key, value) = (&self.key, &self.value);
        match &self.why {
            Why::Unknown => say!(
                "`{key}: {value}` is not a field of infotext that lbw knows",
                "`{key}: {value}` は lbw の知らない infotext の項目です"
            ),
            Why::NotA(what, _) => {
                say!("`{key}: {value}` is not {what}", "`{key}: {value}` は{what}ではありません", with what)
            }
            Why::Empty => say!("`{key}: {value}` has no value", "`{key}: {value}` には値がありません"),
            Why::Afterwards => say!(
                "`{key}: {value}` was done to the finished picture; `lbw upscale` does it",
                "`{key}: {value}` は完成した画像への処理です。`lbw upscale` でできます"
            ),
            Why::Unsupported => say!(
                "`{key}: {value}` asks for something lbw does not do",
                "`{key}: {value}` は lbw にない機能を求めています"
            ),
        }
    }
}

impl std::fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.said())
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
    "Created Date",
    "nsfw",
    "draft",
    // Where wildcards were expanded: the prompt holds what they became.
    "Template",
    "Negative Template",
    "Wildcard prompt",
    "Wildcard negative prompt",
    // SD.Next's and Forge's words about themselves.
    "App",
    "Backend",
    "Pipeline",
    "Operations",
    "Index",
    "Diffusion in Low Bits",
    "Source Identifier",
    "Time taken",
    "metadata_scheme",
    "lora",
    "Init image hash",
    // The seed draws the same again.
    "LBW drawn weights",
];

/// Fields of webui's other features, by how they begin.
const UNSUPPORTED: &[&str] = &[
    "Hires ",
    "Soft inpainting",
    "Image CFG scale",
    "Face restoration",
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

/// Fields that ask for a second pass.
const HIRES: [&str; 4] = ["Hires upscale", "Hires resize-1", "Hires upscaler", "First pass size-1"];

/// webui's defaults; a field that says the same changes nothing.
static DEFAULTS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| Infotext::default().with_defaults().unwrap_or_default());

impl Infotext {
    /// What the text says, by names that everything else understands.
    ///
    /// ```
    /// use lbw::{infotext::Infotext, plan::Wanted};
    /// let mut wanted = Wanted::default();
    /// let text = "a cat\nSteps: 28, Sampler: Euler a, Seed: 5, Size: 832x1216, Face restoration: GFPGAN";
    /// let pasted = Infotext::parse(text).paste().unwrap();
    /// pasted.patch.apply(&mut wanted);
    /// assert_eq!((wanted.settings.steps, wanted.settings.seed, wanted.settings.height), (28, 5, 1216));
    /// assert_eq!(pasted.not_understood[0].to_string(), "`Face restoration: GFPGAN` asks for something lbw does not do");
    /// ```
    pub fn paste(&self) -> Result<Pasted, Problem> {
        let fields = self.with_defaults()?;
        let text = |key: &str| fields.get(key).map(value_text).unwrap_or_default();
        let mut pasted = Pasted::default();
        let empty =
            self.empty.iter().map(|key| NotUnderstood { key: key.clone(), value: String::new(), why: Why::Empty });
        pasted.not_understood.extend(empty);
        pasted.patch.put_named("prompt", text("Prompt"));
        pasted.patch.put_named("negative_prompt", self.negative_prompt.as_str());
        // In the order they are written, but with the values webui corrects; the sampler, whose name may hold a schedule, last.
        let keys = self.fields.keys().map(String::as_str);
        let (first, last): (Vec<_>, Vec<_>) = keys.partition(|key| !matches!(*key, "Sampler" | "Hires sampler"));
        let first_pass = ["Hires resize-1", "Hires resize-2"];
        let first_pass = first_pass.iter().filter(|_| self.fields.contains_key("First pass size-1"));
        for key in first.into_iter().chain(first_pass.copied()).chain(last) {
            let value = text(key);
            if let Err(why) = pasted.take(key, &value) {
                pasted.not_understood.push(NotUnderstood { key: key.to_owned(), value, why });
            }
        }
        // What older versions did without saying so.
        for key in [
            "Old prompt editing timelines",
            "Downcast alphas_cumprod",
            "Pad conds v0",
            "Refiner switch by sampling steps",
        ] {
            if fields.get(key).is_some_and(is_true) {
                let _ = pasted.take(key, "True");
            }
        }
        let has_size = pasted.patch.get("hires_resize_width").is_some_and(|width| *width != 0);
        match has_size || HIRES.iter().any(|key| self.fields.contains_key(*key)) {
            true => pasted.patch.put_named("hires", true),
            false => pasted.patch.remove("hires"),
        }
        Ok(pasted)
    }
}

impl Pasted {
    fn take(&mut self, key: &str, value: &str) -> Result<(), Why> {
        match key {
            "Model hash" => self.model_hash = Some(value.to_owned()),
            "VAE hash" => self.vae_hash = Some(value.to_owned()),
            "Lora hashes" => self.lora_hashes = name_hash_pairs(value),
            "Hashes" => self.take_hashes(value),
            "Civitai resources" => self.resources = civitai_loras(value),
            "Refiner" => {
                let (name, hash) = title(value);
                self.refiner_hash = hash;
                if !name.is_empty() {
                    self.patch.put_named("refiner", name);
                }
            }
            "Pad conds" | "Pad conds v0" => {
                let how = if key == "Pad conds" { PadConds::EmptyPrompts } else { PadConds::NegativeOnly };
                if flag(value)? {
                    self.patch.put_named("pad_conds", how.name());
                }
            }
            _ => match table::of_infotext(key) {
                Some(setting) => self.patch.read_setting(setting, key, value).map_err(why)?,
                None if table::find_size(key).is_some() => self.patch.read(key, value).map_err(why)?,
                None if key.starts_with("First pass size-") => {}
                None if is_default(key, value) => {}
                None => match known_field(key) {
                    Known::WithoutEffect => {}
                    Known::Unsupported => return Err(Why::Unsupported),
                    Known::Afterwards => return Err(Why::Afterwards),
                    Known::No => return Err(Why::Unknown),
                },
            },
        }
        Ok(())
    }
}

impl Pasted {
    /// `{"model": "0123", "lora:a": "4567"}`, as Civitai's helper writes them; webui's own fields count more.
    fn take_hashes(&mut self, value: &str) {
        let Ok(Value::Object(hashes)) = serde_json::from_str(value) else { return };
        for (name, hash) in hashes {
            let Some(hash) = hash.as_str().map(str::to_owned) else { continue };
            match name.split_once(':') {
                None if name == "model" => self.model_hash = self.model_hash.take().or(Some(hash)),
                None if name == "vae" => self.vae_hash = self.vae_hash.take().or(Some(hash)),
                Some(("lora", name)) if self.lora_hashes.iter().all(|(known, _)| known != name) => {
                    self.lora_hashes.push((name.to_owned(), hash));
                }
                _ => {}
            }
        }
    }
}

/// The LoRAs of `[{"type": "lora", "modelName": "a", "weight": 0.8}]`.
fn civitai_loras(value: &str) -> Vec<(String, String)> {
    let Ok(Value::Array(resources)) = serde_json::from_str(value) else { return Vec::new() };
    let is_lora =
        |kind: &str| ["lora", "locon", "lycoris", "dora", "lyco"].iter().any(|known| kind.eq_ignore_ascii_case(known));
    let one = |resource: &Value| {
        let text = |key: &str| resource.get(key).map(value_text).filter(|text| !text.is_empty());
        text("type").filter(|kind| is_lora(kind))?;
        let name = text("modelName").or_else(|| text("modelVersionId").map(|id| format!("#{id}")))?;
        Some((name, text("weight").unwrap_or_else(|| "1".to_owned())))
    };
    resources.iter().filter_map(one).collect()
}

/// What is known of a field that is no setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It says something about the image and has no influence on it.
    WithoutEffect,
    /// It belongs to a feature that lbw does not have.
    Unsupported,
    /// It was done to the finished picture.
    Afterwards,
    /// Nothing.
    No,
}

/// What is known of a field that is no setting.
pub fn known_field(key: &str) -> Known {
    match key {
        _ if WITHOUT_EFFECT.contains(&key) || ["Model hash", "VAE hash", "Lora hashes"].contains(&key) => {
            Known::WithoutEffect
        }
        _ if key.starts_with("Postprocess ") || key == "Max side length" => Known::Afterwards,
        _ if UNSUPPORTED.iter().any(|start| key.starts_with(start)) => Known::Unsupported,
        _ => Known::No,
    }
}

fn why(error: PatchError) -> Why {
    match error {
        PatchError::Unknown { .. } => Why::Unknown,
        PatchError::Value { expected, near, .. } => Why::NotA(expected, near),
    }
}

fn value_text(value: &Value) -> String {
    super::python_text::of(value)
}

fn is_true(value: &Value) -> bool {
    *value == true || *value == "True"
}

fn is_default(key: &str, value: &str) -> bool {
    DEFAULTS.get(key).is_some_and(|default| value_text(default) == value)
}

fn flag(value: &str) -> Result<bool, Why> {
    let kind = crate::plan::settings::Kind::Switch;
    kind.read(value).map(|on| on == true).map_err(|expected| Why::NotA(expected, None))
}

/// `name [0123456789]`: the name of a checkpoint, and its hash where there is one.
fn title(value: &str) -> (&str, Option<String>) {
    match value.trim().strip_suffix(']').and_then(|value| value.rsplit_once(" [")) {
        Some((name, hash)) => (name, Some(hash.to_owned())),
        None => (value.trim(), None),
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
    use crate::plan::{
        Emphasis, Hires, HiresSize, HiresUpscaler, LatentUpscaler, NoiseSource, Sampler, ScheduleType, Settings, Wanted,
    };

    fn paste_text(text: &str) -> (Wanted, Pasted) {
        let mut wanted = Wanted::default();
        let pasted = Infotext::parse(text).paste().unwrap();
        pasted.patch.apply(&mut wanted);
        (wanted, pasted)
    }

    fn paste(fields: &str) -> (Wanted, Pasted) {
        paste_text(&format!("a\nNegative prompt: b\n{fields}"))
    }

    #[test]
    fn every_setting_arrives() {
        let (wanted, pasted) = paste(
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
        assert_eq!(wanted.settings, expected);
        let texts = &wanted.texts;
        assert_eq!((texts.prompt.as_str(), texts.negative_prompt.as_str(), pasted.patch.has_seed()), ("a", "b", true));
        assert_eq!((wanted.files.model.as_deref(), pasted.vae_hash.as_deref()), (Some("x"), Some("1a")));
        let hashes = [("a", "1b"), ("c d", "2e")].map(|(n, h)| (n.to_string(), h.to_string()));
        assert_eq!(pasted.lora_hashes, hashes);
    }

    #[test]
    fn a_second_pass_arrives() {
        let (wanted, pasted) = paste(
            "Steps: 20, Sampler: euler_ancestral, Denoising strength: 0.4, Hires sampler: DPM++ 2M Karras, \
             Hires prompt: \"a, b\", Hires upscale: 1.5, Hires steps: 10, Hires upscaler: Latent (nearest-exact), Hires CFG Scale: 4",
        );
        assert_eq!(pasted.not_understood, []);
        let hires = Hires {
            size: HiresSize::Scale(1.5),
            steps: 10,
            upscaler: HiresUpscaler::Latent(LatentUpscaler::NearestExact),
            denoising_strength: 0.4,
            sampler: Some(Sampler::DpmPp2M),
            schedule_type: Some(ScheduleType::Karras),
            cfg_scale: Some(4.0),
            ..Hires::default()
        };
        assert_eq!((wanted.settings.sampler, wanted.hires.resolve()), (Sampler::EulerA, Some(hires)));
        assert_eq!(wanted.texts.hires_prompt, "a, b");

        let (wanted, _) = paste("Steps: 20, Denoising strength: 0.4, Hires upscale: 2, Hires upscaler: 4x-UltraSharp");
        assert_eq!(wanted.hires.resolve().unwrap().upscaler, HiresUpscaler::Pixel("4x-UltraSharp".to_owned()));
        // The size 0×0 stands for the factor, and steps alone ask for nothing.
        let (wanted, _) = paste("Steps: 20, Hires upscale: 1.5, Hires resize: 0x0, Hires upscaler: Latent");
        assert_eq!(wanted.hires.resolve().unwrap().size, HiresSize::Scale(1.5));
        let (wanted, _) = paste("Steps: 20, Seed: 1, Denoising strength: 0.4, Hires steps: 4");
        assert_eq!((wanted.hires.resolve(), wanted.hires.denoising_strength), (None, Some(0.4)));
        let (_, pasted) = paste("Steps: 20, Hires upscale: big, Hires steps: -1, Hires sampler: Nope");
        let named: Vec<_> = pasted.not_understood.iter().map(|n| n.key.as_str()).collect();
        assert_eq!(named, ["Hires upscale", "Hires steps", "Hires sampler"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let (wanted, pasted) = paste(
            "Steps: many, Sampler: Nope, CFG scale: nan, Seed: -1, Hires checkpoint: other, FP8 weight: Disable, Mood: good, Eta:",
        );
        assert_eq!(wanted.settings, Settings::default());
        assert!(!pasted.patch.has_seed());
        let named: Vec<_> = pasted.not_understood.iter().map(|n| n.to_string()).collect();
        assert_eq!(
            named,
            [
                "`Eta: ` has no value",
                "`Steps: many` is not a whole number of at least 0",
                "`CFG scale: nan` is not a number such as 4.5",
                "`Hires checkpoint: other` asks for something lbw does not do",
                "`Mood: good` is not a field of infotext that lbw knows",
                "`Sampler: Nope` is not a sampler",
            ]
        );
        // A schedule type that there is not leaves the sampler alone, and so the other way round.
        let (wanted, pasted) = paste("Steps: 5, Sampler: Euler, Schedule type: Turbo");
        assert_eq!((wanted.settings.sampler, wanted.settings.schedule_type), (Sampler::Euler, ScheduleType::Automatic));
        assert_eq!(pasted.not_understood.len(), 1);
        let (wanted, _) = paste("Steps: 5, Seed: 13835058055282163712, Size: 64x64");
        assert_eq!(wanted.settings.seed, 13_835_058_055_282_163_712);
    }

    #[test]
    fn old_images_keep_their_rules() {
        let (wanted, _) = paste_text(
            "[a:b:5]\nSteps: 20, Sampler: Euler, Size: 1024x1536, First pass size: 512x768, Version: v1.5.1",
        );
        assert!(wanted.settings.old_prompt_editing);
        assert_eq!((wanted.settings.width, wanted.settings.height), (512, 768));
        let size = HiresSize::Resize { width: 1024, height: 1536 };
        assert_eq!(wanted.hires.resolve(), Some(Hires { size, ..Hires::default() }));
        assert!(wanted.settings.downcast_alphas_cumprod, "as webui before 1.7");
    }
}
