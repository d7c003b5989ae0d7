//! Whole images: prompt and settings through lowering and engine, against what webui computes at every stage.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor};
use lbw::block::{Family, Layout};
use lbw::checkpoint::{Checkpoint, generated};
use lbw::engine::{Engine, EngineOptions, Event, ModelType, PromptConditioning, unobserved};
use lbw::lora::{KeyTable, LoraIndex};
use lbw::plan::{
    Emphasis, LoraPlan, NoiseSource, OverTime, Plan, Request, Sampler, ScheduleType, Settings, Window, lower,
};
use lbw::preset::PresetSet;
use lbw::sampling::{ImageRng, NoiseLevels, Parameterization, Start, sampling_sigmas};
use serde_json::Value;

use crate::common::{self, Tally};
use crate::numeric::{load_tensors, max_rel_diff, rel_to_max, same_bytes, values, within};

/// Bounds of one case.
pub struct Tolerance {
    pub latent: f64,
    pub conditioning: f64,
    pub bytes: (u8, f64),
}

/// Reads «max diff 1, <=0.1% of bytes».
pub fn image_bounds(text: &str) -> (u8, f64) {
    let number = |after: &str, until: &str| {
        let rest = &text[text.find(after).unwrap() + after.len()..];
        rest[..rest.find(until).unwrap()].trim().parse::<f64>().unwrap()
    };
    (number("max diff", ",") as u8, number("<=", "%") / 100.0)
}

fn tolerance(json: &Value, sampler: &str) -> Tolerance {
    let default = &json["tolerance"]["default"];
    let own = &json["tolerance"]["per_sampler"][sampler];
    let get = |key: &str| if own[key].is_null() { &default[key] } else { &own[key] };
    Tolerance {
        latent: get("latent_rel").as_f64().unwrap(),
        conditioning: get("cond_rel").as_f64().unwrap(),
        bytes: image_bounds(get("image").as_str().unwrap()),
    }
}

fn settings(case: &Value) -> Settings {
    let integer = |key: &str| case[key].as_u64();
    let mut s = Settings {
        steps: integer("steps").unwrap() as u32,
        sampler: Sampler::from_name(case["sampler"].as_str().unwrap()).unwrap(),
        schedule_type: ScheduleType::from_name(case["scheduler"].as_str().unwrap()).unwrap(),
        cfg_scale: case["cfg"].as_f64().unwrap(),
        seed: integer("seed").unwrap(),
        width: integer("width").unwrap() as u32,
        height: integer("height").unwrap() as u32,
        noise_source: if case["source"] == "CPU" { NoiseSource::Cpu } else { NoiseSource::Gpu },
        subseed: integer("subseed").unwrap_or(0),
        subseed_strength: case["subseed_strength"].as_f64().unwrap_or(0.0),
        eta: case["eta"].as_f64(),
        s_min_uncond: case["s_min_uncond"].as_f64().unwrap_or(0.0),
        clip_skip: integer("clip_skip").unwrap_or(1) as u32,
        ..Settings::default()
    };
    for (option, value) in case["opts"].as_object().into_iter().flatten() {
        match option.as_str() {
            "CLIP_stop_at_last_layers" => s.clip_skip = value.as_u64().unwrap() as u32,
            "sdxl_clip_l_skip" => s.clip_skip_sdxl = value.as_bool().unwrap(),
            "sdxl_crop_top" => s.crop_top = value.as_u64().unwrap() as u32,
            "sdxl_crop_left" => s.crop_left = value.as_u64().unwrap() as u32,
            "eta_noise_seed_delta" => s.eta_noise_seed_delta = value.as_i64().unwrap(),
            "comma_padding_backtrack" => s.comma_padding_backtrack = value.as_u64().unwrap() as u32,
            "s_min_uncond_all" => s.s_min_uncond_all = value.as_bool().unwrap(),
            "skip_early_cond" => s.skip_early_cond = value.as_f64().unwrap(),
            "emphasis" => {
                s.emphasis = match value.as_str().unwrap() {
                    "No norm" => Emphasis::NoNorm,
                    "Ignore" => Emphasis::Ignore,
                    "None" => Emphasis::None,
                    _ => Emphasis::Original,
                }
            }
            other => panic!("no test knows webui's option {other}"),
        }
    }
    s
}

/// The LoRAs of a case as plan data; their files are named by position.
fn loras(case: &Value) -> Vec<LoraPlan> {
    let list = case["loras"].as_array().into_iter().flatten();
    list.map(|lora| {
        let blocks = match lora["vector"].as_array() {
            None => vec![1.0; 26],
            Some(vector) => {
                let vector: Vec<f64> = vector.iter().map(common::number).collect();
                Layout::from_len(vector.len()).unwrap().expand(&vector)
            }
        };
        let stem = Path::new(lora["file"].as_str().unwrap()).file_stem().unwrap();
        LoraPlan {
            name: stem.to_str().unwrap().to_owned(),
            hash: None,
            te: common::number(&lora["te"]),
            unet: common::number(&lora["unet"]),
            dyn_dim: None,
            blocks,
            elements: Vec::new(),
            window: Window { start: lora["start"].as_i64(), stop: lora["stop"].as_i64() },
            over_time: OverTime::default(),
            source: String::new(),
        }
    })
    .collect()
}

