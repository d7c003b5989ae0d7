//! What a checkpoint's network predicts, and on which noise levels.

use super::EngineError;
use crate::checkpoint::Checkpoint;
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

/// How a model type is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelTypeSource {
    /// The caller said it.
    Given,
    /// `parameterization:` in the YAML file beside the checkpoint, as webui reads it.
    Yaml,
    /// The marker tensors `v_pred` and `ztsnr`, which webui 1.10 does not look at.
    Markers,
    /// Nothing says it, so it is noise.
    Default,
}

impl ModelType {
    /// The model's noise levels with what `settings` change about them.
    pub(super) fn levels(self, settings: &Settings) -> NoiseLevels {
        let mut levels = NoiseLevels::scaled_linear();
        if settings.downcast_alphas_cumprod {
            levels = levels.downcast();
        }
        if self.zero_terminal_snr || settings.zero_terminal_snr {
            levels = levels.with_zero_terminal_snr();
        }
        if settings.quantize_timesteps { levels.quantized() } else { levels }
    }
}

/// YAML files beside a checkpoint longer than this are not configurations.
const MAX_YAML: u64 = 1 << 20;

pub(super) fn detect(checkpoint: &Checkpoint) -> Result<(ModelType, ModelTypeSource), EngineError> {
    let has = |name: &str| checkpoint.file().entry(name).is_some();
    let zero_terminal_snr = has("ztsnr");
    let yaml = checkpoint.path().with_extension("yaml");
    let failed = |source| EngineError::Config { path: yaml.clone(), source };
    match std::fs::metadata(&yaml) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= MAX_YAML => {
            let text = std::fs::read_to_string(&yaml).map_err(failed)?;
            let value = text.lines().find_map(|l| l.trim().strip_prefix("parameterization:"));
            if let Some(value) = value {
                let value = value.trim().trim_matches(['"', '\'']);
                let parameterization = if value == "v" { Parameterization::V } else { Parameterization::Eps };
                return Ok((ModelType { parameterization, zero_terminal_snr }, ModelTypeSource::Yaml));
            }
        }
        _ => {}
    }
    if has("v_pred") {
        let parameterization = Parameterization::V;
        return Ok((ModelType { parameterization, zero_terminal_snr }, ModelTypeSource::Markers));
    }
    Ok((ModelType { zero_terminal_snr, ..ModelType::default() }, ModelTypeSource::Default))
}
