//! `lbw atlas` as a user runs it, and `lbw lora inspect --atlas`.

use serde_json::Value;

use crate::sandbox::{Sandbox, json};

const SMALL: [&str; 8] = ["--width", "128", "--height", "128", "--sampler", "Euler a", "--cfg-scale", "4"];
const PROMPT: &str = "yellow star, blue background, thick outline <lora:overcooked:1>";

#[track_caller]
fn atlas(s: &Sandbox, code: i32, args: &[&str]) -> (String, String) {
    s.expect(code, &[&["atlas"], args, &SMALL].concat())
}

fn share(block: &Value, at: usize) -> f64 {
    block["always"][at]["share"].as_f64().unwrap()
}

#[test]
fn blocks_are_drawn_alone_and_in_each_third_of_the_steps() {
    let s = Sandbox::new();
    let args = [PROMPT, "--seeds", "1", "--seed", "1", "--steps", "8"];
    let map = json(&atlas(&s, 0, &[&args[..], &["--json"]].concat()).0);
    assert_eq!((&map["steps"], &map["parts"]), (&json("6"), &json("[[0,2],[2,4],[4,6]]")));
    assert_eq!(map["attributes"], json(r#"["colors","lines","composition","motif","style"]"#));
    assert_eq!(map["scenes"], json(&format!("[[\"{PROMPT}\",1]]")));
    let blocks = map["blocks"].as_array().unwrap();
    let of = |id: &str| blocks.iter().find(|block| block["id"] == id).unwrap();
    // `overcooked` changes colours in OUT04.
    for (id, least, most) in [("BASE", 0.0, 0.2), ("OUT04", 0.8, 1.5), ("OUT05", 0.0, 0.2), ("M00", 0.0, 0.05)] {
        assert!((least..most).contains(&share(of(id), 0)), "{}", of(id));
    }
    for block in blocks {
        let parts = block["parts"].as_array().unwrap();
        assert_eq!(parts.len(), if block["id"] == "BASE" { 0 } else { 3 }, "{block}");
        assert!(parts.iter().chain([&block["always"]]).all(|measures| measures.as_array().unwrap().len() == 5));
        assert!(s.path("lbw-atlas").join(block["picture"].as_str().unwrap()).is_file(), "{block}");
    }
    let thirds: Vec<f64> =
        of("OUT04")["parts"].as_array().unwrap().iter().map(|third| third[0]["share"].as_f64().unwrap()).collect();
    assert!(thirds.iter().all(|third| *third < share(of("OUT04"), 0)) && thirds[2] > thirds[0], "{thirds:?}");
    // The infotext of a picture says how it was made.
    let cells = s.names("lbw-atlas/cells");
    let third = cells.iter().find(|name| name.contains("OUT04-2-4")).unwrap();
    let (info, _) = s.expect(0, &["info", &format!("lbw-atlas/cells/{third}")]);
    assert!(info.contains(":step=2-4>"), "{info}");
    // A block alone is alone among all blocks, also those without attention, which some LoRAs change.
    let vector = info.split("lbw=").nth(1).unwrap().split(':').next().unwrap();
    let on = vector.split(',').filter(|weight| weight.parse::<f64>().unwrap() != 0.0).count();
    assert_eq!((vector.split(',').count(), on), (26, 1), "{vector}");

    let html = s.text("lbw-atlas/atlas.html");
    assert!(html.contains("<table>") && html.contains("last third") && html.contains("OUT04 alone does"));
    assert!(html.contains("each block alone on the base model, one picture of each") && !html.contains("± 0 %"));
    // What is there is not drawn again; the words, in both languages.
    let (english, _) = atlas(&s, 0, &args);
    assert!(english.contains("OUT04 alone does") && english.ends_with("lbw-atlas/atlas.html\n"), "{english}");
    let (japanese, _) = atlas(&s, 0, &[&args[..], &["--lang", "ja"]].concat());
    assert!(
        japanese.contains("OUT04 だけで") && s.text("lbw-atlas/atlas.html").contains("<html lang=ja>"),
        "{japanese}"
    );
    assert_eq!(json(&s.text("lbw-atlas/atlas.json"))["work"]["drawn"], 0);

    // Beside the file, and beside another atlas.
    let (shown, _) = s.expect(0, &["lora", "inspect", "overcooked", "--atlas", "lbw-atlas"]);
    assert!(shown.contains("OUT04 alone does") && shown.contains("modules"), "{shown}");
    let other =
        [PROMPT, "--seeds", "1", "--seed", "9", "--steps", "6", "-o", "other", "--width", "64", "--height", "64"];
    s.expect(0, &[&["atlas"], &other[..], &SMALL[4..]].concat());
    let both = ["lora", "inspect", "overcooked", "--atlas", "lbw-atlas", "--atlas", "other/atlas.json", "--json"];
    let compared = &s.json(&both)["comparison"];
    assert_eq!(compared["same"], json("[true,true,true]"));
    let ranks = compared["ranks"].as_array().unwrap();
    assert!(
        ranks.len() == 5 && ranks.iter().all(|rank| rank[1].is_null() || rank[1].as_f64().unwrap().abs() <= 1.0),
        "{compared}"
    );
    let (told, _) = s.expect(0, &both[..7]);
    assert!(told.contains("ranked alike by"), "{told}");
    // An atlas that somebody changed.
    let whole = s.text("lbw-atlas/atlas.json");
    for (from, to) in [
        ("\"OUT04\"", "\"OUT05\""),
        ("\"OUT04\"", "\"OUT99\""),
        ("\"style\"\n  ]", "\"style\",\n    \"style\"\n  ]"),
        ("\"mean\": ", "\"mean\": 9999999999"),
        ("\"parts\": [\n    [", "\"parts\": [\n    [6, 8],\n    ["),
    ] {
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole, "{from}");
        s.write("changed.json", &changed);
        let (_, err) = s.expect(3, &["lora", "inspect", "overcooked", "--atlas", "changed.json"]);
        assert!(err.contains("or one that was changed"), "{to}: {err}");
    }
    s.write("begun/request.json", "{}");
    s.write("changed.json", whole.replace("\"share\"", "\"was\""));
    let (_, err) = s.expect(3, &["lora", "inspect", "overcooked", "--atlas", "changed.json"]);
    assert!(err.contains("unknown field `was`"), "{err}");
    let (_, err) = s.expect(3, &["lora", "inspect", "overcooked", "--atlas", "begun"]);
    assert!(err.contains("is not finished") && err.contains("the same `lbw atlas`"), "{err}");
    // An atlas of another file.
    let (_, err) = s.expect(2, &["lora", "inspect", "house", "--atlas", "lbw-atlas"]);
    assert!(err.contains("the atlas is of overcooked"), "{err}");
}

#[test]
fn what_cannot_be_mapped_is_told() {
    let s = Sandbox::new();
    s.write("no.json", "{}");
    s.write("old.json", r#"{"format":0,"model":{"name":"m"},"loras":[],"tags":"","scenes":[],"steps":6,"parts":[],"attributes":[],"whole":[],"blocks":[],"idle":[],"references":["",""]}"#);
    for (args, words) in [
        (&[PROMPT, "--steps", "5"][..], "an atlas needs at least 6"),
        (&[PROMPT, "--seeds", "0"], "at least one seed"),
        (&["red circle"], "loads no LoRA"),
        (&["red circle <lora:overcooked:0>"], "overcooked changes nothing here"),
        (&["red circle <lora:overcooked:1:stop=3>", "--steps", "8"], "has start=, stop= or step="),
        (&[PROMPT, "blue <lora:overcooked:1:start=3>", "--steps", "8"], "has start=, stop= or step="),
        (&["red circle <lora:overcooked:1:lbwe=XYZ>", "--steps", "6"], "take lbwe= out of the tag"),
    ] {
        let (_, err) = atlas(&s, 2, args);
        assert!(err.contains(words), "{err}");
    }
    for (args, words) in [
        (&["house", "--atlas", "none"][..], "none"),
        (&["house", "--atlas", "no.json"], "this is no atlas"),
        (&["house", "--atlas", "old.json"], "an atlas of another lbw"),
    ] {
        let (_, err) = s.expect(3, &[&["lora", "inspect"], args].concat());
        assert!(err.contains(words), "{err}");
    }
    let (_, err) = s.expect(2, &["lora", "inspect", "house", "night", "--atlas", "no.json"]);
    assert!(err.contains("--atlas shows one LoRA"), "{err}");
    assert!(!s.path("lbw-atlas").exists());
}

#[test]
fn prompts_that_count_steps_and_loras_of_their_own_are_told() {
    let s = Sandbox::new();
    // The UNet's strength is 0: what is left is BASE, and the others have weights.
    let off = ["red circle <lora:overcooked:1:0>", "--seeds", "1", "--seed", "1", "--steps", "6", "-o", "off"];
    let (told, _) = atlas(&s, 0, &off);
    assert!(told.contains("Its strength is 0, or element rules say all ratios, in IN04,"), "{told}");
    let other = "[red|blue] circle, [star:heart:6] <lora:house:1:1:start=6>";
    let args = [PROMPT, other, "a [red:blue:0.5] star", "--seeds", "1", "--seed", "1", "--steps", "8"];
    let (_, err) =
        s.expect(0, &[&["atlas"], &args[..], &["--width", "64", "--height", "64", "--sampler", "Euler a"]].concat());
    assert!(err.contains(&format!("`{other}` counts steps")) && err.contains("as in `[a:b:0.3]`"), "{err}");
    assert!(err.contains(&format!("`{other}`: its LoRAs stay as they are, and overcooked is added")), "{err}");
    assert!(!err.contains("a [red:blue:0.5] star` counts"), "{err}");
}
