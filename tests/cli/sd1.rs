//! SD1 checkpoints, with the block weights that began there.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;

use crate::sandbox::{Sandbox, repository};

const VECTOR: &str = "1,0.5,0,1,0.3,1,0.7,1,0,1,1,0.4,1,0.2,1,0,1";
const SMALL: [&str; 10] = ["--width", "64", "--height", "64", "--sampler", "Euler", "--steps", "1", "--seed", "3"];
const FILES: [&str; 4] = ["--model", "sd1.safetensors", "--lora-dir", "loras"];

/// The small SD1 of the golden values and its LoRA.
fn sandbox() -> Sandbox {
    let s = Sandbox::new();
    let fixture = |name: &str| std::fs::read(repository("fixtures/vectors/num/sd1").join(name)).unwrap();
    let mut model = Vec::new();
    lzma_rs::xz_decompress(&mut fixture("tinysd1.safetensors.xz").as_slice(), &mut model).unwrap();
    s.write("sd1.safetensors", model);
    s.write("loras/style.safetensors", fixture("sd1lora.safetensors"));
    s
}

/// What is said on standard error about a tag with these weights.
fn said(s: &Sandbox, weights: &str) -> String {
    s.expect(0, &[&["plan", &format!("a cat <lora:style:1:lbw={weights}>")], &FILES[..]].concat()).1
}

#[test]
fn its_vectors_are_native_and_those_of_sdxl_are_spoken_of() {
    let s = sandbox();
    for native in [VECTOR, "INS", "IND", "INALL", "MIDD", "OUTD", "OUTS", "OUTALL", "ALL0.5", &["1"; 26].join(",")] {
        assert_eq!(said(&s, native), "", "{native}");
    }
    for foreign in [["1"; 12].join(","), ["1"; 20].join(",")] {
        let said = said(&s, &foreign);
        assert!(said.contains("W0203") && said.contains("this checkpoint is SD1 (17 or 26)"), "{said}");
    }
    let said = said(&s, "XLIN1");
    assert!(said.contains("the SD1 preset with this meaning is `INS`"), "{said}");
    let plan = s.json(&[&["plan", &format!("a <lora:style:1:lbw={VECTOR}>"), "--json"], &FILES[..]].concat());
    let settings = &plan["passes"][0]["settings"];
    assert_eq!((&plan["family"], &settings["width"], &settings["height"]), (&"sd1".into(), &512.into(), &512.into()));
    let blocks = plan["passes"][0]["loras"][0]["blocks"].as_array().unwrap();
    assert_eq!((&blocks[2], &blocks[25]), (&0.5.into(), &1.0.into()));
}

#[test]
fn it_is_drawn_baked_analysed_and_plotted() {
    let s = sandbox();
    let draw = |prompt: &str, name: &str| {
        s.expect(0, &[&["txt2img", prompt, "-o", name], &FILES[..], &SMALL].concat());
        s.picture(name).into_raw()
    };
    let tag = format!("<lora:style:0.8:lbw={VECTOR}>");
    let with_tag = draw(&format!("a cat {tag}"), "tag.png");
    assert_ne!(with_tag, draw("a cat <lora:style:0.8>", "whole.png"));
    let (info, _) = s.expect(0, &["info", "tag.png"]);
    assert!(info.contains("Model: sd1") && info.contains("Size: 64x64"), "{info}");
    s.expect(0, &[&["run", "tag.png", "-o", "again.png"], &FILES[..]].concat());
    s.assert_same_picture("tag.png", "again.png");

    let baked = s.json(&[&["lora", "bake", &tag, "-o", "loras/mild.safetensors", "--json"], &FILES[..]].concat());
    assert!(baked["baked"]["dropped"].as_u64().unwrap() > 0, "{baked}");
    let with_file = draw("a cat <lora:mild:1>", "file.png");
    assert!(with_tag.iter().zip(&with_file).all(|(a, b)| a.abs_diff(*b) <= 1));

    let analysis = [&["analyze", "a cat <lora:style:1:lbw=XYZ>", "--json"], &FILES[..], &SMALL].concat();
    let report = s.json(&analysis);
    let ids: Vec<&Value> = report["blocks"].as_array().unwrap().iter().map(|block| &block["id"]).collect();
    // Those with attention and those with convolutions of the LoRA.
    assert_eq!((ids.len(), ids[1], ids[24]), (25, &"IN01".into(), &"OUT11".into()));
    assert!(report["ranking"].as_array().unwrap().len() > 10);
    assert_eq!(s.json(&[&analysis[..], &["--blocks", "17ALL"]].concat())["work"]["drawn"], 0);

    let axes = ["--x", "Block ID=IN01,OUT11", "--y", "values=0,1", "-o", "plot", "--json"];
    let plot = s.json(&[&["xyz", "a cat <lora:style:1:lbw=XYZ>"], &axes[..], &FILES, &SMALL].concat());
    assert_eq!(plot["drawn"], 3);
}

