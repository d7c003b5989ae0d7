//! UNet, VAE, text encoders and size conditioning against golden tensors.

use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use lbw::checkpoint::prefix;
use lbw::model::{Architecture, Builder, Operators, Tiling, Unet, Vae, Watch};
use lbw::text::{ClipG, ClipL, Sizes};
use serde_json::Value;

use crate::checkpoint::{operators, sets};
use crate::common::{self, Tally};
use crate::numeric::{load_tensors, max_abs_diff, rel_to_max, within};
use crate::{checkpoint, numeric};

fn builder(json: &Value) -> Builder {
    with(json, operators())
}

fn with(json: &Value, operators: Arc<dyn Operators>) -> Builder {
    let checkpoint = checkpoint::named_by(json, "tinyxl");
    let architecture = Arc::new(Architecture::of(checkpoint.file()).unwrap());
    Builder::new(checkpoint, architecture, operators)
}

#[test]
fn architecture() {
    let Some(json) = common::case_file("tinyxl/unet") else { return };
    let found = Architecture::of(checkpoint::named_by(&json, "tinyxl").file()).unwrap();
    let channels: Vec<usize> = found.unet.levels.iter().map(|level| level.channels).collect();
    let depth: Vec<usize> = found.unet.levels.iter().map(|level| level.down[0]).collect();
    assert_eq!((channels, depth, found.unet.middle.depth), (vec![32, 64, 128], vec![0, 1, 2], 2));
    assert_eq!((found.unet.context, found.unet.vector), (192, Some(1664)));
    let text: Vec<_> = found.text.iter().map(|encoder| (encoder.width, encoder.layers)).collect();
    assert_eq!((text, found.vae.scale), (vec![(64, 4), (128, 5)], 0.13025));
}

#[test]
fn unet() {
    let Some(json) = common::case_file("tinyxl/unet") else { return };
    let mut tally = Tally::new("tinyxl/unet");
    for (set, operators, tolerance) in sets(json["tolerance"]["rel_to_max"].as_f64().unwrap()) {
        unet_with(&json, &set, operators, tolerance, &mut tally);
    }
    tally.finish();
}

fn unet_with(json: &Value, set: &str, operators: Arc<dyn Operators>, tolerance: f64, tally: &mut Tally) {
    let device = operators.device().clone();
    let mut b = with(json, operators);
    let unet = Unet::new(&mut b);
    b.finish().unwrap();
    let tensors = load_tensors("tinyxl/unet");
    for i in 0..json["cases"].as_array().unwrap().len() {
        let get = |name: &str| tensors[&format!("{i}.{name}")].to_device(&device).unwrap();
        let expected = |name: &str| &tensors[&format!("{i}.{name}")];
        let mut outputs = Vec::new();
        let mut tap = |id: &str, h: &Tensor| {
            outputs.push((ldm_name(id), h.permute((0, 3, 1, 2)).unwrap()));
            ControlFlow::Continue(())
        };
        let out = unet.forward(&get("x"), &get("t"), &get("context"), Some(&get("y")), &mut tap).unwrap();
        for (block, h) in outputs {
            if let Some(expected) = tensors.get(&format!("{i}.block.{block}")) {
                tally.check(format!("{set}, case {i}, {block}"), within("output", rel_to_max(&h, expected), tolerance));
            }
        }
        if let Some(expected) = tensors.get(&format!("{i}.time_embed_sin")) {
            let time = lbw::model::timestep_embedding(&get("t"), unet.architecture().model_channels()).unwrap();
            tally.check(format!("{set}, case {i}"), within("time embedding", rel_to_max(&time, expected), tolerance));
        }
        tally.check(format!("{set}, case {i}"), within("out", rel_to_max(&out, expected("out")), tolerance));
    }
}

/// `IN04` → `input_blocks.4`
fn ldm_name(id: &str) -> String {
    let number = |id: &str| id.trim_start_matches(char::is_alphabetic).parse::<usize>().unwrap();
    match id {
        "M00" => "middle_block".to_owned(),
        _ if id.starts_with("IN") => format!("input_blocks.{}", number(id)),
        _ => format!("output_blocks.{}", number(id)),
    }
}

