//! What webui adds to the fields of an infotext: defaults for what is not written, and how older versions were meant.

use serde_json::{Map, Value, json};

use super::version::Version;
use super::{Infotext, Problem};
use crate::syntax::{attention, python};

impl Infotext {
    /// The fields as webui pastes them: `Prompt`, `Negative prompt`, the written ones, and webui's defaults for others.
    pub fn with_defaults(&self) -> Result<Map<String, Value>, Problem> {
        let mut fields = self.fields.clone();
        let version = self.text("Version").and_then(Version::parse);
        if version.as_ref().is_none_or(|v| v.is_after("1.8.0-139")) {
            forget_equal_hires_prompts(&mut fields, &self.prompt, &self.negative_prompt);
        }
        let hypernet = self.text("Hypernet").map(|name| {
            let strength = self.text("Hypernet strength").unwrap_or("1.0");
            format!("<hypernet:{name}:{strength}>")
        });
        let prompt = format!("{}{}", self.prompt, hypernet.unwrap_or_default());
        fields.insert("Prompt".into(), prompt.as_str().into());
        fields.insert("Negative prompt".into(), self.negative_prompt.as_str().into());
        add_defaults(&mut fields);
        restore_first_pass_size(&mut fields)?;
        if !fields.contains_key("Emphasis") && self.uses_emphasis()? {
            fields.insert("Emphasis".into(), "Original".into());
        }
        if let Some(version) = version {
            add_old_behaviour(&mut fields, &version, &prompt);
        }
        Ok(fields)
    }

    /// The value of a written field.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(Value::as_str)
    }

    /// Whether a weight other than 1 stands in one of the prompts.
    fn uses_emphasis(&self) -> Result<bool, Problem> {
        let mut uses = false;
        for text in [&self.prompt, &self.negative_prompt] {
            let read = attention::parse(text);
            if read.oddities.iter().any(|o| o.kind == attention::OddityKind::BadNumber) {
                return Err(Problem::BadEmphasis);
            }
            uses |= read.pieces.iter().any(|p| p.weight != 1.0 && p.text != "BREAK");
        }
        Ok(uses)
    }
}

/// Hires prompts equal to the prompts are written for nothing.
fn forget_equal_hires_prompts(fields: &mut Map<String, Value>, prompt: &str, negative_prompt: &str) {
    let pairs = [("Hires prompt", prompt), ("Hires negative prompt", negative_prompt)];
    if pairs.iter().all(|(key, _)| !fields.contains_key(*key)) {
        return;
    }
    for (key, equal) in pairs {
        if fields.get(key).is_none_or(|value| value == equal) {
            fields.insert(key.into(), "".into());
        }
    }
}

fn add_defaults(fields: &mut Map<String, Value>) {
    let mut add = |key: &str, value: Value| {
        fields.entry(key).or_insert(value);
    };
    add("Clip skip", json!("1"));
    add("Hires sampler", json!("Use same sampler"));
    add("Hires schedule type", json!("Use same scheduler"));
    add("Hires checkpoint", json!("Use same checkpoint"));
    add("Hires prompt", json!(""));
    add("Hires negative prompt", json!(""));
    add("Mask mode", json!("Inpaint masked"));
    add("Masked content", json!("original"));
    add("Inpaint area", json!("Whole picture"));
    add("Masked area padding", json!(32));
    add("RNG", json!("GPU"));
    add("Schedule type", json!("Automatic"));
    add("Schedule max sigma", json!(0));
    add("Schedule min sigma", json!(0));
    add("Schedule rho", json!(0));
    add("VAE Encoder", json!("Full"));
    add("VAE Decoder", json!("Full"));
    add("FP8 weight", json!("Disable"));
    add("Refiner switch by sampling steps", json!(false));
    if fields["FP8 weight"] != "Disable" {
        fields.entry("Cache FP16 weight for LoRA").or_insert(json!(false));
    }
    if !fields.contains_key("Hires resize-1") {
        fields.insert("Hires resize-1".into(), json!(0));
        fields.insert("Hires resize-2".into(), json!(0));
    }
}

/// `First pass size` is how hires passes were written long ago: `Size` was the size after the hires pass.
fn restore_first_pass_size(fields: &mut Map<String, Value>) -> Result<(), Problem> {
    let number = |fields: &Map<String, Value>, key: &str| match fields.get(key) {
        None => Ok(None),
        Some(value) => match value.as_str().and_then(python::int) {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::BadSize { key: key.to_string() }),
        },
    };
    if !fields.contains_key("First pass size-1") || !fields.contains_key("First pass size-2") {
        return Ok(());
    }
    let [first_width, first_height] =
        [number(fields, "First pass size-1")?.unwrap_or(0), number(fields, "First pass size-2")?.unwrap_or(0)];
    let width = number(fields, "Size-1")?.unwrap_or(512);
    let height = number(fields, "Size-2")?.unwrap_or(512);
    let (first_width, first_height) = if first_width == 0 || first_height == 0 {
        default_first_pass_size(width, height).ok_or(Problem::BadSize { key: "Size".to_string() })?
    } else {
        (first_width, first_height)
    };
    for (key, value) in
        [("Size-1", first_width), ("Size-2", first_height), ("Hires resize-1", width), ("Hires resize-2", height)]
    {
        fields.insert(key.into(), value.into());
    }
    Ok(())
}

/// The size with this aspect ratio and the area of 512², each side rounded up to 64.
fn default_first_pass_size(width: i64, height: i64) -> Option<(i64, i64)> {
    let area = width as f64 * height as f64;
    let scale = (512.0 * 512.0 / area).sqrt();
    let side = |length: i64| ((scale * length as f64 / 64.0).ceil() * 64.0) as i64;
    (area > 0.0).then(|| (side(width), side(height)))
}

/// Options that bring back what an older version did.
fn add_old_behaviour(fields: &mut Map<String, Value>, version: &Version, prompt: &str) {
    let mut set = |key: &str| {
        fields.insert(key.into(), true.into());
    };
    if version.is_before("1.6.0") && prompt.contains('[') {
        set("Old prompt editing timelines");
    }
    if version.is_before("1.7.0-225") {
        set("Downcast alphas_cumprod");
    }
    if version.is_before("1.6.0") && matches!(fields.get("Sampler").and_then(Value::as_str), Some("DDIM" | "PLMS")) {
        fields.insert("Pad conds v0".into(), true.into());
    }
    let refiner = fields.get("Refiner").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    if version.is_before("1.8.0") && refiner {
        fields.insert("Refiner switch by sampling steps".into(), true.into());
    }
}
