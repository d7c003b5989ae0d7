//! A small SD1: its parts, its LoRAs and whole pictures against what webui computes.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::Tensor;
use lbw::block::Family;
use lbw::engine::{Engine, EngineOptions};
use lbw::lora::{KeyTable, LoraIndex, ModuleTable, Network};
use lbw::model::{Architecture, Builder, Unet, Vae, Watch, Weights};
use lbw::plan::{Emphasis, Piece, Request, lower};
use lbw::preset::PresetSet;
use lbw::text::{Embeddings, EncodeOptions, TextEncoders};
use serde_json::Value;

use crate::common::{self, Tally, number};
use crate::lora_full::active;
use crate::numeric::{load_tensors, rel_to_max, within};
use crate::{checkpoint, e2e};

struct Models {
    text: TextEncoders,
    unet: Unet,
    vae: Vae,
    weights: Weights,
    modules: ModuleTable,
}

fn models(json: &Value) -> Models {
    let checkpoint = checkpoint::named_by(json, "sd1");
    let modules = ModuleTable::of_checkpoint(checkpoint.file());
    let architecture = Arc::new(Architecture::of(checkpoint.file()).unwrap());
    let mut b = Builder::new(checkpoint, architecture, checkpoint::operators());
    let (text, unet, vae) = (TextEncoders::new(&mut b), Unet::new(&mut b), Vae::new(&mut b));
    Models { text, unet, vae, weights: b.finish().unwrap(), modules }
}

impl Models {
    fn conditioning(&self, prompt: &str, clip_skip: u64) -> Tensor {
        let plan = lower(&Request::new(prompt, ""), PresetSet::builtin()).plan.unwrap();
        let pieces: Vec<Piece> = plan.first.positive[0].schedule[0].pieces.clone();
        let options = EncodeOptions {
            emphasis: Emphasis::Original,
            clip_skip: Some(clip_skip as u32),
            comma_padding_backtrack: 20,
        };
        let cut = self.text.cut(&[&pieces], options, &Embeddings::default());
        let encoded = self.text.encode(&cut, options, &Embeddings::default(), &mut Watch::nobody()).unwrap();
        assert!(encoded[0].pooled.is_none());
        encoded[0].crossattn.clone()
    }

    fn predict(&self, tensors: &HashMap<String, Tensor>, case: usize) -> Tensor {
        let get = |name: &str| &tensors[&format!("unet.{case}.{name}")];
        let tap = &mut |_: &str, _: &Tensor| ControlFlow::Continue(());
        self.unet.forward(get("x"), get("t"), get("context"), None, tap).unwrap()
    }
}

fn rel(json: &Value, name: &str) -> f64 {
    json["tolerance"][name].as_f64().unwrap()
}

#[test]
fn parts() {
    let Some(json) = common::case_file("sd1/sd1") else { return };
    let (models, tensors) = (models(&json), load_tensors("sd1/sd1"));
    let mut tally = Tally::new("sd1");
    for (i, case) in json["text"].as_array().unwrap().iter().enumerate() {
        let (prompt, skip) = (case["prompt"].as_str().unwrap(), case["clip_skip"].as_u64().unwrap());
        let is_emphasised = case["multipliers"].as_array().unwrap().iter().flat_map(|m| m.as_array().unwrap());
        let is_emphasised = is_emphasised.into_iter().any(|weight| number(weight) != 1.0);
        let tolerance = match is_emphasised && skip == 2 {
            true => rel(&json, "text_rel_emphasis_clip_skip_2"),
            false => rel(&json, "text_rel"),
        };
        let distance = rel_to_max(&models.conditioning(prompt, skip), &tensors[&format!("text.{i}")]);
        tally.check(format!("text {i}"), within("conditioning", distance, tolerance));
    }
    for i in 0..json["unet"].as_array().unwrap().len() {
        let distance = rel_to_max(&models.predict(&tensors, i), &tensors[&format!("unet.{i}.out")]);
        tally.check(format!("unet {i}"), within("out", distance, rel(&json, "unet_rel")));
    }
    let (vae, watch) = (&models.vae, &mut Watch::nobody());
    let get = |name: &str| &tensors[&format!("vae.{name}")];
    let mut check = |name: &str, got: Tensor| {
        tally.check("vae", within(name, rel_to_max(&got, get(name)), rel(&json, "vae_rel")));
    };
    check("decoded", vae.decode(get("latent"), watch).unwrap());
    check("moments", vae.moments(get("image"), watch).unwrap());
    check("encoded_mode_scaled", vae.encode(get("image"), watch).unwrap());
    tally.finish();
}

#[test]
fn loras() {
    let Some(json) = common::case_file("sd1/sd1") else { return };
    let (mut models, tensors) = (models(&json), load_tensors("sd1/sd1"));
    let mut tally = Tally::new("sd1 loras");
    for (i, case) in json["lora"].as_array().unwrap().iter().enumerate() {
        let path = common::vectors().join("num/sd1").join(case["lora"].as_str().unwrap());
        let network = Arc::new(Network::open(&path, &models.modules, KeyTable::Webui).unwrap());
        assert_eq!(network.unmatched(), [""; 0]);
        let blocks = case["vector26"].as_array().map_or(vec![1.0; 26], |v| v.iter().map(number).collect());
        let factors = active(&network, Family::Sd1, blocks, number(&case["te"]), number(&case["unet"]));
        models.weights.apply(&[factors], &mut Watch::nobody()).unwrap();
        let mut check = |name: &str, got: Tensor| {
            let distance = rel_to_max(&got, &tensors[&format!("lora.{i}.{name}")]);
            tally.check(format!("case {i}"), within(name, distance, rel(&json, "lora_rel")));
        };
        check("unet_out", models.predict(&tensors, 0));
        check("text", models.conditioning("a photo of a cat", 1));
    }
    tally.finish();
}

#[test]
fn pictures() {
    let Some(json) = common::case_file("sd1/sd1") else { return };
    let tensors = load_tensors("sd1/sd1");
    let strip = |(name, tensor): (String, Tensor)| Some((name.strip_prefix("e2e.")?.to_owned(), tensor));
    let tensors: HashMap<String, Tensor> = tensors.into_iter().filter_map(strip).collect();
    let options = EngineOptions {
        loras: LoraIndex::scan(&[common::vectors().join("num/sd1")]).unwrap(),
        lora_keys: KeyTable::Webui,
        skip_unused: false,
        ..EngineOptions::default()
    };
    let mut engine = Engine::new(checkpoint::open(&json, "sd1"), options).unwrap();
    let tolerance = e2e::Tolerance {
        latent: rel(&json, "latent_rel"),
        conditioning: rel(&json, "text_rel_emphasis_clip_skip_2"),
        bytes: e2e::image_bounds(json["tolerance"]["image"].as_str().unwrap()),
    };
    let mut tally = Tally::new("sd1 pictures");
    for (i, case) in json["e2e"].as_array().unwrap().iter().enumerate() {
        tally.check(format!("case {i}"), e2e::check(&mut engine, i, case, &tensors, &HashMap::new(), &tolerance));
    }
    tally.finish();
}
