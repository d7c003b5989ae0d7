//! What a picture can have beside its prompt — a checkpoint that takes over on the way, edges that meet, tokens that
//! are merged — against webui's, step by step.

use std::collections::HashMap;
use std::ops::ControlFlow;

use candle_core::Tensor;
use lbw::engine::{Engine, EngineOptions, Event};
use lbw::plan::settings::table;
use lbw::plan::{Plan, Request, Settings, Wanted, lower};
use lbw::preset::PresetSet;
use serde_json::Value;

use crate::checkpoint;
use crate::common::{Tally, case_file};
use crate::e2e::image_bounds;
use crate::hires::settings;
use crate::numeric::{load_tensors, rel_to_max, same_bytes, within};

fn plan(case: &Value) -> Plan {
    let mut wanted = Wanted { settings: settings(case), ..Wanted::default() };
    let fields = ["refiner_checkpoint", "refiner_switch_at", "tiling"].map(|name| (name, &case[name]));
    let options = case["options"].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in fields.into_iter().chain(options).filter(|(_, value)| !value.is_null()) {
        let setting = table::find(name).unwrap_or_else(|| panic!("no setting is called {name}"));
        assert!((setting.set)(&mut wanted, &setting.accept(value).unwrap()), "{name}");
    }
    let mut request = Request::new(case["prompt"].as_str().unwrap(), case["negative_prompt"].as_str().unwrap());
    request.settings = Settings { seed: case["seed"].as_u64().unwrap(), ..wanted.settings };
    lower(&request, PresetSet::builtin()).plan.unwrap()
}

/// Whether the last model call was one of another checkpoint than the first's.
fn ended_with_another(case: &Value) -> bool {
    case["model_per_call"].as_array().unwrap().last() != Some(&case["checkpoint"])
}

struct Case<'a> {
    number: usize,
    loses_tiling: bool,
    json: &'a Value,
    tensors: &'a HashMap<String, Tensor>,
    tolerance: f64,
    image: (u8, f64),
}

impl Case<'_> {
    fn tensor(&self, key: &str) -> &Tensor {
        &self.tensors[&format!("{}.{key}", self.number)]
    }

    fn check(&self, engine: &mut Engine) -> Result<(), String> {
        let (mut calls, mut steps) = (0, Vec::new());
        let mut watch = |event: Event<'_>| {
            match event {
                Event::Predicted { .. } => calls += 1,
                Event::Step { x, .. } => steps.push(x.squeeze(0).unwrap()),
                _ => {}
            }
            ControlFlow::Continue(())
        };
        let mut plan = plan(self.json);
        plan.first.settings.tiling &= !self.loses_tiling;
        let image = engine.run(&plan, &mut watch).map_err(|e| e.to_string())?;
        let expected = self.json["model_per_call"].as_array().unwrap().len();
        if calls != expected {
            return Err(format!("{calls} model calls, expected {expected}"));
        }
        let near = |what: &str, got: &Tensor| within(what, rel_to_max(got, self.tensor(what)), self.tolerance);
        near("x_steps", &Tensor::stack(&steps, 0).unwrap())?;
        near("latent", &image.latent)?;
        let expected: Vec<u8> = self.tensor("image").flatten_all().unwrap().to_vec1().unwrap();
        same_bytes(&image.rgb, &expected, self.image.0, self.image.1).map_err(|e| format!("image: {e}"))
    }
}

#[test]
fn refiner_tiling_and_token_merging() {
    let Some(file) = case_file("extra/extra") else { return };
    let tensors = load_tensors("extra/extra");
    let options = EngineOptions {
        refiner: Some(checkpoint::tinyxl("tinyxl_ref", &tensors)),
        skip_unused: false,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(checkpoint::tinyxl("tinyxl", &HashMap::new()), options).unwrap();
    let mut tally = Tally::new("extra");
    let mut has_taken_over = false;
    for (number, json) in file["cases"].as_array().unwrap().iter().enumerate() {
        let kind = json["kind"].as_str().unwrap();
        let tolerance = |key: &str| file["tolerance"][key].as_f64();
        let tolerance = tolerance(&format!("{kind} latent_rel")).or(tolerance("latent_rel")).unwrap();
        let image = image_bounds(file["tolerance"]["image"].as_str().unwrap());
        // webui makes convolutions those of a tile, and then loads the checkpoint again where the picture before has ended with another,
        // which makes them ordinary ones: such a picture has edges, whatever its infotext says. Those of lbw have none, as other tests
        // show; here it draws what webui has drawn.
        let loses_tiling = std::mem::replace(&mut has_taken_over, ended_with_another(json));
        let case = Case { number, loses_tiling, json, tensors: &tensors, tolerance, image };
        tally.check(format!("{number} {}", json["label"]), case.check(&mut engine));
    }
    tally.finish();
}
