//! Programs that write their settings as one map.

use serde_json::{Map, Value};

use super::Foreign;
use super::sheet::{Sheet, number, stem, whole, words};
use crate::plan::Sampler;

type Values = Map<String, Value>;

fn text(values: &Values, key: &str) -> String {
    values.get(key).map(words).unwrap_or_default()
}

/// Names all keys that were not used and say something.
fn leave_out(sheet: &mut Sheet, values: &Values, used: &[&str]) {
    for (key, value) in values {
        let says_nothing = match value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => ["", "None", "none", "[]"].contains(&text.as_str()),
            Value::Array(items) => items.is_empty(),
            Value::Object(items) => items.is_empty(),
            _ => false,
        };
        if !says_nothing && !used.contains(&key.as_str()) {
            sheet.leave_out(key.as_str());
        }
    }
}

/// NovelAI's, as webui converts them: the sampler by webui's names, clip skip 2 and the noise delta of its first model.
pub fn novel_ai(values: &Values, description: Option<&str>, size: Option<(u32, u32)>) -> Foreign {
    let prompt = description.map_or_else(|| text(values, "prompt"), str::to_owned);
    let mut sheet = Sheet::new(prompt, text(values, "uc"));
    let sampler = text(values, "sampler");
    let sampler = Sampler::from_any_name(&sampler).map_or(Sampler::EulerA, |(sampler, _)| sampler);
    sheet.set("Steps", values.get("steps"));
    sheet.set("Sampler", Some(&sampler.label().into()));
    sheet.set("CFG scale", values.get("scale"));
    sheet.set("Seed", values.get("seed"));
    match size {
        Some((width, height)) => sheet.size(Some(&width.into()), Some(&height.into())),
        None => sheet.size(values.get("width"), values.get("height")),
    }
    sheet.set("Clip skip", Some(&2.into()));
    sheet.set("ENSD", Some(&31337.into()));
    let characters =
        values.get("v4_prompt").and_then(|prompt| prompt.pointer("/caption/char_captions")).and_then(Value::as_array);
    if characters.is_some_and(|characters| !characters.is_empty()) {
        sheet.leave_out("prompts of single characters");
    }
    for key in ["strength", "noise", "reference_strength_multiple", "director_reference_strengths"] {
        if values
            .get(key)
            .is_some_and(|value| number(value) != Some(0.0) && !value.is_null() && *value != Value::Array(Vec::new()))
        {
            sheet.leave_out(key);
        }
    }
    sheet.finish("NovelAI")
}

/// SwarmUI's `sui_image_params`.
pub fn swarm(values: &Values) -> Foreign {
    let mut sheet = Sheet::new(text(values, "prompt"), text(values, "negativeprompt"));
    let or = |first: &str, second: &str| values.get(first).or(values.get(second)).cloned();
    sheet.set("Steps", values.get("steps"));
    sheet.set("Sampler", or("sampler", "comfyuisampler").as_ref());
    sheet.set("Schedule type", or("scheduler", "comfyuischeduler").as_ref());
    sheet.set("CFG scale", values.get("cfgscale"));
    sheet.set("Seed", values.get("seed"));
    sheet.size(values.get("width"), values.get("height"));
    sheet.model(values.get("model").and_then(Value::as_str));
    if let Some(vae) = values.get("vae").and_then(Value::as_str).filter(|vae| !["None", "Automatic", ""].contains(vae))
    {
        sheet.set("VAE", Some(&stem(vae).into()));
    }
    sheet.set("Variation seed", values.get("variationseed"));
    sheet.set("Variation seed strength", values.get("variationseedstrength"));
    if let Some(layer) = values.get("clipstopatlayer").and_then(number) {
        sheet.set("Clip skip", Some(&((-layer).max(1.0) as u64).into()));
    }
    let weights = list(values.get("loraweights"));
    for (at, lora) in list(values.get("loras")).iter().enumerate() {
        let weight = weights.get(at).and_then(|weight| weight.trim().parse().ok()).unwrap_or(1.0);
        sheet.lora(lora, weight, weight);
    }
    let used = [
        "prompt",
        "negativeprompt",
        "steps",
        "sampler",
        "comfyuisampler",
        "scheduler",
        "comfyuischeduler",
        "cfgscale",
        "seed",
        "width",
        "height",
        "sidelength",
        "model",
        "vae",
        "variationseed",
        "variationseedstrength",
        "clipstopatlayer",
        "loras",
        "loraweights",
        "images",
        "aspectratio",
        "swarm_version",
        "automaticvae",
        "date",
        "generation_time",
        "original_prompt",
        "original_negativeprompt",
        "resolution",
        "batchsize",
        "donotsave",
        "personalnote",
        "imageformat",
        "colordepth",
    ];
    leave_out(&mut sheet, values, &used);
    sheet.finish("SwarmUI")
}

