//! Weights over time: what files hold, what LoRAs add, and what is left of it afterwards.

use std::collections::HashMap;
use std::ops::ControlFlow;

use candle_core::{DType, Device, Tensor};
use lbw::checkpoint::Checkpoint;
use lbw::engine::{Engine, EngineOptions, Event, Image};
use lbw::lora::LoraIndex;
use lbw::plan::Sampler;

use crate::drawing::{draw, embedded, engine, plan};

fn assert_same(a: &Image, b: &Image) {
    let bits = |image: &Image| -> Vec<u32> {
        image.latent.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    assert_eq!(bits(a), bits(b));
    assert_eq!(a.rgb, b.rgb);
}

/// A file in 16 bits is drawn exactly as a file with the same numbers in f32 is.
#[test]
fn sixteen_bit_files_are_their_rounded_weights() {
    let dir = tempfile::tempdir().unwrap();
    let original = candle_core::safetensors::load(embedded().join("shapes-xl.safetensors"), &Device::Cpu).unwrap();
    let plans = [plan("red circle"), plan("red house <lora:house:0.7:lbw=XLOUT> <lora:night:1>")];
    let mut seen = Vec::new();
    for narrow in [DType::F16, DType::BF16] {
        let images = [narrow, DType::F32].map(|kept| {
            let round = |t: &Tensor| t.to_dtype(narrow).unwrap().to_dtype(kept).unwrap();
            let tensors: HashMap<_, _> = original.iter().map(|(name, t)| (name.clone(), round(t))).collect();
            let path = dir.path().join(format!("{narrow:?}-{kept:?}.safetensors"));
            candle_core::safetensors::save(&tensors, &path).unwrap();
            let mut engine = engine(&path);
            plans.each_ref().map(|plan| draw(&mut engine, plan))
        });
        images[0].iter().zip(&images[1]).for_each(|(a, b)| assert_same(a, b));
        seen.push(images[0][0].rgb.clone());
    }
    assert_ne!(seen[0], seen[1], "bf16 keeps fewer digits");
}

/// Whatever was merged before, LoRAs at 0 leave the checkpoint's own weights.
#[test]
fn zeros_after_any_history_are_a_fresh_start() {
    let path = embedded().join("shapes-xl.safetensors");
    let plain = draw(&mut engine(&path), &plan("red house"));
    let mut used = engine(&path);
    for prompt in [
        "red house <lora:overcooked:1.3>",
        "red house <lora:house:1:lbw=XLOUT> <lora:night:0.4:lbw=XLIN:stop=1>",
        "red house <lora:overcooked:-0.7:lbw=XLALL:lbwe=ATTNDEEPON>",
    ] {
        draw(&mut used, &plan(prompt));
    }
    assert_same(&draw(&mut used, &plan("red house <lora:overcooked:1:lbw=XLNONE>")), &plain);
    assert_same(&draw(&mut used, &plan("red house")), &plain);
}

/// At CFG 1 the negative prompt is not evaluated, except for the sampler that moves along it.
#[test]
fn what_has_no_effect_is_not_evaluated() {
    let path = embedded().join("shapes-xl.safetensors");
    let evaluated = |sampler: &str, skip_unused: bool| {
        let options = EngineOptions { skip_unused, ..EngineOptions::default() };
        let mut engine = Engine::new(Checkpoint::open(&path).unwrap(), options).unwrap();
        let mut plan = plan("red circle");
        (plan.first.settings.cfg_scale, plan.first.settings.steps) = (1.0, 2);
        plan.first.settings.sampler = Sampler::from_name(sampler).unwrap();
        let mut halves = Vec::new();
        let image = engine.run(&plan, &mut |event| {
            if let Event::Predicted { outputs } = event {
                halves.push(outputs.len());
            }
            ControlFlow::Continue(())
        });
        (halves, image.unwrap().rgb)
    };
    let (few, quick) = evaluated("Euler", true);
    let (all, slow) = evaluated("Euler", false);
    assert_eq!((few, all), (vec![1, 1], vec![2, 2]));
    let most = quick.iter().zip(&slow).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(most <= Some(1), "rounding alone: {most:?}");
    let (halves, _) = evaluated("DDIM CFG++", true);
    assert!(!halves.is_empty() && halves.iter().all(|halves| *halves == 2), "{halves:?}");
}

/// Rows of the token embeddings are looked up in the file; a LoRA that changes the table is seen, and gone when it is left out.
#[test]
fn a_lora_on_the_token_embeddings_is_the_changed_table() {
    let dir = tempfile::tempdir().unwrap();
    let mut tensors = candle_core::safetensors::load(embedded().join("shapes-xl.safetensors"), &Device::Cpu).unwrap();
    let name = "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding.weight";
    let base = tensors[name].to_dtype(DType::F32).unwrap();
    let delta = (base.sin().unwrap() * 0.5).unwrap();
    tensors.insert(name.to_owned(), (base + &delta).unwrap());
    let changed = dir.path().join("changed.safetensors");
    candle_core::safetensors::save(&tensors, &changed).unwrap();
    let lora = HashMap::from([("lora_te1_text_model_embeddings_token_embedding.diff", delta)]);
    candle_core::safetensors::save(&lora, dir.path().join("words.safetensors")).unwrap();

    let loras = LoraIndex::scan(&[dir.path().to_owned()]).unwrap();
    let checkpoint = Checkpoint::open(&embedded().join("shapes-xl.safetensors")).unwrap();
    let mut with_lora = Engine::new(checkpoint, EngineOptions { loras, ..EngineOptions::default() }).unwrap();
    let plain = draw(&mut engine(&embedded().join("shapes-xl.safetensors")), &plan("red circle"));
    let image = draw(&mut with_lora, &plan("red circle <lora:words:1>"));
    assert_same(&image, &draw(&mut engine(&changed), &plan("red circle")));
    assert_ne!(image.rgb, plain.rgb);
    assert_same(&draw(&mut with_lora, &plan("red circle")), &plain);
}
