//! Random numbers: both sources, and the order in which one image draws its noises.

use candle_core::{Device, Tensor};
use lbw::plan::{NoiseSource, Settings};
use lbw::sampling::{Generator, ImageRng};
use serde_json::Value;

use crate::common::{Tally, case_file, number};
use crate::numeric::{load_tensors, max_abs_diff, max_rel_diff, within};

fn source(case: &Value) -> NoiseSource {
    serde_json::from_value(case["source"].clone()).unwrap()
}

fn tolerance(file: &Value, source: NoiseSource) -> f64 {
    number(&file["tolerance"][if source == NoiseSource::Gpu { "NV_abs" } else { "CPU_abs" }])
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(number).collect()
}

fn sizes(list: &Value) -> Vec<usize> {
    numbers(list).into_iter().map(|n| n as usize).collect()
}

#[test]
fn randn() {
    let Some(file) = case_file("rng/rng") else { return };
    let tensors = load_tensors("rng/rng");
    let mut tally = Tally::new("randn");
    for (i, case) in file["randn"].as_array().unwrap().iter().enumerate() {
        tally.check(i, check_randn(case, &tensors, tolerance(&file, source(case))));
    }
    tally.finish();
}

fn check_randn(
    case: &Value,
    tensors: &std::collections::HashMap<String, Tensor>,
    tolerance: f64,
) -> Result<(), String> {
    let shape = sizes(&case["shape"]);
    let seed = case["seed"].as_u64().unwrap();
    let values = Generator::new(source(case), seed).randn(shape.iter().product());
    let got: Vec<f64> = values.iter().copied().map(f64::from).collect();
    // Sums over all elements stand in for the tensor where it is not stored.
    let close = |what: &str, got: &[f64], expected: &[f64], tolerance: f64| {
        let differences: Vec<f64> = got.iter().zip(expected).map(|(g, e)| 1.0 + (g - e)).collect();
        within(what, max_rel_diff(&differences, &vec![1.0; expected.len()]), tolerance)
    };
    let (first, last) = (numbers(&case["first8"]), numbers(&case["last4"]));
    close("first", &got[..first.len()], &first, tolerance)?;
    close("last", &got[got.len() - last.len()..], &last, tolerance)?;
    let count = got.len() as f64;
    close("sum", &[got.iter().sum()], &[number(&case["sum"])], tolerance * count)?;
    close("sum_sq", &[got.iter().map(|v| v * v).sum()], &[number(&case["sum_sq"])], tolerance * count * 10.0)?;
    let Some(name) = case["tensor"].as_str() else { return Ok(()) };
    let got = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    within(name, max_abs_diff(&got, &tensors[name]), tolerance)
}

#[test]
fn image_rng() {
    let Some(file) = case_file("rng/rng") else { return };
    let tensors = load_tensors("rng/rng");
    let mut tally = Tally::new("image_rng");
    for (i, case) in file["image_rng"].as_array().unwrap().iter().enumerate() {
        let mut images: Vec<ImageRng> = image_settings(case).iter().map(|s| ImageRng::new(s, &Device::Cpu)).collect();
        for k in 0..case["n"].as_u64().unwrap() {
            let draws: Vec<Tensor> = images.iter_mut().map(|rng| rng.draw().unwrap()).collect();
            let name = format!("image.{i}.{k}");
            let got = Tensor::cat(&draws, 0).unwrap();
            let outcome = within(&name, max_abs_diff(&got, &tensors[&name]), tolerance(&file, source(case)));
            tally.check(format!("{name} {case}"), outcome);
        }
    }
    tally.finish();
}

/// The settings of every image of the batch.
fn image_settings(case: &Value) -> Vec<Settings> {
    let shape = sizes(&case["shape"]);
    let pixels = |name: &str| case[name].as_u64().unwrap_or(0) as u32;
    let seeds = |name: &str| case[name].as_array().unwrap().iter().map(|s| s.as_u64().unwrap());
    let image = |(seed, subseed)| Settings {
        seed,
        subseed,
        subseed_strength: number(&case["subseed_strength"]),
        noise_source: source(case),
        height: shape[1] as u32 * 8,
        width: shape[2] as u32 * 8,
        seed_resize_from_height: pixels("rh"),
        seed_resize_from_width: pixels("rw"),
        eta_noise_seed_delta: case["ensd"].as_i64().unwrap_or(0),
        ..Settings::default()
    };
    seeds("seeds").zip(seeds("subseeds")).map(image).collect()
}
