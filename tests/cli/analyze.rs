//! `lbw analyze` as a user runs it.

use serde_json::Value;

use crate::planted;
use crate::sandbox::{Sandbox, json};

const SMALL: [&str; 10] = ["--width", "64", "--height", "64", "--sampler", "Euler", "--steps", "2", "--cfg-scale", "4"];

/// Runs `lbw analyze` and expects this exit code; gives standard output and standard error.
#[track_caller]
fn analyze(s: &Sandbox, code: i32, args: &[&str]) -> (String, String) {
    s.expect(code, &[&["analyze"], args].concat())
}

/// The report of a small analysis.
#[track_caller]
fn report(s: &Sandbox, args: &[&str]) -> Value {
    json(&analyze(s, 0, &[args, &SMALL, &["--json"]].concat()).0)
}

#[test]
fn each_distinct_picture_is_drawn_once_and_text_is_encoded_once() {
    let s = Sandbox::new();
    let prompt = "red circle, blue background <lora:night:1:lbw=XYZ>";
    let report = report(&s, &[prompt, "--seed", "1"]);
    // The LoRA has no weights for the text encoders: eleven blocks with attention, OUT08 with convolutions, the whole LoRA and the plain base.
    let work = &report["work"];
    assert_eq!((&work["pictures"], &work["drawn"], &work["text_encodings"]), (&14.into(), &14.into(), &1.into()));
    assert_eq!(work["evaluations"], 14 * 2);
    let base = &report["blocks"][0];
    assert_eq!((&base["id"], &base["modules"], &base["percent"]), (&"BASE".into(), &0.into(), &0.0.into()));
    assert_eq!(base["sentence"], "BASE: the LoRA has no weights here.");
    assert!(!report["ranking"].as_array().unwrap().contains(&"BASE".into()));

    // Every picture tells how it was made, and makes itself again.
    let block = &report["blocks"][11];
    let file = format!("lbw-analysis/{}", block["pictures"][0]["changed"].as_str().unwrap());
    s.expect(0, &["run", &file, "-o", "again.png"]);
    s.assert_same_picture("again.png", &file);

    // The difference is the extension's.
    let full = s.picture(&format!("lbw-analysis/{}", report["references"][0]["full"].as_str().unwrap()));
    let difference = s.picture(&format!("lbw-analysis/{}", block["pictures"][0]["difference"].as_str().unwrap()));
    let changed = s.picture(&file);
    let above = full.iter().zip(changed.iter()).filter(|(p, q)| p.abs_diff(**q) > 20).count();
    assert!(full.iter().zip(changed.iter()).zip(difference.iter()).all(|((p, q), d)| p.abs_diff(*q) == *d));
    let percent = block["percent"].as_f64().unwrap();
    assert!((percent - 100.0 * above as f64 / full.len() as f64).abs() < 1e-3, "{percent}");

    for name in ["analysis.html", "analysis.json", "analysis.csv", "grid-1.png"] {
        assert!(s.path("lbw-analysis").join(name).is_file(), "{name}");
    }
    let html = s.text("lbw-analysis/analysis.html");
    assert!(html.contains("data:image/png;base64,") && html.contains("&lt;lora:night:1:lbw=XYZ&gt;"));
    assert!(!html.contains("src=\"cells"), "the page needs no other file");
    // Where it lies in its folder, pictures grow to the files there.
    let grown: Vec<&str> = html.split("data-file=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(grown.len(), 2 + 2 * 12);
    assert!(grown.iter().all(|file| s.path("lbw-analysis").join(file).is_file()), "{grown:?}");
    assert!(html.contains("<html lang=en>"));
    let csv = s.text("lbw-analysis/analysis.csv");
    assert_eq!(csv.lines().count(), 14);
}

#[test]
fn a_stopped_analysis_goes_on() {
    let s = Sandbox::new();
    let prompt = "red circle <lora:night:1>";
    let args = [prompt, "--blocks", "IN04,OUT03-OUT05"];
    let first = report(&s, &args);
    assert_eq!(first["work"]["drawn"], 4);
    // One picture is gone, another cut short, as by a full disk.
    let file = |at: usize| format!("lbw-analysis/{}", first["blocks"][at]["pictures"][0]["changed"].as_str().unwrap());
    let (gone, cut) = (s.bytes(&file(0)), s.bytes(&file(1)));
    s.remove(&file(0));
    s.write(&file(1), &cut[..cut.len() / 2]);
    // Without --seed the drawn one is taken again.
    let second = report(&s, &args);
    assert_eq!((&second["work"]["drawn"], &second["seed"]), (&2.into(), &first["seed"]));
    assert_eq!((s.bytes(&file(0)), s.bytes(&file(1))), (gone, cut));
    assert_eq!(second["blocks"], first["blocks"]);
    let names = s.names("lbw-analysis/cells");
    assert!(!names.is_empty() && names.iter().all(|name| name.ends_with(".png")), "{names:?}");
    let (_, err) = analyze(&s, 2, &["a cat <lora:night:1>", "--steps", "1"]);
    assert!(err.contains("another prompt"), "{err}");
}

#[test]
fn seeds_have_a_mean_and_a_spread_and_axes_swap() {
    let s = Sandbox::new();
    let args = ["red circle <lora:night:1>", "--blocks", "OUT04,OUT05", "--seeds", "2", "--seed", "5"];
    let report = report(&s, &[&args[..], &["--swap-axes", "--diff-color", "white"]].concat());
    assert_eq!(report["seeds"], serde_json::json!([5, 6]));
    assert_eq!(report["work"]["pictures"], 8);
    for block in report["blocks"].as_array().unwrap() {
        let percents: Vec<f64> =
            block["pictures"].as_array().unwrap().iter().map(|p| p["percent"].as_f64().unwrap()).collect();
        let mean = (percents[0] + percents[1]) / 2.0;
        assert!((block["percent"].as_f64().unwrap() - mean).abs() < 1e-9);
        assert!((block["spread"].as_f64().unwrap() - (percents[0] - mean).abs()).abs() < 1e-9);
    }
    let grid = s.picture("lbw-analysis/grid-5-white.png");
    assert!(grid.height() > grid.width(), "three rows, two columns: {:?}", grid.dimensions());
    // A quarter of the steps, elsewhere.
    let quick = [&args[..], &["-o", "quick", "--quick", "--steps", "4"]].concat();
    let (out, _) = analyze(&s, 0, &[&quick[..], &SMALL[..6], &["--json"]].concat());
    let quick = json(&out);
    assert_eq!((&quick["steps"], &quick["work"]["evaluations"]), (&1.into(), &8.into()));
}

/// `benches/analyze.rs` is the full measurement.
#[test]
fn planted_damage_is_found() {
    let s = Sandbox::new();
    let blocks = planted::GROUPS.join(",");
    for (number, damaged) in [(0, "IN04-IN05"), (3, "OUT00-OUT02")] {
        let name = format!("planted-{number}");
        let group = planted::plant(number, &s.path(&format!("{name}.safetensors")));
        assert_eq!(planted::GROUPS[group], damaged);
        let prompt = format!("red circle, blue background <lora:{name}:1>");
        let report = report(&s, &[&prompt, "--lora-dir", ".", "--seed", "1", "--blocks", &blocks, "-o", &name]);
        assert_eq!(report["guilty"][0], damaged, "{}", report["blocks"]);
    }
}

#[test]
fn a_suggestion_is_verified_on_other_prompts() {
    let s = Sandbox::new();
    let prompt = "yellow star, blue background <lora:house:1>";
    let blocks = planted::GROUPS.join(",");
    // The LoRA's own tag there is the place of the vectors; it is not added once more.
    let goal = ["--toward", "base-colors,base-lines", "--verify-prompt", "red circle <lora:house:0.5>", "--steps", "4"];
    let args = [&["--seed", "1", "--blocks", &blocks, "--json"], &goal[..], &SMALL[..6], &SMALL[8..]].concat();
    let report = json(&analyze(&s, 0, &[&[prompt], &args[..]].concat()).0);
    let suggestion = &report["suggestion"];
    assert!(suggestion["sentence"].as_str().unwrap().len() > 20, "{suggestion}");
    assert!(suggestion["found"].is_object(), "{suggestion}");
    let found = &suggestion["found"];
    assert_eq!(found["vector"].as_str().unwrap().split(',').count(), 12, "{found}");
    let pictures = found["pictures"].as_array().unwrap();
    assert_eq!(pictures.len(), 2);
    let (info, _) = s.expect(0, &["info", &format!("lbw-analysis/{}", pictures[0]["full"].as_str().unwrap())]);
    assert!(info.contains("red circle <lora:house:0.5:lbw=1,") && info.matches("<lora:").count() == 1, "{info}");
    let kept = |errors: &Value| errors["kept"].as_f64().unwrap();
    assert!(kept(&found["errors"]) >= 0.9);
    let tags = format!("<lora:house:1:lbw={}>", found["vector"].as_str().unwrap());
    assert_eq!(found["tags"], tags.as_str());
    assert_eq!(found["prompt"], format!("yellow star, blue background {tags}"));
    assert_eq!(found["holds"].as_bool().unwrap(), {
        let gain = |what: &str| {
            1.0 - found["verified"][what].as_f64().unwrap() / found["verified_full"][what].as_f64().unwrap()
        };
        let here =
            |what: &str| 1.0 - found["errors"][what].as_f64().unwrap() / report["errors"][what].as_f64().unwrap();
        kept(&found["verified"]) >= 0.9 && ["colors", "lines"].iter().all(|what| gain(what) >= 0.3 && here(what) >= 0.3)
    });
}

/// Two of the night LoRA's blocks do next to nothing, whatever a few steps make of them.
#[test]
fn a_block_that_hardly_does_anything_is_no_suggestion() {
    let s = Sandbox::new();
    let args = ["red circle <lora:night:1>", "--blocks", "IN07,M00", "--quick", "--steps", "8", "--seed", "1"];
    let goal = ["--toward", "base-colors,base-lines", "--verify-prompt", "blue star", "--save-preset", "MINE"];
    let (out, err) = analyze(&s, 0, &[&args[..], &goal, &SMALL[..6], &["--json"]].concat());
    let report = json(&out);
    for block in report["blocks"].as_array().unwrap() {
        assert!(block["sentence"].as_str().unwrap().ends_with("hardly does anything."), "{block}");
    }
    assert_eq!(report["suggestion"]["found"], Value::Null);
    assert!(err.contains("W1402") && !s.path("lbw-analysis/presets.yaml").exists(), "{err}");
}

#[test]
fn a_suggestion_becomes_a_preset() {
    let s = Sandbox::new();
    let run = |output: &str, name: &str, presets: &[&str]| {
        let prompt = "yellow star, blue background <lora:overcooked:1>";
        let args = [prompt, "--blocks", "OUT03,OUT04", "--seed", "1", "--steps", "4", "-o", output];
        let goal = ["--toward", "base-colors", "--verify-prompt", "red circle", "--save-preset", name];
        let settings = [&["--size", "128x128"], &SMALL[4..6], &SMALL[8..], &["--json"]].concat();
        s.lbw(&[&["analyze"], &args[..], &goal, presets, &settings].concat()).output().unwrap()
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let first = run("one", "MINE", &[]);
    let vector = json(&text(&first.stdout))["suggestion"]["found"]["vector"].as_str().unwrap().to_owned();
    assert!(text(&first.stderr).contains("--presets one/presets.yaml"), "{}", text(&first.stderr));
    let (shown, _) = s.expect(0, &["preset", "show", "MINE", "--presets", "one/presets.yaml"]);
    assert!(shown.contains(&vector), "{shown}");
    // What does not hold on other prompts and seeds is none.
    let house = ["analyze", "yellow star, blue background <lora:house:1>", "--blocks", "OUT03-OUT05", "--seed", "1"];
    let goal =
        ["--toward", "base-colors,base-lines", "--verify-prompt", "red circle", "--save-preset", "BAD", "-o", "bad"];
    let (out, err) = s.expect(0, &[&house[..], &goal, &SMALL[..6], &SMALL[8..], &["--steps", "4", "--json"]].concat());
    assert_eq!(json(&out)["suggestion"]["found"]["holds"], false);
    assert!(err.contains("W1402") && !s.path("bad/presets.yaml").exists(), "{err}");
    // Into the file that is named, and never over a preset that is there.
    s.write("mine.yaml", "layout: sdxl-12\npresets:\n  OLD: 1,1,1,1,1,1,1,1,1,1,1,1\n");
    assert!(run("two", "MINE", &["--presets", "mine.yaml"]).status.success());
    assert!(s.text("mine.yaml").contains(&format!("MINE: {vector}")), "{}", s.text("mine.yaml"));
    for name in ["OLD", "MINE", "XLOUT"] {
        let refused = run("three", name, &["--presets", "mine.yaml"]);
        assert_eq!(refused.status.code(), Some(2), "{name}");
        assert!(text(&refused.stderr).contains("E1401") && !s.path("three").exists(), "{}", text(&refused.stderr));
    }
}

#[test]
fn mistakes_are_explained() {
    let s = Sandbox::new();
    let says = |args: &[&str], part: &str| {
        let (_, err) = analyze(&s, 2, args);
        assert!(err.contains(part), "{args:?}: {err}");
    };
    says(&["a cat"], "no LoRA");
    says(&["<lora:house:1> <lora:night:1>"], "--lora");
    says(&["<lora:house:1>", "--lora", "night"], "it loads house");
    says(&["<lora:huose:1>"], "did you mean `house`");
    says(&["<lora:house:1>", "--range", "1"], "two weights");
    says(&["<lora:house:1>", "--range", "0,0.5,1"], "two weights");
    says(&["<lora:house:1>", "--range", "a,1"], "--range a,1: `a` is no weight");
    says(&["<lora:house:1>", "--range", "0.5,nan"], "`nan` is no weight");
    says(&["<lora:house:1>", "--range", "1,1.0"], "as all others are");
    says(&["<lora:house:1>", "--threshold", "256"], "from 0 to 255");
    says(&["<lora:house:1:1:start=3>", "--quick"], "--quick draws with fewer steps");
    says(&["<lora:house:1:lbw=XYZ> <lora:night:1>", "--lora", "night"], "marks house with lbw=XYZ");
    says(&["x <lora:house:1:lbw=XYZ"], "not closed");
    says(&["<lora:house:1>", "--blocks", "IN99"], "IN99");
    says(&["<lora:house:1>", "--threshold", "19.5"], "whole number");
    says(&["<lora:house:1>", "--toward", "base-colours"], "base-colors");
    says(&["<lora:house:1>", "--seeds", "0"], "at least one");
    says(&["<lora:house:1>", "--quick", "--steps", "3"], "quarter");
    says(&["--prompt", "<lora:house:1>", "--prompt", "<lora:house:1>"], "one prompt");
}
