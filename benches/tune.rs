//! How well `lbw tune` finds what was planted, and what it costs. Minutes, so it is no test: `cargo bench --bench tune -- FIRST LAST`
//! takes the planted LoRAs of these numbers (0 39); 0 to 23 and 200 to 239 were looked at while the search was made, others not.
//! `cargo bench --bench tune -- parts` shows instead what the judge sees of each part alone, and what is left of the motifs without
//! blocks; `-- regret FIRST LAST` what the suggestions gain of what the best vector of a grid does.
//!
//! What is true is told by the world's judge (`tests/common/world.rs`), from the pictures alone, on prompts and seeds that the search has
//! not seen. `LBW_TUNE_KEEP` names a folder that keeps the pictures, and what each vector of a grid gains.

#[path = "../tests/common/guilt.rs"]
mod guilt;
#[path = "../tests/common/sandbox.rs"]
mod sandbox;
#[path = "../tests/common/world.rs"]
mod world;

use std::path::{Path, PathBuf};
use std::time::Instant;

use guilt::{Planted, f1, write_part};
use sandbox::Sandbox;
use serde_json::Value;
use world::{Damage, Judged, Scene};

const SEARCH: [&str; 3] = [
    "red circle, centered, blue background, flat color",
    "yellow star, centered, gray background, flat color",
    "green heart, centered, pink background, flat color",
];
const VERIFY: [&str; 3] = [
    "blue square, centered, yellow background, flat color",
    "cyan triangle, centered, white background, flat color",
    "orange cross, centered, green background, flat color",
];
const SETTINGS: [&str; 10] =
    ["--width", "128", "--height", "128", "--sampler", "Euler a", "--cfg-scale", "4", "--steps", "20"];

/// What one LoRA has shown.
struct Row {
    f1: f64,
    /// Of the damage; of LoRAs that have some.
    gone: Option<f64>,
    kept: f64,
    /// Both with exactly the guilty blocks off.
    best_gone: Option<f64>,
    best_kept: f64,
    pictures: f64,
    evaluations: f64,
    looked: f64,
}

fn main() {
    // Cargo adds `--bench`.
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let (first, last) = (numbers.first().copied().unwrap_or(0), numbers.get(1).copied().unwrap_or(39));
    let s = Sandbox::new();
    let asked = |what: &str| std::env::args().any(|arg| arg == what);
    if asked("parts") {
        parts(&s);
        return motifs(&s);
    }
    if asked("regret") {
        return (first..=last).for_each(|number| regret(&s, number));
    }
    let (mut rows, begin) = (Vec::new(), Instant::now());
    for number in first..=last {
        rows.push(measure(&s, number));
    }
    let mean = |of: &dyn Fn(&Row) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(of).collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    println!(
        "LoRAs {first} to {last}: F1 {:.2}; damage gone {:.0} % (the guilty blocks off: {:.0} %), motif kept {:.0} % ({:.0} %); each: {:.1} whole \
         pictures (the extension draws 78 for three prompts and two seeds), {:.0} calls of the UNet, {:.0} pictures looked at; {:.0} s",
        mean(&|row| Some(row.f1)),
        100.0 * mean(&|row| row.gone),
        100.0 * mean(&|row| row.best_gone),
        100.0 * mean(&|row| Some(row.kept)),
        100.0 * mean(&|row| Some(row.best_kept)),
        mean(&|row| Some(row.pictures)),
        mean(&|row| Some(row.evaluations)),
        mean(&|row| Some(row.looked)),
        begin.elapsed().as_secs_f64(),
    );
}

