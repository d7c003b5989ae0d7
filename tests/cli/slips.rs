//! What people type by mistake: each is told with advice and the right exit code, and nothing is drawn.

use crate::sandbox::{Sandbox, expect, json_lines};

/// Runs `lbw` in both languages; gives what it says on standard error in English.
#[track_caller]
fn told(s: &Sandbox, code: i32, args: &[&str]) -> String {
    let (_, err) = s.expect(code, args);
    let (_, japanese) = expect(code, s.lbw(args).env("LBW_LANG", "ja"));
    let is_japanese = |c: char| matches!(c, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}');
    let help = japanese.lines().filter(|line| line.contains("ヒント: ") || line.starts_with("エラー["));
    help.for_each(|line| assert!(line.chars().any(is_japanese), "{args:?}: {line}"));
    assert!(japanese.starts_with("エラー["), "{args:?}: {japanese}");
    assert!(s.names("lbw-out").is_empty(), "{args:?} drew something");
    err
}

#[test]
fn words_that_are_no_prompts_are_told() {
    let s = Sandbox::new();
    for (args, advice) in [
        (&["plna", "blue star"][..], "did you mean `lbw plan`?"),
        (&["analyse", "blue star <lora:house:1>"], "did you mean `lbw analyze`?"),
        (&["generate", "blue star"], "did you mean `lbw txt2img`?"),
        (&["red", "circle", "on", "blue"], "\"red circle on blue\""),
        (&["txt2img", "red", "circle"], "--prompt red --prompt circle"),
        (&["plan", "red", "circle"], "\"red circle\""),
        (&["red circle", "—steps", "20"], "write `--steps`"),
        (&["“red", "circle”"], "write `\"` on both sides"),
        (&["red circle", "/steps", "20"], "write `--steps`"),
        (&["red circle", "steps=20"], "write `--steps 20`"),
        (&["analyze", "red circle", "–seed", "1"], "write `--seed`"),
        (&["batch", "prompts.txt", "—dry-run"], "write `--dry-run`"),
        (&["run", "plan.json", "–output", "a.png"], "write `--output`"),
        (&["lora", "inspect", "a.safetensors", "—json"], "write `--json`"),
    ] {
        let err = told(&s, 2, args);
        assert!(err.contains("E0817") && err.contains(advice), "{args:?}: {err}");
    }
}

#[test]
fn files_are_no_prompts() {
    let s = Sandbox::new();
    for name in ["picture.png", "prompts.txt", "preset.yaml", "model.safetensors"] {
        let err = told(&s, 3, &[name]);
        assert!(err.contains(&format!("{name}: there is no such file")), "{err}");
        s.write(name, "x");
    }
    for (name, advice) in [
        ("picture.png", &["lbw info", "lbw run", "--init"][..]),
        ("prompts.txt", &["lbw batch", "lbw check"]),
        ("preset.yaml", &["lbw check", "--presets"]),
        ("model.safetensors", &["lbw lora inspect", "--model"]),
    ] {
        let err = told(&s, 2, &[name]);
        assert!(advice.iter().all(|word| err.contains(word)), "{err}");
        told(&s, 2, &["txt2img", name]);
    }
    s.folder("pictures");
    for args in [&["pictures"][..], &["txt2img", "pictures"], &["analyze", "pictures"]] {
        let err = told(&s, 2, args);
        assert!(err.contains("lbw batch pictures") && err.contains("`--prompt pictures`"), "{err}");
    }
    // Who wants a word as it is says so.
    let (out, _) = s.expect(0, &["plan", "--prompt", "picture.png", "--seed", "1"]);
    assert!(out.contains("picture.png"), "{out}");
}

