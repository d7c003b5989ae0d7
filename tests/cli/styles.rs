//! Styles and textual-inversion embeddings on the command line.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};

use crate::sandbox::{Sandbox, cache};

/// Writes an embedding of `vectors` equal vectors for text encoders of the embedded model's widths.
fn embedding(s: &Sandbox, name: &str, vectors: usize, value: f32) {
    let (clip_l, clip_g) = embedded_widths();
    s.folder(Path::new(name).parent().unwrap().to_str().unwrap());
    let tensor =
        |width| (Tensor::ones((vectors, width), DType::F32, &Device::Cpu).unwrap() * f64::from(value)).unwrap();
    let tensors = HashMap::from([("clip_l", tensor(clip_l)), ("clip_g", tensor(clip_g))]);
    candle_core::safetensors::save(&tensors, s.path(name)).unwrap();
}

fn embedded_widths() -> (usize, usize) {
    let installed = lbw::engine::embedded::install(&cache()).unwrap();
    let checkpoint = lbw::checkpoint::Checkpoint::open(&installed.checkpoint).unwrap();
    let lbw::text::Widths(widths) = lbw::text::Widths::of(&checkpoint).unwrap();
    (widths[0], widths[1])
}

const STYLES: &str = "name,prompt,negative_prompt\n\
    film,\"35mm, {prompt}, grain\",blurry\n\
    # a comment,x,y\n\
    night, \"dark, moon\", \"sun, {prompt}\"\n";

/// A checkpoint that can be read.
fn model() -> Vec<u8> {
    std::fs::read(crate::sandbox::repository("fixtures/embedded/shapes-xl.safetensors")).unwrap()
}

