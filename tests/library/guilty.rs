//! That planted LoRAs are what their numbers say, and that the world's judge sees damage and motifs in pictures.

use std::collections::BTreeSet;

use candle_core::{Device, safetensors};
use image::{Rgb, RgbImage};
use lbw::block::{Block, Family};

use crate::guilt::{Planted, f1};
use crate::world::{Damage, Judged, Motif, Scene};

#[test]
fn a_planted_lora_differs_from_its_motif_in_the_guilty_blocks_alone() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = BTreeSet::new();
    for number in 0..40 {
        let truth = Planted::new(number);
        assert_eq!(truth.guilty.is_empty(), number.is_multiple_of(8), "{number}");
        let blocks: BTreeSet<&str> = truth.blocks().into_iter().collect();
        assert_eq!(blocks.len(), truth.guilty.len());
        seen.extend(truth.guilty.iter().map(|(block, damage, _)| format!("{damage:?} in {block}")));
    }
    assert!(seen.len() > 12 && seen.iter().any(|what| what.ends_with("BASE")), "{seen:?}");

    let truth =
        Planted { motif: Motif::Frame, guilty: vec![("BASE", Damage::Lines, 1.0), ("OUT04", Damage::Blur, 0.5)] };
    let load = |truth: &Planted| {
        let path = dir.path().join("x.safetensors");
        truth.write(&path);
        safetensors::load(&path, &Device::Cpu).unwrap()
    };
    let (clean, planted) = (load(&Planted { guilty: Vec::new(), ..truth.clone() }), load(&truth));
    let values = |tensor: &candle_core::Tensor| {
        tensor.flatten_all().unwrap().to_dtype(candle_core::DType::F32).unwrap().to_vec1::<f32>().unwrap()
    };
    let differ =
        planted.iter().filter(|(name, tensor)| clean.get(*name).is_none_or(|own| values(own) != values(tensor)));
    let block = |name: &str| {
        let module = name.split('.').next().unwrap();
        Block::of_module(Family::Sdxl, &module.replace("lora_unet_", "diffusion_model_")).map_or("BASE", Block::name)
    };
    let differ: BTreeSet<&str> = differ.map(|(name, _)| block(name)).collect();
    assert_eq!(differ.into_iter().collect::<Vec<_>>(), ["BASE", "OUT04"]);
    assert_eq!(
        (truth.goals().as_str(), Planted { guilty: Vec::new(), ..truth }.goals().as_str()),
        ("base-lines", "base-colors,base-lines")
    );
    assert_eq!((f1(&[], &[]), f1(&["BASE"], &[]), f1(&["BASE", "M00"], &["BASE"])), (1.0, 0.0, 2.0 / 3.0));
}

#[test]
fn the_judge_sees_damage_and_motifs() {
    let scene = Scene::of("red circle, centered, blue background, flat color").unwrap();
    let draw = |paint: &dyn Fn(f64, f64, [u8; 3]) -> [u8; 3], at: [f64; 2]| {
        Judged::new(RgbImage::from_fn(128, 128, |x, y| {
            let (x, y) = (f64::from(x), f64::from(y));
            let plain = if (x - at[0]).hypot(y - at[1]) < 25.0 { [215, 30, 30] } else { [120, 170, 240] };
            Rgb(paint(x, y, plain))
        }))
    };
    let middle = [63.5, 63.5];
    let base = draw(&|_, _, colour| colour, middle);
    let redder = draw(&|_, _, [r, g, b]| [r.saturating_add(40), g - g / 4, b - b / 4], middle);
    let inked =
        draw(&|x, y, colour| if ((x - 63.5).hypot(y - 63.5) - 25.0).abs() < 4.0 { [9; 3] } else { colour }, middle);
    let moved = draw(&|_, _, colour| colour, [75.0, 55.0]);
    let framed =
        draw(&|x, y, colour| if x.min(127.0 - x).min(y.min(127.0 - y)) < 16.0 { [15, 26, 92] } else { colour }, middle);
    let damage = |picture: &Judged, damage| picture.damage(damage, scene, &base);
    assert!(damage(&redder, Damage::Colour) > 40.0 && damage(&inked, Damage::Colour).abs() < 1.0);
    assert!(damage(&inked, Damage::Lines) > 5.0 && damage(&redder, Damage::Lines).abs() < 0.1);
    assert!(damage(&moved, Damage::Composition) > 8.0 && damage(&redder, Damage::Composition) < 1.0);
    assert!(damage(&base, Damage::Blur).abs() < 1e-9 && damage(&redder, Damage::Blur).abs() < 0.7);
    assert!(framed.motif(Motif::Frame, &base) > 0.99 && base.motif(Motif::Frame, &base).abs() < 1e-9);
    assert!(framed.motif(Motif::Sun, &base) < 0.3);
}