#[test]
fn flags_of_other_programs_are_known_or_named() {
    let s = Sandbox::new();
    let plan =
        |args: &[&str]| s.json(&[&["plan", "--json", "--seed", "1"], args].concat())["passes"][0]["settings"].clone();
    let written = plan(&["x", "-W", "512", "-H", "256", "-s", "3", "--sampler_name", "Euler", "--cfg_scale", "5"]);
    let said = (&written["width"], &written["height"], &written["steps"], &written["sampler"], &written["cfg_scale"]);
    assert_eq!(said, (&512.into(), &256.into(), &3.into(), &"Euler".into(), &5.0.into()));
    let two = s.expect(0, &["plan", "x", "--negative_prompt", "n", "--n_iter", "2", "--size", "512x256", "--json"]).0;
    assert_eq!(two.lines().count(), 2);
    assert!(two.contains("\"width\":512"), "{two}");
    for (args, advice) in [
        (&["x", "--outdir", "d"][..], "`--output`"),
        (&["x", "--save-path", "d"], "`--output`"),
        (&["x", "--num_inference_steps", "5"], "`--steps`"),
        (&["x", "--stesp", "5"], "`--steps`"),
        (&["x", "--lora", "house"], "<lora:NAME:1>"),
        (&["x", "--xformers"], "leave it out"),
        (&["x", "--toward", "base-lines"], "`lbw analyze`"),
        (&["x", "--weights", "f8"], "there are: f32, f16"),
        (&["bench", "--rounds", "0"], "1..=1000"),
        (&["lora", "inpsect", "house"], "`inspect`"),
        (&["x", "--steps"], "`lbw txt2img --help`"),
        (&["run"], "<FILE>"),
        (&["lora", "merge", "<lora:a:1>", "<lora:b:1>"], "`<lora:b:1>` is one word too many for `lbw lora merge`"),
        (&["lora", "diff", "a", "b", "x"], "`x` is one word too many for `lbw lora diff`"),
        (&["upscale", "a.png", "--tile", "-3"], "`--tile -3`: it cannot be below 0"),
        (&["x", "--size", "-64x64"], "`--size -64x64`: it cannot be below 0"),
        (&["x", "--precision", "bf16"], "--precision"),
        (&["x", "--device", "gpu"], "there are cpu, cuda"),
        (&["x", "--via", "http://127.0.0.1:99999"], "`99999` is no port"),
        (&["plan", "x", "--hires-upscale", "2", "--hires-upscaler", "Lantent"], "did you mean `Latent`?"),
        (
            &["plan", "x", "--hires-upscale", "2", "--hires-upscaler", "latent (bicubc)"],
            "did you mean `Latent (bicubic)`?",
        ),
    ] {
        let err = told(&s, 2, args);
        assert!(err.contains(advice), "{args:?}: {err}");
    }
}

#[test]
fn help_goes_to_standard_output_and_errors_do_not() {
    let s = Sandbox::new();
    let (out, err) = s.expect(0, &["txt2img", "-h"]);
    assert!(out.starts_with("Prompt to PNG\n") && err.is_empty(), "{out}{err}");
    let (long, _) = s.expect(0, &["help", "txt2img"]);
    assert!(long.len() > out.len() && long == s.expect(0, &["txt2img", "--help"]).0);
    let (out, err) = s.expect(2, &[]);
    assert!(out.is_empty() && err.contains("Commands:") && err.contains("analyze"), "{err}");
    assert!(s.expect(0, &["--version"]).0.starts_with("lbw "));
    s.expect(2, &["lora"]);
}

#[test]
fn files_that_are_not_what_they_should_be_are_told_before_anything_is_drawn() {
    let s = Sandbox::new();
    let (version, _) = s.expect(0, &["version"]);
    assert!(version.starts_with("lbw "), "{version}");
    let (_, said) = s.expect(3, &["check", "prompts.txt"]);
    assert!(said.contains("there is no such file"), "{said}");
    let models = s.json(&["models", "--json"]);
    let (_, said) = s.expect(3, &["lora", "inspect", models["path"].as_str().unwrap()]);
    assert!(said.contains("this is a checkpoint of SDXL"), "{said}");
    s.write("loras/cut.safetensors", &std::fs::read(models["path"].as_str().unwrap()).unwrap()[..5000]);
    for command in [&["plan"][..], &["check"], &["txt2img", "--dry-run"], &["txt2img"]] {
        let args = [command, &["x <lora:cut:1>", "--lora-dir", "loras"]].concat();
        let (_, said) = s.expect(3, &args);
        assert!(said.contains("E0705") && said.contains("cut.safetensors"), "{command:?}: {said}");
    }
    s.write("models/broken.safetensors", "<html>");
    for command in [&["plan"][..], &["txt2img", "--dry-run"], &["txt2img"]] {
        let args = [command, &["x", "--model", "models/broken.safetensors"]].concat();
        let (_, said) = s.expect(3, &args);
        assert!(said.contains("E0705") && said.contains("broken.safetensors"), "{command:?}: {said}");
    }
    let (plan, _) = s.expect(0, &["plan", "x"]);
    assert!(plan.starts_with("model: shapes-xl.safetensors") && plan.contains("MiB"), "{plan}");
    let (_, said) = s.expect(0, &["plan", "x", "--cfg-scale", "700"]);
    assert!(said.contains("W0618"), "{said}");
    let (_, said) = s.expect(2, &["plan", "<lora:house:1:lbw=MYPRESET>"]);
    assert!(said.contains("--presets") && said.contains("--webui-dir"), "{said}");
    // JSON is no prompt, whoever wrote it.
    for json in [r#"{"foo": 1, "bar": "x"}"#, r#"[{"prompt": "x", "steps": 2}]"#, r#"["red circle"]"#] {
        let said = told(&s, 2, &["txt2img", json]);
        assert!(said.contains("E0643"), "{said}");
    }
    s.expect(0, &["plan", "[red circle], {blue}, [1, 2]", "--seed", "1"]);
    assert_eq!(s.names("lbw-out"), [""; 0], "nothing is drawn");
}

