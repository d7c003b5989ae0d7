//! webui's `config.json`: the options that change a picture, so that the same seed gives the same picture as there.
//!
//! What is taken is said, and what cannot be is said too; a strange file is reported and does no harm.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::report;
use crate::infotext::Pasted;
use crate::plan::{Settings, webui_option};

/// webui's own file has a few kilobytes.
const MAX_BYTES: u64 = 4 << 20;

/// Options that change pictures when they are on, and that lbw does not have.
const NOT_DONE: [&str; 11] = [
    "sd_hypernetwork",
    "fp8_storage",
    "token_merging_ratio",
    "token_merging_ratio_img2img",
    "token_merging_ratio_hr",
    "use_old_emphasis_implementation",
    "no_dpmpp_sde_batch_determinism",
    "dont_fix_second_order_samplers_schedule",
    "hires_fix_use_firstpass_conds",
    "use_old_hires_fix_width_height",
    "img2img_color_correction",
];

/// Whether an option has the value at which it does nothing.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => ["", "None", "Disable"].contains(&text.as_str()),
        _ => false,
    }
}

/// The options of a webui; none where there is no file.
#[derive(Debug, Default)]
pub struct WebuiConfig {
    options: Map<String, Value>,
    path: PathBuf,
    /// Why the file is of no use.
    unread: Option<String>,
}

impl WebuiConfig {
    /// Reads `config.json` in webui's folder.
    pub fn read(webui: &Path) -> Self {
        let path = webui.join("config.json");
        let read = || {
            let length = std::fs::metadata(&path).map_err(|e| e.to_string())?.len();
            if length > MAX_BYTES {
                return Err(format!("larger than {} MiB", MAX_BYTES >> 20));
            }
            let bytes = std::fs::read(&path).map_err(|e| e.to_string())?;
            match serde_json::from_slice(&bytes) {
                Ok(Value::Object(options)) => Ok(options),
                Ok(_) => Err("not an object of options".to_owned()),
                Err(why) => Err(why.to_string()),
            }
        };
        if !path.exists() {
            return WebuiConfig::default();
        }
        match read() {
            Ok(options) => WebuiConfig { options, path, unread: None },
            Err(why) => WebuiConfig { options: Map::new(), path, unread: Some(why) },
        }
    }

    /// Says what is taken from the file, and what cannot be.
    pub fn say(&self) {
        if let Some(why) = &self.unread {
            report::warning(&format!("{}: {why}; webui's defaults are used", self.path.display()));
        }
        let mut taken = Vec::new();
        let mut settings = Settings::default();
        for (name, value) in &self.options {
            let before = settings.clone();
            if let Err(wrong) = webui_option::set(&mut settings, name, value) {
                report::warning(&format!("{}: {wrong}; webui's default is used", self.path.display()));
            }
            if settings != before {
                taken.push(format!("{name} = {value}"));
            }
        }
        taken.extend(self.vae().map(|name| format!("sd_vae = {name}")));
        taken.extend(self.checkpoint().map(|name| format!("sd_model_checkpoint = {name}")));
        taken.extend(self.lora_tag().map(|tag| format!("sd_lora: {tag} behind every prompt")));
        for name in ["img2img_fix_steps", "initial_noise_multiplier"] {
            let default = json!(name == "initial_noise_multiplier");
            taken
                .extend(self.options.get(name).filter(|v| **v != default && **v != 1).map(|v| format!("{name} = {v}")));
        }
        if !taken.is_empty() {
            let path = self.path.display();
            report::note(&format!("from {path} (--no-webui-config leaves it): {}", taken.join(", ")));
        }
        for name in NOT_DONE {
            if let Some(value) = self.options.get(name).filter(|value| !is_off(value)) {
                report::warning(&format!("{}: lbw does not do {name} = {value}", self.path.display()));
            }
        }
    }

    /// Puts the options into `settings`; eta comes later, when the sampler is known.
    pub fn apply(&self, settings: &mut Settings) {
        for (name, value) in self.options.iter().filter(|(name, _)| !name.starts_with("eta_a") && *name != "eta_ddim") {
            // What is wrong has been said.
            let _ = webui_option::set(settings, name, value);
        }
    }

    /// Puts in what depends on the rest: the LoRA behind every prompt, the sampler's eta, where none was given, and what concerns
    /// img2img.
    pub fn finish(&self, pasted: &mut Pasted, settings: &mut Settings) {
        let tag = self.lora_tag().filter(|tag| !pasted.prompt.contains(tag.as_str()));
        pasted.prompt.extend(tag);
        let name = webui_option::eta_of(settings.sampler);
        let default = if settings.sampler.is_timestep() { 0.0 } else { 1.0 };
        if let Some(eta) = self.number(name).filter(|eta| settings.eta.is_none() && *eta != default) {
            settings.eta = Some(eta);
        }
        let multiplier = self.number("initial_noise_multiplier");
        let fix_steps = self.options.get("img2img_fix_steps") == Some(&json!(true));
        if let Some(img2img) = &mut settings.img2img {
            img2img.fix_steps |= fix_steps;
            if let Some(multiplier) = multiplier.filter(|_| img2img.noise_multiplier == 1.0) {
                img2img.noise_multiplier = multiplier;
            }
        }
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.options.get(name)?.as_f64().filter(|n| n.is_finite())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.options.get(name)?.as_str().filter(|text| !text.is_empty() && *text != "None")
    }

    /// The VAE chosen in webui.
    pub fn vae(&self) -> Option<&str> {
        let own = self.options.get("sd_vae").and_then(Value::as_str).filter(|name| *name == "None");
        own.or(self.text("sd_vae").filter(|name| *name != "Automatic"))
    }

    /// The checkpoint chosen in webui, without the hash behind its name.
    pub fn checkpoint(&self) -> Option<&str> {
        let name = self.text("sd_model_checkpoint")?;
        let name = name.rsplit_once(" [").map_or(name, |(name, _)| name);
        // webui shows files in folders with their folder.
        Some(name.rsplit(['/', '\\']).next().unwrap_or(name))
    }

    /// The tag that webui's option "add network to prompt" puts behind every prompt.
    fn lora_tag(&self) -> Option<String> {
        let multiplier = self.number("extra_networks_default_multiplier").unwrap_or(1.0);
        Some(format!("<lora:{}:{multiplier}>", self.text("sd_lora")?))
    }
}
