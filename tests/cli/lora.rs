//! `lbw lora` as a user runs it.

use serde_json::json;

use crate::sandbox::Sandbox;

/// What `prompt` draws with the LoRAs of the folder.
fn draw(s: &Sandbox, prompt: &str, name: &str) -> Vec<u8> {
    let size = ["--width", "64", "--height", "64", "--steps", "1", "--seed", "3", "--lora-dir", ".", "-o", name];
    s.expect(0, &[&["txt2img", prompt][..], &size].concat());
    s.picture(name).into_raw()
}

#[test]
fn a_baked_lora_draws_what_its_tag_drew() {
    let s = Sandbox::new();
    let tag = "<lora:overcooked:0.7:lbw=1,0,0.5,1,0.3,1,1,-0.25,1,1,0,1>";
    let baked = s.json(&["lora", "bake", tag, "-o", "mild.safetensors", "--json"]);
    assert!(baked["baked"]["dropped"].as_u64().unwrap() > 0, "{baked}");
    let with_tag = draw(&s, &format!("red circle {tag}"), "tag.png");
    let with_file = draw(&s, "red circle <lora:mild:1>", "file.png");
    let differing = with_tag.iter().zip(&with_file).filter(|(a, b)| a.abs_diff(**b) > 1).count();
    assert_eq!(differing, 0);
    assert_ne!(with_tag, draw(&s, "red circle <lora:overcooked:0.7>", "plain.png"));

    let inspected = s.json(&["lora", "inspect", "mild.safetensors", "--json"]);
    let provenance = inspected["inspection"]["metadata"]["lbw_baked"].as_str().unwrap();
    assert!(provenance.contains(tag), "{provenance}");
    // The norm of a block follows its weight.
    let norm = |file: &str, block: &str| {
        let report = s.json(&["lora", "inspect", file, "--json"]);
        let blocks = report["deltas"]["blocks"].as_array().unwrap();
        blocks.iter().find(|b| b["block"] == block).map(|b| b["norm"].as_f64().unwrap())
    };
    assert_eq!(norm("mild.safetensors", "IN04"), None);
    for (block, factor) in [("IN05", 0.35), ("M00", 0.7), ("OUT01", 0.175)] {
        let (new, old) = (norm("mild.safetensors", block).unwrap(), norm("overcooked", block).unwrap());
        assert!((new / old - factor).abs() < 1e-6, "{block}: {new} {old}");
    }
}

#[test]
fn what_a_file_cannot_say_is_refused() {
    let s = Sandbox::new();
    for (tag, said) in [
        ("<lora:house:1:lbw=XLOUT:stop=5>", "a file has no steps"),
        ("<lora:house:1:1:4>", "the rank"),
        ("<lora:hose:1>", "no LoRA"),
        ("house", "one tag"),
        ("<lora:house:1><lora:night:1>", "one tag"),
        ("<lora:house:1:lbw=XLOOT>", "XLOUT"),
    ] {
        let (_, err) = s.expect(2, &["lora", "bake", tag, "-o", "new.safetensors"]);
        assert!(err.contains(said), "{tag}: {err}");
    }
    s.expect(2, &["lora", "bake", "<lora:house:1>", "-o", "new.ckpt"]);
    for (command, code) in [("bake", 2), ("merge", 3)] {
        s.expect(code, &["lora", command, "<lora:house:1e300>", "-o", "new.safetensors"]);
        assert!(!s.path("new.safetensors").exists());
    }
    s.expect(0, &["lora", "bake", "<lora:house:0.5>", "-o", "new.safetensors"]);
    let (_, err) = s.expect(3, &["lora", "bake", "<lora:house:0.5>", "-o", "new.safetensors"]);
    assert!(err.contains("exists already"), "{err}");
}

#[test]
fn scales_are_exported_for_diffusers() {
    let s = Sandbox::new();
    let tag = "<lora:house:1:0.5:lbw=0.5,1,0,0.2,1,1,1,1,0.4,0,1,1>";
    let scales = s.json(&["lora", "export", "--diffusers-scales", tag]);
    assert_eq!(scales["text_encoder"], json!(0.5));
    assert_eq!(scales["unet"]["down"], json!({"block_1": [0.5, 0.0], "block_2": [0.1, 0.5]}));
    assert_eq!(scales["unet"]["mid"], json!(0.5));
    assert_eq!(scales["unet"]["up"], json!({"block_0": [0.5, 0.5, 0.2], "block_1": [0.0, 0.5, 0.5]}));
    let (_, err) = s.expect(2, &["lora", "export", "--diffusers-scales", "<lora:house:1:lbw=XLALL:lbwe=ATTNDEEPON>"]);
    assert!(err.contains("element rules"), "{err}");
}

#[test]
fn blocks_are_measured_and_drawn() {
    let s = Sandbox::new();
    let (table, _) = s.expect(0, &["lora", "inspect", "overcooked", "--chart", "norms.svg"]);
    assert!(table.contains("effective rank") && table.contains("attn1"), "{table}");
    let chart = s.text("norms.svg");
    assert!(chart.starts_with("<svg") && chart.contains(">OUT05</text>"), "{chart}");
    let deltas = s.json(&["lora", "inspect", "overcooked", "--json"])["deltas"].clone();
    let sum: f64 = deltas["blocks"].as_array().unwrap().iter().map(|b| b["share"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    for block in deltas["blocks"].as_array().unwrap() {
        let rank = block["effective_rank"].as_f64().unwrap();
        assert!((1.0..=64.0).contains(&rank), "{block}");
    }
}