/// A list, or the parts of a text between commas.
fn list(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().map(words).collect(),
        Some(Value::String(text)) if !text.is_empty() => text.split(',').map(|part| part.trim().to_owned()).collect(),
        _ => Vec::new(),
    }
}

/// Fooocus' own scheme. The whole prompt holds the words of its styles.
pub fn fooocus(values: &Values) -> Foreign {
    let or = |first: &str, second: &str| {
        Some(text(values, first)).filter(|text| !text.is_empty()).unwrap_or_else(|| text(values, second))
    };
    let mut sheet = Sheet::new(or("full_prompt", "prompt"), or("full_negative_prompt", "negative_prompt"));
    sheet.set("Steps", values.get("steps"));
    sheet.set("Sampler", values.get("sampler"));
    sheet.set("Schedule type", values.get("scheduler"));
    sheet.set("CFG scale", values.get("guidance_scale"));
    sheet.set("Seed", values.get("seed"));
    // `(896, 1152)`
    let resolution = text(values, "resolution");
    let sides: Vec<Value> =
        resolution.split(|c: char| !c.is_ascii_digit()).filter(|p| !p.is_empty()).map(Value::from).collect();
    if let [width, height] = &sides[..] {
        sheet.size(Some(width), Some(height));
    }
    sheet.model(values.get("base_model").and_then(Value::as_str));
    sheet.set("Model hash", values.get("base_model_hash"));
    for lora in values.get("loras").and_then(Value::as_array).into_iter().flatten() {
        let weight = lora.get(1).and_then(number).unwrap_or(1.0);
        sheet.lora(&lora.get(0).map(words).unwrap_or_default(), weight, weight);
    }
    let combined =
        values.iter().filter(|(key, _)| key.starts_with("lora_combined_")).filter_map(|(_, value)| value.as_str());
    for (name, weight) in combined.filter_map(|text| text.rsplit_once(" : ")) {
        let weight = weight.trim().parse().unwrap_or(1.0);
        sheet.lora(name.trim(), weight, weight);
    }
    let used = [
        "prompt",
        "negative_prompt",
        "full_prompt",
        "full_negative_prompt",
        "prompt_expansion",
        "styles",
        "performance",
        "steps",
        "sampler",
        "scheduler",
        "guidance_scale",
        "seed",
        "resolution",
        "base_model",
        "base_model_hash",
        "loras",
        "metadata_scheme",
        "version",
        "created_by",
        "vae",
    ];
    leave_out(&mut sheet, values, &used);
    sheet.finish("Fooocus")
}

/// InvokeAI's `invokeai_metadata`.
pub fn invoke(values: &Values) -> Foreign {
    let mut sheet = Sheet::new(text(values, "positive_prompt"), text(values, "negative_prompt"));
    sheet.set("Steps", values.get("steps"));
    sheet.set("Sampler", values.get("scheduler"));
    sheet.set("CFG scale", values.get("cfg_scale"));
    sheet.set("Seed", values.get("seed"));
    sheet.size(values.get("width"), values.get("height"));
    sheet.model(values.get("model").and_then(model_name));
    if let Some(vae) = values.get("vae").and_then(model_name) {
        sheet.set("VAE", Some(&stem(vae).into()));
    }
    // Layers left out, where webui counts from the last one.
    if let Some(skip) = values.get("clip_skip").and_then(whole).filter(|skip| *skip > 0) {
        sheet.set("Clip skip", Some(&(skip + 1).into()));
    }
    for lora in values.get("loras").and_then(Value::as_array).into_iter().flatten() {
        let name = lora.get("model").or(lora.get("lora")).and_then(model_name).unwrap_or_default();
        let weight = lora.get("weight").and_then(number).unwrap_or(1.0);
        sheet.lora(name, weight, weight);
    }
    let used = [
        "positive_prompt",
        "negative_prompt",
        "steps",
        "scheduler",
        "cfg_scale",
        "seed",
        "width",
        "height",
        "model",
        "vae",
        "clip_skip",
        "loras",
        "app_version",
        "generation_mode",
        "rand_device",
        "positive_style_prompt",
        "negative_style_prompt",
        "canvas_v2_metadata",
        "cfg_rescale_multiplier",
        "created_by",
        "ref_images",
    ];
    leave_out(&mut sheet, values, &used);
    finish_invoke(sheet)
}

