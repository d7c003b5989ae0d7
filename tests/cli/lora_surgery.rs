//! `lbw lora split|merge|resize|diff|extract` as a user runs them, and the pictures their files draw.

use serde_json::Value;

use crate::sandbox::Sandbox;

const FLAT: [&str; 10] = ["--width", "64", "--height", "64", "--steps", "2", "--seed", "3", "--lora-dir", "."];

/// What `prompt` draws with the LoRAs of the folder.
fn draw(s: &Sandbox, prompt: &str, name: &str) -> Vec<u8> {
    s.expect(0, &[&["txt2img", prompt][..], &FLAT, &["-o", name]].concat());
    s.picture(name).into_raw()
}

fn in_japanese(s: &Sandbox, code: i32, args: &[&str]) -> (String, String) {
    s.expect(code, &[args, &["--lang", "ja"]].concat())
}

/// Whether two prompts draw the same, up to one level of 255.
fn assert_same(s: &Sandbox, left: &str, right: &str) {
    let (left_pixels, right_pixels) = (draw(s, left, "left.png"), draw(s, right, "right.png"));
    let worst = left_pixels.iter().zip(&right_pixels).map(|(l, r)| l.abs_diff(*r)).max().unwrap();
    assert!(worst <= 1, "{left} and {right} differ by {worst}");
}

const VECTOR: &str = "1,0,0.5,1,0.3,1,1.2,-0.25,1,1,0,1";

#[test]
fn strengths_of_split_files_draw_what_a_vector_draws() {
    let s = Sandbox::new();
    let whole = draw(&s, &format!("red circle <lora:night:1:lbw={VECTOR}>"), "whole.png");
    for by in ["block", "base,IN04,IN05,IN07-IN08,mid,OUT00,OUT01,OUT02,OUT03,OUT04,OUT05"] {
        let split = s.json(&["lora", "split", "night", "-o", "parts", "--by", by, "--overwrite", "--json"]);
        assert!(split["files"].as_array().unwrap().len() > 5, "{split}");
        // The ranges differ in one weight where two blocks are one part.
        let vector = if by == "block" { VECTOR.to_owned() } else { VECTOR.replacen("1,0.3", "1,1", 1) };
        let (tags, _) = s.expect(0, &["lora", "split", "night", "--tag", &vector, "--by", by]);
        assert!(tags.contains("<lora:night_") && !tags.contains(":0>"), "{tags}");
        let parts = draw(&s, &format!("red circle {}", tags.trim()), &format!("parts{}.png", by.len()));
        let expected = if by == "block" {
            whole.clone()
        } else {
            draw(&s, &format!("red circle <lora:night:1:lbw={vector}>"), "w.png")
        };
        assert_eq!(parts, expected, "bit for bit: every weight is changed by one file");
    }
    assert_ne!(whole, draw(&s, "red circle <lora:night:1>", "plain.png"));
}

#[test]
fn tags_of_parts_and_a_vector_are_two_ways_to_say_the_same() {
    let s = Sandbox::new();
    let (tags, _) = s.expect(0, &["lora", "split", "house", "--tag", VECTOR]);
    let (tag, _) = s.expect(0, &["lora", "split", "--join", tags.trim()]);
    assert_eq!(tag.trim(), format!("<lora:house:1:lbw={VECTOR}>"));
    // A preset, and a tag with strengths for text encoders and UNet.
    let (tags, _) = s.expect(0, &["lora", "split", "house", "--tag", "<lora:house:0.5:0.8:lbw=XLOUT>"]);
    assert!(tags.starts_with("<lora:house_BASE:0.5><lora:house_OUT00:0.8>"), "{tags}");
    for (args, said) in [
        (vec!["house", "--tag", "XLOUT", "--by", "base,in,mid,IN04"], "in `in` and in `IN04`"),
        (vec!["house", "--tag", VECTOR, "--by", "base,in,mid,out"], "have different weights"),
        (vec!["house", "--tag", "XLOUX"], "XLOUT"),
        (vec!["house", "--tag", "<lora:house:1:lbw=XLOUT:stop=4>"], "not in a strength"),
        (vec!["--join", "<lora:house_BASE:1><lora:night_BASE:1>"], "two LoRAs"),
        (vec!["--join", "<lora:house_attn1:1>"], "by element make no vector"),
        (vec!["--join", "<lora:house_BASE:1:lbw=XLOUT>"], "more than a strength"),
        (vec!["house", "-o", "parts", "--by", "IN04-IN44"], "there is no block or group `IN44`"),
    ] {
        let (_, err) = s.expect(2, &[&["lora", "split"][..], &args].concat());
        assert!(err.contains(said), "{args:?}: {err}");
    }
    assert!(!s.path("parts").exists());
}