/// One plan per image of the batch.
fn plans(case: &Value, family: Family) -> Vec<Plan> {
    (0..case["batch"].as_u64().unwrap_or(1))
        .map(|image| {
            let mut settings = settings(case);
            match settings.subseed_strength == 0.0 {
                true => settings.seed += image,
                false => settings.subseed += image,
            }
            let mut request = Request::new(case["prompt"].as_str().unwrap(), case["negative"].as_str().unwrap());
            (request.settings, request.family) = (settings, family);
            let mut plan = lower(&request, PresetSet::builtin()).plan.expect("the prompt can be lowered");
            plan.first.loras = loras(case);
            plan
        })
        .collect()
}

fn model_type(case: &Value) -> ModelType {
    let v = case["parameterization"] == "v";
    ModelType {
        parameterization: if v { Parameterization::V } else { Parameterization::Eps },
        zero_terminal_snr: case["ztsnr"].as_bool().unwrap_or(false),
    }
}

fn engine(json: &Value, case: &Value) -> Engine {
    let path = common::vectors().join("num/e2e").join(json["checkpoint"].as_str().unwrap());
    let checkpoint = if path.exists() {
        Checkpoint::open(&path).unwrap()
    } else {
        let manifest = std::fs::read_to_string(path.with_extension("manifest.json")).unwrap();
        Checkpoint::from_bytes(&path, generated::from_manifest(&manifest).unwrap()).unwrap()
    };
    let loras = LoraIndex::scan(&[common::vectors().join("num/lora_full")]).unwrap();
    let options = EngineOptions {
        loras,
        lora_keys: KeyTable::Webui,
        model_type: Some(model_type(case)),
        // The golden predictions hold both halves at every CFG scale.
        skip_unused: false,
        ..EngineOptions::default()
    };
    Engine::new(checkpoint, options).unwrap()
}

/// What a run showed.
#[derive(Default)]
struct Trace {
    /// Outputs of the first model call: parts, then the negative prompt.
    first: Option<Vec<Tensor>>,
    /// x and denoised at every step.
    steps: Vec<(Tensor, Tensor)>,
    /// Texts and merges are not repeated by later images.
    calls: usize,
}

#[test]
fn e2e() {
    let Some(json) = common::case_file("e2e/e2e") else { return };
    let tensors = load_tensors("e2e/e2e");
    let conds = load_tensors("e2e/conds");
    let mut engines: HashMap<(bool, bool), Engine> = HashMap::new();
    let mut tally = Tally::new("e2e");
    for (i, case) in json["cases"].as_array().unwrap().iter().enumerate() {
        let model_type = model_type(case);
        let key = (model_type.parameterization == Parameterization::V, model_type.zero_terminal_snr);
        let engine = engines.entry(key).or_insert_with(|| engine(&json, case));
        let label = format!("case {i} {}", case["name"]);
        let tolerance = tolerance(&json, case["sampler"].as_str().unwrap());
        tally.check(label, check(engine, i, case, &tensors, &conds, &tolerance));
    }
    tally.finish();
}