fn finish_invoke(mut sheet: Sheet) -> Foreign {
    // `(word)1.3` and `word++` are written otherwise than in webui.
    if sheet.prompt.contains("++")
        || sheet.prompt.contains("--")
        || sheet.prompt.contains(")+")
        || has_weight_behind(&sheet.prompt)
    {
        sheet.leave_out("InvokeAI's weights of words, such as (word)1.2 and word++");
    }
    sheet.finish("InvokeAI")
}

fn has_weight_behind(prompt: &str) -> bool {
    prompt.match_indices(')').any(|(at, _)| prompt[at + 1..].starts_with(|c: char| c.is_ascii_digit()))
}

fn model_name(value: &Value) -> Option<&str> {
    let named = ["name", "model_name", "key"].iter().find_map(|key| value.get(key).and_then(Value::as_str));
    named.or(value.as_str())
}

/// InvokeAI's `sd-metadata` of its first versions.
pub fn old_invoke(image: &Values, values: &Values) -> Foreign {
    let prompts = match image.get("prompt") {
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("prompt")).map(words).collect::<Vec<_>>().join(" ")
        }
        Some(value) => words(value),
        None => String::new(),
    };
    let mut sheet = with_negative_in_brackets(&prompts);
    sheet.set("Steps", image.get("steps"));
    sheet.set("Sampler", image.get("sampler"));
    sheet.set("CFG scale", image.get("cfg_scale"));
    sheet.set("Seed", image.get("seed"));
    sheet.size(image.get("width"), image.get("height"));
    sheet.model(values.get("model_weights").and_then(Value::as_str));
    finish_invoke(sheet)
}

/// In its first versions the negative prompt stood in square brackets.
fn with_negative_in_brackets(prompt: &str) -> Sheet {
    let mut sheet = Sheet::default();
    let mut rest = prompt;
    while let Some((before, inside, after)) = rest.split_once('[').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once(']')?;
        Some((before, inside, after))
    }) {
        sheet.prompt.push_str(before);
        if !sheet.negative.is_empty() {
            sheet.negative.push_str(", ");
        }
        sheet.negative.push_str(inside);
        rest = after;
    }
    sheet.prompt.push_str(rest);
    sheet
}

/// InvokeAI's oldest form: `"a cat" -s 50 -S 123 -W 512 -H 512 -C 7.5 -A k_lms`.
pub fn dream(line: &str) -> Option<Foreign> {
    let (prompt, options) = line.trim().strip_prefix('"')?.rsplit_once('"')?;
    let mut sheet = with_negative_in_brackets(prompt);
    let words: Vec<&str> = options.split_whitespace().collect();
    let value = |flag: &str| {
        let glued = words
            .iter()
            .find_map(|word| word.strip_prefix(flag).filter(|rest| !rest.is_empty() && !rest.starts_with('-')));
        let apart = || words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1).copied());
        glued.or_else(apart).map(Value::from)
    };
    sheet.set("Steps", value("-s").as_ref());
    sheet.set("Sampler", value("-A").as_ref());
    sheet.set("CFG scale", value("-C").as_ref());
    sheet.set("Seed", value("-S").as_ref());
    sheet.size(value("-W").as_ref(), value("-H").as_ref());
    Some(finish_invoke(sheet))
}

/// What Draw Things keeps in XMP and EXIF.
pub fn draw_things(values: &Values) -> Foreign {
    let mut sheet = Sheet::new(text(values, "c"), text(values, "uc"));
    sheet.set("Steps", values.get("steps"));
    sheet.set("Sampler", values.get("sampler"));
    sheet.set("CFG scale", values.get("scale"));
    sheet.set("Seed", values.get("seed"));
    if let Some((width, height)) = text(values, "size").split_once('x') {
        sheet.size(Some(&width.into()), Some(&height.into()));
    }
    sheet.model(values.get("model").and_then(Value::as_str));
    for lora in values.get("lora").and_then(Value::as_array).into_iter().flatten() {
        let weight = lora.get("weight").and_then(number).unwrap_or(1.0);
        let name = lora.get("model").or(lora.get("file")).map(words).unwrap_or_default();
        sheet.lora(&name, weight, weight);
    }
    if values.get("strength").and_then(number).is_some_and(|strength| strength < 1.0) {
        sheet.leave_out("the picture that was drawn over");
    }
    if values.get("control").and_then(Value::as_array).is_some_and(|controls| !controls.is_empty()) {
        sheet.leave_out("control");
    }
    sheet.finish("Draw Things")
}