/// What each part does alone, prompt by prompt: its own damage, or all of them of a motif.
fn parts(s: &Sandbox) {
    let draw = |prompt: &str, file: &str| {
        s.expect(0, &[&["txt2img", prompt, "--lora-dir", ".", "--seed", "1", "-o", file][..], &SETTINGS].concat());
        Judged::new(s.picture(file))
    };
    let scenes: Vec<(&str, Judged)> =
        SEARCH.iter().enumerate().map(|(at, prompt)| (*prompt, draw(prompt, &format!("{at}.png")))).collect();
    for (name, strength, damage) in guilt::parts() {
        write_part(&name, strength, &s.path(&format!("{name}.safetensors")));
        let seen = scenes.iter().enumerate().map(|(at, (prompt, base))| {
            let judged = draw(&format!("{prompt} <lora:{name}:1>"), &format!("{name}-{at}.png"));
            let scene = Scene::of(prompt).expect("a scene");
            let all = [Damage::Colour, Damage::Lines, Damage::Blur, Damage::Composition];
            let some = all.into_iter().filter(|kind| damage.is_none_or(|damage| damage == *kind));
            some.map(|kind| format!("{kind:?} {:.2}", judged.damage(kind, scene, base))).collect::<Vec<_>>().join(" ")
        });
        println!("{name:<12} at {strength}: {}", seen.collect::<Vec<_>>().join("; "));
    }
}

/// What is left of each motif without sets of one to three blocks.
fn motifs(s: &Sandbox) {
    let draw = |prompt: &str| {
        s.expect(0, &[&["txt2img", prompt, "--lora-dir", ".", "--seed", "1", "-o", "x.png"][..], &SETTINGS].concat());
        Judged::new(s.picture("x.png"))
    };
    let blocks = guilt::guilty_blocks();
    let sets = (0..1usize << blocks.len()).filter(|set| set.count_ones() <= 3);
    let sets: Vec<Vec<&str>> = sets
        .map(|set| blocks.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, block)| *block).collect())
        .collect();
    let base = SEARCH.map(draw);
    for (motif, name) in guilt::motifs() {
        write_part(name, 1.0, &s.path(&format!("{name}.safetensors")));
        let drawn = |set: &[&str]| -> f64 {
            let tag = format!("<lora:{name}:1:1:lbw={}>", without(set));
            let one = |(at, prompt): (usize, &&str)| draw(&format!("{prompt} {tag}")).motif(motif, &base[at]);
            SEARCH.iter().enumerate().map(one).sum()
        };
        let whole = drawn(&[]);
        for set in &sets {
            println!("{name:<7} without {:<20} {:.2}", set.join(", "), drawn(set) / whole);
        }
    }
}

/// How much of what the best vector of a grid gains the suggestion does: five levels of each of the four blocks that alone do most of
/// what should go, judged by the truth on two scenes that the search has not seen.
fn regret(s: &Sandbox, number: u64) {
    const LEVELS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
    let (planted, name, folder, report) = tuned(s, number);
    let Some(suggested) = suggested(&report) else { return println!("{number:3} nothing is suggested") };
    let mut blocks: Vec<(&str, f64)> = report["blocks"]
        .as_array()
        .expect("blocks")
        .iter()
        .map(|block| (block["id"].as_str().expect("a name"), block["guilt"].as_f64().expect("a number")))
        .collect();
    blocks.sort_by(|p, q| q.1.total_cmp(&p.1));
    blocks.truncate(4);
    let shown = &suggested["pictures"].as_array().expect("pictures")[..2];
    let scenes: Vec<Scene> =
        shown.iter().map(|one| Scene::of(one["prompt"].as_str().expect("a prompt")).expect("a scene")).collect();
    let file = |one: &Value, what: &str| folder.join(one[what].as_str().expect("a file"));
    let vectors: Vec<Vec<(&str, f64)>> = (0..LEVELS.len().pow(blocks.len() as u32))
        .map(|cell| {
            let level = |at: usize| LEVELS[cell / LEVELS.len().pow(at as u32) % LEVELS.len()];
            blocks.iter().enumerate().map(|(at, (block, _))| (*block, level(at))).collect()
        })
        .collect();
    let lines = vectors.iter().flat_map(|weights| {
        let tag = format!("<lora:{name}:1:1:lbw={}>", vector(weights));
        shown.iter().map(move |one| {
            format!("--prompt \"{} {tag}\" --seed {}\n", one["prompt"].as_str().expect("a prompt"), one["seed"])
        })
    });
    s.write("grid.txt", lines.collect::<String>());
    let output = format!("grid-{number}");
    let asked = ["batch", "grid.txt", "--lora-dir", ".", "-o", &output, "--name", "{line:05}.png", "-q"];
    s.expect(0, &[&asked[..], &SETTINGS].concat());
    let value = |pictures: &dyn Fn(usize) -> PathBuf| {
        let pictures: Vec<[PathBuf; 3]> =
            shown.iter().enumerate().map(|(at, one)| [file(one, "base"), file(one, "full"), pictures(at)]).collect();
        let (gone, kept) = shares(&planted, &scenes, &pictures);
        gone.unwrap_or(0.0) - 0.5 * (1.0 - kept)
    };
    let own = value(&|at| file(&shown[at], "tuned"));
    let cells: Vec<(usize, f64)> = (0..vectors.len())
        .map(|cell| (cell, value(&|at| s.path(&output).join(format!("{:05}.png", cell * shown.len() + at + 1)))))
        .collect();
    if std::env::var_os("LBW_TUNE_KEEP").is_some() {
        let lines = cells.iter().map(|(cell, value)| format!("{:?} {value:.4}\n", vectors[*cell]));
        std::fs::write(folder.join("grid.txt"), lines.collect::<String>()).expect("a writable folder");
    }
    let (best, most) = cells.into_iter().max_by(|p, q| p.1.total_cmp(&q.1)).expect("a grid");
    println!(
        "{number:3} guilty {:?}: {} gains {own:.3}; of {} vectors the best, {:?}, {most:.3}: {:.0} %",
        planted.blocks(),
        suggested["weights"],
        vectors.len(),
        vectors[best],
        100.0 * own / most
    );
}