/// A checkpoint for inpainting sees mask and masked picture in five more channels.
#[test]
fn its_inpainting_checkpoints_see_the_mask() {
    const CONV_IN: &str = "model.diffusion_model.input_blocks.0.0.weight";
    let s = sandbox();
    let mut tensors = candle_core::safetensors::load(s.path("sd1.safetensors"), &Device::Cpu).unwrap();
    let plain = tensors[CONV_IN].to_dtype(DType::F32).unwrap();
    let (out, _, rows, columns) = plain.dims4().unwrap();
    for (name, weight) in [("blind", 0.0), ("seeing", 0.05)] {
        let more = Tensor::full(weight as f32, (out, 5, rows, columns), &Device::Cpu).unwrap();
        tensors.insert(CONV_IN.to_owned(), Tensor::cat(&[&plain, &more], 1).unwrap());
        candle_core::safetensors::save(&tensors, s.path(&format!("{name}.safetensors"))).unwrap();
    }
    let draw = |model: &str, args: &[&str]| {
        let (name, model) = (format!("{}-{model}.png", args[0]), format!("{model}.safetensors"));
        s.expect(0, &[args, &["a cat", "-o", &name, "--model", &model], &SMALL].concat());
        s.picture(&name).into_raw()
    };
    let half =
        |side: u32| image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([if x * side < y * 32 { 255 } else { 0 }; 3]));
    half(1).save(s.path("mask.png")).unwrap();
    half(3).save(s.path("init.png")).unwrap();
    let over = ["img2img", "--init", "init.png", "--mask", "mask.png", "--denoising-strength", "1"];
    for args in [&["txt2img"][..], &over] {
        let known = draw("sd1", args);
        assert_eq!(known, draw("blind", args), "{args:?}");
        assert_ne!(known, draw("seeing", args), "{args:?}");
    }
}

/// Without the checkpoint a LoRA tells its family itself.
#[test]
fn loras_for_it_are_told_by_themselves() {
    let s = Sandbox::new();
    s.folder("loras");
    let zeros = |shape: [usize; 2]| Tensor::ones(&shape, DType::F32, &Device::Cpu).unwrap();
    let key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k";
    let tensors = HashMap::from([
        (format!("{key}.lora_down.weight"), zeros([4, 768])),
        (format!("{key}.lora_up.weight"), zeros([320, 4])),
    ]);
    candle_core::safetensors::save(&tensors, s.path("loras/old.safetensors")).unwrap();
    let inspected = s.json(&["lora", "inspect", "loras/old.safetensors", "--json"]);
    assert_eq!(inspected["inspection"]["made_for"], "SD1");
    let blocks = inspected["deltas"]["blocks"].as_array().unwrap();
    assert_eq!((blocks.len(), &blocks[0]["block"]), (1, &"IN01".into()));
    let tag = format!("<lora:old:1:lbw={VECTOR}>");
    let (_, said) = s.expect(0, &["lora", "bake", &tag, "-o", "new.safetensors", "--lora-dir", "loras"]);
    assert_eq!(said, "");
    let scales = s.json(&["lora", "export", "--diffusers-scales", &tag, "--lora-dir", "loras"]);
    assert_eq!(scales["unet"]["down"]["block_0"], serde_json::json!([0.5, 0.0]));
    assert!(scales["unet"]["down"]["block_3"].is_null() && scales["unet"]["up"]["block_0"].is_null());
    assert!(scales["text_encoder_2"].is_null());
}

#[test]
fn its_embeddings_have_one_tensor() {
    let s = sandbox();
    s.folder("e");
    let save = |name: &str, tensors: &[(&str, usize)]| {
        let tensor = |width| Tensor::ones((2, width), DType::F32, &Device::Cpu).unwrap();
        let tensors: HashMap<_, _> = tensors.iter().map(|(name, width)| (*name, tensor(*width))).collect();
        candle_core::safetensors::save(&tensors, s.path(name)).unwrap();
    };
    // One for each family, under one name.
    save("e/mine.safetensors", &[("emb_params", 64)]);
    s.folder("e/xl");
    save("e/xl/mine.safetensors", &[("clip_l", 64), ("clip_g", 96)]);
    save("e/foreign.safetensors", &[("clip_l", 64), ("clip_g", 96)]);
    let draw = |prompt: &str, name: &str, more: &[&str]| {
        let (_, said) = s.expect(0, &[&["txt2img", prompt, "-o", name], more, &FILES, &SMALL].concat());
        (s.picture(name), said)
    };
    let (words, _) = draw("a mine", "words.png", &[]);
    let (vectors, said) = draw("a mine", "vectors.png", &["--embeddings-dir", "e"]);
    assert!(words != vectors && !said.contains("W0503"), "{said}");
    let sha256 = lbw::checkpoint::sha256_of_file(&s.path("e/mine.safetensors")).unwrap();
    let (info, _) = s.expect(0, &["info", "vectors.png"]);
    assert!(info.contains(&format!("TI hashes: \"mine: {}\"", &sha256[..12])), "{info}");
    let (_, said) = draw("a foreign", "foreign.png", &["--embeddings-dir", "e"]);
    assert!(said.contains("W0503") && said.contains("made for another family of models"), "{said}");
}
