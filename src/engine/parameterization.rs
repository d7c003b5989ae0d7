//! What a checkpoint's network predicts, and on which noise levels.

use std::collections::BTreeMap;
use std::path::Path;

use super::EngineError;
use crate::checkpoint::{Checkpoint, CheckpointError, Refusal};
use crate::files;
use crate::files::limits::CONFIGURATION;
use crate::files::yaml::{self, Node};
use crate::model::Architecture;
use crate::plan::Settings;
use crate::sampling::{NoiseLevels, Parameterization};

/// A parameterisation and its noise levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModelType {
    /// What the network predicts.
    pub parameterization: Parameterization,
    /// The noise levels are rescaled so that the last one is pure noise.
    pub zero_terminal_snr: bool,
}

impl ModelType {
    /// The network predicts the noise.
    pub const EPS: Self = ModelType { parameterization: Parameterization::Eps, zero_terminal_snr: false };
    /// The network predicts v.
    pub const V: Self = ModelType { parameterization: Parameterization::V, zero_terminal_snr: false };
    /// The network predicts v, and its last noise level is pure noise.
    pub const V_ZERO_SNR: Self = ModelType { parameterization: Parameterization::V, zero_terminal_snr: true };

    /// Whether the network predicts v.
    pub fn is_v(&self) -> bool {
        self.parameterization == Parameterization::V
    }
}

/// How a model type is known; what comes first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelTypeSource {
    /// The caller said it.
    Given,
    /// The YAML file beside the checkpoint, as webui reads it: `parameterization`, or the denoiser's scaling.
    Yaml,
    /// The scheduler's configuration in diffusers' folder.
    Scheduler,
    /// The marker tensors `v_pred` and `ztsnr`, which webui 1.10 does not look at.
    Markers,
    /// `modelspec.prediction_type` in the file's metadata, which webui 1.10 does not look at.
    Metadata,
    /// Nothing says it, so it is noise.
    Default,
}

impl ModelType {
    /// The model's noise levels with what `settings` change about them.
    pub(super) fn levels(self, settings: &Settings, architecture: &Architecture) -> NoiseLevels {
        let mut levels = NoiseLevels::scaled_linear();
        if let Some(sigmas) = architecture.align_your_steps {
            levels = levels.with_align_your_steps(sigmas);
        }
        if settings.downcast_alphas_cumprod {
            levels = levels.downcast();
        }
        if self.zero_terminal_snr || settings.zero_terminal_snr {
            levels = levels.with_zero_terminal_snr();
        }
        if settings.quantize_timesteps { levels.quantized() } else { levels }
    }
}

/// What the network of `checkpoint` predicts, by the first source that says it.
pub(super) fn detect(checkpoint: &Checkpoint) -> Result<(ModelType, ModelTypeSource), EngineError> {
    let has = |name: &str| checkpoint.file().entry(name).is_some();
    let metadata = checkpoint.file().metadata();
    let scheduler = scheduler(checkpoint)?;
    let in_folder = scheduler.as_ref().map(|configuration| said_of(checkpoint, configuration)).transpose()?.flatten();
    let sources = [
        (ModelTypeSource::Yaml, from_yaml(checkpoint)?),
        (ModelTypeSource::Scheduler, in_folder),
        (ModelTypeSource::Markers, has("v_pred").then_some(Parameterization::V)),
        (ModelTypeSource::Metadata, from_metadata(metadata)),
    ];
    let said = sources.into_iter().find_map(|(source, said)| Some((said?, source)));
    let (parameterization, source) = said.unwrap_or((Parameterization::default(), ModelTypeSource::Default));
    let rescaled =
        scheduler.and_then(|c| c.get("rescale_betas_zero_snr")?.text().map(|word| word == "true")).unwrap_or(false);
    Ok((ModelType { parameterization, zero_terminal_snr: has("ztsnr") || rescaled }, source))
}

/// Every word for a parameterisation that people write.
fn named(word: &str) -> Option<Parameterization> {
    let word: String = word.trim().to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    match word.as_str() {
        "v" | "vpred" | "vprediction" | "vparameterization" | "velocity" => Some(Parameterization::V),
        "eps" | "epsilon" | "epsprediction" | "epsilonprediction" | "noise" => Some(Parameterization::Eps),
        _ => None,
    }
}

fn from_metadata(metadata: &BTreeMap<String, String>) -> Option<Parameterization> {
    ["modelspec.prediction_type", "modelspec.predict_key"].iter().find_map(|key| named(metadata.get(*key)?))
}

