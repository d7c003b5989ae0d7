//! What webui keeps in its folder: where its files lie, and `config.json`, so that the same seed gives the same picture as there.
//!
//! What is taken from the configuration is said, and what cannot be is said too; a strange file is reported and does no harm.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Said, Text, code};
use crate::files;
use crate::files::limits::TEXT;
use crate::plan::settings::table;
use crate::plan::{Patch, Sampler, webui_option};
use crate::say;

/// Options that change pictures when they are on, and that lbw does not have.
const NOT_DONE: [&str; 8] = [
    "sd_hypernetwork",
    "fp8_storage",
    "use_old_emphasis_implementation",
    "no_dpmpp_sde_batch_determinism",
    "dont_fix_second_order_samplers_schedule",
    "hires_fix_use_firstpass_conds",
    "use_old_hires_fix_width_height",
    "upscaler_for_img2img",
];

/// Folders of LoRAs inside webui's.
pub(super) fn lora_folders(webui: &Path) -> impl Iterator<Item = PathBuf> {
    ["models/Lora", "models/LyCORIS"].map(|sub| webui.join(sub)).into_iter().filter(|d| d.is_dir())
}

/// Folders of upscalers inside webui's, and inside ComfyUI's.
pub(super) fn upscaler_folders(webui: &Path) -> Vec<PathBuf> {
    let folders = ["models/ESRGAN", "models/RealESRGAN", "models/upscale_models"].map(|sub| webui.join(sub));
    folders.into_iter().filter(|d| d.is_dir()).collect()
}

/// webui's own folder, where `named` is one inside it.
pub(super) fn root_above(named: &Path) -> Option<&Path> {
    named.ancestors().skip(1).find(|above| above.join("models/Stable-diffusion").is_dir())
}

/// Styles files; webui ships the second one with styles of its own.
pub(super) fn styles_files(webui: &Path) -> impl Iterator<Item = PathBuf> {
    ["styles.csv", "styles_integrated.csv"].map(|name| webui.join(name)).into_iter().filter(|p| p.is_file())
}

/// `extensions/*lora-block-weight*/scripts`
pub(super) fn extension_folders(webui: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(webui.join("extensions")) else { return Vec::new() };
    let mut folders: Vec<_> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().contains("lora-block-weight")))
        .map(|p| p.join("scripts"))
        .collect();
    folders.sort();
    folders
}

/// The options of a webui; none where there is no file.
#[derive(Debug, Clone, Default)]
pub struct WebuiConfig {
    options: Map<String, Value>,
    /// What it says about pictures.
    pub patch: Patch,
}

impl WebuiConfig {
    /// Reads `config.json` in webui's folder, and says what is taken from it and what cannot be.
    pub(super) fn read(webui: &Path) -> (Self, Vec<Diagnostic>) {
        let path = webui.join("config.json");
        if !path.exists() {
            return Default::default();
        }
        match options(&path) {
            Ok(options) => {
                let mut config = WebuiConfig { options, patch: Patch::default() };
                let found = config.take(&path);
                (config, found)
            }
            Err(why) => {
                let path = path.display();
                let message = say!("{path}: {why}; webui's defaults are used", "{path}: {why}。webui の既定値を使います", with why);
                (WebuiConfig::default(), vec![Diagnostic::new(code::WEBUI_OPTION, message)])
            }
        }
    }

    /// The value that an option has in the file.
    pub(super) fn option(&self, name: &str) -> Option<&Value> {
        self.options.get(name)
    }

    /// The same with these options set; what is wrong with them was told before.
    pub(super) fn with(&self, options: &Map<String, Value>) -> Self {
        let mut config = self.clone();
        for (name, value) in options {
            config.options.insert(name.clone(), value.clone());
        }
        config.patch = Patch::default();
        for (name, value) in &config.options {
            // A value that is none leaves the default, as it did when the file was read.
            let _ = webui_option::set(&mut config.patch, name, value);
        }
        config
    }

