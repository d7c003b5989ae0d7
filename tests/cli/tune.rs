//! `lbw tune` as a user runs it.

use serde_json::Value;

use crate::sandbox::{Sandbox, json};

const SMALL: [&str; 10] = ["--width", "64", "--height", "64", "--sampler", "Euler", "--steps", "4", "--cfg-scale", "4"];
/// What stands in the tag is replaced, and what is bound beside the LoRA has no effect; both are told.
#[test]
fn what_has_no_effect_is_told() {
    let s = Sandbox::new();
    let tag = "red circle <lora:overcooked:1:1:lbw=XLNONE>";
    let args = [tag, "--toward", "base-colors", "--fix", "IN00=1", "--fix", "OUT05=1", "--seeds", "1", "-o", "out"];
    let (_, err) = tune(&s, 0, &args);
    assert!(err.contains("lbw=XLNONE: the weights that are tried take the place of these"), "{err}");
    assert!(
        err.contains("--fix IN00 has no effect: the LoRA has no weights here") && !err.contains("--fix OUT05"),
        "{err}"
    );
}

/// All prompts, those of the search and of the verification, before anything is drawn.
#[test]
fn every_prompt_is_checked_at_once() {
    let s = Sandbox::new();
    let marked = "red circle <lora:overcooked:1:1:lbw=XYZ> <lora:house:1:1:lbw=XLUOT>";
    let other = "heart <lora:nopee:1>";
    let args = [marked, "((moon <lora:nope:1>", "--toward", "base-colors", "--verify-prompt", other];
    let (_, err) = tune(&s, 2, &args);
    for said in ["`XLUOT`", "lbw=XYZ> <lora:house", "LoRA `nope`", "LoRA `nopee`", "1 more brackets are not closed"] {
        assert!(err.contains(said), "{said}: {err}");
    }
    assert!(!s.path("lbw-tune").exists() && err.matches("W0124").count() == 1, "{err}");
    let args = ["red circle <lora:overcooked:1>", "--toward", "base-colors", "--budget", "1"];
    let more = ["--verify-prompt", "blue star <lora:house:0.5>", "--verify-prompt", "(moon <lora:overcooked:1>"];
    let more = [&more[..], &more[..2], &["--seeds", "6"]].concat();
    let (_, err) = tune(&s, 2, &[&args[..], &more].concat());
    assert!(err.contains("`blue star <lora:house:0.5>` is given twice") && err.contains("takes 3 at most"), "{err}");
    assert!(err.contains("<lora:house:0.5>`: its LoRAs stay as they are, and overcooked is added"), "{err}");
    assert!(err.contains("W0124") && !err.contains("1,1,1") && err.matches("is added").count() == 1, "{err}");
    assert!(err.contains("at least 60 whole pictures") && err.contains("write `--budget 60` or more"), "{err}");
}

/// All blocks but OUT04 and OUT05 stay as they are.
const FIXED: [&str; 2] = ["--fix", "BASE=1,IN04=1,IN05=1,IN07=1,IN08=1,M00=1,OUT00=1,OUT01=1,OUT02=1,OUT03=1"];
const ONE: [&str; 6] = ["--seeds", "1", "--seed", "1", "--verify-prompt", "blue star"];

/// Runs a small search and expects this exit code; gives standard output and standard error.
#[track_caller]
fn tune(s: &Sandbox, code: i32, args: &[&str]) -> (String, String) {
    s.expect(code, &[&["tune"], args, &SMALL].concat())
}

