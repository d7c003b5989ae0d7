//! ComfyUI: a plan as a graph of nodes.

use serde_json::{Map, Value, json};

use super::host::Host;
use super::prompt::Prompted;
use crate::diagnostic::{Diagnostic, Text};
use crate::plan::{Part, Piece, Plan, Sampler, Schedule, ScheduleType, Start};
use crate::say;

/// The file name that pictures get there.
const PREFIX: &str = "lbw";

/// What of a plan ComfyUI's ordinary nodes cannot do.
pub fn cannot(plan: &Plan, host: &Host, model: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut say_cannot = |what: Text| found.push(host.cannot(&what));
    if host.model_named(model).is_none() {
        let names = host.models.iter().map(|(title, _)| title.as_str()).take(8).collect::<Vec<_>>().join(", ");
        say_cannot(say!(
            "--model is to name one of its checkpoints: {names}",
            "--model でチェックポイントを選んでください: {names}"
        ));
    }
    let s = plan.settings();
    let (sampler, schedule) = (s.sampler.label(), s.schedule_type.label());
    if sampler_name(s.sampler).is_none_or(|name| !host.samplers.iter().any(|known| known == name)) {
        say_cannot(say!("it has no sampler `{sampler}`", "サンプラー `{sampler}` がありません"));
    }
    if schedule_name(plan).is_none_or(|name| !host.schedulers.iter().any(|known| known == name)) {
        say_cannot(say!("it has no schedule type `{schedule}`", "スケジュールタイプ `{schedule}` がありません"));
    }
    if !plan.later.is_empty() || plan.first.start != Start::Noise {
        say_cannot(say!("a second pass or a picture to draw over", "第 2 パスや下敷きの画像"));
    }
    if s.subseed_strength != 0.0 || s.seed_resize_from_width != 0 {
        say_cannot(say!("variation seeds", "バリエーションシード"));
    }
    let changes = |schedule: &Schedule| schedule.len() > 1;
    if plan.first.positive.len() > 1
        || plan.first.positive.iter().any(|p| changes(&p.schedule))
        || changes(&plan.first.negative)
    {
        say_cannot(say!("AND and [from:to:when]", "AND と [from:to:when]"));
    }
    let breaks =
        |schedule: &Schedule| schedule.iter().flat_map(|s| &s.pieces).any(|p| p.text == "BREAK" && p.weight == -1.0);
    if plan.first.positive.iter().any(|part| breaks(&part.schedule)) || breaks(&plan.first.negative) {
        say_cannot(say!("BREAK", "BREAK"));
    }
    found
}

/// The name of a sampler's function there.
fn sampler_name(sampler: Sampler) -> Option<&'static str> {
    use Sampler::*;
    Some(match sampler {
        Euler => "euler",
        EulerA => "euler_ancestral",
        Heun => "heun",
        Dpm2 => "dpm_2",
        Dpm2A => "dpm_2_ancestral",
        Lms => "lms",
        DpmFast => "dpm_fast",
        DpmAdaptive => "dpm_adaptive",
        DpmPp2SA => "dpmpp_2s_ancestral",
        DpmPpSde => "dpmpp_sde",
        DpmPp2M => "dpmpp_2m",
        DpmPp2MSde => "dpmpp_2m_sde",
        DpmPp3MSde => "dpmpp_3m_sde",
        Ddim => "ddim",
        UniPc => "uni_pc",
        Lcm => "lcm",
        _ => return None,
    })
}

fn schedule_name(plan: &Plan) -> Option<&'static str> {
    let s = plan.settings();
    let schedule = match s.schedule_type {
        ScheduleType::Automatic => s.sampler.default_schedule().unwrap_or(ScheduleType::Automatic),
        named => named,
    };
    Some(match schedule.label() {
        "Automatic" | "Uniform" | "Normal" => "normal",
        "Karras" => "karras",
        "Exponential" => "exponential",
        "SGM Uniform" => "sgm_uniform",
        "Simple" => "simple",
        "DDIM" => "ddim_uniform",
        "Beta" => "beta",
        "KL Optimal" => "kl_optimal",
        _ => return None,
    })
}

