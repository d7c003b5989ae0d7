//! Checkpoints and the folders of webui: what is found, and what is refused by what it is.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::sandbox::{Sandbox, expect, repository};

#[test]
fn wrong_files_are_named_and_leave_nothing_behind() {
    let s = Sandbox::new();
    let (_, err) = s.expect(3, &["a", "--model", "none.safetensors"]);
    assert!(err.contains("none.safetensors"), "{err}");
    for (name, bytes, says) in [
        ("cut.safetensors", &[200u8, 1, 0, 0, 0, 0, 0, 0, b'{'][..], "cut.safetensors"),
        ("empty.safetensors", &[], "empty.safetensors"),
        ("huge.safetensors", &[0xff; 64], "huge.safetensors"),
        ("model.ckpt", b"PK\x03\x04xxxxxxxx", "pickle"),
    ] {
        s.write(name, bytes);
        let (_, err) = s.expect(3, &["a", "--model", name, "-o", "x.png"]);
        assert!(err.contains(says), "{err}");
    }
    let lora = repository("fixtures/vectors/num/lora_full/all12.safetensors");
    let (_, err) = s.expect(3, &["a", "--model", lora.to_str().unwrap(), "-o", "x.png"]);
    assert!(err.contains("this is a LoRA, not a checkpoint"), "{err}");
    s.expect(3, &["a", "--webui-dir", "nowhere"]);
    let (_, err) = s.expect(3, &["a", "--device", "cuda:0"]);
    assert!(err.contains("--device cuda:0: this lbw was built without CUDA"), "{err}");
    s.expect(2, &["a", "--device", "toaster"]);
    assert!(!s.path("x.png").exists());
}

/// f16 is another job with another picture, and what it costs is said; f32 is what the CPU does anyway.
#[test]
fn numbers_have_a_type() {
    let s = Sandbox::new();
    let draw = |output: &str, options: &[&str]| {
        let common = ["red circle", "--seed", "1", "--steps", "20", "--width", "64", "--height", "64", "-o", output];
        s.expect(0, &[&common[..], options].concat()).1
    };
    let plain = draw("plain.png", &[]);
    let exact = draw("exact.png", &["--precision", "f32"]);
    let narrow = draw("narrow.png", &["--precision", "f16", "--weights", "f16"]);
    assert_eq!(s.bytes("plain.png"), s.bytes("exact.png"));
    assert!(!plain.contains("W0718") && !exact.contains("W0718"), "{plain}{exact}");
    assert!(
        narrow.contains("computing in f16 on the CPU is slower") && narrow.contains("--weights f16 is for"),
        "{narrow}"
    );
    let (exact, narrow) = (s.picture("exact.png"), s.picture("narrow.png"));
    let off = exact.as_raw().iter().zip(narrow.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)));
    let mean = off.sum::<f64>() / exact.as_raw().len() as f64;
    assert!(mean > 0.0 && mean < 8.0, "{mean}");

    // Whoever only asks is told, too, and whoever takes warnings for errors is refused.
    for command in ["plan", "check"] {
        let words = [command, "red circle", "--precision", "f16"];
        let (_, err) = s.expect(0, &words);
        assert!(err.contains("computing in f16 on the CPU is slower"), "{err}");
        s.expect(2, &[&words[..], &["--strict"]].concat());
    }
    // What is always meant stands in the user's configuration.
    s.write("config.toml", "precision = \"f16\"\nmemory = \"1m\"\n");
    let (_, err) = expect(3, s.lbw(&["plan", "red circle"]).env("LBW_CONFIG", s.path("config.toml")));
    assert!(err.contains("W0718") && err.contains("E0719"), "{err}");

    let (_, err) = expect(2, s.lbw(&["a", "--precision", "f16"]).env("LBW_KERNELS", "portable"));
    assert!(err.contains("portable computes in f32 only, not in f16"), "{err}");
    let (_, err) = s.expect(2, &["a", "--precision", "bf16", "-o", "x.png"]);
    assert!(err.contains("no matrices in bf16") && !s.path("x.png").exists(), "{err}");
}