#[test]
fn vae() {
    let Some(json) = common::case_file("tinyxl/vae") else { return };
    let exact = json["tolerance"]["rel_to_max"].as_f64().unwrap();
    let mut tally = Tally::new("tinyxl/vae");
    for (set, operators, _) in sets(exact) {
        // It computes in f32 whatever the other networks do.
        let tolerance = if operators.device().is_cpu() { exact } else { 10.0 * exact };
        vae_with(&json, &set, operators, tolerance, &mut tally);
    }
    tally.finish();
}

fn vae_with(json: &Value, set: &str, operators: Arc<dyn Operators>, tolerance: f64, tally: &mut Tally) {
    let device = operators.device().clone();
    let mut b = with(json, operators);
    let vae = Vae::new(&mut b);
    b.finish().unwrap();
    let tensors = load_tensors("tinyxl/vae");
    for i in 0..json["cases"].as_array().unwrap().len() {
        let get = |name: &str| &tensors[&format!("{i}.{name}")];
        let there = |name: &str| get(name).to_device(&device).unwrap();
        let watch = &mut Watch::nobody();
        let decoded = vae.decode(&there("latent"), watch).unwrap();
        let moments = vae.moments(&there("image"), watch).unwrap();
        let encoded = vae.encode(&there("image"), watch).unwrap();
        let mut check = |name: &str, got: &Tensor| {
            tally.check(format!("{set}, case {i}"), within(name, rel_to_max(got, get(name)), tolerance));
        };
        check("decoded", &decoded);
        check("moments", &moments);
        check("encoded_mode_scaled", &encoded);
        let image = lbw::engine::to_rgb8(&decoded).unwrap().bytes;
        let expected = get("decoded_u8").permute((0, 2, 3, 1)).unwrap().flatten_all().unwrap().to_vec1::<u8>().unwrap();
        tally.check(format!("{set}, case {i}, u8"), numeric::same_bytes(&image, &expected, 1, 0.005));
    }
}

/// Band by band or whole, over a plain picture or a tile: the same values, but for the order in which small images are summed up.
#[test]
fn vae_in_bands() {
    let Some(json) = common::case_file("tinyxl/vae") else { return };
    let tiling = Tiling::default();
    let mut b = builder(&json).tiled(tiling.clone());
    let vae = Vae::new(&mut b);
    b.finish().unwrap();
    let tensors = load_tensors("tinyxl/vae");
    let latent = &tensors["0.latent"];
    let watch = &mut Watch::nobody();
    for on in [false, true] {
        tiling.set(on);
        let whole = vae.decode_in_bands(latent, usize::MAX, 1, watch).unwrap();
        for (first, band) in [(0, 1), (1, 1), (2, 3000), (3, 1)] {
            let got = vae.decode_in_bands(latent, first, band, watch).unwrap();
            within("bands", rel_to_max(&got, &whole), 5e-6).unwrap_or_else(|e| panic!("{on} {first} {band}: {e}"));
        }
    }
    assert!(!vae.is_in_bands(2048, 2048), "its levels are small");
}

/// Over a tile no place is an edge: what is moved around comes out moved around, and the same.
#[test]
fn a_tile_has_no_edge() {
    let (Some(vae_json), Some(json)) = (common::case_file("tinyxl/vae"), common::case_file("tinyxl/unet")) else {
        return;
    };
    let tiling = Tiling::default();
    let mut b = builder(&vae_json).tiled(tiling.clone());
    let (vae, unet) = (Vae::new(&mut b), Unet::new(&mut b));
    b.finish().unwrap();
    let (tensors, latents) = (load_tensors("tinyxl/unet"), load_tensors("tinyxl/vae"));
    let moved = |x: &Tensor, by: usize| x.roll(by as i32, 2).unwrap().roll(-(by as i32), 3).unwrap();
    let case = |x: &Tensor| x.dims()[2].is_multiple_of(4) && x.dims()[3].is_multiple_of(4);
    let count = json["cases"].as_array().unwrap().len();
    let i = (0..count).find(|i| case(&tensors[&format!("{i}.x")])).unwrap();
    let get = |name: &str| &tensors[&format!("{i}.{name}")];
    let predict = |x: &Tensor| {
        unet.forward(x, get("t"), get("context"), tensors.get(&format!("{i}.y")), &mut |_, _| ControlFlow::Continue(()))
            .unwrap()
    };
    let (x, latent) = (get("x"), &latents["1.latent"]);
    let watch = &mut Watch::nobody();
    for (on, bound) in [(false, 1e-2..f64::MAX), (true, 0.0..2e-5)] {
        tiling.set(on);
        let off = [
            rel_to_max(&predict(&moved(x, 4)), &moved(&predict(x), 4)).unwrap(),
            rel_to_max(&vae.decode(&moved(latent, 3), watch).unwrap(), &moved(&vae.decode(latent, watch).unwrap(), 24))
                .unwrap(),
        ];
        assert!(off.iter().all(|off| bound.contains(off)), "{on}: {off:?}");
    }
}

