//! How well `lbw analyze --quick` ranks the blocks, against the whole analysis.
//!
//! `cargo test --release --test analyze_quick -- --ignored --nocapture` prints the table for the embedded LoRAs over three prompts
//! and three seeds. `LBW_QUICK_STEPS` (20) and `LBW_QUICK_SIZE` (128) make it smaller.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const LORAS: [&str; 3] = ["overcooked", "house", "night"];
const PROMPTS: [&str; 3] = [
    "red circle, blue background",
    "yellow star, white background, gradient",
    "house, green, pink background, thick outline",
];

#[test]
#[ignore = "a measurement: it takes many minutes"]
fn quick_ranks_like_the_whole_analysis() {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or(default.to_owned());
    let (steps, size) = (setting("LBW_QUICK_STEPS", "20"), setting("LBW_QUICK_SIZE", "128"));
    let folder = tempfile::tempdir().unwrap();
    let mut worst: Vec<String> = Vec::new();
    println!(
        "{steps} steps, {size}×{size} pixels, Euler, CFG 4\n| LoRA | Spearman: mean | least | same first block | share of UNet evaluations |"
    );
    println!("|---|---|---|---|---|");
    for lora in LORAS {
        let (mut correlations, mut same_first, mut share) = (Vec::new(), 0, 0.0f64);
        for (number, prompt) in PROMPTS.iter().enumerate() {
            for seed in 1..=3 {
                let run = |quick: bool| {
                    let output = folder.path().join(format!("{lora}-{number}-{seed}-{quick}"));
                    let prompt = format!("{prompt} <lora:{lora}:1>");
                    let mut command = Command::new(env!("CARGO_BIN_EXE_lbw"));
                    command.args([
                        "analyze",
                        &prompt,
                        "--steps",
                        &steps,
                        "--width",
                        &size,
                        "--height",
                        &size,
                        "--sampler",
                        "Euler",
                    ]);
                    command.args(["--cfg-scale", "4", "--seed", &seed.to_string(), "--json", "-o"]).arg(output);
                    command.args(quick.then_some("--quick"));
                    command
                        .env("LBW_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
                        .env_remove("LBW_WEBUI_DIR");
                    let output = command.output().unwrap();
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                    serde_json::from_slice::<Value>(&output.stdout).unwrap()
                };
                let (full, quick) = (run(false), run(true));
                // The places of the blocks in the ranking.
                let places = |report: &Value| -> Vec<f64> {
                    let ranking = report["ranking"].as_array().unwrap();
                    let mut places: Vec<_> = (0..).zip(ranking).map(|(at, id)| (id.as_str().unwrap(), at)).collect();
                    places.sort();
                    places.into_iter().map(|(_, at)| f64::from(at)).collect()
                };
                correlations.push(spearman(&places(&full), &places(&quick)));
                same_first += usize::from(full["ranking"][0] == quick["ranking"][0]);
                let evaluations = |report: &Value| report["work"]["evaluations"].as_f64().unwrap();
                share = share.max(evaluations(&quick) / evaluations(&full));
            }
        }
        let mean = correlations.iter().sum::<f64>() / correlations.len() as f64;
        let least = correlations.iter().copied().fold(1.0, f64::min);
        println!("| {lora} | {mean:.2} | {least:.2} | {same_first} of {} | {share:.2} |", correlations.len());
        if mean < 0.8 || same_first < 8 || share > 0.25 {
            worst.push(lora.to_owned());
        }
    }
    assert!(worst.is_empty(), "below the goal (0.8, 8 of 9, a quarter): {worst:?}");
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

#[test]
fn spearman_of_known_rankings() {
    assert_eq!(spearman(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), 1.0);
    assert_eq!(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
    assert!((spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 4.0, 3.0, 5.0]) - 0.8).abs() < 1e-9);
}