    fn take(&mut self, path: &Path) -> Vec<Diagnostic> {
        let (mut found, mut taken) = (Vec::new(), Vec::new());
        let path = path.display();
        for (name, value) in &self.options {
            match webui_option::set(&mut self.patch, name, value) {
                Ok(is_setting) if is_setting && is_changed(name, value) => taken.push(format!("{name} = {value}")),
                Ok(_) => {}
                Err(wrong) => {
                    let why = wrong.said();
                    let message = say!(
                        "{path}: {why}; webui's default is used",
                        "{path}: {why}。webui の既定値を使います",
                        with why
                    );
                    found.push(Diagnostic::new(code::WEBUI_OPTION, message));
                }
            }
        }
        taken.extend(self.vae().map(|name| format!("sd_vae = {name}")));
        taken.extend(self.checkpoint().map(|name| format!("sd_model_checkpoint = {name}")));
        taken.extend(self.lora_tag().map(|tag| format!("sd_lora: {tag}")));
        if !taken.is_empty() {
            let taken = taken.join(", ");
            let message = say!(
                "from {path} (--no-webui-config leaves it): {taken}",
                "{path} の設定 (--no-webui-config で無視できます): {taken}"
            );
            found.push(Diagnostic::new(code::FROM_WEBUI, message));
        }
        for name in NOT_DONE {
            if let Some(value) = self.options.get(name).filter(|value| !is_off(value)) {
                let message = say!(
                    "{path}: lbw does not do {name} = {value}",
                    "{path}: lbw には {name} = {value} の機能がありません"
                );
                found.push(Diagnostic::new(code::NOT_DONE, message));
            }
        }
        found
    }

    /// webui's eta for a sampler, where it is not that sampler's own.
    pub(super) fn eta(&self, sampler: Sampler) -> Option<f64> {
        self.number(webui_option::eta_of(sampler)).filter(|eta| *eta != sampler.default_eta())
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.options.get(name)?.as_f64().filter(|n| n.is_finite())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.options.get(name)?.as_str().filter(|text| !text.is_empty() && *text != "None")
    }

    /// The VAE chosen in webui.
    pub(super) fn vae(&self) -> Option<&str> {
        let own = self.options.get("sd_vae").and_then(Value::as_str).filter(|name| *name == "None");
        own.or(self.text("sd_vae").filter(|name| *name != "Automatic"))
    }

    /// The checkpoint chosen in webui, as webui shows it: with its folder, and the hash behind its name.
    pub(super) fn checkpoint(&self) -> Option<&str> {
        self.text("sd_model_checkpoint")
    }

    /// The tag that webui's option "add network to prompt" puts behind every prompt.
    pub(super) fn lora_tag(&self) -> Option<String> {
        let multiplier = self.number("extra_networks_default_multiplier").unwrap_or(1.0);
        Some(format!("<lora:{}:{multiplier}>", self.text("sd_lora")?))
    }
}

fn options(path: &Path) -> Result<Map<String, Value>, Text> {
    let bytes = files::read(path, TEXT).map_err(|e| e.said())?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(options)) => Ok(options),
        Ok(_) => Err(say!("not an object of options", "設定のオブジェクトではありません")),
        Err(why) => Err(Text::same(why)),
    }
}

/// Whether an option says something else than what holds without it.
fn is_changed(name: &str, value: &Value) -> bool {
    let default = table::of_option(name).map(|setting| setting.written_value((setting.get)(&Default::default())));
    match (default, name) {
        (Some(default), _) => default != *value && default.as_f64().is_none_or(|d| value.as_f64() != Some(d)),
        (None, "eta_ancestral") => value.as_f64() != Some(1.0),
        (None, "enable_emphasis") => *value == false,
        (None, _) => !is_off(value),
    }
}

/// Whether an option has the value at which it does nothing.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => ["", "None", "Disable"].contains(&text.as_str()),
        _ => false,
    }
}
