//! Hires. fix with every kind of upscaler: first pass, decode, enlarge, encode, second pass, against webui's.

use std::collections::HashMap;
use std::ops::ControlFlow;

use candle_core::{Device, Tensor};
use lbw::engine::{Engine, EngineOptions, Event, PromptConditioning, unobserved};
use lbw::picture::Rgb;
use lbw::plan::{
    self, Hires, HiresSize, NoiseSource, Pass, Plan, Request, Sampler, ScheduleType, Settings, Tiles, lower,
};
use lbw::preset::PresetSet;
use lbw::sampling::{ImageRng, Start};
use lbw::upscale::UpscalerIndex;
use serde_json::Value;

use crate::checkpoint;
use crate::common::{Tally, case_file};
use crate::numeric::{load_tensors, rel_to_max, same_bytes, within};
use crate::picture::picture;
use crate::upscale::unpack_all;

/// What every case of webui's has alike.
pub fn settings(case: &Value) -> Settings {
    let number = |key: &str| case[key].as_u64().unwrap();
    let is_cpu = case["source"] == "CPU" || case["infotext"].as_str().is_some_and(|text| text.contains("RNG: CPU"));
    Settings {
        steps: number("steps") as u32,
        sampler: Sampler::from_name(case["sampler_name"].as_str().unwrap()).unwrap(),
        schedule_type: ScheduleType::from_name(case["scheduler"].as_str().unwrap()).unwrap(),
        cfg_scale: case["cfg_scale"].as_f64().unwrap(),
        seed: number("seed"),
        width: number("width") as u32,
        height: number("height") as u32,
        noise_source: if is_cpu { NoiseSource::Cpu } else { NoiseSource::Gpu },
        ..Settings::default()
    }
}

fn hires(case: &Value) -> Hires {
    let side = |key: &str| case[key].as_u64().unwrap() as u32;
    let option = |key: &str, default: u32| case["options"][key].as_u64().map_or(default, |n| n as u32);
    let (width, height, tiles) = (side("hr_resize_x"), side("hr_resize_y"), Tiles::default());
    Hires {
        size: match (width, height) {
            (0, 0) => HiresSize::Scale(case["hr_scale"].as_f64().unwrap()),
            (width, height) => HiresSize::Resize { width, height },
        },
        steps: side("hr_second_pass_steps"),
        upscaler: case["hr_upscaler"].as_str().unwrap().to_owned().into(),
        tiles: Tiles { tile: option("ESRGAN_tile", tiles.tile), overlap: option("ESRGAN_tile_overlap", tiles.overlap) },
        denoising_strength: case["denoising_strength"].as_f64().unwrap(),
        sampler: case["hr_sampler_name"].as_str().map(|name| Sampler::from_name(name).unwrap()),
        schedule_type: case["hr_scheduler"].as_str().map(|name| ScheduleType::from_name(name).unwrap()),
        ..Hires::default()
    }
}

fn plan(case: &Value) -> Plan {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    let mut request = Request::new(text("prompt"), text("negative_prompt"));
    request.settings = settings(case);
    request.hires = Some(hires(case));
    let own = |key: &str| Request::new(text(key), "").prompt;
    (request.hires_prompt, request.hires_negative_prompt) = (own("hr_prompt"), own("hr_negative_prompt"));
    lower(&request, PresetSet::builtin()).plan.unwrap()
}

/// The sizes that webui has conditioned the texts of a second pass on.
///
/// webui keeps the conditioning of the last second pass, and knows it by texts and steps, not by the size: where only that
/// changes from one picture to the next, as in the cases here, which are one run of webui, it uses that of another size. lbw does not.
#[derive(Default)]
struct Stale {
    positive: Option<(String, Sizes)>,
    negative: Option<(String, Sizes)>,
}

type Sizes = (u32, u32);

impl Stale {
    fn sizes(&mut self, plan: &Plan) -> (Sizes, Sizes) {
        let pass = &plan.later[0];
        let own = (pass.settings.width, pass.settings.height);
        let steps = (plan.settings().schedule_steps(), pass.settings.schedule_steps());
        let kept = |kept: &mut Option<(String, Sizes)>, text: &str| {
            let key = format!("{text} {steps:?}");
            let size = kept.as_ref().filter(|(known, _)| *known == key).map_or(own, |(_, size)| *size);
            *kept = Some((key, size));
            size
        };
        (kept(&mut self.positive, &pass.prompt), kept(&mut self.negative, &pass.negative_prompt))
    }
}

struct Case<'a> {
    number: usize,
    json: &'a Value,
    tensors: &'a HashMap<String, Tensor>,
    tolerance: f64,
    encoded: f64,
}

/// Model calls of a run, by the width of what was predicted, and x at its first step.
#[derive(Default)]
struct Trace {
    calls: Vec<u64>,
    first: Option<Tensor>,
}

