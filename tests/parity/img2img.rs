//! Whole pictures of img2img and inpainting against webui's.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::Tensor;
use lbw::engine::{Engine, EngineOptions, Event, InitImage, unobserved};
use lbw::model::{Architecture, Builder, Vae, Watch};
use lbw::picture::{Rgb, mask_from};
use lbw::plan::{Plan, Request, Start, Wanted, lower};
use lbw::preset::PresetSet;
use lbw::sampling;
use serde_json::Value;

use crate::checkpoint::{self, operators};
use crate::common::{Tally, case_file};
use crate::hires::settings;
use crate::numeric::{load_tensors, rel_to_max, same_bytes, within};
use crate::picture::any_picture;

/// The pictures of a case, as a session gives them to the engine.
struct Pictures {
    init: InitImage,
    mask: Option<InitImage>,
}

impl Pictures {
    fn of(number: usize, tensors: &HashMap<String, Tensor>) -> Self {
        let tensor = |key: &str| tensors.get(&format!("{number}.{key}"));
        let init: Rgb = any_picture(tensor("init_image").unwrap()).flattened([255; 3]);
        let mask = tensor("mask_image").map(|mask| InitImage::of_mask(&mask_from(&any_picture(mask))));
        Pictures { init: InitImage::new(init), mask }
    }
}

fn plan(case: &Value, pictures: &Pictures) -> Plan {
    let mut wanted = Wanted::default();
    let mut set = |name: &str, value: Value| {
        let setting = lbw::plan::settings::table::find(name).unwrap_or_else(|| panic!("no setting is called {name}"));
        assert!((setting.set)(&mut wanted, &setting.accept(&value).unwrap()), "{name}");
    };
    for key in [
        "resize_mode",
        "mask_blur_x",
        "mask_blur_y",
        "inpainting_fill",
        "inpaint_full_res",
        "inpaint_full_res_padding",
        "inpainting_mask_invert",
        "denoising_strength",
    ] {
        set(key, case[key].clone());
    }
    for (option, value) in case["options"].as_object().unwrap() {
        set(option, value.clone());
    }
    let mut request = Request::new(case["prompt"].as_str().unwrap(), case["negative_prompt"].as_str().unwrap());
    let extra_noise = wanted.settings.extra_noise;
    request.settings = lbw::plan::Settings { extra_noise, ..settings(case) };
    let mask = pictures.mask.as_ref().map(InitImage::id);
    request.start = Start::over(pictures.init.id(), mask, wanted.hires.denoising_strength.unwrap(), &wanted.picture);
    lower(&request, PresetSet::builtin()).plan.unwrap()
}

struct Bounds {
    latent: f64,
    image: (u8, f64),
}

fn check(
    engine: &mut Engine,
    number: usize,
    case: &Value,
    tensors: &HashMap<String, Tensor>,
    bounds: &Bounds,
) -> Result<(), String> {
    let tensor = |key: &str| tensors.get(&format!("{number}.{key}"));
    let pictures = Pictures::of(number, tensors);
    let plan = plan(case, &pictures);
    for picture in [Some(&pictures.init), pictures.mask.as_ref()].into_iter().flatten() {
        engine.add_init_image(picture.clone());
    }
    let near = |what: &str, got: &Tensor| within(what, rel_to_max(got, tensor(what).unwrap()), bounds.latent);
    let (mut calls, mut first) = (0u64, None);
    let mut watch = |event: Event<'_>| {
        match event {
            Event::Predicted { .. } => calls += 1,
            Event::Step { index: 0, x, .. } => first = Some(x.clone()),
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let (latent, rgb) = match tensor("posterior_noise") {
        None => {
            let image = engine.run(&plan, &mut watch).map_err(|e| e.to_string())?;
            (image.latent, Some(image.rgb))
        }
        Some(noise) => {
            let latent = drawn(tensor("encoder_input_u8").unwrap(), noise);
            let Start::Picture { denoising_strength, fix_steps, noise_multiplier, .. } = plan.first.start else {
                panic!()
            };
            let (strength, mask) = (denoising_strength, None);
            let start = sampling::Start::Latent { latent, strength, fix_steps, noise_multiplier, mask };
            (engine.run_pass(&plan.first, start, &mut watch).map_err(|e| e.to_string())?, None)
        }
    };
    near("x_first", &first.unwrap())?;
    near("latent", &latent)?;
    if Some(calls) != case["model_calls"].as_u64() {
        return Err(format!("{calls} model calls, expected {}", case["model_calls"]));
    }
    let Some(rgb) = rgb else { return Ok(()) };
    let expected: Vec<u8> = tensor("image").unwrap().flatten_all().unwrap().to_vec1().unwrap();
    let (most, share) = bounds.image;
    if case["options"]["img2img_color_correction"] == true {
        // Of each colour the correction makes that of the same rank in the picture: a byte that the decoder rounded the other way
        // moves its pixel to another rank, as far as the ranks are apart. What follows from webui's own bytes is tested with the
        // parts of a picture.
        let decoded = engine.decode(&latent, &mut unobserved).map_err(|e| e.to_string())?.rgb;
        let expected_decoded: Vec<u8> = tensor("decoded_u8").unwrap().flatten_all().unwrap().to_vec1().unwrap();
        same_bytes(&decoded, &expected_decoded, most, share).map_err(|e| format!("decoded: {e}"))?;
        let beyond = rgb.iter().zip(&expected).filter(|(a, b)| a.abs_diff(**b) > 2).count();
        return match rgb.len() == expected.len() && beyond as f64 <= share * rgb.len() as f64 {
            true => Ok(()),
            false => Err(format!("{beyond} bytes of the corrected image are off by more than 2")),
        };
    }
    same_bytes(&rgb, &expected, most, share).map_err(|e| format!("image: {e}"))
}

/// A picture encoded with webui's own noise of the encoder's distribution, which nobody could draw again.
fn drawn(picture: &Tensor, noise: &Tensor) -> Tensor {
    let checkpoint = Arc::new(checkpoint::tinyxl("tinyxl", &HashMap::new()));
    let architecture = Arc::new(Architecture::of(checkpoint.file()).unwrap());
    let mut b = Builder::new(checkpoint, architecture, operators());
    let vae = Vae::new(&mut b);
    b.finish().unwrap();
    let picture: Rgb = crate::picture::picture(picture);
    let image = lbw::engine::from_rgb8(&picture, &candle_core::Device::Cpu).unwrap();
    let moments = vae.moments(&image, &mut Watch::nobody()).unwrap();
    vae.drawn(&moments, &noise.squeeze(0).unwrap()).unwrap()
}

#[test]
fn img2img_and_inpainting() {
    let Some(file) = case_file("img2img/img2img") else { return };
    let tensors = load_tensors("img2img/img2img");
    let open = |name: &str| {
        let patches = if name == "tinyxl" { &HashMap::new() } else { &tensors };
        let options = EngineOptions { skip_unused: false, ..EngineOptions::default() };
        Engine::new(checkpoint::tinyxl(name, patches), options).unwrap()
    };
    let mut engines: HashMap<String, Engine> = HashMap::new();
    let bounds = Bounds { latent: file["tolerance"]["latent_rel"].as_f64().unwrap(), image: (1, 0.003) };
    let mut tally = Tally::new("img2img");
    for (number, case) in file["cases"].as_array().unwrap().iter().enumerate() {
        let name = case["checkpoint"].as_str().unwrap();
        let engine = engines.entry(name.to_owned()).or_insert_with(|| open(name));
        tally.check(format!("{number} {}", case["label"]), check(engine, number, case, &tensors, &bounds));
    }
    tally.finish();
}