#[test]
fn places_that_are_none_are_told_before_anything_is_drawn() {
    let s = Sandbox::new();
    s.write("file", "x");
    s.write("prompts.txt", "red circle\n");
    // A run and a dry run say the same.
    for run in [&["--dry-run"][..], &[]] {
        for (output, says) in [
            ("file/a.png", "file is a file and not a folder"),
            ("file/folder", "file is a file and not a folder"),
            ("nowhere/a.png", "nowhere: there is no such folder"),
        ] {
            let args = [&["red circle", "--steps", "1", "--seed", "1", "-o", output][..], run].concat();
            let said = told(&s, 3, &args);
            assert!(said.contains(says), "{args:?}: {said}");
        }
    }
    // A checkpoint that there is not is a matter of files for every command.
    for args in [
        &["plan", "x", "--ckpt", "none"][..],
        &["txt2img", "x", "--ckpt", "none", "--dry-run"],
        &["check", "x", "--ckpt", "none"],
        &["check", "prompts.txt", "--ckpt", "none"],
        &["batch", "prompts.txt", "--ckpt", "none"],
        &["batch", "prompts.txt", "--ckpt", "none", "--dry-run"],
    ] {
        let said = told(&s, 3, args);
        assert!(said.contains("E0702") && said.contains("none: there is no such file"), "{args:?}: {said}");
    }
    s.folder("webui/models/Stable-diffusion");
    for inside in ["webui/models", "webui/models/Stable-diffusion"] {
        let said = told(&s, 3, &["plan", "x", "--webui-dir", inside]);
        assert!(said.contains("did you mean `--webui-dir webui`?"), "{said}");
    }
    let said = told(&s, 2, &["plan", "x", "--size", "512"]);
    assert!(said.contains("512x512"), "{said}");
}

#[test]
fn a_dry_run_opens_what_a_run_opens() {
    let s = Sandbox::new();
    let loras = json_lines(&s.expect(0, &["loras", "--json"]).0);
    let lora = loras[0]["path"].as_str().unwrap().to_owned();
    s.write("picture.png", "\u{89}PNG");
    s.folder("folder");
    for command in [&["plan"][..], &["check"], &["txt2img", "--dry-run"], &["txt2img"]] {
        for (flag, name) in
            [("--vae", lora.as_str()), ("--refiner", lora.as_str()), ("--vae", "picture.png"), ("--refiner", "folder")]
        {
            let err = told(&s, 3, &[command, &["x", flag, name]].concat());
            assert!(err.contains("E0705"), "{command:?} {flag} {name}: {err}");
        }
    }
    for args in [&["--device", "cuda"][..], &["--device", "metal"]] {
        for command in [&["txt2img", "--dry-run"][..], &["txt2img"]] {
            assert!(told(&s, 3, &[command, &["x"], args].concat()).contains("E0715"));
        }
    }
}

#[test]
fn files_of_styles_and_folders_that_are_not_what_they_should_be() {
    let s = Sandbox::new();
    s.folder("webui/models/Stable-diffusion");
    s.write("empty/note.md", "");
    s.write("prompts/a.txt", "red circle\n");
    for (args, advice) in [
        (&["plan", "x", "--styles-file", "nowhere.csv"][..], "there is no such file"),
        (&["plan", "x", "--styles-file", "webui"], "name the file in it"),
        (&["loras", "--webui-dir", "webui/models"], "`--webui-dir webui`"),
    ] {
        assert!(told(&s, 3, args).contains(advice), "{args:?}");
    }
    for command in ["check", "batch", "plan"] {
        assert!(told(&s, 2, &[command, "empty"]).contains("no picture lies in this folder"), "{command}");
        assert!(told(&s, 2, &[command, "prompts"]).contains("prompts/a.txt"), "{command}");
    }
}