/// The graph of a plan.
pub fn graph(plan: &Plan, host: &Host, model: &str, prompted: &Prompted) -> Value {
    let s = plan.settings();
    let mut nodes = Map::new();
    let mut add = |class: &str, inputs: Value| -> String {
        let id = (nodes.len() + 1).to_string();
        nodes.insert(id.clone(), json!({ "class_type": class, "inputs": inputs }));
        id
    };
    let checkpoint = add("CheckpointLoaderSimple", json!({ "ckpt_name": host.model_named(model).unwrap_or(model) }));
    let (mut unet, mut clip) = (json!([checkpoint, 0]), json!([checkpoint, 1]));
    for lora in &prompted.loras {
        let loader = add(
            "LoraLoader",
            json!({
                "lora_name": lora.name, "strength_model": lora.unet, "strength_clip": lora.te, "model": unet, "clip": clip
            }),
        );
        (unet, clip) = (json!([loader, 0]), json!([loader, 1]));
    }
    if s.clip_skip > 1 {
        let skip = add("CLIPSetLastLayer", json!({ "stop_at_clip_layer": -i64::from(s.clip_skip), "clip": clip }));
        clip = json!([skip, 0]);
    }
    let positive = plan.first.positive.first().map(|part: &Part| text(&part.schedule)).unwrap_or_default();
    let positive = add("CLIPTextEncode", json!({ "text": positive, "clip": clip }));
    let negative = add("CLIPTextEncode", json!({ "text": text(&plan.first.negative), "clip": clip }));
    let latent = add("EmptyLatentImage", json!({ "width": s.width, "height": s.height, "batch_size": 1 }));
    let sampled = add(
        "KSampler",
        json!({
            "seed": s.seed, "steps": s.steps, "cfg": s.cfg_scale, "denoise": 1.0,
            "sampler_name": sampler_name(s.sampler).unwrap_or_default(),
            "scheduler": schedule_name(plan).unwrap_or_default(),
            "model": unet, "positive": [positive, 0], "negative": [negative, 0], "latent_image": [latent, 0],
        }),
    );
    let decoded = add("VAEDecode", json!({ "samples": [sampled, 0], "vae": [checkpoint, 2] }));
    add("SaveImage", json!({ "images": [decoded, 0], "filename_prefix": PREFIX }));
    Value::Object(nodes)
}

/// A text with its emphasis, as ComfyUI reads it.
fn text(schedule: &Schedule) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
    let piece = |piece: &Piece| match piece.weight {
        1.0 => escaped(&piece.text),
        weight => format!("({}:{})", escaped(&piece.text), (weight * 1e6).round() / 1e6),
    };
    schedule.first().map(|segment| segment.pieces.iter().map(piece).collect()).unwrap_or_default()
}

/// The picture's place in what ComfyUI tells of a finished prompt: query of `/view`; or why there is none.
pub fn place(history: &Value, id: &str) -> Option<Result<String, Text>> {
    let entry = history.get(id)?;
    let outputs = entry["outputs"].as_object().into_iter().flatten();
    let image = outputs.flat_map(|(_, output)| output["images"].as_array().into_iter().flatten()).next();
    match image {
        Some(image) => {
            let part = |key: &str| encoded(image[key].as_str().unwrap_or_default());
            Some(Ok(format!(
                "/view?filename={}&subfolder={}&type={}",
                part("filename"),
                part("subfolder"),
                part("type")
            )))
        }
        None if entry["status"]["status_str"] == "error" => {
            let messages = entry["status"]["messages"].as_array().into_iter().flatten();
            let why = messages.filter_map(|m| m[1]["exception_message"].as_str()).next().unwrap_or("?").to_owned();
            Some(Err(say!("it fails: {why}", "失敗しました: {why}")))
        }
        None if entry["status"]["completed"] == true => {
            Some(Err(say!("it answers without a picture", "応答に画像がありません")))
        }
        None => None,
    }
}

/// A value in a query.
fn encoded(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
        _ => format!("%{b:02X}"),
    };
    text.bytes().map(byte).collect()
}
