//! How well `lbw analyze` finds what there is to find. Minutes each, so they are no tests.
//!
//! `cargo bench --bench analyze` prints both measurements, `cargo bench --bench analyze -- quick` or `planted` one of them:
//!
//! - `quick`: how `--quick` ranks the blocks, against the whole analysis, for the embedded LoRAs over three prompts and three seeds;
//! - `planted`: how often the block group of a LoRA in which damage was planted is named first.
//!
//! `LBW_ANALYZE_STEPS` (20) and `LBW_ANALYZE_SIZE` (128) make them smaller. A measurement below its goal ends the program with an error.

#[path = "../tests/common/planted.rs"]
mod planted;
#[path = "../tests/common/sandbox.rs"]
mod sandbox;

use std::process::ExitCode;

use sandbox::Sandbox;
use serde_json::Value;

const LORAS: [&str; 3] = ["overcooked", "house", "night"];
const PROMPTS: [&str; 3] = [
    "red circle, blue background",
    "yellow star, white background, gradient",
    "house, green, pink background, thick outline",
];

/// A name, and what says whether the goal was reached.
type Measurement = (&'static str, fn() -> bool);

fn main() -> ExitCode {
    assert_eq!(spearman(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), 1.0);
    assert_eq!(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
    assert!((spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 5.0]) - 0.8).abs() < 1e-9);
    // Cargo adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    let measurements: [Measurement; 2] = [("quick", quick), ("planted", planted)];
    // All of them are made, also behind one that misses its goal.
    let reached: Vec<bool> =
        measurements.into_iter().filter(|(name, _)| is_asked(name)).map(|(_, measure)| measure()).collect();
    match reached.into_iter().all(|one| one) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Analyses `prompt` and gives the report.
fn analyze(s: &Sandbox, prompt: &str, seed: u64, more: &[&str]) -> Value {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let (steps, size) = (setting("LBW_ANALYZE_STEPS", "20"), setting("LBW_ANALYZE_SIZE", "128"));
    let size = ["--steps", &steps, "--width", &size, "--height", &size];
    let settings = ["--sampler", "Euler", "--cfg-scale", "4", "--seed", &seed.to_string(), "--json"];
    s.json(&[&["analyze", prompt], &size[..], &settings, more].concat())
}

fn quick() -> bool {
    let s = Sandbox::new();
    let mut is_reached = true;
    println!("| LoRA | Spearman: mean | least | same first block | share of UNet evaluations |\n|---|---|---|---|---|");
    for lora in LORAS {
        let (mut correlations, mut same_first, mut share) = (Vec::new(), 0, 0.0f64);
        for (number, prompt) in PROMPTS.iter().enumerate() {
            for seed in 1..=3 {
                let run = |more: &[&str]| {
                    let output = format!("{lora}-{number}-{seed}{}", more.concat());
                    analyze(&s, &format!("{prompt} <lora:{lora}:1>"), seed, &[&["-o", &output], more].concat())
                };
                let (full, quick) = (run(&[]), run(&["--quick"]));
                correlations.push(spearman(&places(&full), &places(&quick)));
                same_first += usize::from(full["ranking"][0] == quick["ranking"][0]);
                let evaluations = |report: &Value| report["work"]["evaluations"].as_f64().expect("a number");
                share = share.max(evaluations(&quick) / evaluations(&full));
            }
        }
        let mean = correlations.iter().sum::<f64>() / correlations.len() as f64;
        let least = correlations.iter().copied().fold(1.0, f64::min);
        println!("| {lora} | {mean:.2} | {least:.2} | {same_first} of {} | {share:.2} |", correlations.len());
        is_reached &= mean >= 0.8 && same_first >= 8 && share <= 0.25;
    }
    println!("goal: 0.8 in the mean, 8 of 9, a quarter; reached: {is_reached}");
    is_reached
}

/// The places of the blocks in the ranking, in the order of their names.
fn places(report: &Value) -> Vec<f64> {
    let ranking = report["ranking"].as_array().expect("a ranking");
    let mut places: Vec<_> = (0..).zip(ranking).map(|(at, id)| (id.as_str().expect("a name"), at)).collect();
    places.sort();
    places.into_iter().map(|(_, at)| f64::from(at)).collect()
}

/// Spearman's rank correlation: Pearson's of the ranks, equal values sharing their mean rank.
fn spearman(p: &[f64], q: &[f64]) -> f64 {
    let rank = |values: &[f64], value: f64| {
        let (below, equal) =
            values.iter().fold((0, 0), |(b, e), v| (b + usize::from(*v < value), e + usize::from(*v == value)));
        below as f64 + (equal as f64 - 1.0) / 2.0
    };
    let ranks = |values: &[f64]| values.iter().map(|v| rank(values, *v)).collect::<Vec<f64>>();
    let (p, q) = (ranks(p), ranks(q));
    let mean = (p.len() as f64 - 1.0) / 2.0;
    let product = |p: &[f64], q: &[f64]| p.iter().zip(q).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    product(&p, &q) / (product(&p, &p) * product(&q, &q)).sqrt()
}

fn planted() -> bool {
    let s = Sandbox::new();
    let blocks = format!("BASE,{}", planted::GROUPS.join(","));
    let mut found = 0;
    for number in 0..10 {
        let name = format!("planted-{number}");
        let planted = planted::GROUPS[planted::plant(number, &s.path(&format!("{name}.safetensors")))];
        let prompt = format!("red circle, blue background <lora:{name}:1>");
        let report = analyze(&s, &prompt, 1, &["--lora-dir", ".", "--blocks", &blocks, "-o", &name]);
        println!("{name}: planted {planted}, guilty {}", report["guilty"]);
        for block in report["blocks"].as_array().expect("blocks") {
            println!("  {}: {} % guilt {}", block["id"], block["percent"], block["guilt"]);
        }
        found += usize::from(report["guilty"][0] == planted);
    }
    println!("named first: {found} of 10; goal: 9");
    found >= 9
}