/// The vector in which some blocks are off.
fn without(off: &[&str]) -> String {
    vector(&off.iter().map(|block| (*block, 0.0)).collect::<Vec<_>>())
}

/// The vector with these weights.
fn vector(weights: &[(&str, f64)]) -> String {
    const BLOCKS: [&str; 12] =
        ["BASE", "IN04", "IN05", "IN07", "IN08", "M00", "OUT00", "OUT01", "OUT02", "OUT03", "OUT04", "OUT05"];
    let weight = |block: &str| weights.iter().find(|(other, _)| *other == block).map_or(1.0, |(_, weight)| *weight);
    BLOCKS.map(|block| weight(block).to_string()).join(",")
}

/// The variant to take.
fn suggested(report: &Value) -> Option<&Value> {
    report["variants"].as_array().expect("variants").iter().find(|v| v["strength"] == report["suggested"])
}

/// What `lbw tune` says of a planted LoRA: the truth, its name, the folder, and the report.
fn tuned(s: &Sandbox, number: u64) -> (Planted, String, PathBuf, Value) {
    let (planted, name) = (Planted::new(number), format!("planted-{number}"));
    planted.write(&s.path(&format!("{name}.safetensors")));
    let folder = std::env::var("LBW_TUNE_KEEP").map_or(s.path(&name), |keep| Path::new(&keep).join(&name));
    let output = folder.to_str().expect("a name in UTF-8").to_owned();
    let prompts = [format!("{} <lora:{name}:1>", SEARCH[0]), SEARCH[1].to_owned(), SEARCH[2].to_owned()];
    let prompts = prompts.each_ref().map(String::as_str);
    let goals = planted.goals();
    let asked = ["--lora-dir", ".", "--seed", "1", "--seeds", "2", "--toward", &goals, "-o", &output, "--json"];
    let verify: Vec<&str> = VERIFY.iter().flat_map(|prompt| ["--verify-prompt", prompt]).collect();
    let report = s.json(&[&["tune"], &prompts[..], &asked, &verify, &SETTINGS].concat());
    (planted, name, folder, report)
}