/// What the configuration beside the checkpoint says. webui looks for `parameterization` in `model.params`, and for SDXL at
/// the class that the denoiser scales with.
fn from_yaml(checkpoint: &Checkpoint) -> Result<Option<Parameterization>, EngineError> {
    for extension in ["yaml", "yml"] {
        let path = checkpoint.path().with_extension(extension);
        if let Some(yaml) = configuration(&path)? {
            return said_of(checkpoint, &yaml);
        }
    }
    Ok(None)
}

/// What `_class_name`, `prediction_type` and the like of a model in diffusers' folder say.
fn scheduler(checkpoint: &Checkpoint) -> Result<Option<Node>, EngineError> {
    match checkpoint.path().is_dir() {
        true => configuration(&checkpoint.path().join("scheduler/scheduler_config.json")),
        false => Ok(None),
    }
}

/// The YAML (or JSON) in the file at `path`, if there is one.
fn configuration(path: &Path) -> Result<Option<Node>, EngineError> {
    let failed = |source| EngineError::Config { path: path.to_owned(), source };
    // What is longer is something else.
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= CONFIGURATION as u64) {
        return Ok(None);
    }
    let bytes = files::read(path, CONFIGURATION).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| failed(std::io::ErrorKind::InvalidData.into()))?;
    yaml::read(text.trim_start_matches('\u{feff}')).map(Some).map_err(|e| failed(e.into()))
}

fn said_of(checkpoint: &Checkpoint, configuration: &Node) -> Result<Option<Parameterization>, EngineError> {
    match said(configuration) {
        Some(Said::Edm) => {
            let path = checkpoint.path().to_owned();
            Err(CheckpointError::Refused { path, refusal: Refusal::Edm }.into())
        }
        Some(Said::Known(parameterization)) => Ok(Some(parameterization)),
        None => Ok(None),
    }
}

enum Said {
    Known(Parameterization),
    /// Noise levels of another kind.
    Edm,
}

/// The first thing that a configuration says about what the network predicts, wherever in it.
fn said(yaml: &Node) -> Option<Said> {
    match yaml {
        Node::Map(pairs) => {
            let pair = |(key, value): &(String, Node)| match (key.as_str(), value.text()) {
                ("parameterization" | "prediction_type", Some(word)) => named(word).map(Said::Known),
                ("_class_name", Some(class)) if class.starts_with("EDM") => Some(Said::Edm),
                ("target", Some(class)) => scaling(class),
                _ => None,
            };
            pairs.iter().find_map(pair).or_else(|| pairs.iter().find_map(|(_, value)| said(value)))
        }
        Node::List(items) => items.iter().find_map(said),
        _ => None,
    }
}

/// What a denoiser's scaling class is for.
fn scaling(class: &str) -> Option<Said> {
    match class.trim().rsplit('.').next()? {
        "VScaling" => Some(Said::Known(Parameterization::V)),
        "EpsScaling" => Some(Said::Known(Parameterization::Eps)),
        "EDMScaling" | "VScalingWithEDMcNoise" => Some(Said::Edm),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_configuration_is_understood() {
        let of = |text: &str| match said(&yaml::read(text).unwrap()) {
            Some(Said::Known(parameterization)) => Some(parameterization),
            Some(Said::Edm) => panic!("EDM"),
            None => None,
        };
        let (v, eps) = (Some(Parameterization::V), Some(Parameterization::Eps));
        let scaling =
            "model:\n  params:\n    denoiser_config:\n      params:\n        scaling_config:\n          target: ";
        for (text, expected) in [
            ("model:\n  params:\n    parameterization: v\n", v),
            ("model:\r\n  params:\r\n    \"parameterization\": 'v'  # yes\r\n", v),
            ("model: {params: {parameterization: \"v\"}}", v),
            ("{\"model\": {\"params\": {\"parameterization\": \"v_prediction\"}}}", v),
            ("model:\n  params:\n    # parameterization: v\n    scale: 1\n", None),
            ("model:\n  params:\n    parameterization: eps\n", eps),
            (&format!("{scaling}sgm.modules.diffusionmodules.denoiser_scaling.VScaling"), v),
            (&format!("{scaling}\"custom.VScaling\""), v),
            (&format!("{scaling}sgm.modules.diffusionmodules.denoiser_scaling.EpsScaling"), eps),
            ("", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        let edm = yaml::read(&format!("{scaling}sgm.EDMScaling")).unwrap();
        assert!(matches!(said(&edm), Some(Said::Edm)));
    }
}