pub fn check(
    engine: &mut Engine,
    i: usize,
    case: &Value,
    tensors: &HashMap<String, Tensor>,
    conds: &HashMap<String, Tensor>,
    tolerance: &Tolerance,
) -> Result<(), String> {
    let get = |name: &str| tensors.get(&format!("{i}.{name}"));
    let plans = plans(case, engine.architecture().family);
    let conditioning = engine.condition(&plans[0].first, &mut unobserved).map_err(|e| e.to_string())?;
    check_conditioning(&conditioning, plans.len(), i, tensors, conds, tolerance.conditioning)?;

    let noise: Vec<Tensor> = plans.iter().map(|p| ImageRng::new(p.settings(), &Device::Cpu).draw().unwrap()).collect();
    let noise = Tensor::cat(&noise, 0).unwrap();
    if let Some(expected) = get("noise") {
        within("noise", rel_to_max(&noise, expected), 2e-6)?;
    }
    if let Some(expected) = get("sigmas") {
        let levels = match case["ztsnr"].as_bool() {
            Some(true) => NoiseLevels::scaled_linear().with_zero_terminal_snr(),
            _ => NoiseLevels::scaled_linear(),
        };
        let sigmas = sampling_sigmas(plans[0].settings(), &levels, &Start::Noise).map_err(|e| e.to_string())?;
        let sigmas: Vec<f64> = sigmas.into_iter().map(f64::from).collect();
        within("sigmas", max_rel_diff(&sigmas, &values(expected)), 3e-6)?;
    }

    let (mut traces, mut latents, mut rgb) = (Vec::new(), Vec::new(), Vec::new());
    for plan in &plans {
        let mut trace = Trace::default();
        let image = engine
            .run(plan, &mut |event| {
                match event {
                    Event::Predicted { outputs } => {
                        trace.calls += 1;
                        trace.first.get_or_insert_with(|| outputs.to_vec());
                    }
                    Event::Step { x, denoised, .. } => trace.steps.push((x.clone(), denoised.clone())),
                    _ => {}
                }
                ControlFlow::Continue(())
            })
            .map_err(|e| e.to_string())?;
        latents.push(image.latent);
        rgb.extend(image.rgb);
        traces.push(trace);
    }
    if let Some(calls) = case["info"]["model_calls"].as_array() {
        // webui runs texts of different length in calls of their own, which are listed one by one.
        let times: Vec<&Value> = calls.iter().map(|c| &c["t"]).collect();
        let distinct = times.len() - times.windows(2).filter(|w| w[0] == w[1]).count();
        if distinct == times.len() && traces[0].calls != times.len() {
            return Err(format!("{} model calls, expected {}", traces[0].calls, times.len()));
        }
    }
    let across =
        |pick: &dyn Fn(&Trace) -> &Tensor| Tensor::cat(&traces.iter().map(pick).collect::<Vec<_>>(), 0).unwrap();
    if let Some(expected) = get("first_eps") {
        // All parts of all images, then the negative prompt of all images.
        let (parts, uncond): (Vec<_>, Vec<_>) = traces
            .iter()
            .map(|t| {
                let outputs = t.first.as_ref().unwrap();
                let (last, parts) = outputs.split_last().unwrap();
                (parts.to_vec(), last.clone())
            })
            .unzip();
        // Where the texts differ in length, the first call holds the parts alone.
        let all = [parts.concat(), uncond].concat();
        let ours = Tensor::cat(&all[..expected.dim(0).unwrap().min(all.len())], 0).unwrap();
        within("first_eps", rel_to_max(&ours, expected), tolerance.latent)?;
    }
    for (name, step) in [("callback_x_first", 0), ("callback_x_1", 1), ("callback_x_last", usize::MAX)] {
        if let Some(expected) = get(name) {
            let at = |t: &Trace| step.min(t.steps.len() - 1);
            within(name, rel_to_max(&across(&|t| &t.steps[at(t)].0), expected), tolerance.latent)?;
        }
    }
    if let Some(expected) = get("denoised_first") {
        within("denoised_first", rel_to_max(&across(&|t| &t.steps[0].1), expected), tolerance.latent)?;
    }
    let latent = Tensor::cat(&latents, 0).unwrap();
    within("latent", rel_to_max(&latent, get("latent").unwrap()), tolerance.latent)?;
    let expected: Vec<u8> = get("image").unwrap().flatten_all().unwrap().to_vec1().unwrap();
    same_bytes(&rgb, &expected, tolerance.bytes.0, tolerance.bytes.1)
}

/// Rows of the conditioning that the vectors keep, and the whole of it for the first cases.
fn check_conditioning(
    ours: &PromptConditioning,
    batch: usize,
    i: usize,
    tensors: &HashMap<String, Tensor>,
    conds: &HashMap<String, Tensor>,
    tolerance: f64,
) -> Result<(), String> {
    for part in ["cond", "uncond"] {
        let scheduled: Vec<_> = match part {
            "cond" => ours.parts.iter().map(|(_, s)| s).collect(),
            _ => vec![&ours.negative],
        };
        if let Some(expected) = tensors.get(&format!("{i}.{part}")) {
            let first = &scheduled[0].0[0].1.crossattn;
            within(part, rel_to_max(&first.get(0).unwrap(), expected), tolerance)?;
        }
        for (n, entry) in (0..).map_while(|n| {
            let rows = tensors.get(&format!("{i}.{part}{n}.crossattn.rows"))?;
            Some((n, rows))
        }) {
            // Entry n is the conditioning in force at some step: the n-th of the schedule.
            let Some((_, first)) = scheduled[0].0.get(n) else { return Err(format!("{part} has no entry {n}")) };
            let tokens = first.crossattn.dim(1).unwrap();
            let positions = match tokens {
                77 => vec![0, 1, 2, 5, 10, 76],
                _ => vec![0, 1, 5, 76, 77, 80, tokens - 1],
            };
            let positions = Tensor::new(positions.iter().map(|p| *p as u32).collect::<Vec<_>>(), &Device::Cpu).unwrap();
            let rows = first.crossattn.get(0).unwrap().index_select(&positions, 0).unwrap();
            within(&format!("{part}{n} rows"), rel_to_max(&rows, entry), tolerance)?;
            if let Some(expected) = conds.get(&format!("{i}.{part}{n}.crossattn")) {
                within(&format!("{part}{n}"), rel_to_max(&first.crossattn.get(0).unwrap(), expected), tolerance)?;
            }
            if let Some(expected) = tensors.get(&format!("{i}.{part}{n}.vector")) {
                let vectors: Vec<_> =
                    (0..batch).flat_map(|_| scheduled.iter().filter_map(|s| s.0.get(n)?.1.vector.clone())).collect();
                let vectors = Tensor::cat(&vectors, 0).unwrap();
                within(&format!("{part}{n} vector"), rel_to_max(&vectors, expected), 2e-4)?;
            }
        }
    }
    Ok(())
}