#[test]
fn other_files_are_told_by_what_they_are() {
    let s = Sandbox::new();
    for (bytes, says) in [
        (&b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj"[..], "pdf"),
        (b"%PDF-1.4\n", "pdf"),
        (b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0", "it is a program (.exe)"),
        (b"\x89HDF\r\n\x1a\n\0\0\0\0", "HDF5"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z archive"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "gz archive"),
        (b"d8:announce35:udp://tracker.example.org:80/announce4:infod6:lengthi1ee", "it is a torrent"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "web page"),
        (b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        (b"{\"error\":\"Unauthorized\"}", "Unauthorized"),
    ] {
        s.write("model.safetensors", bytes);
        let (_, err) = s.expect(3, &["a", "--model", "model.safetensors", "-o", "x.png"]);
        assert!(err.contains(says) && !err.contains("cut short"), "{says}: {err}");
    }
}

#[cfg(unix)]
#[test]
fn nobody_waits_for_a_pipe() {
    let s = Sandbox::new();
    let made = std::process::Command::new("mkfifo").arg(s.path("pipe.safetensors")).status().unwrap();
    assert!(made.success());
    let (_, err) = s.expect(3, &["plan", "a", "--model", "pipe.safetensors"]);
    assert!(err.contains("it is a pipe"), "{err}");
}

#[cfg(unix)]
#[test]
fn links_to_nothing_say_where_they_lead() {
    let s = Sandbox::new();
    s.folder("loras");
    std::os::unix::fs::symlink("gone/model.safetensors", s.path("model.safetensors")).unwrap();
    std::os::unix::fs::symlink("gone/mine.safetensors", s.path("loras/mine.safetensors")).unwrap();
    let (_, err) = s.expect(3, &["a", "--model", "model.safetensors"]);
    assert!(err.contains("it is a link to gone/model.safetensors"), "{err}");
    let (_, err) = s.expect(3, &["plan", "a <lora:mine:1>", "--lora-dir", "loras"]);
    assert!(err.contains("it is a link to gone/mine.safetensors"), "{err}");
}

/// A file of these tensors, all zero, f16.
fn zeros(tensors: &[(impl AsRef<str>, &[usize])]) -> Vec<u8> {
    let mut end = 0;
    let mut header = serde_json::Map::new();
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let entry = serde_json::json!({ "dtype": "F16", "shape": shape, "data_offsets": [start, end] });
        header.insert(name.as_ref().to_owned(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.resize(file.len() + end, 0);
    file
}

/// A decoder that is as wide as a tenth of SDXL's, for pictures that are as large as theirs.
#[test]
fn a_large_picture_is_said_to_be_decoded_in_bands() {
    const WIDTH: usize = 64;
    let s = Sandbox::new();
    let mut tensors: Vec<(String, &[usize])> = Vec::new();
    let mut add = |name: &str, shape: &'static [usize]| {
        tensors.push((format!("{name}.weight"), shape));
        tensors.push((format!("{name}.bias"), &shape[..1]));
    };
    add("post_quant_conv", &[4, 4, 1, 1]);
    add("decoder.conv_in", &[WIDTH, 4, 3, 3]);
    let mut block = |name: &str| {
        for part in ["1", "2"] {
            add(&format!("{name}.norm{part}"), &[WIDTH]);
            add(&format!("{name}.conv{part}"), &[WIDTH, WIDTH, 3, 3]);
        }
    };
    let names = (0..4).map(|level| format!("decoder.up.{level}.block.0"));
    names.chain(["1", "2"].map(|i| format!("decoder.mid.block_{i}"))).for_each(|name| block(&name));
    for level in 1..4 {
        add(&format!("decoder.up.{level}.upsample.conv"), &[WIDTH, WIDTH, 3, 3]);
    }
    for part in ["q", "k", "v", "proj_out"] {
        add(&format!("decoder.mid.attn_1.{part}"), &[WIDTH, WIDTH, 1, 1]);
    }
    ["decoder.mid.attn_1.norm", "decoder.norm_out"].into_iter().for_each(|name| add(name, &[WIDTH]));
    add("decoder.conv_out", &[3, WIDTH, 3, 3]);
    s.write("wide.safetensors", zeros(&tensors));
    for (size, is_said) in [("128x128.png", false), ("1536x1536.png", true)] {
        let (width, height) = size.trim_end_matches(".png").split_once('x').unwrap();
        let args = ["a", "--vae", "wide.safetensors", "--width", width, "--height", height, "--steps", "1", "-o", size];
        let mut child = s.lbw(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Whatever is said is said before the first step; there is no need to wait for the picture.
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let (mut said, mut is_banded) = (Vec::new(), false);
        for line in lines {
            is_banded |= line.contains("N1103");
            said.push(line);
            if is_banded {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(is_banded, is_said, "{size}\n{}", said.join("\n"));
    }
}

#[test]
fn other_checkpoints_are_recognised() {
    let s = Sandbox::new();
    let conv_in = "model.diffusion_model.input_blocks.0.0.weight";
    let clip_g = "conditioner.embedders.1.model.ln_final.weight";
    let clip_l = "conditioner.embedders.0.transformer.text_model.x";
    let vae: (&str, &[usize]) = ("first_stage_model.decoder.conv_in.weight", &[8, 4, 3, 3]);
    type Tensors<'a> = &'a [(&'a str, &'a [usize])];
    let cases: [(Tensors, &str); 8] = [
        (
            &[("cond_stage_model.transformer.text_model.x", &[1]), (conv_in, &[4, 4, 3, 3]), vae],
            "what an SD1 checkpoint needs",
        ),
        (&[("cond_stage_model.model.ln_final.weight", &[1]), (conv_in, &[4, 4, 3, 3])], "SD 2.x"),
        (&[("conditioner.embedders.0.model.ln_final.weight", &[1]), (conv_in, &[4, 4, 3, 3])], "refiner"),
        (
            &[
                ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", &[1]),
                ("text_encoders.clip_l.transformer.text_model.x", &[4]),
                ("vae.decoder.conv_in.weight", &[4, 16, 3, 3]),
            ],
            "Flux",
        ),
        (&[("double_blocks.0.img_attn.qkv.weight", &[1])], "Flux"),
        (&[("decoder.conv_in.weight", &[1]), ("encoder.conv_in.weight", &[1])], "VAE"),
        (&[(clip_g, &[1]), (clip_l, &[1]), (conv_in, &[32, 4, 3, 3]), vae], "what an SDXL checkpoint needs"),
        (&[(clip_g, &[1]), (clip_l, &[1]), (conv_in, &[32, 4, 3, 3])], "there is no VAE in this file"),
    ];
    for (tensors, says) in cases {
        s.write("m.safetensors", zeros(tensors));
        let (_, err) = s.expect(3, &["a", "--model", "m.safetensors", "-o", "x.png"]);
        assert!(err.contains(says), "{says}\n{err}");
    }
    assert!(!s.path("x.png").exists());
}

#[test]
fn a_webui_folder_is_understood() {
    let s = Sandbox::new();
    let embedded = |name: &str| std::fs::read(repository("fixtures/embedded").join(name)).unwrap();
    s.write("webui/models/Stable-diffusion/own.safetensors", embedded("shapes-xl.safetensors"));
    s.write("webui/models/Lora/style/mine.safetensors", embedded("night.safetensors"));
    let presets = "webui/extensions/sd-webui-lora-block-weight/scripts/lbwpresets.txt";
    s.write(presets, "OWN:1,0,0,0,0,0,0,0,0,0,0,1\n");
    let args = ["a <lora:mine:1:lbw=OWN>", "--webui-dir", "webui", "--steps", "1", "--width", "64", "--height", "64"];
    let (out, _) = s.expect(0, &[&["txt2img", "--seed", "3"], &args[..]].concat());
    let (info, _) = s.expect(0, &["info", out.trim()]);
    assert!(info.contains("Model: own"), "{info}");
    let (plan, _) = s.expect(0, &["info", "--plan", out.trim()]);
    assert!(plan.contains("lbwpresets.txt:1") && !info.contains("lbwpresets.txt:1"), "{plan}");
}