#[test]
fn a_folder_of_parts_is_the_file_again() {
    let s = Sandbox::new();
    s.expect(0, &["lora", "split", "house", "-o", "parts"]);
    let (_, err) = s.expect(3, &["lora", "split", "house", "-o", "parts"]);
    assert!(err.contains("exists already"), "{err}");
    let (_, err) = in_japanese(&s, 3, &["lora", "split", "house", "-o", "parts"]);
    assert!(err.contains("上書きしません"), "{err}");
    let (out, _) = s.expect(0, &["lora", "split", "--join", "parts", "-o", "again.safetensors"]);
    assert!(out.contains("as in house.safetensors"), "{out}");
    let told = |name: &str| s.json(&["lora", "inspect", name, "--json"])["inspection"].clone();
    let (old, new) = (told("house"), told("./again.safetensors"));
    for field in ["metadata", "blocks", "ranks", "alphas", "kinds"] {
        assert_eq!(old[field], new[field], "{field}");
    }
    s.remove("parts/house_M00.safetensors");
    let (_, err) = s.expect(3, &["lora", "split", "--join", "parts", "-o", "other.safetensors"]);
    assert!(err.contains("the part M00 of `house.safetensors` is missing"), "{err}");
    assert!(!s.path("other.safetensors").exists());
}

#[test]
fn a_merged_file_draws_what_its_tags_drew() {
    let s = Sandbox::new();
    let tags = format!("<lora:house:0.8:0.6:lbw={VECTOR}> <lora:night:0.5>");
    let merged = s.json(&["lora", "merge", &tags, "-o", "ab.safetensors", "--json"]);
    assert!(merged["merged"]["concatenated"].as_u64().unwrap() > 0, "{merged}");
    assert_eq!(merged["merged"]["full"], 0, "{merged}");
    assert_same(&s, &format!("red house {tags}"), "red house <lora:ab:1>");
    let inspected = s.json(&["lora", "inspect", "./ab.safetensors", "--json"]);
    let metadata = &inspected["inspection"]["metadata"];
    assert!(metadata["lbw_merged"].as_str().unwrap().contains("lora:house:0.8"), "{metadata}");
    assert_eq!(
        (&metadata["ss_base_model_version"], &metadata["ss_output_name"]),
        (&"sdxl_base_v1-0".into(), &Value::Null)
    );

    // By singular values: what is told is an error, block by block.
    let (out, _) = s.expect(0, &["lora", "merge", &tags, "-o", "ab4.safetensors", "--rank", "4"]);
    assert!(out.contains("cut to the rank") && out.contains("measured error"), "{out}");
    let (out, _) = in_japanese(&s, 0, &["lora", "merge", &tags, "-o", "ja.safetensors", "--rank", "4"]);
    assert!(out.contains("切り詰めたモジュール") && out.contains("実測誤差"), "{out}");
    let cut = s.json(&["lora", "diff", "./ab.safetensors", "./ab4.safetensors", "--json"]);
    let again = s.json(&["lora", "merge", &tags, "-o", "ab4.safetensors", "--rank", "4", "--overwrite", "--json"]);
    let errors = again["merged"]["errors"].as_array().unwrap();
    let told: f64 = errors.iter().map(|block| block["error"].as_f64().unwrap().powi(2)).sum();
    let measured = cut["difference"]["total"]["difference"].as_f64().unwrap();
    assert!((measured / told.sqrt() - 1.0).abs() < 1e-4, "{measured} {}", told.sqrt());

    for (args, said) in [
        (vec!["red", "-o", "x.safetensors"], "no LoRA tag"),
        (vec!["<lora:house:1:lbw=XLOUT:start=3>", "-o", "x.safetensors"], "cannot be merged"),
        (vec!["<lora:house:1>", "-o", "x.ckpt"], ".safetensors"),
    ] {
        let (_, err) = s.expect(2, &[&["lora", "merge"][..], &args].concat());
        assert!(err.contains(said), "{args:?}: {err}");
    }
    let (_, err) = s.expect(3, &["lora", "merge", &tags, "-o", "ab.safetensors"]);
    assert!(err.contains("exists already"), "{err}");
}

