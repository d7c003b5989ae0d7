//! A checkpoint that takes over on the way: from flags, infotext, prompt files and a worker's requests.

use candle_core::{Device, Tensor, safetensors};
use serde_json::json;

use crate::sandbox::{Sandbox, repository};
use crate::worker::worker_in;

const SMALL: [&str; 10] =
    ["--steps", "4", "--seed", "1", "--sampler", "Euler", "--size", "32x32", "--webui-dir", "webui"];

/// A sandbox with the embedded model, `first`, and one that predicts less noise, `second`.
fn sandbox() -> Sandbox {
    let s = Sandbox::new();
    let first = repository("fixtures/embedded/shapes-xl.safetensors");
    let mut tensors = safetensors::load(&first, &Device::Cpu).unwrap();
    let weaker = |tensor: &Tensor| (tensor * 0.8).unwrap();
    let last = tensors.get_mut("model.diffusion_model.out.2.weight").unwrap();
    *last = weaker(last);
    s.folder("webui/models/Stable-diffusion");
    std::fs::copy(first, s.path("webui/models/Stable-diffusion/first.safetensors")).unwrap();
    safetensors::save(&tensors, s.path("webui/models/Stable-diffusion/second.safetensors")).unwrap();
    s
}

#[test]
fn it_takes_over_from_every_command() {
    let s = sandbox();
    let draw_with = |model: &str, name: &str, args: &[&str]| {
        s.expect(0, &[&["txt2img", "red circle", "--model", model, "-o", name], &SMALL[..], args].concat());
        s.picture(name)
    };
    let draw = |name: &str, args: &[&str]| draw_with("first", name, args);
    let (first, second) = (draw("first.png", &[]), draw_with("second", "second.png", &[]));
    let at = |name: &str, switch: &str| draw(name, &["--refiner", "second", "--refiner-switch-at", switch]);
    let half = at("half.png", "0.5");
    assert!(half != first && half != second);
    assert_eq!(at("never.png", "1"), first);
    assert_eq!(at("always.png", "0"), second);
    // Both in memory at once, or one after the other.
    let turns = draw("f16.png", &["--refiner", "second", "--refiner-switch-at", "0.5", "--weights", "f16"]);
    assert_ne!(turns, first);

    let (info, _) = s.expect(0, &["info", "half.png"]);
    assert!(info.contains("Refiner: second [") && info.contains("Refiner switch at: 0.5"), "{info}");
    let models = ["--webui-dir", "webui"];
    s.expect(0, &[&["txt2img", info.trim(), "-o", "pasted.png"], &models[..]].concat());
    assert!(s.bytes("half.png") == s.bytes("pasted.png"));
    s.expect(0, &[&["run", "half.png", "--model", "first", "-o", "run.png"], &models[..]].concat());
    s.assert_same_picture("half.png", "run.png");
    let line = "--prompt \"red circle\" --sd_model first --refiner_checkpoint second --refiner_switch_at 0.5 --seed 1";
    s.write("lines.txt", format!("#lbw --steps 4 --sampler Euler --width 32 --height 32\n{line}\n"));
    s.expect(0, &[&["batch", "lines.txt", "-o", "out"], &models[..]].concat());
    let drawn = s.names("out").into_iter().find(|name| name.ends_with(".png")).unwrap();
    s.assert_same_picture("half.png", &format!("out/{drawn}"));
    let plan = s.json(&[&["plan", "half.png", "--json"], &models[..]].concat());
    let request = json!({ "plan": plan, "file": "worker.png" }).to_string();
    worker_in(&s, &["--model", "first", "--webui-dir", "webui"], 0, request.as_bytes());
    s.assert_same_picture("half.png", "out/worker.png");
}

#[test]
fn what_cannot_take_over_is_told_before_the_first_step() {
    let s = sandbox();
    let mut sd1 = Vec::new();
    let packed = std::fs::read(repository("fixtures/vectors/num/sd1/tinysd1.safetensors.xz")).unwrap();
    lzma_rs::xz_decompress(&mut packed.as_slice(), &mut sd1).unwrap();
    s.write("webui/models/Stable-diffusion/old.safetensors", sd1);
    let refiner = |code: i32, name: &str, says: &str| {
        let args = ["txt2img", "x", "--model", "first", "--refiner", name, "-o", "x.png"];
        let (_, said) = s.expect(code, &[&args[..], &SMALL].concat());
        assert!(said.contains(says), "{said}");
    };
    refiner(3, "old", "cannot take over as refiner");
    refiner(3, "third", "--refiner third");
    assert!(!s.path("x.png").exists());
}