impl Trace {
    fn see(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Predicted { outputs } => self.calls.push(outputs[0].dim(3).unwrap() as u64),
            Event::Step { index: 0, x, .. } => self.first = Some((*x).clone()),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Case<'_> {
    fn tensor(&self, key: &str) -> Option<&Tensor> {
        self.tensors.get(&format!("{}.{key}", self.number))
    }

    fn near(&self, what: &str, got: &Tensor, tolerance: f64) -> Result<(), String> {
        within(what, rel_to_max(got, self.tensor(what).unwrap()), tolerance)
    }

    fn bytes(&self, what: &str, got: &[u8]) -> Result<(), String> {
        let expected: Vec<u8> = self.tensor(what).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        same_bytes(got, &expected, 1, 0.003).map_err(|e| format!("{what}: {e}"))
    }

    /// Each stage from what webui had before it, so that one byte that is rounded the other way does not shift the rest; and
    /// whole, where webui conditioned the second pass on its own size.
    fn check(&self, engine: &mut Engine, stale: &mut Stale) -> Result<(), String> {
        let plan = plan(self.json);
        let first = Plan { later: Vec::new(), ..plan.clone() };
        let small = engine.run(&first, &mut unobserved).map_err(|e| e.to_string())?;
        let second = &plan.later[0];
        let from_picture = self.tensor("upscaled_image").is_some();
        if from_picture {
            self.bytes("first_image", &small.rgb)?;
        }
        let start = self.start(engine, second, small.latent)?;
        let noise = ImageRng::new(&sampled(second), &Device::Cpu).draw().unwrap();
        self.near("noise_hires", &noise, 2e-6)?;
        let sizes = stale.sizes(&plan);
        self.sample(engine, second, start, sizes)?;
        let own = (second.settings.width, second.settings.height);
        if sizes == (own, own) { self.whole(engine, &plan) } else { Ok(()) }
    }

    /// The latent that the second pass starts from, made of webui's enlarged picture.
    fn start(&self, engine: &mut Engine, second: &Pass, latent: Tensor) -> Result<Start, String> {
        let mut start = engine.start(second, Some(latent), &mut unobserved).map_err(|e| e.to_string())?;
        if let (Start::Latent { latent, .. }, Some(large)) = (&mut start, self.tensor("upscaled_image")) {
            let large: Rgb = picture(large);
            let encoded =
                engine.encode_between(&large, &second.settings, &mut unobserved).map_err(|e| e.to_string())?;
            self.near("encoded", &encoded, self.encoded)?;
            let plan::Start::Previous { cut: [x, y], .. } = second.start else { unreachable!() };
            let (x, y) = (x as usize, y as usize);
            let (_, _, height, width) = encoded.dims4().unwrap();
            *latent = encoded.narrow(2, y / 2, height - y).unwrap().narrow(3, x / 2, width - x).unwrap();
        }
        Ok(start)
    }

    fn sample(&self, engine: &mut Engine, second: &Pass, start: Start, sizes: (Sizes, Sizes)) -> Result<(), String> {
        let mut conditioned = |(width, height): Sizes| {
            let settings = Settings { width, height, ..second.settings.clone() };
            engine.condition(&Pass { settings, ..second.clone() }, &mut unobserved).map_err(|e| e.to_string())
        };
        let (positive, negative) = (conditioned(sizes.0)?, conditioned(sizes.1)?);
        let conditioning = PromptConditioning { parts: positive.parts, negative: negative.negative };
        let mut trace = Trace::default();
        let latent = engine
            .run_conditioned(second, &conditioning, start, &mut |event| trace.see(&event))
            .map_err(|e| e.to_string())?;
        self.near("x_first_hires", &trace.first.unwrap(), self.tolerance)?;
        self.near("latent", &latent, self.tolerance)
    }

    fn whole(&self, engine: &mut Engine, plan: &Plan) -> Result<(), String> {
        let mut trace = Trace::default();
        let image = engine.run(plan, &mut |event| trace.see(&event)).map_err(|e| e.to_string())?;
        let expected: Vec<u64> = serde_json::from_value(self.json["calls"].clone()).unwrap();
        if trace.calls != expected {
            return Err(format!("model calls {:?}, expected {expected:?}", trace.calls));
        }
        self.near("latent", &image.latent, 1e-3)?;
        self.bytes("image", &image.rgb)
    }
}

/// The pass with the size of its latent.
fn sampled(pass: &Pass) -> Settings {
    let (width, height) = pass.size();
    Settings { width, height, ..pass.settings.clone() }
}

#[test]
fn hires_with_pixel_upscalers() {
    let (Some(file), Some(upscalers)) = (case_file("hires/hires"), case_file("upscale/upscale")) else { return };
    let models = tempfile::tempdir().unwrap();
    unpack_all(&upscalers["models"], models.path());
    let options = EngineOptions {
        upscalers: UpscalerIndex::scan(&[models.path().to_owned()]),
        skip_unused: false,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(checkpoint::tinyxl("tinyxl", &HashMap::new()), options).unwrap();
    let tensors = load_tensors("hires/hires");
    let tolerance = |key: &str| file["tolerance"][key].as_f64().unwrap();
    let (mut tally, mut stale) = (Tally::new("hires"), Stale::default());
    for (number, json) in file["cases"].as_array().unwrap().iter().enumerate() {
        let (tolerance, encoded) = (tolerance("latent_rel"), tolerance("encoded_rel"));
        let case = Case { number, json, tensors: &tensors, tolerance, encoded };
        tally.check(format!("{number} {}", json["label"]), case.check(&mut engine, &mut stale));
    }
    tally.finish();
}
