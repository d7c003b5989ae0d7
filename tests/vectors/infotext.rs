//! Infotext, read and written.

use lbw::infotext::{Infotext, Parameters, resolve_hires_sampler, resolve_sampler};
use lbw::plan::{Sampler, ScheduleType};
use serde_json::{Map, Value, json};

use crate::common::{self, Tally};

#[test]
fn infotext() {
    let mut tally = Tally::new("infotext");
    for row in common::rows("infotext") {
        tally.check(&row["text"], check(&row));
    }
    tally.finish();
}

fn check(row: &Value) -> Result<(), String> {
    let found = Infotext::parse(row["text"].as_str().unwrap()).with_defaults();
    let found = match (found, row.get("error")) {
        (Err(_), Some(_)) => return Ok(()),
        (Ok(_), Some(error)) => return Err(format!("understood, expected {error}")),
        (Err(problem), None) => return Err(problem.to_string()),
        (Ok(found), None) => found,
    };
    let expected = row["expect"].as_object().unwrap();
    let keys: Vec<_> = found.keys().chain(expected.keys()).filter(|k| found.get(*k) != expected.get(*k)).collect();
    if let Some(key) = keys.first() {
        return Err(format!("{key}: {:?}, expected {:?}", found.get(*key), expected.get(*key)));
    }
    let text = |key| found.get(key).and_then(Value::as_str);
    let (sampler, schedule) = resolve_sampler(text("Sampler"), text("Schedule type"));
    same("sampler", json!([sampler.label(), schedule.label()]), row.get("resolved_sampler"))?;
    let (sampler, schedule) = resolve_hires_sampler(
        text("Sampler"),
        text("Schedule type"),
        text("Hires sampler"),
        text("Hires schedule type"),
    );
    let sampler = sampler.map_or("Use same sampler", Sampler::label);
    let schedule = schedule.map_or("Use same scheduler", ScheduleType::label);
    same("hires sampler", json!([sampler, schedule]), row.get("resolved_hr_sampler"))
}

fn same(what: &str, found: Value, expected: Option<&Value>) -> Result<(), String> {
    match expected {
        Some(expected) if found != *expected => Err(format!("{what}: {found}, expected {expected}")),
        _ => Ok(()),
    }
}

#[test]
fn infotext_format() {
    let mut tally = Tally::new("infotext_format");
    for row in common::rows("infotext_format") {
        let found = parameters(&row["params"], &row["opts"]).to_infotext();
        let expected = row["expect"].as_str().unwrap();
        let outcome = if found == expected { Ok(()) } else { Err(format!("{found:?}\n    expected {expected:?}")) };
        tally.check(&row["params"], outcome);
    }
    tally.finish();
}

/// A row's parameters and options as webui's processing and settings hold them.
fn parameters(params: &Value, opts: &Value) -> Parameters {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let given = |key: &str, default: &str| text(params.get(key).unwrap_or(&json!(default)));
    let integer = |key: &str, default: i64| params.get(key).and_then(Value::as_i64).unwrap_or(default);
    let number = |key: &str| params.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let is = |key: &str| params[key] == true;
    let opt = |key: &str| opts[key] == true;
    Parameters {
        prompt: text(&params["prompt"]).unwrap_or_default(),
        negative_prompt: text(&params["negative_prompt"]).unwrap_or_default(),
        steps: integer("steps", 20) as u32,
        sampler: given("sampler_name", "Euler a").unwrap(),
        schedule_type: given("scheduler", "Automatic"),
        cfg_scale: params.get("cfg_scale").cloned().unwrap_or(json!(7.0)),
        seed: integer("seed", -1).into(),
        face_restoration: text(&opts["face_restoration_model"]).filter(|_| is("restore_faces")),
        width: integer("width", 512) as u32,
        height: integer("height", 512) as u32,
        model_hash: given("sd_model_hash", "abcdef1234").filter(|_| opt("add_model_hash_to_info")),
        model: given("sd_model_name", "model").filter(|_| opt("add_model_name_to_info")),
        vae_hash: text(&params["sd_vae_hash"]).filter(|_| opt("add_vae_hash_to_info")),
        vae: text(&params["sd_vae_name"]).filter(|_| opt("add_vae_name_to_info")),
        variation_seed: integer("subseed", -1).into(),
        variation_seed_strength: number("subseed_strength"),
        seed_resize_from: (integer("seed_resize_from_w", 0), integer("seed_resize_from_h", 0)),
        clip_skip: opts["CLIP_stop_at_last_layers"].as_u64().unwrap_or(1) as u32,
        eta_noise_seed_delta: opts["eta_noise_seed_delta"].as_i64().unwrap_or(0),
        eta: params["eta"].as_f64(),
        token_merging_ratio: number("tm"),
        token_merging_ratio_hr: is("enable_hr").then(|| number("tm_hr")),
        rng: text(&opts["randn_source"]).unwrap(),
        tiling: is("tiling"),
        extra: params["extra_generation_params"].as_object().cloned().unwrap_or_else(Map::new),
        version: opt("add_version_to_infotext").then(|| "v1.10.1".to_string()),
        user: text(&params["user"]).filter(|_| opt("add_user_name_to_info")),
        ..Parameters::default()
    }
}
