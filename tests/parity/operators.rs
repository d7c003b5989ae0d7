//! Engines that compute with different operators live side by side, and draw the same picture but for rounding.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{DType, Tensor};
use lbw::checkpoint::Checkpoint;
use lbw::engine::{Engine, EngineOptions, Event, Image};
use lbw::lora::LoraIndex;
use lbw::model::ops::Isa;
use lbw::model::{OperatorChoice, Precision};
use lbw::plan::{Plan, Request, Sampler, Settings, lower};
use lbw::preset::PresetSet;

use crate::numeric::{rel_to_max, same_bytes, within};

fn engine(operators: OperatorChoice) -> Engine {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded");
    let loras = LoraIndex::scan(std::slice::from_ref(&dir)).unwrap();
    let options = EngineOptions { loras, operators, ..EngineOptions::default() };
    Engine::new(Checkpoint::open(&dir.join("shapes-xl.safetensors")).unwrap(), options).unwrap()
}

fn plans() -> [Plan; 2] {
    ["red circle", "red house <lora:house:0.8:lbw=XLOUT>"].map(|prompt| {
        let mut request = Request::new(prompt, "blue");
        let sampler = Sampler::from_name("Euler").unwrap();
        request.settings = Settings { sampler, steps: 2, seed: 7, width: 72, height: 64, ..Settings::default() };
        lower(&request, PresetSet::builtin()).plan.unwrap()
    })
}

/// The picture of a plan, and what the UNet answered first.
fn draw(engine: &mut Engine, plan: &Plan) -> (Image, Tensor) {
    let mut first = None;
    let image = engine.run(plan, &mut |event| {
        if let Event::Predicted { outputs } = event {
            first.get_or_insert_with(|| Tensor::cat(outputs, 0).unwrap());
        }
        ControlFlow::Continue(())
    });
    (image.unwrap(), first.unwrap())
}

fn bits(image: &Image) -> Vec<u32> {
    let values = image.latent.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn engines_with_different_operators_live_side_by_side() {
    // How far one prediction is from ours: rounding in f32; of 16 bits the three digits that they have.
    let sets = [
        (OperatorChoice::Best, 1e-4),
        (OperatorChoice::Cpu(Isa::Portable), 1e-4),
        (OperatorChoice::Candle(DType::F32), 1e-4),
        (OperatorChoice::In(Precision::F16), 5e-3),
    ];
    let plans = plans();
    let alone = sets.map(|(choice, _)| {
        let mut engine = engine(choice);
        plans.each_ref().map(|plan| draw(&mut engine, plan))
    });
    // All at once, in turn.
    let mut engines = sets.map(|(choice, _)| engine(choice));
    for (p, plan) in plans.iter().enumerate() {
        for (i, engine) in engines.iter_mut().enumerate() {
            let (image, prediction) = draw(engine, plan);
            let (choice, tolerance) = sets[i];
            assert!(bits(&image) == bits(&alone[i][p].0), "{choice:?} draws another picture beside the others");
            let (ours, our_prediction) = &alone[0][p];
            within(&format!("{choice:?}"), rel_to_max(&prediction, our_prediction), tolerance).unwrap();
            // Two steps with guidance make what 16 bits leave out ten times as large and more.
            if tolerance < 1e-3 {
                within(&format!("{choice:?}"), rel_to_max(&image.latent, &ours.latent), 1e-3).unwrap();
                same_bytes(&image.rgb, &ours.rgb, 2, 1.0).unwrap();
            }
        }
    }
    assert!(bits(&alone[1][0].0) != bits(&alone[2][0].0), "they are not one and the same");
}

#[test]
fn absent_instructions_are_refused() {
    for isa in Isa::ALL.iter().filter(|isa| !isa.is_available()) {
        assert!(OperatorChoice::Cpu(*isa).open(&candle_core::Device::Cpu).is_err());
    }
    let refused = OperatorChoice::Candle(DType::U8).open(&candle_core::Device::Cpu).err().unwrap().to_string();
    assert!(refused.contains("u8"), "{refused}");
}