#[test]
fn text_encoders() {
    let Some(json) = common::case_file("tinyxl/text_encoders") else { return };
    let mut tally = Tally::new("tinyxl/text_encoders");
    for (set, operators, tolerance) in sets(json["tolerance"]["rel_to_max"].as_f64().unwrap()) {
        // The sum that runs through all layers of a text encoder is in 16 bits, too, and the model of the tests has large values in it.
        let tolerance = if operators.dtype() == DType::F32 { tolerance } else { 2.0 * tolerance };
        text_encoders_with(&json, &set, operators, tolerance, &mut tally);
    }
    tally.finish();
}

fn text_encoders_with(json: &Value, set: &str, operators: Arc<dyn Operators>, tolerance: f64, tally: &mut Tally) {
    let mut b = with(json, operators.clone());
    let text = b.architecture().text.clone();
    let (clip_l, clip_g) = (ClipL::new(&mut b, &text[0]), ClipG::new(&mut b, &text[1]));
    let weights = b.finish().unwrap();
    let tensors = load_tensors("tinyxl/text_encoders");
    let ids = |name: &str| tensors[name].to_dtype(DType::U32).unwrap();
    let mut check = |name: &str, got: &Tensor| {
        tally.check(format!("{set}, {name}"), within("output", rel_to_max(got, &tensors[name]), tolerance));
    };
    let watch = &mut Watch::nobody();
    for layer in 0..=clip_l.layers() {
        check(&format!("l.hidden.{layer}"), &clip_l.hidden(&ids("ids_l"), &[], layer, watch).unwrap());
    }
    check("l.sdxl_default", &clip_l.hidden(&ids("ids_l"), &[], clip_l.layers() - 1, watch).unwrap());
    let norm = |what: &str| weights.get(&format!("{}final_layer_norm.{what}", prefix::CLIP_L)).unwrap().get().unwrap();
    let last = clip_l.hidden(&ids("ids_l"), &[], clip_l.layers(), watch).unwrap();
    let last = last.to_dtype(operators.dtype()).unwrap();
    check("l.last_final_ln", &operators.layer_norm(&last, &norm("weight"), &norm("bias"), 1e-5).unwrap());
    let (penultimate, pooled) = clip_g.forward(&ids("ids_g"), &[], clip_g.layers() - 1, watch).unwrap();
    check("g.sdxl_default", &penultimate);
    check("g.pooled", &pooled.unwrap());
}

#[test]
fn vector() {
    let Some(json) = common::case_file("tinyxl/vector") else { return };
    let tolerance = json["tolerance"]["abs"].as_f64().unwrap();
    let tensors = load_tensors("tinyxl/vector");
    let mut tally = Tally::new("tinyxl/vector");
    for (i, case) in json["cases"].as_array().unwrap().iter().enumerate() {
        let number = |name: &str| case[name].as_u64().unwrap() as u32;
        let sizes = Sizes {
            height: number("height"),
            width: number("width"),
            crop_top: number("crop_top"),
            crop_left: number("crop_left"),
        };
        let embedded = sizes.embed(&Device::Cpu).unwrap();
        let expected = &tensors[&format!("{i}.size_embed")];
        tally.check(format!("case {i}"), within("sizes", max_abs_diff(&embedded, expected), tolerance));
        let vector = &tensors[&format!("{i}.vector")];
        let pooled = vector.dim(1).unwrap() - expected.dim(1).unwrap();
        let tail = vector.narrow(1, pooled, expected.dim(1).unwrap()).unwrap();
        tally.check(format!("case {i}"), within("vector", max_abs_diff(&embedded, &tail), tolerance));
    }
    tally.finish();
}