fn strings(values: &Value) -> Vec<String> {
    values.as_array().unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn weights_are_searched_for_and_verified_elsewhere() {
    let s = Sandbox::new();
    let args = ["green heart, yellow background <lora:overcooked:1>", "--toward", "base-colors", "--keep", "lines"];
    let other = "green heart, pink background";
    let args = [&args[..], &FIXED, &ONE[..4], &["--verify-prompt", other]].concat();
    let (out, err) = tune(&s, 0, &[&args[..], &["--json", "--save-preset", "MILD"]].concat());
    let report = json(&out);
    let (search, verification) = (strings(&report["search"]), strings(&report["verification"]));
    assert_eq!(search, ["[\"green heart, yellow background <lora:overcooked:1>\",1]"]);
    assert_eq!(verification, [1002, 1003].map(|seed| format!("[\"{other}\",{seed}]")));
    // Of the two blocks that may change, each was drawn alone; the others were not.
    let alone: Vec<&str> = report["blocks"].as_array().unwrap().iter().map(|b| b["id"].as_str().unwrap()).collect();
    assert_eq!(alone, ["OUT04", "OUT05"]);
    assert!(report["pictures"].as_f64().unwrap() <= 40.0, "{report}");

    let variants = report["variants"].as_array().unwrap();
    let strengths: Vec<&str> = variants.iter().map(|v| v["strength"].as_str().unwrap()).collect();
    assert_eq!(strengths, ["gentle", "middle", "strong"]);
    for variant in variants {
        let entries: Vec<f64> = variant["vector"].as_str().unwrap().split(',').map(|w| w.parse().unwrap()).collect();
        assert!(entries.len() == 12 && entries[..10].iter().all(|w| *w == 1.0), "{entries:?}");
        assert!(entries[10..].iter().any(|w| *w < 1.0) && entries[10..].iter().all(|w| (0.0..=1.0).contains(w)));
        for share in ["gone", "kept"] {
            let of = |what: &str| variant["verified"][share][what].as_f64().unwrap();
            assert!(of("low") <= of("mean") && of("mean") <= of("high"), "{variant}");
        }
        let low = |what: &str| variant["verified"][what]["low"].as_f64().unwrap();
        let kept = variant["verified"]["kept"]["mean"].as_f64().unwrap();
        assert_eq!(variant["holds"], low("gone") > 0.0 && low("gain") > 0.0 && kept >= 0.5, "{variant}");
        for shown in variant["pictures"].as_array().unwrap() {
            let is_there = |what: &str| s.path("lbw-tune").join(shown[what].as_str().unwrap()).is_file();
            assert!(["base", "full", "tuned"].iter().all(|what| is_there(what)));
        }
    }
    // What holds on other pictures is a suggestion, and becomes a preset.
    assert_eq!((&variants[1]["holds"], &report["suggested"]), (&true.into(), &"middle".into()), "{variants:?}");
    let suggested = variants[1]["vector"].as_str().unwrap();
    assert!(err.contains("N1403") && s.text("lbw-tune/presets.yaml").contains(suggested), "{err}");
    // Some thirds of the steps were tried, too, which is in the tag and not only in the name.
    let tried = report["trials"].as_array().unwrap();
    let thirds: Vec<String> =
        tried.iter().filter(|t| !t["thirds"].is_null()).map(|t| t["thirds"].to_string()).collect();
    assert_eq!((thirds.len(), thirds[1].as_str()), (6, "[false,true,false]"), "{tried:?}");
    let cells = s.names("lbw-tune/cells");
    let middle = cells.iter().find(|name| name.starts_with("1-OUT04=0.0-2-")).unwrap();
    let (info, _) = s.expect(0, &["info", &format!("lbw-tune/cells/{middle}")]);
    assert!(info.contains("@0.333,") && info.contains("@0.667"), "{info}");
    let html = s.text("lbw-tune/tune.html");
    assert!(html.contains("data:image/png;base64,") && html.contains(variants[2]["vector"].as_str().unwrap()));
    assert!(html.contains(other) && html.contains("not searched with"));

    // What is there is not drawn again, and the same comes of it.
    let again = json(&tune(&s, 0, &[&args[..], &["--json"]].concat()).0);
    assert_eq!(again["work"]["drawn"], 0);
    assert_eq!((&again["variants"], &again["pictures"]), (&report["variants"], &report["pictures"]));
    // The words of it, in both languages.
    let (english, _) = tune(&s, 0, &args);
    let (japanese, _) = tune(&s, 0, &[&args[..], &["--lang", "ja"]].concat());
    assert!(english.contains("strong: lbw=1,1,1,1,1,1,1,1,1,1,") && english.contains("it is not better"), "{english}");
    assert!(english.ends_with("lbw-tune/tune.html\n"), "{english}");
    assert!(
        japanese.contains("強め: lbw=1,1,1,1,1,1,1,1,1,1,") && japanese.contains("良くなりませんでした"),
        "{japanese}"
    );
    assert!(s.text("lbw-tune/tune.html").contains("<html lang=ja>"));

    // What does not hold on other pictures is none, and where nothing helps there is none: nothing is saved.
    for (prompt, words, folder) in
        [("green heart, yellow background", "does not hold", "fails"), ("red circle", "Nothing was found", "nothing")]
    {
        let tags = format!("{prompt} <lora:overcooked:1>");
        let args = [&tags, "--toward", "base-colors", "--keep", "lines", "--save-preset", "MINE", "-o", folder];
        let (out, err) = tune(&s, 0, &[&args[..], &FIXED, &ONE].concat());
        assert!(out.contains(words) && err.contains("W1402"), "{out}{err}");
        assert!(!s.path(folder).join("presets.yaml").exists());
    }
}

#[test]
fn bounds_let_a_block_rise_or_go_below_nothing() {
    let s = Sandbox::new();
    let bounds = ["--fix", "OUT04=-0.5..1", "--fix", "OUT05=1..1.5"];
    let args =
        [&["red circle <lora:overcooked:1>", "--toward", "base-colors", "--json"], &FIXED[..], &bounds, &ONE].concat();
    let report = json(&tune(&s, 0, &args).0);
    // Alone a block is drawn as the whole LoRA has it, and only one that may be less.
    assert_eq!((&report["blocks"][0]["id"], &report["blocks"][0]["weight"]), (&"OUT04".into(), &Value::from(1.0)));
    assert_eq!(report["blocks"][1], Value::Null);
    let tried: Vec<&Value> =
        report["trials"].as_array().unwrap().iter().flat_map(|t| t["weights"].as_array().unwrap()).collect();
    let of = |block: &str| tried.iter().filter(|w| w[0] == block).map(|w| w[1].as_f64().unwrap()).collect::<Vec<_>>();
    assert!(of("OUT04").contains(&-0.5) && of("OUT05").contains(&1.5), "{tried:?}");
    let strong = &report["variants"][2]["weights"];
    assert_eq!(strong[0][1], -0.5, "{strong}");
}

/// The checkpoint's own eyes tell what is where.
#[test]
fn compositions_and_pictures_are_goals() {
    let s = Sandbox::new();
    s.expect(0, &[&["txt2img", "green heart", "--seed", "9", "-o", "wanted.png"], &SMALL[..]].concat());
    let wish = ["--toward", "base-composition,wanted.png=0.5", "--keep", "style,motif", "--json"];
    let args = [&["red circle <lora:overcooked:1>"], &wish[..], &FIXED, &ONE].concat();
    let report = json(&tune(&s, 0, &args).0);
    assert_eq!(report["goals"]["toward"][1]["weight"], 0.5);
    assert!(report["looked"].as_u64().unwrap() > 4, "{report}");
    for block in report["blocks"].as_array().unwrap() {
        assert!(block["does"] != 0.0 && block["keeps"] != 1.0, "{block}");
    }
}

#[test]
fn mistakes_are_explained() {
    let s = Sandbox::new();
    let lora = "red circle <lora:overcooked:1>";
    for (args, code, said) in [
        (&[lora][..], 2, "E1404"),
        (&[lora, "--toward", "base-colours"], 2, "`base-colours` is no goal"),
        (&[lora, "--toward", "wanted"], 2, "or a picture"),
        (&["red circle <lora:overcooked:0>", "--toward", "base-colors"], 2, "overcooked changes nothing here"),
        (
            &[
                lora,
                "--toward",
                "base-colors",
                "--verify-prompt",
                "a cat\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 1",
            ],
            2,
            "its prompt alone",
        ),
        (&[lora, "--toward", "base-colors", "--save-preset", ""], 2, "cannot name such a preset"),
        (&[lora, "--toward", "base-colors", "--save-preset", "a:b>"], 2, "cannot name such a preset"),
        (&[lora, "--toward", "base-colors", "--save-preset", "XYZ"], 2, "cannot name such a preset"),
        (&[lora, "--toward", "base-colors=-1"], 2, "above 0"),
        (&[lora, "--toward", "base-colors", "--keep", "face"], 2, "`face` is no goal"),
        (&[lora, "--toward", "base-colors", "--away", "ugly"], 2, "no picture"),
        (&[lora, "--toward", "wanted.png"], 3, "wanted.png"),
        (&[lora, "--toward", "base-colors", "--fix", "OUT09=1"], 2, "there is no such block"),
        (&[lora, "--toward", "base-colors", "--fix", "OUT04"], 2, "E1405"),
        (&[lora, "--toward", "base-colors", "--fix", "OUT04=1..0"], 2, "E1405"),
        (&[lora, "--toward", "base-colors", "--fix", "M00=1", "--fix", "m00=0"], 2, "given twice"),
        (&[lora, "--toward", "base-colors", "--keep", "motif,colors"], 2, "opposite things"),
        (&["red circle <lora:overcooked:1:1:lbw=XLUOT>", "--toward", "base-colors"], 2, "E0201"),
        (&[lora, "--toward", "base-colors", "--budget", "3"], 2, "at least"),
        (&[lora, "--toward", "base-colors", "--seeds", "0"], 2, "at least one seed"),
        (&[lora, "--toward", "base-colors", "--lbw-dialect", "kohya"], 2, "writes its own vectors"),
        (&["red circle <lora:overcooked:1:1:start=2>", "--toward", "base-colors"], 2, "has start=, stop= or step="),
        (&[lora, "x <lora:overcooked:1:1:start=2>", "--toward", "base-colors"], 2, "has start=, stop= or step="),
        (&[lora, "--toward", "base-colors", "--verify-prompt", "x <lora:night:1:lbw=XYZ>"], 2, "night is marked here"),
        (&["red circle", "x <lora:house:1> <lora:night:1>", "--toward", "base-colors"], 2, "several LoRAs"),
        (&["red circle <lora:overcooked:1:lbwe=XYZ>", "--toward", "base-colors"], 2, "take lbwe= out"),
        (
            &[lora, "blue star\nSteps: 4, Sampler: Euler, CFG scale: 9, Size: 64x64", "--toward", "base-colors"],
            2,
            "same settings",
        ),
        (&["red circle", "--toward", "base-colors"], 2, "lora"),
    ] {
        // The settings of the text count where no flag says otherwise.
        let small = if said == "same settings" { &SMALL[..8] } else { &SMALL };
        let (out, err) = s.expect(code, &[&["tune"], args, small].concat());
        assert!(out.is_empty() && err.to_lowercase().contains(&said.to_lowercase()), "{args:?}: {err}");
        assert!(!s.path("lbw-tune").exists(), "{args:?}");
    }
    // What lies in the folder is nobody's to write over.
    s.write("mine/tune.html", "my own");
    let small = &SMALL;
    let into = |folder: &str| {
        let (_, err) = s.expect(2, &[&["tune", lora, "--toward", "base-colors", "-o", folder], &small[..]].concat());
        err
    };
    assert!(into("mine").contains("belongs to no study") && s.text("mine/tune.html") == "my own");
    s.write("torn/request.json", "{");
    let (_, err) = s.expect(3, &[&["tune", lora, "--toward", "base-colors", "-o", "torn"], &SMALL[..]].concat());
    assert!(err.contains("not what a study writes") && err.contains("begin anew"), "{err}");
}
