//! An infotext as it is gathered from another program's settings.

use serde_json::{Map, Value};

use super::Foreign;
use crate::infotext::format::field;
use crate::infotext::python_text;

/// Prompts, fields and LoRAs.
#[derive(Debug, Default)]
pub struct Sheet {
    pub prompt: String,
    pub negative: String,
    fields: Map<String, Value>,
    left_out: Vec<String>,
}

impl Sheet {
    /// Prompts alone.
    pub fn new(prompt: String, negative: String) -> Self {
        Sheet { prompt, negative, ..Sheet::default() }
    }

    /// Sets a field, unless there is no value.
    pub fn set(&mut self, key: &str, value: Option<&Value>) {
        if let Some(value) = value.filter(|value| !value.is_null() && **value != "") {
            self.fields.insert(key.to_owned(), value.clone());
        }
    }

    /// Sets `Size`, where both sides are there.
    pub fn size(&mut self, width: Option<&Value>, height: Option<&Value>) {
        if let (Some(width), Some(height)) = (width.and_then(whole), height.and_then(whole)) {
            self.fields.insert("Size".to_owned(), format!("{width}x{height}").into());
        }
    }

    /// Adds a tag for a LoRA of this file name. Nothing for one that is there already.
    pub fn lora(&mut self, file: &str, te: f64, unet: f64) {
        let name = stem(file);
        if name.is_empty() || self.prompt.contains(&format!("<lora:{name}:")) {
            return;
        }
        let strengths = if te == unet { te.to_string() } else { format!("{te}:{unet}") };
        self.prompt.push_str(&format!(" <lora:{name}:{strengths}>"));
    }

    /// Names the checkpoint by the stem of its file.
    pub fn model(&mut self, file: Option<&str>) {
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            self.fields.insert("Model".to_owned(), stem(file).into());
        }
    }

    /// Names something that has no place here.
    pub fn leave_out(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    /// The whole as infotext.
    pub fn finish(mut self, tool: &'static str) -> Foreign {
        // Infotext begins with the steps; without them nobody takes it for one.
        if !self.fields.contains_key("Steps") {
            self.fields.insert("Steps".to_owned(), 20.into());
            self.leave_out("steps");
        }
        let order = ["Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size"];
        let first = order.into_iter().filter_map(|key| Some((key.to_owned(), self.fields.get(key)?.clone())));
        let others =
            self.fields.iter().filter(|(key, _)| !order.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone()));
        let mut line: Vec<String> = first.chain(others).filter_map(|(key, value)| field(&key, &value)).collect();
        // With fewer than three, the line would be prompt.
        if line.len() < 3 {
            line.push(format!("Version: {tool}"));
        }
        let negative = match self.negative.trim() {
            "" => String::new(),
            negative => format!("\nNegative prompt: {negative}"),
        };
        let text = format!("{}{negative}\n{}", self.prompt.trim(), line.join(", "));
        Foreign { tool, infotext: Ok(text.trim_start().to_owned()), left_out: self.left_out }
    }
}

/// The name of a file without folders and ending.
pub fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let endings = [".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// A whole number, also written as text or with a fraction of nothing.
pub fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| number(value).filter(|n| n.fract() == 0.0 && (0.0..1e9).contains(n)).map(|n| n as u64))
}

/// A number, also written as text.
pub fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|n| n.is_finite())
}

/// The text of a value.
pub fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(items) => items.iter().map(words).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", "),
        value => python_text::of(value),
    }
}
