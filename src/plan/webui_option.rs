//! webui's options by the names they have in its `config.json`, as far as they change a picture.
//!
//! ```
//! use lbw::plan::{Settings, webui_option};
//! let mut settings = Settings::default();
//! assert!(webui_option::set(&mut settings, "eta_noise_seed_delta", &31337.into()).unwrap());
//! assert_eq!(settings.eta_noise_seed_delta, 31337);
//! assert!(webui_option::set(&mut settings, "eta_noise_seed_delta", &"many".into()).is_err());
//! assert!(!webui_option::set(&mut settings, "samples_format", &"png".into()).unwrap());
//! ```

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Emphasis, PadConds, Sampler, Settings};
use crate::diagnostic::{Expected, Said, Text};
use crate::say;

/// A value that the option cannot have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", self.said())]
pub struct WrongValue {
    pub name: String,
    pub value: Value,
    pub expected: Expected,
}

impl Said for WrongValue {
    fn said(&self) -> Text {
        let (name, value, expected) = (&self.name, &self.value, self.expected.said());
        say!("`{name}` is {value}, not {expected}", "`{name}` が {value} です。{expected}にしてください", with expected)
    }
}

/// Changes what option `name` stands for. Says whether the option is a setting of the picture; the rest of webui's
/// options is not.
///
/// The eta options depend on the sampler, which has to be set before.
pub fn set(settings: &mut Settings, name: &str, value: &Value) -> Result<bool, WrongValue> {
    let s = settings;
    let wrong = |expected| WrongValue { name: name.to_owned(), value: value.clone(), expected };
    let number = || value.as_f64().filter(|n| n.is_finite()).ok_or_else(|| wrong(Expected::Number));
    let count = || whole(value).ok_or_else(|| wrong(Expected::Count));
    let switch = || value.as_bool().ok_or_else(|| wrong(Expected::OneOf(&["true", "false"])));
    match name {
        "randn_source" => s.noise_source = named(value).ok_or_else(|| wrong(Expected::OneOf(&["GPU", "CPU", "NV"])))?,
        "eta_noise_seed_delta" => {
            s.eta_noise_seed_delta = signed(value).ok_or_else(|| wrong(Expected::Whole))?;
        }
        "emphasis" => {
            s.emphasis = named::<Emphasis>(value)
                .ok_or_else(|| wrong(Expected::OneOf(&["Original", "No norm", "Ignore", "None"])))?;
        }
        // How webui before 1.10 wrote it.
        "enable_emphasis" if !switch()? => s.emphasis = Emphasis::None,
        "enable_emphasis" => {}
        "comma_padding_backtrack" => s.comma_padding_backtrack = count()?,
        "sdxl_crop_top" => s.crop_top = count()?,
        "sdxl_crop_left" => s.crop_left = count()?,
        "sdxl_clip_l_skip" => s.clip_skip_sdxl = switch()?,
        "CLIP_stop_at_last_layers" => s.clip_skip = count()?,
        "eta_ancestral" | "eta_ddim" if name == eta_of(s.sampler) => s.eta = Some(number()?),
        "eta_ancestral" | "eta_ddim" => drop(number()?),
        "s_churn" => s.s_churn = number()?,
        "s_tmin" => s.s_tmin = number()?,
        "s_tmax" => s.s_tmax = number()?,
        "s_noise" => s.s_noise = number()?,
        "s_min_uncond" => s.s_min_uncond = number()?,
        "s_min_uncond_all" => s.s_min_uncond_all = switch()?,
        "skip_early_cond" => s.skip_early_cond = number()?,
        "sigma_min" => s.sigma_min = number()?,
        "sigma_max" => s.sigma_max = number()?,
        "rho" => s.rho = number()?,
        "beta_dist_alpha" => s.beta_alpha = number()?,
        "beta_dist_beta" => s.beta_beta = number()?,
        "always_discard_next_to_last_sigma" => s.always_discard_next_to_last_sigma = switch()?,
        "sgm_noise_multiplier" => s.sgm_noise_multiplier = switch()?,
        "use_old_karras_scheduler_sigmas" => s.use_old_karras_scheduler_sigmas = switch()?,
        "uni_pc_variant" => {
            s.unipc.variant = named(value).ok_or_else(|| wrong(Expected::OneOf(&["bh1", "bh2", "vary_coeff"])))?
        }
        "uni_pc_skip_type" => {
            s.unipc.skip_type =
                named(value).ok_or_else(|| wrong(Expected::OneOf(&["time_uniform", "time_quadratic", "logSNR"])))?;
        }
        "uni_pc_order" => s.unipc.order = count()?,
        "uni_pc_lower_order_final" => s.unipc.lower_order_final = switch()?,
        // Of the two, webui looks at the older one first.
        "pad_cond_uncond_v0" if switch()? => s.pad_conds = PadConds::NegativeOnly,
        "pad_cond_uncond" if switch()? && s.pad_conds == PadConds::Separate => s.pad_conds = PadConds::EmptyPrompts,
        "pad_cond_uncond" | "pad_cond_uncond_v0" => {}
        "use_downcasted_alpha_cumprod" => s.downcast_alphas_cumprod = switch()?,
        "sd_noise_schedule" => {
            s.zero_terminal_snr = match value.as_str() {
                Some("Default") => false,
                Some("Zero Terminal SNR") => true,
                _ => return Err(wrong(Expected::OneOf(&["Default", "Zero Terminal SNR"]))),
            }
        }
        "enable_quantization" => s.quantize_timesteps = switch()?,
        "use_old_scheduling" => s.old_prompt_editing = switch()?,
        "img2img_extra_noise" => s.extra_noise = number()?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// The option that holds this sampler's eta.
pub fn eta_of(sampler: Sampler) -> &'static str {
    if sampler.is_timestep() { "eta_ddim" } else { "eta_ancestral" }
}

/// webui's number fields hold whole numbers also as `20.0`.
fn signed(value: &Value) -> Option<i64> {
    let from_float = |n: f64| (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(from_float))
}

fn whole(value: &Value) -> Option<u32> {
    signed(value).and_then(|n| u32::try_from(n).ok())
}

/// One of a type's serialised names.
fn named<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{NoiseSource, UniPcSkipType, UniPcVariant};
    use serde_json::json;

    #[test]
    fn options_become_settings() {
        let mut s = Settings { sampler: Sampler::Ddim, ..Settings::default() };
        let options = json!({
            "randn_source": "NV", "emphasis": "No norm", "comma_padding_backtrack": 30.0, "sdxl_clip_l_skip": true,
            "eta_ancestral": 0.5, "eta_ddim": 0.25, "uni_pc_variant": "vary_coeff", "uni_pc_skip_type": "logSNR",
            "pad_cond_uncond_v0": true, "pad_cond_uncond": true, "sd_noise_schedule": "Zero Terminal SNR",
        });
        for (name, value) in options.as_object().unwrap() {
            assert_eq!(set(&mut s, name, value), Ok(true), "{name}");
        }
        assert_eq!((s.noise_source, s.emphasis, s.comma_padding_backtrack), (NoiseSource::Gpu, Emphasis::NoNorm, 30));
        assert_eq!((s.eta, s.clip_skip_sdxl, s.zero_terminal_snr), (Some(0.25), true, true));
        assert_eq!((s.unipc.variant, s.unipc.skip_type), (UniPcVariant::VaryCoeff, UniPcSkipType::LogSnr));
        assert_eq!(s.pad_conds, PadConds::NegativeOnly);
    }

    #[test]
    fn strange_values_are_named() {
        let mut s = Settings::default();
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
            assert_eq!(set(&mut s, name, &value).unwrap_err().value, value, "{name}");
        }
        assert_eq!(s, Settings::default());
    }
}
