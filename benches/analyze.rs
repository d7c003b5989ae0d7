//! How well `lbw analyze` finds what there is to find. Minutes each, so they are no tests.
//!
//! `cargo bench --bench analyze` prints all measurements, `cargo bench --bench analyze -- quick`, `cost` or `planted` one of them:
//!
//! - `quick`: how `--quick` ranks the blocks by change and by guilt, against the whole analysis, for the embedded LoRAs over three prompts and
//!   three seeds;
//! - `cost`: pictures, calls of the UNet and seconds of `analyze`, `analyze --quick` and `tune` over three prompts and two seeds, beside the
//!   extension's way, 13 whole pictures of each prompt and seed;
//! - `planted`: how often the block group of a LoRA in which damage was planted is named first.
//!
//! `LBW_ANALYZE_STEPS` (20) and `LBW_ANALYZE_SIZE` (128) make them smaller. A measurement below its goal ends the program with an error.

#[path = "../tests/common/planted.rs"]
mod planted;
#[path = "../tests/common/sandbox.rs"]
mod sandbox;

use std::process::ExitCode;
use std::time::Instant;

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
    let measurements: [Measurement; 3] = [("quick", quick), ("cost", cost), ("planted", planted)];
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
    println!(
        "| LoRA | Spearman by change: mean | least | same first block | by guilt: mean | least | same guiltiest block | share of UNet evaluations |\n|---|---|---|---|---|---|---|---|"
    );
    for lora in LORAS {
        let (mut correlations, mut by_guilt, mut share) = (Vec::new(), Vec::new(), 0.0f64);
        let (mut same_first, mut same_guiltiest) = (0, 0);
        for (number, prompt) in PROMPTS.iter().enumerate() {
            for seed in 1..=3 {
                let run = |more: &[&str]| {
                    let output = format!("{lora}-{number}-{seed}{}", more.concat());
                    analyze(&s, &format!("{prompt} <lora:{lora}:1>"), seed, &[&["-o", &output], more].concat())
                };
                let (full, quick) = (run(&[]), run(&["--quick"]));
                correlations.push(spearman(&places(&full), &places(&quick)));
                // Where the whole LoRA leaves colours and lines as they are, nobody is guilty, and there is no order.
                by_guilt.extend(Some(spearman(&guilt(&full), &guilt(&quick))).filter(|rho| rho.is_finite()));
                same_guiltiest += usize::from(guiltiest(&full) == guiltiest(&quick));
                same_first += usize::from(full["ranking"][0] == quick["ranking"][0]);
                let evaluations = |report: &Value| report["work"]["evaluations"].as_f64().expect("a number");
                share = share.max(evaluations(&quick) / evaluations(&full));
            }
        }
        let of = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (mean, values.iter().copied().fold(1.0, f64::min))
        };
        let ((mean, least), (guilt, least_guilt), count) = (of(&correlations), of(&by_guilt), correlations.len());
        println!(
            "| {lora} | {mean:.2} | {least:.2} | {same_first} of {count} | {guilt:.2} | {least_guilt:.2} | \
             {same_guiltiest} of {count} | {share:.2} |"
        );
        is_reached &= mean >= 0.85 && guilt >= 0.85 && share <= 0.25;
    }
    println!("goal: 0.85 in the mean, by both, at a quarter; reached: {is_reached}");
    is_reached
}

/// The guilt of the blocks, in the order of their names.
fn guilt(report: &Value) -> Vec<f64> {
    let blocks = report["blocks"].as_array().expect("blocks").iter();
    let mut guilt: Vec<(&str, f64)> = blocks
        .map(|block| (block["id"].as_str().expect("a name"), block["guilt"].as_f64().expect("a number")))
        .collect();
    guilt.sort_by_key(|(id, _)| *id);
    guilt.into_iter().map(|(_, guilt)| guilt).collect()
}

/// The place of the guiltiest block among their names.
fn guiltiest(report: &Value) -> Option<usize> {
    let guilt = guilt(report);
    (0..guilt.len()).max_by(|p, q| guilt[*p].total_cmp(&guilt[*q]))
}

/// Says only what it costs: it has no goal but that `tune` stays within its 40 pictures.
fn cost() -> bool {
    const SEEDS: u64 = 2;
    let (s, lora) = (Sandbox::new(), "overcooked");
    let timed = |draw: &dyn Fn() -> (f64, f64)| {
        let begin = Instant::now();
        let (pictures, evaluations) = draw();
        (pictures, evaluations, begin.elapsed().as_secs_f64())
    };
    let number = |value: &Value| value.as_f64().expect("a number");
    let prompts = PROMPTS.map(|prompt| format!("{prompt} <lora:{lora}:1>"));
    let analyzed = |more: &[&str]| {
        let of = |(at, prompt): (usize, &String)| {
            let output = format!("{at}{}", more.concat());
            let report = analyze(&s, prompt, 1, &[&["-o", &output, "--seeds", &SEEDS.to_string()], more].concat());
            let steps = number(&report["steps"]) / 20.0;
            (number(&report["work"]["drawn"]) * steps, number(&report["work"]["evaluations"]))
        };
        prompts.iter().enumerate().map(of).fold((0.0, 0.0), |p, q| (p.0 + q.0, p.1 + q.1))
    };
    let settings = ["--steps", "20", "--width", "128", "--height", "128", "--sampler", "Euler", "--cfg-scale", "4"];
    let tune = || {
        let prompts = prompts.each_ref().map(String::as_str);
        let asked = ["--toward", "base-colors,base-lines", "--seed", "1", "--seeds", "2", "-o", "tune", "--json"];
        let report = s.json(&[&["tune"], &prompts[..], &asked, &settings].concat());
        (number(&report["pictures"]), number(&report["work"]["evaluations"]))
    };
    let extension = || {
        let off = |block: usize| (0..12).map(|at| if at == block { "0" } else { "1" }).collect::<Vec<_>>().join(",");
        let lines = PROMPTS
            .iter()
            .flat_map(|prompt| (1..=SEEDS).flat_map(move |seed| (0..13).map(move |block| (prompt, seed, block))));
        let lines = lines.map(|(prompt, seed, block)| {
            format!("--prompt \"{prompt} <lora:{lora}:1:lbw={}>\" --seed {seed}\n", off(block))
        });
        let lines: Vec<String> = lines.collect();
        s.write("all.txt", lines.concat());
        s.expect(0, &[&["batch", "all.txt", "-o", "all", "-q"][..], &settings].concat());
        (lines.len() as f64, lines.len() as f64 * 20.0)
    };
    println!("| | whole pictures' worth | calls of the UNet | seconds |\n|---|---|---|---|");
    let row = |name: &str, (pictures, evaluations, seconds): (f64, f64, f64)| {
        println!("| {name} | {pictures:.1} | {evaluations:.0} | {seconds:.1} |");
        pictures
    };
    row("the extension's way (`lbw batch`)", timed(&extension));
    row("`analyze`", timed(&|| analyzed(&[])));
    row("`analyze --quick`", timed(&|| analyzed(&["--quick"])));
    row("`tune`", timed(&tune)) <= 40.0
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
