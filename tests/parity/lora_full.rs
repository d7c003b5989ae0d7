//! Whole networks on a whole UNet, through the ledger, with block weight vectors.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use lbw::block::Family;
use lbw::lora::{KeyTable, ModuleTable, Network, Strength};
use lbw::model::{ActiveNetwork, Architecture, Builder, Factor, Unet, Watch, Weights};
use lbw::plan::{LoraPlan, OverTime, Window};
use lbw::text::{ClipG, ClipL};
use serde_json::Value;

use crate::checkpoint;
use crate::common::{self, Tally};
use crate::numeric::{load_tensors, rel_to_max, within};

struct Models {
    unet: Unet,
    clip_l: ClipL,
    clip_g: ClipG,
    weights: Weights,
    modules: ModuleTable,
}

fn models(json: &Value) -> Models {
    let checkpoint = checkpoint::named_by(json, "lora_full");
    let architecture = Arc::new(Architecture::of(checkpoint.file()).unwrap());
    let mut b = Builder::new(checkpoint.clone(), architecture.clone(), checkpoint::operators());
    let text = &architecture.text;
    let (unet, clip_l, clip_g) = (Unet::new(&mut b), ClipL::new(&mut b, &text[0]), ClipG::new(&mut b, &text[1]));
    let file = checkpoint.file();
    let modules = ModuleTable::new(Family::Sdxl, file.names().map(|n| (n, file.shape(n).unwrap())));
    Models { unet, clip_l, clip_g, weights: b.finish().unwrap(), modules }
}

fn network(models: &Models, name: &str) -> Arc<Network> {
    let path = common::vectors().join("num/lora_full").join(name);
    Arc::new(Network::open(&path, &models.modules, KeyTable::Webui).unwrap())
}

/// The factors of a LoRA with these blocks (26) and strengths.
pub fn active(network: &Arc<Network>, family: Family, blocks: Vec<f64>, te: f64, unet: f64) -> ActiveNetwork {
    let plan = LoraPlan {
        name: String::new(),
        hash: None,
        te,
        unet,
        dyn_dim: None,
        blocks,
        elements: Vec::new(),
        window: Window::default(),
        over_time: OverTime::default(),
        source: String::new(),
    };
    let factor = |m: &lbw::lora::NetworkModule| Factor {
        strength: if m.strength() == Strength::Te { te } else { unet },
        ratio: plan.ratio(family, m.name()),
    };
    ActiveNetwork { network: network.clone(), factors: network.modules().iter().map(factor).collect(), exact: false }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(common::number).collect()
}

#[test]
fn lora_full() {
    let Some(json) = common::case_file("lora_full/lora_full") else { return };
    let tolerance = json["tolerance"]["rel_to_max"].as_f64().unwrap();
    let tensors = load_tensors("lora_full/lora_full");
    let mut models = models(&json);
    let get = |name: &str| &tensors[name];
    let ids = |name: &str| get(name).to_dtype(DType::U32).unwrap();
    let run = |m: &Models| {
        m.unet
            .forward(get("x"), get("t"), get("context"), Some(get("y")), &mut |_, _| ControlFlow::Continue(()))
            .unwrap()
    };
    let row5 = |t: &Tensor| t.get(0).unwrap().get(5).unwrap();

    let mut tally = Tally::new("lora_full");
    let base = run(&models);
    tally.check("base", within("base_out", rel_to_max(&base, get("base_out")), tolerance));
    for (i, case) in json["cases"].as_array().unwrap().iter().enumerate() {
        let network = network(&models, case["lora"].as_str().unwrap());
        assert!(network.without_effect().is_empty(), "{:?}", network.without_effect());
        let blocks = numbers(&case["vector26"]);
        models
            .weights
            .apply(
                &[active(&network, Family::Sdxl, blocks, common::number(&case["te"]), common::number(&case["unet"]))],
                &mut Watch::nobody(),
            )
            .unwrap();
        let label = format!("case {i} {} {}", case["lora"], case["name"]);
        tally.check(&label, within("unet_out", rel_to_max(&run(&models), get(&format!("{i}.unet_out"))), tolerance));
        if let Some(expected) = tensors.get(&format!("{i}.pooled")) {
            let watch = &mut Watch::nobody();
            let l = models.clip_l.hidden(&ids("ids_l"), &[], models.clip_l.layers() - 1, watch).unwrap();
            let layer = models.clip_g.layers() - 1;
            let (g, pooled) = models.clip_g.forward(&ids("ids_g"), &[], layer, watch).unwrap();
            tally.check(&label, within("pooled", rel_to_max(&pooled.unwrap(), expected), tolerance));
            let expected = get(&format!("{i}.l_penult_row5"));
            tally.check(&label, within("l_penult_row5", rel_to_max(&row5(&l), expected), tolerance));
            let expected = get(&format!("{i}.g_penult_row5"));
            tally.check(&label, within("g_penult_row5", rel_to_max(&row5(&g), expected), tolerance));
        }
    }
    tally.finish();
}

