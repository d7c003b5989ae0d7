//! The embedded model against the framework it was trained in: one picture, stage by stage.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor};
use lbw::checkpoint::Checkpoint;
use lbw::engine::{Engine, EngineOptions, Event, unobserved};
use lbw::plan::{Request, Sampler, ScheduleType, Settings, lower};
use lbw::preset::PresetSet;
use lbw::sampling::ImageRng;

use crate::numeric::{rel_to_max, same_bytes, within};

#[test]
fn embedded_model() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.join("parity.json")).unwrap()).unwrap();
    let tensors = candle_core::safetensors::load(dir.join("parity.safetensors"), &Device::Cpu).unwrap();
    let text = |key: &str| json[key].as_str().unwrap();
    let number = |key: &str| json[key].as_u64().unwrap();

    let mut request = Request::new(text("prompt"), text("negative"));
    request.settings = Settings {
        sampler: Sampler::from_name(text("sampler")).unwrap(),
        schedule_type: ScheduleType::from_name(text("scheduler")).unwrap(),
        steps: number("steps") as u32,
        cfg_scale: json["cfg"].as_f64().unwrap(),
        seed: number("seed"),
        width: number("width") as u32,
        height: number("height") as u32,
        ..Settings::default()
    };
    let plan = lower(&request, PresetSet::builtin()).plan.unwrap();
    let noise = ImageRng::new(plan.settings(), &Device::Cpu).draw().unwrap();
    within("noise", rel_to_max(&noise, &tensors["noise"]), 2e-6).unwrap();

    let checkpoint = Checkpoint::open(&dir.join(text("checkpoint"))).unwrap();
    let mut engine = Engine::new(checkpoint, EngineOptions::default()).unwrap();
    let conditioning = engine.condition(&plan.first, &mut unobserved).unwrap();
    let positive = &conditioning.parts[0].1.0[0].1;
    within("text", rel_to_max(&positive.crossattn.get(0).unwrap(), &tensors["cond.crossattn"]), 2e-5).unwrap();

    let mut first = None;
    let image = engine
        .run(&plan, &mut |event| {
            if let Event::Predicted { outputs } = event {
                first.get_or_insert_with(|| Tensor::cat(outputs, 0).unwrap());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    within("first prediction", rel_to_max(&first.unwrap(), &tensors["first_eps"]), 2e-5).unwrap();
    let tolerance = json["tolerance"]["latent_rel"].as_f64().unwrap();
    within("latent", rel_to_max(&image.latent, &tensors["latent"]), tolerance).unwrap();
    let expected: Vec<u8> = tensors["image"].flatten_all().unwrap().to_vec1().unwrap();
    same_bytes(&image.rgb, &expected, 2, 1.0).unwrap();
}
