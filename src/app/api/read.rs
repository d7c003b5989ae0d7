//! An infotext as a request: its fields under webui's names.

use serde_json::{Map, Value};

use super::fields::FIELDS;
use crate::diagnostic::{Diagnostic, Source};
use crate::infotext;
use crate::plan::Setting;

/// What somebody asks for who pastes this infotext, and what is odd about it. Without a request it cannot be pasted at all.
pub fn request_of_infotext(text: &str) -> (Option<Map<String, Value>>, Vec<Diagnostic>) {
    let (pasted, found) = infotext::paste(&Source::new("infotext", text));
    let Some(pasted) = pasted else { return (None, found) };
    let (mut request, mut options) = (Map::new(), Map::new());
    for (setting, value) in pasted.patch.iter() {
        match (field_of(setting), setting.name) {
            (_, "model") => drop(options.insert("sd_model_checkpoint".to_owned(), value.clone())),
            (_, "vae") => drop(options.insert("sd_vae".to_owned(), value.clone())),
            (Some(field), _) => drop(request.insert(field.to_owned(), value.clone())),
            (None, _) => {
                if let Some(option) = setting.option {
                    options.insert(option.to_owned(), value.clone());
                }
            }
        }
    }
    if !options.is_empty() {
        request.insert("override_settings".to_owned(), Value::Object(options));
    }
    (Some(request), found)
}

/// The field of webui's requests that a setting has.
fn field_of(setting: &Setting) -> Option<&'static str> {
    let names = std::iter::once(setting.name).chain(setting.api.iter().copied()).chain(setting.option);
    let is_field = |name: &&'static str| FIELDS.iter().any(|field| field.name == *name);
    names.into_iter().find(is_field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_infotext_becomes_fields_and_options() {
        let text = "a cat\nNegative prompt: dog\nSteps: 28, Sampler: DPM++ 2M Karras, CFG scale: 5, Seed: 7, Size: 832x1216, \
                    Model: pony, Clip skip: 2, ENSD: 31337, Denoising strength: 0.4, Hires upscale: 1.5, Hires upscaler: Latent, \
                    Sigma churn: 0.5";
        let (request, found) = request_of_infotext(text);
        let request = request.unwrap();
        for (name, value) in [
            ("prompt", json!("a cat")),
            ("negative_prompt", json!("dog")),
            ("steps", json!(28)),
            ("sampler_name", json!("DPM++ 2M")),
            ("scheduler", json!("Karras")),
            ("cfg_scale", json!(5.0)),
            ("width", json!(832)),
            ("enable_hr", json!(true)),
            ("hr_scale", json!(1.5)),
            ("denoising_strength", json!(0.4)),
            ("s_churn", json!(0.5)),
        ] {
            assert_eq!(request[name], value, "{name}");
        }
        let options =
            json!({ "sd_model_checkpoint": "pony", "CLIP_stop_at_last_layers": 2, "eta_noise_seed_delta": 31337 });
        for (name, value) in options.as_object().unwrap() {
            assert_eq!(&request["override_settings"][name], value, "{name}");
        }
        assert!(found.iter().all(|found| found.severity < crate::diagnostic::Severity::Error), "{found:?}");
    }
}
