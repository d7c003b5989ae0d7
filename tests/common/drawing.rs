//! Drawing with the embedded model through the library: one step, as small as it gets.

use std::path::{Path, PathBuf};

use lbw::checkpoint::Checkpoint;
use lbw::engine::{Engine, EngineOptions, Image, unobserved};
use lbw::lora::LoraIndex;
use lbw::plan::{Plan, Request, Sampler, Settings, lower};
use lbw::preset::PresetSet;

pub fn embedded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded")
}

pub fn engine(checkpoint: &Path) -> Engine {
    let loras = LoraIndex::scan(&[embedded()]).unwrap();
    Engine::new(Checkpoint::open(checkpoint).unwrap(), EngineOptions { loras, ..EngineOptions::default() }).unwrap()
}

pub fn plan(prompt: &str) -> Plan {
    let mut request = Request::new(prompt, "");
    let (sampler, side) = (Sampler::from_name("Euler").unwrap(), 32);
    request.settings =
        Settings { sampler, steps: 1, cfg_scale: 2.0, seed: 3, width: side, height: side, ..Settings::default() };
    lower(&request, PresetSet::builtin()).plan.unwrap()
}

pub fn draw(engine: &mut Engine, plan: &Plan) -> Image {
    engine.run(plan, &mut unobserved).unwrap()
}