#[test]
fn styles_are_put_around_both_prompts_in_order() {
    let s = Sandbox::new();
    s.write("ui/styles.csv", STYLES);
    s.write("ui/models/Stable-diffusion/x.safetensors", model());
    s.write("more.csv", "name,prompt,negative_prompt\nnight,stars,\n");
    let prompts = |args: &[&str]| {
        let (out, _) =
            s.expect(0, &[&["plan", "a cat", "-n", "dog", "--webui-dir", "ui", "--model", "x"], args].concat());
        out.lines().skip_while(|line| !line.starts_with("prompt: ")).take(2).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(prompts(&[]), "prompt: a cat\nnegative prompt: dog");
    assert_eq!(prompts(&["--style", "film"]), "prompt: 35mm, a cat, grain\nnegative prompt: dog, blurry");
    assert_eq!(
        prompts(&["--style", "film", "--style", "night"]),
        "prompt: 35mm, a cat, grain, dark, moon\nnegative prompt: sun, dog, blurry"
    );
    assert_eq!(
        prompts(&["--style", "night", "--styles-file", "more.csv"]),
        "prompt: a cat, stars\nnegative prompt: dog",
        "the later file wins"
    );
}

#[test]
fn a_style_acts_on_a_pasted_infotext_and_is_recorded_in_the_new_one() {
    let s = Sandbox::new();
    s.write("styles.csv", STYLES);
    let pasted = "red circle\nNegative prompt: text\nSteps: 2, Sampler: Euler, CFG scale: 1, Seed: 3, Size: 64x64";
    s.expect(0, &[pasted, "--styles-file", "styles.csv", "--style", "film", "-o", "a.png"]);
    let (info, _) = s.expect(0, &["info", "a.png"]);
    assert!(info.starts_with("35mm, red circle, grain\nNegative prompt: text, blurry\nSteps: 2"), "{info}");
}

#[test]
fn unknown_styles_and_broken_files_are_named() {
    let s = Sandbox::new();
    s.write("styles.csv", STYLES);
    s.write("open.csv", "name,prompt\na,\"b\n");
    let said = |args: &[&str]| s.expect(2, &[&["plan", "a"], args].concat()).1;
    let hint = said(&["--styles-file", "styles.csv", "--style", "Flim"]);
    assert!(hint.starts_with("error[E0615]: --style `Flim`: there is no such style"), "{hint}");
    assert!(hint.contains("did you mean `film`?"), "{hint}");
    assert!(said(&["--styles-file", "styles.csv", "--style", "watercolour"]).contains("there are: film, night"));
    assert!(said(&["--style", "film"]).contains("name the file with --styles-file"));
    assert!(
        said(&["--styles-file", "open.csv", "--style", "a"]).contains("open.csv: line 2: a quotation is not closed")
    );
    s.expect(3, &["plan", "a", "--styles-file", "absent.csv", "--style", "a"]);
}

#[test]
fn an_embedding_changes_the_picture_and_is_recorded() {
    let s = Sandbox::new();
    embedding(&s, "e/sub/MyStyle.safetensors", 2, 0.5);
    let draw = |name: &str, args: &[&str]| {
        let shared = ["red circle, mystyle", "--steps", "2", "--width", "64", "--height", "64", "--seed", "1", "-o"];
        s.expect(0, &[&shared[..], &[name], args].concat());
        s.picture(name)
    };
    let words = draw("words.png", &[]);
    assert_ne!(draw("vectors.png", &["--embeddings-dir", "e"]), words);

    let sha256 = lbw::checkpoint::sha256_of_file(&s.path("e/sub/MyStyle.safetensors")).unwrap();
    let (info, _) = s.expect(0, &["info", "vectors.png"]);
    let entry = format!("MyStyle: {}", &sha256[..12]);
    assert!(info.contains(&format!("TI hashes: \"{entry}, {entry}\"")), "{info}");
    assert!(!s.expect(0, &["info", "words.png"]).0.contains("TI hashes"));

    // The plan inside finds it again.
    s.expect(0, &["run", "vectors.png", "--embeddings-dir", "e", "-o", "again.png"]);
    s.assert_same_picture("again.png", "vectors.png");
}

#[test]
fn embeddings_that_cannot_be_used_are_spoken_of_where_they_are_named() {
    let s = Sandbox::new();
    s.write("ui/embeddings/easynegative.pt", "PK\u{3}\u{4}cut short");
    s.write("ui/models/Stable-diffusion/x.safetensors", model());
    s.write("ui/embeddings/broken.safetensors", "{}");
    let plan = |prompt: &str, more: &[&str]| {
        let args = [&["plan", "a cat", "-n", prompt, "--webui-dir", "ui", "--model", "x"], more].concat();
        s.expect(if more.is_empty() { 0 } else { 2 }, &args).1
    };
    assert_eq!(plan("blurry", &[]), "");
    let said = plan("(EasyNegative:1.2), blurry", &[]);
    assert!(
        said.starts_with("warning[W0503]: the embedding `easynegative` cannot be used: this is a pickle file"),
        "{said}"
    );
    assert!(said.contains("--> negative prompt:1:2") && said.contains("get the file again"), "{said}");
    assert!(plan("broken", &[]).contains("damaged"));
    assert!(plan("easynegative", &["--strict"]).contains("W0503"));
    s.expect(3, &["plan", "a", "--embeddings-dir", "absent"]);
}

#[test]
fn an_embedding_for_other_text_encoders_is_passed_over_with_a_word() {
    let s = Sandbox::new();
    let tensor = |width| Tensor::ones((1, width), DType::F32, &Device::Cpu).unwrap();
    s.folder("e");
    let tensors = HashMap::from([("clip_l", tensor(768)), ("clip_g", tensor(1280))]);
    candle_core::safetensors::save(&tensors, s.path("e/wide.safetensors")).unwrap();
    let size = ["--steps", "1", "--width", "64", "--height", "64"];
    let (_, said) = s.expect(0, &[&["a wide circle", "--embeddings-dir", "e"], &size[..]].concat());
    assert!(said.contains("made for text encoders of width 768 and 1280"), "{said}");
    let (_, said) = s.expect(0, &[&["a circle", "--embeddings-dir", "e"], &size[..]].concat());
    assert!(!said.contains("wide"), "{said}");
}