#[test]
fn ranks_are_cut_and_files_compared() {
    let s = Sandbox::new();
    let resized = s.json(&["lora", "resize", "overcooked", "--energy", "0.9", "-o", "small.safetensors", "--json"]);
    assert!(resized["resized"]["cut"].as_u64().unwrap() > 0, "{resized}");
    let (table, _) = s.expect(0, &["lora", "diff", "overcooked", "small.safetensors"]);
    assert!(table.contains("cosine") && table.contains("OUT05") && table.lines().last().unwrap().starts_with("all"));
    let told = s.json(&["lora", "diff", "overcooked", "small.safetensors", "--json"])["difference"]["total"].clone();
    let share = told["difference"].as_f64().unwrap() / told["norm_a"].as_f64().unwrap();
    assert!(share > 0.0 && share * share <= 0.1001, "{told}");
    let (_, err) = s.expect(2, &["lora", "resize", "overcooked", "--energy", "2", "-o", "x.safetensors"]);
    assert!(err.contains("at most 1"), "{err}");
    s.expect(2, &["lora", "resize", "overcooked", "-o", "x.safetensors"]);
}

/// Whatever is done with a file, what of it has no effect is told.
#[test]
fn tensors_without_effect_are_told_by_every_command() {
    let s = Sandbox::new();
    let own = crate::sandbox::repository("fixtures/embedded/house.safetensors");
    let mut tensors = candle_core::safetensors::load(own, &candle_core::Device::Cpu).unwrap();
    let down = tensors.keys().find(|name| name.contains("unet") && name.ends_with(".lora_down.weight")).unwrap();
    let module = down.trim_end_matches(".lora_down.weight").to_owned();
    let [rows, columns] = ["up", "down"].map(|part| tensors[&format!("{module}.lora_{part}.weight")].dims().to_vec());
    let difference =
        candle_core::Tensor::ones((rows[0], columns[1]), candle_core::DType::F32, &candle_core::Device::Cpu);
    tensors.insert(format!("{module}.diff"), difference.unwrap());
    candle_core::safetensors::save(&tensors, s.path("two.safetensors")).unwrap();
    for args in [
        &["lora", "bake", "<lora:two:0.5>", "-o", "baked.safetensors", "--lora-dir", "."][..],
        &["lora", "merge", "<lora:two:0.5>", "-o", "merged.safetensors", "--lora-dir", "."],
        &["lora", "resize", "two.safetensors", "--rank", "1", "-o", "resized.safetensors"],
        &[
            "txt2img",
            "red <lora:two:1>",
            "--lora-dir",
            ".",
            "--size",
            "64x64",
            "--steps",
            "1",
            "--seed",
            "1",
            "-o",
            "a.png",
        ],
    ] {
        let (_, err) = s.expect(0, args);
        assert!(err.contains("W0229") && err.contains(&format!("{module}.diff")), "{args:?}: {err}");
    }
}