#[test]
fn settings_that_nothing_uses_are_told() {
    let s = Sandbox::new();
    let size = ["--steps", "1", "--width", "64", "--height", "64", "--seed", "1"];
    s.expect(0, &[&["x", "-o", "a.png"][..], &size].concat());
    let picture = ["img2img", "x", "--init", "a.png", "--dry-run"];
    for (args, names) in [
        (&["plan", "x", "--subseed", "7"][..], "Variation seed"),
        (&["plan", "x", "--unipc-order", "2"], "UniPC order"),
        (&["plan", "x", "--beta-alpha", "0.9"], "Beta schedule alpha"),
        (&["plan", "x", "--extra-noise", "0.5"], "Extra noise"),
        (&["plan", "x", "--hires-prompt", "y"], "Hires prompt"),
        (&["plan", "x", "--refiner-switch-at", "0.5"], "Refiner switch at"),
        (&[&picture[..], &["--only-masked", "--mask-blur", "9"]].concat(), "Mask blur, Inpaint area"),
        (&[&picture[..], &["--masked-content", "fill"]].concat(), "Masked content"),
    ] {
        let (_, err) = s.expect(0, args);
        assert!(err.contains("W0610") && err.contains(names), "{args:?}: {err}");
        let (_, japanese) = expect(0, s.lbw(args).env("LBW_LANG", "ja"));
        assert!(japanese.contains("警告[W0610]") && japanese.contains("効果"), "{japanese}");
        s.expect(2, &[args, &["--strict"]].concat());
    }
}

#[test]
fn a_picture_may_be_piped_wherever_one_is_named() {
    let s = Sandbox::new();
    let size = ["--steps", "1", "--width", "64", "--height", "64"];
    s.expect(0, &[&["x", "-o", "a.png", "--seed", "1"][..], &size].concat());
    let piped = |code: i32, args: &[&str], file: &str| {
        let input = std::fs::File::open(s.path(file)).unwrap();
        expect(code, s.lbw(args).stdin(input))
    };
    assert!(piped(0, &["info", "-"], "a.png").0.starts_with("x\nSteps: 1"));
    piped(0, &["run", "-", "-o", "b.png"], "a.png");
    assert_eq!(std::fs::read(s.path("a.png")).unwrap(), std::fs::read(s.path("b.png")).unwrap());
    assert!(piped(0, &["batch", "-", "--dry-run"], "a.png").1.contains("1 picture from 1 line"));
    let over = ["img2img", "y", "--init", "-", "-o", "c.png", "--steps", "1"];
    piped(0, &over, "a.png");
    assert!(s.path("c.png").is_file());
    // It is read twice: the picture, and what of it is transparent.
    let (_, err) = piped(2, &[&over[..], &["--mask", "alpha"]].concat(), "a.png");
    assert!(err.contains("nothing in - is transparent"), "{err}");
    piped(0, &["upscale", "-", "--scale", "2", "-o", "d.png"], "a.png");
    assert_eq!(image::image_dimensions(s.path("d.png")).unwrap(), (128, 128));
    s.write("words.txt", "a cat\n");
    for (file, language, says) in [("words.txt", "en", "`lbw batch -`"), ("words.txt", "ja", "計画ではなく文章です")]
    {
        let input = std::fs::File::open(s.path(file)).unwrap();
        let (_, err) = expect(2, s.lbw(&["run", "-"]).env("LBW_LANG", language).stdin(input));
        assert!(err.contains(says), "{err}");
    }
}

#[test]
fn hosts_that_are_not_there_are_told_with_advice() {
    let s = Sandbox::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let err = told(&s, 3, &["x", "--via", &format!("http://127.0.0.1:{port}")]);
    assert!(err.contains("E1316") && err.contains("--api"), "{err}");
    let (_, japanese) = expect(3, s.lbw(&["x", "--via", &format!("127.0.0.1:{port}")]).env("LBW_LANG", "ja"));
    assert!(japanese.contains("接続を拒否されました") && japanese.contains("ポート"), "{japanese}");
}

#[test]
fn a_plan_that_was_written_wrong_is_not_drawn() {
    let s = Sandbox::new();
    let (plan, _) = s.expect(0, &["plan", "x", "--seed", "1", "--json"]);
    s.write("good.json", &plan);
    s.write("wrong.json", plan.replacen("\"seed\"", "\"sede\"", 1));
    let err = told(&s, 2, &["run", "wrong.json", "-o", "a.png"]);
    assert!(err.contains("a plan has no `sede`") && err.contains("`seed`"), "{err}");
    for command in ["batch", "check", "plan"] {
        let err = told(&s, 2, &[command, "good.json"]);
        assert!(err.contains("lbw run good.json"), "{command}: {err}");
    }
    let cut = r#"{"prompt": "a red house", "steps": 5,"#;
    s.write("cut.txt", cut);
    for args in [&["plan", cut][..], &["txt2img", cut], &["check", cut], &["batch", "cut.txt"], &["check", "cut.txt"]] {
        told(&s, 2, args);
    }
    let err = told(&s, 2, &["red circle", "--tiling", "yes"]);
    assert!(err.contains("`--tiling=true`"), "{err}");
}
