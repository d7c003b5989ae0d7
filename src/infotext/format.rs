//! Writing infotext.

use serde_json::{Map, Value};

use super::{looks_like_infotext, python_text};
use crate::plan::Sampler;

/// What webui writes about an image, in its order. What is `None`, or has no effect, is not written.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    pub prompt: String,
    pub negative_prompt: String,
    pub steps: u32,
    pub sampler: String,
    pub schedule_type: Option<String>,
    /// A number as the caller has it: webui writes `7` or `7.0`.
    pub cfg_scale: Value,
    pub image_cfg_scale: Option<f64>,
    /// A number as the caller has it; also −1.
    pub seed: Value,
    pub face_restoration: Option<String>,
    pub width: u32,
    pub height: u32,
    pub model_hash: Option<String>,
    pub model: Option<String>,
    pub fp8_weight: Option<String>,
    pub cache_fp16_weight: Option<bool>,
    pub vae_hash: Option<String>,
    pub vae: Option<String>,
    pub variation_seed: Value,
    /// 0 is off.
    pub variation_seed_strength: f64,
    /// Width and height; 0 is off.
    pub seed_resize_from: (i64, i64),
    pub conditional_mask_weight: Option<f64>,
    pub clip_skip: u32,
    pub eta_noise_seed_delta: i64,
    /// `None` is the sampler's default.
    pub eta: Option<f64>,
    pub token_merging_ratio: f64,
    /// `None` without a hires pass.
    pub token_merging_ratio_hr: Option<f64>,
    pub init_image_hash: Option<String>,
    pub rng: String,
    pub tiling: bool,
    /// Further fields; one that is named like a field above replaces it.
    pub extra: Map<String, Value>,
    pub version: Option<String>,
    pub user: Option<String>,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            prompt: String::new(),
            negative_prompt: String::new(),
            steps: 20,
            sampler: Sampler::EulerA.label().to_string(),
            schedule_type: Some("Automatic".to_string()),
            cfg_scale: 7.0.into(),
            image_cfg_scale: None,
            seed: 0.into(),
            face_restoration: None,
            width: 512,
            height: 512,
            model_hash: None,
            model: None,
            fp8_weight: None,
            cache_fp16_weight: None,
            vae_hash: None,
            vae: None,
            variation_seed: 0.into(),
            variation_seed_strength: 0.0,
            seed_resize_from: (0, 0),
            conditional_mask_weight: None,
            clip_skip: 1,
            eta_noise_seed_delta: 0,
            eta: None,
            token_merging_ratio: 0.0,
            token_merging_ratio_hr: None,
            init_image_hash: None,
            rng: "GPU".to_string(),
            tiling: false,
            extra: Map::new(),
            version: None,
            user: None,
        }
    }
}

impl Parameters {
    /// The infotext: prompt, negative prompt, and one line of fields.
    pub fn to_infotext(&self) -> String {
        let fields = self.fields();
        let line: Vec<String> = fields.iter().filter_map(|(key, value)| field(key, value)).collect();
        let negative = match self.negative_prompt.as_str() {
            "" => String::new(),
            negative => format!("\nNegative prompt: {negative}"),
        };
        let text = format!("{}{negative}\n{}", self.prompt, line.join(", "));
        crate::syntax::python::strip(&text).to_string()
    }

    fn fields(&self) -> Map<String, Value> {
        let unless = |none: bool, value: Value| if none { Value::Null } else { value };
        let varied = self.variation_seed_strength != 0.0;
        let (from_width, from_height) = self.seed_resize_from;
        let resized = from_width > 0 && from_height > 0;
        let mut fields = Map::new();
        let mut add = |key: &str, value: Value| {
            fields.insert(key.to_string(), value);
        };
        add("Steps", self.steps.into());
        add("Sampler", self.sampler.as_str().into());
        add("Schedule type", self.schedule_type.as_deref().into());
        add("CFG scale", self.cfg_scale.clone());
        add("Image CFG scale", self.image_cfg_scale.into());
        add("Seed", self.seed.clone());
        add("Face restoration", self.face_restoration.as_deref().into());
        add("Size", format!("{}x{}", self.width, self.height).into());
        add("Model hash", self.model_hash.as_deref().into());
        add("Model", self.model.as_deref().into());
        add("FP8 weight", self.fp8_weight.as_deref().into());
        add("Cache FP16 weight for LoRA", self.cache_fp16_weight.into());
        add("VAE hash", self.vae_hash.as_deref().into());
        add("VAE", self.vae.as_deref().into());
        add("Variation seed", unless(!varied, self.variation_seed.clone()));
        add("Variation seed strength", unless(!varied, self.variation_seed_strength.into()));
        add("Seed resize from", unless(!resized, format!("{from_width}x{from_height}").into()));
        add("Denoising strength", self.extra.get("Denoising strength").cloned().unwrap_or(Value::Null));
        add("Conditional mask weight", self.conditional_mask_weight.into());
        add("Clip skip", unless(self.clip_skip <= 1, self.clip_skip.into()));
        add("ENSD", unless(!self.uses_ensd(), self.eta_noise_seed_delta.into()));
        add("Token merging ratio", unless(self.token_merging_ratio == 0.0, self.token_merging_ratio.into()));
        add("Token merging ratio hr", self.token_merging_ratio_hr.filter(|ratio| *ratio != 0.0).into());
        add("Init image hash", self.init_image_hash.as_deref().into());
        add("RNG", unless(self.rng == "GPU", self.rng.as_str().into()));
        add("Tiling", unless(!self.tiling, true.into()));
        for (key, value) in &self.extra {
            add(key, value.clone());
        }
        add("Version", self.version.as_deref().into());
        add("User", self.user.as_deref().into());
        fields
    }

    /// The delta only matters to samplers that draw noise at every step; DDIM does so with an eta.
    fn uses_ensd(&self) -> bool {
        let Some(sampler) = Sampler::from_name(&self.sampler) else { return false };
        let eta = self.eta.unwrap_or(sampler.default_eta());
        self.eta_noise_seed_delta != 0 && eta != 0.0 && (sampler.is_ddim() || sampler.uses_ensd())
    }
}

/// `key: value`, or the key alone when the value says the same.
pub(super) fn field(key: &str, value: &Value) -> Option<String> {
    // Of a value per image of a batch, the first.
    let value = value.as_array().map_or(Some(value), |list| list.first())?;
    if value.is_null() {
        return None;
    }
    if value == key {
        return Some(key.to_string());
    }
    Some(format!("{key}: {}", quoted_if_needed(value)))
}

/// Python's text of a value, as a JSON string if it would be cut at a comma, a colon or a line end.
/// `infotext` with these fields at its end, as webui writes what was done to a finished picture.
pub fn postprocessed<'a>(infotext: &str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let fields: Vec<_> =
        fields.into_iter().map(|(key, value)| format!("{key}: {}", quoted_if_needed(&value.into()))).collect();
    let fields = fields.join(", ");
    match infotext.trim_end() {
        "" => fields,
        text if looks_like_infotext(text) => format!("{text}, {fields}"),
        text => format!("{text}\n{fields}"),
    }
}

fn quoted_if_needed(value: &Value) -> String {
    let text = python_text::of(value);
    if !text.contains([',', ':', '\n']) {
        return text;
    }
    match value {
        Value::String(text) => serde_json::to_string(text).unwrap_or_default(),
        _ => text,
    }
}