fn measure(s: &Sandbox, number: u64) -> Row {
    let (planted, name, folder, report) = tuned(s, number);
    let (goals, guilty, suggested) = (planted.goals(), planted.blocks(), suggested(&report));
    let found: Vec<&str> = match suggested {
        Some(_) => report["guilty"].as_array().expect("blocks").iter().filter_map(Value::as_str).collect(),
        None => Vec::new(),
    };
    let number_of = |value: &Value| value.as_f64().expect("a number");
    let mut row = Row {
        f1: f1(&found, &guilty),
        gone: None,
        kept: 1.0,
        best_gone: None,
        best_kept: 1.0,
        pictures: number_of(&report["pictures"]),
        evaluations: number_of(&report["work"]["evaluations"]),
        looked: number_of(&report["looked"]),
    };
    if let Some(variant) = suggested {
        let shown = variant["pictures"].as_array().expect("pictures");
        let file = |one: &Value, what: &str| folder.join(one[what].as_str().expect("a file"));
        let pictures: Vec<[PathBuf; 3]> =
            shown.iter().map(|one| ["base", "full", "tuned"].map(|what| file(one, what))).collect();
        let scenes: Vec<Scene> =
            shown.iter().map(|one| Scene::of(one["prompt"].as_str().expect("a prompt")).expect("a scene")).collect();
        (row.gone, row.kept) = shares(&planted, &scenes, &pictures);
        let oracle = oracle(s, &name, &guilty, shown);
        let pictures: Vec<[PathBuf; 3]> =
            pictures.into_iter().zip(oracle).map(|([base, full, _], oracle)| [base, full, oracle]).collect();
        (row.best_gone, row.best_kept) = shares(&planted, &scenes, &pictures);
    } else if !guilty.is_empty() {
        row.gone = Some(0.0);
    }
    let weights = suggested.map_or(String::new(), |variant| {
        let thirds = if variant["thirds"].is_null() { String::new() } else { format!(" in {}", variant["thirds"]) };
        format!("{}{thirds}", variant["weights"])
    });
    let (gone, best) = (percent(row.gone), percent(row.best_gone));
    println!(
        "{number:3} {:?} {goals} guilty {guilty:?} found {found:?} {weights}: F1 {:.2} gone {gone} (at best {best}) kept {:.0} % \
         (at best {:.0} %) pictures {:.1}",
        planted.motif,
        row.f1,
        100.0 * row.kept,
        100.0 * row.best_kept,
        row.pictures
    );
    if suggested.is_none() {
        println!("    {}", report["sentence"]);
    }
    row
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.0} %", 100.0 * share))
}

/// Pictures with exactly the guilty blocks off, of the same prompts and seeds.
fn oracle(s: &Sandbox, name: &str, off: &[&str], shown: &[Value]) -> Vec<PathBuf> {
    let vector = without(off);
    let mut files = Vec::new();
    for (at, one) in shown.iter().enumerate() {
        let file = format!("{name}-oracle-{at}.png");
        let prompt = format!("{} <lora:{name}:1:lbw={vector}>", one["prompt"].as_str().expect("a prompt"));
        let seed = one["seed"].to_string();
        s.expect(0, &[&["txt2img", &prompt, "--lora-dir", ".", "--seed", &seed, "-o", &file][..], &SETTINGS].concat());
        files.push(s.path(&file));
    }
    files
}

/// What pictures (base, whole LoRA, another vector) show: how much of the damage is gone, and how much of the motif is kept.
fn shares(planted: &Planted, scenes: &[Scene], pictures: &[[PathBuf; 3]]) -> (Option<f64>, f64) {
    let read = |path: &PathBuf| Judged::new(image::open(path).expect("a picture").to_rgb8());
    let judged: Vec<[Judged; 3]> = pictures.iter().map(|paths| paths.each_ref().map(read)).collect();
    let motif = |at: usize| judged.iter().map(|of| of[at].motif(planted.motif, &of[0])).sum::<f64>();
    let gone: Vec<f64> = planted
        .damages()
        .into_iter()
        .map(|damage| {
            let of = |at: usize| -> f64 {
                scenes.iter().zip(&judged).map(|(scene, of)| of[at].damage(damage, *scene, &of[0]).max(0.0)).sum()
            };
            1.0 - of(2) / of(1).max(1e-9)
        })
        .collect();
    let mean = gone.iter().sum::<f64>() / gone.len().max(1) as f64;
    ((!gone.is_empty()).then_some(mean), (motif(2) / motif(1).max(1e-9)).clamp(0.0, 1.0))
}