/// A LoRA whose modules all lie in blocks, with a vector of zeros, is no LoRA: bit for bit, alone, beside another, and
/// after any history.
#[test]
fn zeros_are_no_lora() {
    let Some(json) = common::case_file("lora_full/lora_full") else { return };
    let tensors = load_tensors("lora_full/lora_full");
    let mut models = models(&json);
    let run = |m: &Models| {
        let get = |name: &str| &tensors[name];
        let out = m
            .unet
            .forward(get("x"), get("t"), get("context"), Some(get("y")), &mut |_, _| ControlFlow::Continue(()))
            .unwrap();
        out.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let all12 = network(&models, "all12.safetensors");
    let locon = network(&models, "locon.safetensors");
    assert!(all12.modules().iter().all(|m| m.block().is_some()), "the test needs a LoRA inside the blocks");
    let off = || active(&all12, Family::Sdxl, vec![0.0; 26], 1.0, 1.0);
    let other = || active(&locon, Family::Sdxl, vec![0.5; 26], 1.0, 0.7);

    let base = run(&models);
    models.weights.apply(&[off()], &mut Watch::nobody()).unwrap();
    assert_eq!(run(&models), base);
    models.weights.apply(&[other()], &mut Watch::nobody()).unwrap();
    let alone = run(&models);
    assert_ne!(alone, base);
    models.weights.apply(&[other(), off()], &mut Watch::nobody()).unwrap();
    assert_eq!(run(&models), alone);

    let on = || active(&all12, Family::Sdxl, vec![1.0; 26], 1.0, 1.0);
    models.weights.apply(&[on(), other()], &mut Watch::nobody()).unwrap();
    let both = run(&models);
    models.weights.apply(&[other(), on()], &mut Watch::nobody()).unwrap();
    assert_eq!(run(&models), both, "the order of LoRAs makes no difference");
    models.weights.apply(&[], &mut Watch::nobody()).unwrap();
    assert_eq!(run(&models), base);
}

/// Only what changes is made anew.
#[test]
fn a_changed_block_costs_that_block() {
    let Some(json) = common::case_file("lora_full/lora_full") else { return };
    let mut models = models(&json);
    let all12 = network(&models, "all12.safetensors");
    let mut blocks = vec![1.0; 26];
    let in04 = all12.modules().iter().filter(|m| m.block().is_some_and(|b| b.name() == "IN04")).count();
    assert!(
        in04 > 0
            && models
                .weights
                .apply(&[active(&all12, Family::Sdxl, blocks.clone(), 1.0, 1.0)], &mut Watch::nobody())
                .unwrap()
                > in04
    );
    assert_eq!(
        models.weights.apply(&[active(&all12, Family::Sdxl, blocks.clone(), 1.0, 1.0)], &mut Watch::nobody()).unwrap(),
        0
    );
    blocks[5] = 0.8;
    assert_eq!(
        models.weights.apply(&[active(&all12, Family::Sdxl, blocks, 1.0, 1.0)], &mut Watch::nobody()).unwrap(),
        in04
    );
}
