//! The command as a user runs it: what it prints, writes and exits with.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for each test, removed at the end.
struct Sandbox(tempfile::TempDir);

impl Sandbox {
    fn new() -> Self {
        Sandbox(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn lbw(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_lbw"))
            .args(args)
            .current_dir(self.0.path())
            .env("LBW_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
            .env_remove("LBW_WEBUI_DIR")
            .env("LBW_LANG", "en")
            .output()
            .unwrap()
    }

    /// Runs and expects this exit code; gives standard output and standard error.
    fn expect(&self, code: i32, args: &[&str]) -> (String, String) {
        let output = self.lbw(args);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
        assert!(!err.contains("panicked"), "{err}");
        (out, err)
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

const PROMPT: &str = "red circle, (blue background:1.2) <lora:house:1:1:lbw=XLOUT>";

#[test]
fn a_prompt_becomes_a_png_that_tells_how() {
    let s = Sandbox::new();
    let (out, _) = s.expect(0, &[PROMPT, "--steps", "2", "--seed", "7"]);
    assert_eq!(out, "lbw-out/00000-7.png\n");
    let (info, _) = s.expect(0, &["info", "lbw-out/00000-7.png"]);
    assert!(info.starts_with(PROMPT), "{info}");
    assert!(info.contains("Steps: 2, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7, Size: 128x128"));
    assert!(info.contains("Lora hashes: \"house: "), "{info}");

    // The plan inside gives the same picture again, and so does the pasted infotext.
    s.expect(0, &["run", "lbw-out/00000-7.png", "-o", "again.png"]);
    let parameters = info.split("\nplan: ").next().unwrap().trim();
    s.expect(0, &["txt2img", parameters, "-o", "pasted.png"]);
    let pixels = |name: &str| image::open(s.path(name)).unwrap().to_rgb8().into_raw();
    assert_eq!(pixels("again.png"), pixels("lbw-out/00000-7.png"));
    assert_eq!(pixels("pasted.png"), pixels("lbw-out/00000-7.png"));
}

#[test]
fn block_weights_change_the_picture_and_zeros_do_not() {
    let s = Sandbox::new();
    let draw = |name: &str, prompt: &str| {
        s.expect(0, &["txt2img", prompt, "--steps", "2", "--seed", "1", "-o", name]);
        image::open(s.path(name)).unwrap().to_rgb8().into_raw()
    };
    let plain = draw("plain.png", "a cat ");
    assert_eq!(draw("zeros.png", "a cat <lora:house:1:1:lbw=XLNONE>"), plain);
    assert_ne!(draw("out.png", "a cat <lora:house:1:1:lbw=XLOUT>"), plain);
}

#[test]
fn several_images_count_their_seeds_and_files() {
    let s = Sandbox::new();
    let (out, _) = s.expect(0, &["a", "b", "--n-iter", "2", "--steps", "1", "--seed", "5", "--json"]);
    let seeds: Vec<u64> = out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seed"].as_u64().unwrap())
        .collect();
    assert_eq!(seeds, [5, 6, 5, 6]);
    assert_eq!(std::fs::read_dir(s.path("lbw-out")).unwrap().count(), 4);
}

#[test]
fn nothing_is_overwritten() {
    let s = Sandbox::new();
    std::fs::write(s.path("mine.png"), "mine").unwrap();
    let (_, err) = s.expect(3, &["a cat", "--steps", "1", "-o", "mine.png"]);
    assert!(err.contains("nothing is overwritten"), "{err}");
    assert_eq!(std::fs::read(s.path("mine.png")).unwrap(), b"mine");
}

#[test]
fn text_mistakes_are_all_shown_and_nothing_is_drawn() {
    let s = Sandbox::new();
    let (_, err) = s.expect(2, &["a (cat:1.2.3) <lora:house:1:lbw=XLUOT> <lora:huose:1>"]);
    for part in ["did you mean `XLOUT`?", "did you mean `house`?", "is not a number", "prompt:1:8"] {
        assert!(err.contains(part), "{part}\n{err}");
    }
    let (_, err) = s.expect(2, &["<lora:house:1:lbw=1,1,1>"]);
    assert!(err.contains("12") && err.contains("17"), "the lengths there are: {err}");
    s.expect(2, &["a", "--sampler", "Eular"]);
    s.expect(2, &["a", "--width", "100000"]);
    s.expect(2, &["a", "--steps", "0"]);
    s.expect(2, &["a", "--seed", "-7"]);
    s.expect(2, &["a", "--n-iter", "4000000000"]);
    s.expect(2, &["pln"]);
    assert_eq!(s.files(), [] as [&str; 0]);
}

#[test]
fn strict_makes_warnings_errors() {
    let s = Sandbox::new();
    s.expect(0, &["plan", "a | b"]);
    s.expect(2, &["plan", "a | b", "--strict"]);
}

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
        std::fs::write(s.path(name), bytes).unwrap();
        let (_, err) = s.expect(3, &["a", "--model", name, "-o", "x.png"]);
        assert!(err.contains(says), "{err}");
    }
    let lora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors/num/lora_full/all12.safetensors");
    let (_, err) = s.expect(3, &["a", "--model", lora.to_str().unwrap(), "-o", "x.png"]);
    assert!(err.contains("this is a LoRA, not a checkpoint"), "{err}");
    s.expect(3, &["a", "--webui-dir", "nowhere"]);
    s.expect(3, &["a", "--device", "cuda:0"]);
    s.expect(2, &["a", "--device", "toaster"]);
    assert!(!s.path("x.png").exists());
}

#[test]
fn other_checkpoints_are_recognised() {
    let s = Sandbox::new();
    let model = |tensors: &[(&str, &[usize])]| {
        let mut end = 0;
        let mut header = serde_json::Map::new();
        for (name, shape) in tensors {
            let start = end;
            end += 2 * shape.iter().product::<usize>();
            let entry = serde_json::json!({ "dtype": "F16", "shape": shape, "data_offsets": [start, end] });
            header.insert((*name).to_owned(), entry);
        }
        let header = serde_json::to_vec(&header).unwrap();
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        file.resize(file.len() + end, 0);
        file
    };
    let conv_in = "model.diffusion_model.input_blocks.0.0.weight";
    let clip_g = "conditioner.embedders.1.model.ln_final.weight";
    type Tensors<'a> = &'a [(&'a str, &'a [usize])];
    let cases: [(Tensors, &str); 7] = [
        (&[("cond_stage_model.transformer.text_model.x", &[1]), (conv_in, &[4, 4, 3, 3])], "SD 1.x"),
        (&[("cond_stage_model.model.ln_final.weight", &[1]), (conv_in, &[4, 4, 3, 3])], "SD 2.x"),
        (&[("conditioner.embedders.0.model.ln_final.weight", &[1]), (conv_in, &[4, 4, 3, 3])], "refiner"),
        (&[(clip_g, &[1]), (conv_in, &[4, 9, 3, 3])], "inpainting"),
        (&[("double_blocks.0.img_attn.qkv.weight", &[1])], "Flux"),
        (&[("decoder.conv_in.weight", &[1]), ("encoder.conv_in.weight", &[1])], "VAE"),
        (&[(clip_g, &[1]), (conv_in, &[32, 4, 3, 3])], "missing: model.diffusion_model.time_embed.0.weight"),
    ];
    for (tensors, says) in cases {
        std::fs::write(s.path("m.safetensors"), model(tensors)).unwrap();
        let (_, err) = s.expect(3, &["a", "--model", "m.safetensors", "-o", "x.png"]);
        assert!(err.contains(says), "{says}\n{err}");
    }
    assert!(!s.path("x.png").exists());
}

#[test]
fn a_megabyte_of_brackets_is_answered() {
    let s = Sandbox::new();
    std::fs::write(s.path("p.txt"), "(".repeat(1 << 20)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lbw"))
        .args(["check", "p.txt"])
        .current_dir(s.0.path())
        .env("LBW_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 2)), "{:?}", output.status);
}

#[test]
fn plans_presets_and_loras_are_shown() {
    let s = Sandbox::new();
    let (plan, _) = s.expect(0, &["plan", "<lora:house:0.8:1:lbw=XLOUT1>", "--seed", "1"]);
    assert!(plan.contains("BASE       0.8 × 1       = 0.8"), "{plan}");
    assert!(plan.contains("block weights from XLOUT1 (sdxl.yaml:"), "{plan}");
    let (json, _) = s.expect(0, &["plan", "a <lora:house:1:lbw=XLMID>", "--seed", "1", "--json"]);
    std::fs::write(s.path("plan.json"), &json).unwrap();
    s.expect(0, &["run", "plan.json", "-o", "a.png"]);
    let (list, _) = s.expect(0, &["preset", "list"]);
    assert!(list.contains("XLOUT2") && list.contains("OUTD"));
    let (show, _) = s.expect(0, &["preset", "show", "XLMID"]);
    assert!(show.contains("M00    1"), "{show}");
    s.expect(2, &["preset", "show", "XLMDI"]);
    let (lora, _) = s.expect(0, &["lora", "inspect", "house"]);
    assert!(lora.contains("rank       4 ×168") && lora.contains("IN04"), "{lora}");
    let (explained, _) = s.expect(0, &["explain", "W0103"]);
    assert!(explained.starts_with("W0103"));
    s.expect(2, &["explain", "W9999"]);
}

#[test]
fn a_webui_folder_is_understood() {
    let s = Sandbox::new();
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/embedded");
    let scripts = s.path("webui/extensions/sd-webui-lora-block-weight/scripts");
    for dir in [s.path("webui/models/Stable-diffusion"), s.path("webui/models/Lora/style"), scripts.clone()] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::fs::copy(embedded.join("shapes-xl.safetensors"), s.path("webui/models/Stable-diffusion/own.safetensors"))
        .unwrap();
    std::fs::copy(embedded.join("night.safetensors"), s.path("webui/models/Lora/style/mine.safetensors")).unwrap();
    std::fs::write(scripts.join("lbwpresets.txt"), "OWN:1,0,0,0,0,0,0,0,0,0,0,1\n").unwrap();
    let args = ["a <lora:mine:1:lbw=OWN>", "--webui-dir", "webui", "--steps", "1", "--width", "64", "--height", "64"];
    let (out, _) = s.expect(0, &[&["txt2img", "--seed", "3"], &args[..]].concat());
    let (info, _) = s.expect(0, &["info", out.trim()]);
    assert!(info.contains("Model: own"), "{info}");
    assert!(info.contains("lbwpresets.txt:1"), "{info}");
}

#[test]
fn the_bench_measures_every_part() {
    let s = Sandbox::new();
    let (out, _) = s.expect(0, &["bench", "--rounds", "1", "--size", "64x64", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    for time in ["/open", "/load", "/text", "/sizes/0/unet/0/seconds", "/sizes/0/unet/1/seconds", "/sizes/0/vae_decode"]
    {
        assert!(report.pointer(time).and_then(serde_json::Value::as_f64).is_some_and(|t| t > 0.0), "{time}\n{out}");
    }
    let merged = report["lora"]["merged_parameters"].as_u64().unwrap();
    let blocks = report["lora"]["reweight"].as_array().unwrap();
    assert_eq!(blocks.iter().map(|b| b["parameters"].as_u64().unwrap()).sum::<u64>(), merged);
    let (_, err) = s.expect(2, &["bench", "--lora", "nobody"]);
    assert!(err.contains("there is no LoRA called `nobody`"), "{err}");
}
