//! webui's options by the names they have in its `config.json`, as far as they change a picture.
//!
//! ```
//! use lbw::plan::{Patch, webui_option};
//! let mut patch = Patch::default();
//! assert!(webui_option::set(&mut patch, "eta_noise_seed_delta", &31337.into()).unwrap());
//! assert_eq!(patch.get("eta_noise_seed_delta"), Some(&31337.into()));
//! assert!(webui_option::set(&mut patch, "eta_noise_seed_delta", &"many".into()).is_err());
//! assert!(!webui_option::set(&mut patch, "samples_format", &"png".into()).unwrap());
//! ```

use serde_json::Value;

use super::settings::{Kind, table};
use super::{Choice, Emphasis, PadConds, Patch, Sampler};
use crate::diagnostic::{Said, Text};
use crate::say;

/// A value that the option cannot have.
#[derive(Debug, Clone, PartialEq)]
pub struct WrongValue {
    pub name: String,
    pub value: Value,
    pub expected: Text,
}

impl Said for WrongValue {
    fn said(&self) -> Text {
        let (name, value, expected) = (&self.name, &self.value, &self.expected);
        say!("`{name}` is {value}, not {expected}", "`{name}` が {value} です。{expected} ではありません", with expected)
    }
}

impl std::fmt::Display for WrongValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.said())
    }
}

/// Puts what option `name` stands for into `patch`. Says whether the option is a setting of the picture; the rest of webui's
/// options is not.
///
/// The eta options depend on the sampler, see [`eta_of`]; here they are only checked.
pub fn set(patch: &mut Patch, name: &str, value: &Value) -> Result<bool, WrongValue> {
    let wrong = |expected: Text| WrongValue { name: name.to_owned(), value: value.clone(), expected };
    let switch = || value.as_bool().ok_or_else(|| wrong(Kind::Switch.expected()));
    match name {
        // How webui before 1.10 wrote it.
        "enable_emphasis" => {
            if !switch()? {
                patch.put_named("emphasis", Emphasis::None.name());
            }
        }
        // Which of them counts is known when the sampler is.
        "eta_ancestral" | "eta_ddim" => {
            Kind::Number.accept(value).map_err(wrong)?;
        }
        // Of the two, webui looks at the older one first.
        "pad_cond_uncond_v0" | "pad_cond_uncond" => {
            if switch()? && (name == "pad_cond_uncond_v0" || patch.get("pad_conds").is_none()) {
                let how = if name == "pad_cond_uncond_v0" { PadConds::NegativeOnly } else { PadConds::EmptyPrompts };
                patch.put_named("pad_conds", how.name());
            }
        }
        // The name of earlier versions of lbw.
        "use_downcasted_alpha_cumprod" => return set(patch, "use_downcasted_alpha_bar", value),
        _ => {
            let Some(setting) = table::of_option(name) else { return Ok(false) };
            patch.put(setting, setting.accept(value).map_err(wrong)?);
        }
    }
    Ok(true)
}

/// The option that holds this sampler's eta.
pub fn eta_of(sampler: Sampler) -> &'static str {
    if sampler.is_timestep() { "eta_ddim" } else { "eta_ancestral" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{NoiseSource, UniPcSkipType, UniPcVariant, Wanted};
    use serde_json::json;

    #[test]
    fn options_become_settings() {
        let mut patch = Patch::default();
        let options = json!({
            "randn_source": "NV", "emphasis": "No norm", "comma_padding_backtrack": 30.0, "sdxl_clip_l_skip": true,
            "eta_ancestral": 0.5, "eta_ddim": 0.25, "uni_pc_variant": "vary_coeff", "uni_pc_skip_type": "logSNR",
            "pad_cond_uncond_v0": true, "pad_cond_uncond": true, "sd_noise_schedule": "Zero Terminal SNR",
            "use_downcasted_alpha_bar": true,
        });
        for (name, value) in options.as_object().unwrap() {
            assert_eq!(set(&mut patch, name, value), Ok(true), "{name}");
        }
        let mut wanted = Wanted::default();
        patch.apply(&mut wanted);
        let s = wanted.settings;
        assert_eq!((s.noise_source, s.emphasis, s.comma_padding_backtrack), (NoiseSource::Gpu, Emphasis::NoNorm, 30));
        assert_eq!((s.eta, s.clip_skip_sdxl, s.zero_terminal_snr), (None, true, true));
        assert_eq!((s.unipc_variant, s.unipc_skip_type), (UniPcVariant::VaryCoeff, UniPcSkipType::LogSnr));
        assert_eq!((s.pad_conds, s.downcast_alphas_cumprod), (PadConds::NegativeOnly, true));
    }

    #[test]
    fn strange_values_are_named() {
        let mut patch = Patch::default();
        for (name, value) in [
            ("randn_source", json!("TPU")),
            ("emphasis", json!(3)),
            ("sdxl_crop_top", json!(-1)),
            ("comma_padding_backtrack", json!(1e300)),
            ("s_noise", json!("1")),
            ("sgm_noise_multiplier", json!(null)),
            ("sd_noise_schedule", json!([])),
            ("eta_ddim", json!({})),
        ] {
            assert_eq!(set(&mut patch, name, &value).unwrap_err().value, value, "{name}");
        }
        assert!(patch.is_empty());
    }
}
