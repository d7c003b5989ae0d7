//! What people paste, in every command that reads it, in both languages: nothing changes the picture in silence.

use image::RgbImage;
use lbw::image_io::encode_png;
use serde_json::json;

use crate::sandbox::{Sandbox, expect, json_lines, repository};

/// What is pasted, a code that is said, and the exit codes without and with `--strict`.
static ROWS: [(&str, &str, [i32; 2]); 37] = [
    ("a <lora:house:0.6:PALETTE>", "E0207", [2, 2]),
    ("a <lora:house:1:LBW=XLOUT>", "W0240", [0, 2]),
    ("a <lora:house:1:Stop=10>", "W0240", [0, 2]),
    ("x <lora:house:1, y", "W0241", [0, 2]),
    ("x ＜lora：house：1＞", "W0242", [0, 2]),
    ("x < lora:house:1>", "W0242", [0, 2]),
    ("a <lora:house:1:lbw=1，1，1，1，1，1，1，1，1，1，1，1>", "E0201", [2, 2]),
    ("a <lora:house:1:lbw=XYZ>", "E0201", [2, 2]),
    ("a __color__ cat", "W0120", [0, 2]),
    ("{red|blue} hair", "W0120", [0, 2]),
    ("2girls ADDCOMM sunset ADDBASE red", "W0122", [0, 2]),
    ("mutual#kiss, twintails", "N0123", [0, 0]),
    ("(masterpiece, best quality, 1girl", "W0124", [0, 2]),
    ("red hair), smile", "W0124", [0, 2]),
    ("（赤い髪：1.2）", "W0125", [0, 2]),
    ("赤い髪，青い目", "W0125", [0, 2]),
    ("(red hair:1,2)", "W0126", [0, 2]),
    ("", "W0128", [0, 2]),
    ("a\nSteps: 5, Sampler: Euler, Schedule type: Turbo, Seed: 3, Size: 128x128", "W0607", [0, 2]),
    ("a\nSteps: 5, Sampler: TCD, Seed: 3, Size: 128x128", "W0604", [0, 2]),
    ("a\nSteps: 5, Sampler: Euler,\nSeed: 3, Size: 128x128,\nVersion: v1", "N0640", [0, 0]),
    ("(red:) hair", "W0126", [0, 2]),
    ("[red:blue:O.5] hair", "W0126", [0, 2]),
    ("a\nNegative Prompt: b", "N0640", [0, 0]),
    ("Prompt: a\n**Negative:** b", "N0640", [0, 0]),
    ("a\nネガティブプロンプト：b", "N0640", [0, 0]),
    ("a\nSteps：5，Sampler：Euler， Seed：3，Size：128x128", "N0640", [0, 0]),
    ("a redNegative prompt: bSteps: 5, Sampler: Euler, Seed: 3, Size: 128x128", "N0640", [0, 0]),
    (r"a\nNegative prompt: b\nSteps: 5, Sampler: Euler, Seed: 3, Size: 128x128", "N0640", [0, 0]),
    ("> a\n> Negative prompt: b\n> Steps: 5, Sampler: Euler, Seed: 3, Size: 128x128", "N0640", [0, 0]),
    ("```\na<br>\nNegative prompt: b\n```", "N0640", [0, 0]),
    ("a\nSteps: 5, Seed: 3, Size: 128x128, Lora hashes: \"gone: 222222222222\"", "W0641", [0, 2]),
    ("red {lora:house:1}", "W0242", [0, 2]),
    ("（（赤い髪））", "W0125", [0, 2]),
    ("a\nSteps: 5, CFG scale: 4,5, Seed: 3, Size: 128x128", "W0607", [0, 2]),
    ("a\nSteps: 5, Seed: 3, Size: 128x128, Refiner switch at: 0.5", "W0610", [0, 2]),
    (
        "a\nSteps: 5, Seed: 3, Size: 128x128, Civitai resources: [{\"type\":\"lora\",\"modelName\":\"X\",\"weight\":1}]",
        "W0641",
        [0, 2],
    ),
];

#[test]
fn every_command_says_the_same_in_both_languages() {
    let s = Sandbox::new();
    let of = |code: i32, args: &[&str], language: &str| {
        let (out, err) = expect(code, s.lbw(args).env("LBW_LANG", language));
        format!("{out}{err}")
    };
    // All rows at once where a command takes several prompts, so that each command runs a few times only.
    type Rows = Vec<&'static (&'static str, &'static str, [i32; 2])>;
    let (mild, wrong): (Rows, Rows) = ROWS.iter().partition(|(.., codes)| codes[0] == 0);
    for (rows, code) in [(mild, 0), (wrong, 2)] {
        let texts: Vec<&str> = rows.iter().map(|(text, ..)| *text).collect();
        for language in ["en", "ja"] {
            let lines: Vec<String> = texts.iter().map(|text| json!({ "prompt": text }).to_string()).collect();
            s.write("lines.jsonl", lines.join("\n"));
            let said = [
                of(code, &[&["check"][..], &texts].concat(), language),
                of(code, &[&["plan", "--steps", "5"][..], &texts].concat(), language),
                of(code, &[&["txt2img", "--dry-run", "--steps", "5"][..], &texts].concat(), language),
            ];
            for (text, expected, _) in &rows {
                let is_said = said.iter().all(|said| said.contains(&format!("[{expected}]")));
                assert!(is_said, "{language} {expected} of {text:?}:\n{}", said.join("\n---\n"));
            }
            let of_prompts = of(code, &["batch", "--dry-run", "lines.jsonl"], language);
            for (text, expected, _) in rows.iter().filter(|(text, ..)| !text.contains('\n')) {
                assert!(
                    of_prompts.contains(&format!("[{expected}]")),
                    "{language} {expected} of {text:?} in batch:\n{of_prompts}"
                );
            }
        }
    }
}

#[test]
fn warnings_refuse_where_that_is_asked_for() {
    let s = Sandbox::new();
    for (text, code, [plain, strict]) in ROWS {
        if plain == strict {
            continue;
        }
        let found = json_lines(&s.expect(strict, &["check", "--strict", "--json", text]).0);
        assert!(found.iter().any(|found| found["code"] == code), "{text}: {found:?}");
    }
}

#[test]
fn ordinary_prompts_pass() {
    let s = Sandbox::new();
    s.write("ordinary.txt", std::fs::read(repository("fixtures/prompts/ordinary.txt")).unwrap());
    let (out, err) = s.expect(0, &["check", "--strict", "ordinary.txt"]);
    assert_eq!(out, "0 errors, 0 warnings\n", "{err}");
}

fn png(parameters: &str) -> Vec<u8> {
    encode_png(&RgbImage::new(8, 8), parameters, None).unwrap()
}

const SMALL: &str = "red circle\nSteps: 1, Sampler: Euler, CFG scale: 2, Seed: 4, Size: 32x32";

#[test]
fn pictures_are_drawn_again_by_every_command() {
    let s = Sandbox::new();
    s.expect(0, &["txt2img", SMALL, "-o", "words.png"]);
    s.write("webui.png", png(SMALL));
    s.expect(0, &["run", "webui.png", "-o", "run.png"]);
    s.assert_same_picture("words.png", "run.png");
    s.write("outputs/2024-01-01/a.png", png(SMALL));
    s.write("outputs/2024-01-02/b.png", png(&SMALL.replace("Seed: 4", "Seed: 5")));
    let (out, _) = s.expect(0, &["batch", "outputs", "-o", "again", "--name", "{seed}"]);
    assert_eq!(out.lines().count(), 2);
    s.assert_same_picture("words.png", "again/4.png");
    s.expect(0, &["batch", "webui.png", "-o", "one", "--name", "{seed}"]);
    s.assert_same_picture("words.png", "one/4.png");
    s.expect(0, &["check", "--strict", "webui.png"]);
    let plan = s.json(&["plan", "--json", "webui.png"]);
    assert_eq!(
        (&plan["passes"][0]["prompt"], &plan["passes"][0]["settings"]["seed"]),
        (&json!("red circle"), &json!(4))
    );
    // What a picture shows can be pasted.
    let (info, _) = s.expect(0, &["info", "webui.png"]);
    assert_eq!(info.trim_end(), SMALL);
}

#[test]
fn settings_of_other_programs() {
    let s = Sandbox::new();
    let swarm = json!({ "sui_image_params": { "prompt": "red circle", "steps": 3, "seed": 8, "cfgscale": 2, "width": 64, "height": 32,
        "sampler": "euler", "scheduler": "normal", "model": "other.safetensors", "seamlesstileable": "X-Only" } });
    s.write("swarm.png", png(&swarm.to_string()));
    let graph =
        json!({ "1": { "class_type": "KSampler", "inputs": {} }, "2": { "class_type": "KSampler", "inputs": {} } });
    s.write("graph/comfy.json", graph.to_string());
    let plan = s.json(&["plan", "--json", "swarm.png"]);
    assert_eq!(
        (&plan["passes"][0]["prompt"], &plan["passes"][0]["settings"]["width"]),
        (&json!("red circle"), &json!(64))
    );
    let (out, err) = s.expect(0, &["batch", "--dry-run", "swarm.png"]);
    assert!(out.is_empty() && err.contains("N0642") && err.contains("seamlesstileable"), "{err}");
    let (info, err) = s.expect(0, &["info", "swarm.png"]);
    assert!(info.starts_with("red circle\nSteps: 3, Sampler: euler") && err.contains("SwarmUI"), "{info}{err}");
    // What cannot be read says what it holds, in every command.
    for args in [["check", "graph/comfy.json"], ["plan", "graph/comfy.json"], ["batch", "graph/comfy.json"]] {
        let (_, err) = s.expect(2, &args);
        assert!(err.contains("E0643") && err.contains("ComfyUI workflow of 2 nodes"), "{err}");
    }
    let (_, err) = expect(2, s.lbw(&["check", "graph/comfy.json"]).env("LBW_LANG", "ja"));
    assert!(err.contains("ComfyUI のワークフロー"), "{err}");
    s.write("empty.png", encode_png(&RgbImage::new(2, 2), "", None).unwrap());
    s.expect(2, &["run", "empty.png"]);
}

#[test]
fn a_pasted_hash_chooses_between_files_of_one_name() {
    let s = Sandbox::new();
    s.folder("loras/a");
    s.folder("loras/b");
    for (from, to) in [("house", "a"), ("night", "b")] {
        let file = repository(&format!("fixtures/embedded/{from}.safetensors"));
        std::fs::copy(file, s.path(&format!("loras/{to}/mine.safetensors"))).unwrap();
    }
    let (listed, _) = s.expect(0, &["lora", "inspect", "loras/b/mine.safetensors", "--json"]);
    let hash =
        serde_json::from_str::<serde_json::Value>(&listed).unwrap()["hashes"]["webui"].as_str().unwrap().to_owned();
    let prompt = "red circle <lora:mine:1:1:lbw=XLOUT>";
    let (_, err) = s.expect(2, &["plan", prompt, "--lora-dir", "loras"]);
    assert!(err.contains("a/mine.safetensors") && err.contains("b/mine.safetensors"), "{err}");
    let text = format!("{prompt}\nSteps: 3, Seed: 1, Size: 64x64, Lora hashes: \"mine: {hash}\", Version: v1.10.1");
    let (plan, err) = s.expect(0, &["plan", &text, "--lora-dir", "loras"]);
    assert!(err.contains("[N0722]") && plan.contains("b/mine"), "{plan}{err}");
    let (_, err) = s.expect(0, &[&text, "--lora-dir", "loras", "-o", "hashed.png"]);
    assert!(err.contains("[N0722]") && !err.contains("W0708"), "{err}");
    s.expect(
        0,
        &[
            "red circle <lora:b/mine:1:1:lbw=XLOUT>",
            "--lora-dir",
            "loras",
            "--steps",
            "3",
            "--seed",
            "1",
            "--size",
            "64x64",
            "-o",
            "named.png",
        ],
    );
    s.assert_same_picture("hashed.png", "named.png");
}

#[test]
fn standard_input_is_read_as_files_are() {
    let s = Sandbox::new();
    let of = |language: &str, code: i32, bytes: Vec<u8>| {
        s.write("input", bytes);
        let input = std::fs::File::open(s.path("input")).unwrap();
        let mut lbw = s.lbw(&["plan", "-", "--seed", "1"]);
        expect(code, lbw.env("LBW_LANG", language).stdin(input))
    };
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let text: Vec<u8> = "\u{feff}a red cat\r\n".encode_utf16().flat_map(bytes).collect();
        assert!(of("en", 0, text).0.contains("prompt: a red cat\n"));
    }
    // CP932 of 赤い髪の少女, and UTF-16 without its mark.
    let cp932 = b"\x90\xd4\x82\xa2\x94\xaf\x82\xcc\x8f\xad\x8f\x97\x81\x41\x8f\xce\x8a\xe7".to_vec();
    assert!(of("en", 3, cp932.clone()).1.contains("standard input: not UTF-8 text"));
    assert!(of("ja", 3, cp932).1.contains("標準入力: UTF-8 の文書ではありません"));
    let (_, err) = of("en", 3, "a red cat".encode_utf16().flat_map(u16::to_le_bytes).collect());
    assert!(err.contains("it looks like UTF-16LE"), "{err}");

    // `-` stands for a file as well: prompts of a batch, plans, and what is checked.
    let piped = |code: i32, args: &[&str], text: &str| {
        s.write("input", text);
        expect(code, s.lbw(args).stdin(std::fs::File::open(s.path("input")).unwrap()))
    };
    let lines = "#lbw --steps 1 --size 32x32 --seed 1\nred circle\nblue star\n";
    let (out, _) = piped(0, &["batch", "-"], lines);
    assert_eq!(out.lines().count(), 2, "{out}");
    assert_eq!(s.names("lbw-out/stdin").iter().filter(|name| name.ends_with(".png")).count(), 2);
    let (_, said) = piped(0, &["batch", "-"], lines);
    assert!(said.contains("(2 were there)"), "{said}");
    let (out, _) = piped(2, &["check", "-"], "#lbw --step 1\nred circle\n");
    assert!(out.contains("1 errors"), "{out}");
    let (plan, _) = s.expect(0, &["plan", "red circle", "--steps", "1", "--size", "32x32", "--seed", "1", "--json"]);
    piped(0, &["run", "-", "-o", "run.png"], &plan);
    let first = s.names("lbw-out/stdin").into_iter().find(|name| name.ends_with(".png")).unwrap();
    s.assert_same_picture("run.png", &format!("lbw-out/stdin/{first}"));
}

#[test]
fn a_batch_says_that_a_file_is_another_one() {
    let s = Sandbox::new();
    let infotext = "red circle\nSteps: 1, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 32x32, Model hash: 0123456789, Model: other";
    s.write("a.txt", format!("{infotext}\n"));
    s.write("empty/models/Stable-diffusion/another.safetensors", "x");
    s.folder("webui/models/Stable-diffusion");
    let own = repository("fixtures/embedded/shapes-xl.safetensors");
    std::fs::copy(own, s.path("webui/models/Stable-diffusion/other.safetensors")).unwrap();
    for (command, output) in [(&["txt2img", infotext][..], ["a.png", "b.png"]), (&["batch", "a.txt"], ["a", "b"])] {
        let languages = [("en", "hash 50f47b955b instead of 0123456789"), ("ja", "0123456789 ではなく 50f47b955b")];
        for ((language, says), output) in languages.into_iter().zip(output) {
            let args = [command, &["--webui-dir", "webui", "-o", output]].concat();
            let (_, said) = expect(0, s.lbw(&args).env("LBW_LANG", language));
            assert!(said.contains("W0708") && said.contains(says), "{command:?}: {said}");
        }
        // Without the file a dry run says what the run would.
        for run in [&["--dry-run"][..], &[]] {
            let args = [command, &["--webui-dir", "empty", "-o", "none.png"], run].concat();
            let (_, said) = s.expect(3, &args);
            assert!(said.contains("E0702") && said.contains("other"), "{said}");
        }
    }
}

#[test]
fn several_files_of_one_name_are_told_in_both_languages() {
    let s = Sandbox::new();
    for (folder, from) in [("a", "house"), ("b", "night")] {
        s.folder(&format!("loras/{folder}"));
        let file = repository(&format!("fixtures/embedded/{from}.safetensors"));
        std::fs::copy(file, s.path(&format!("loras/{folder}/mine.safetensors"))).unwrap();
    }
    let args = ["check", "x <lora:mine:1>", "--lora-dir", "loras"];
    assert!(s.expect(2, &args).1.contains("`mine` may be any of"));
    let (_, japanese) = expect(2, s.lbw(&args).env("LBW_LANG", "ja"));
    assert!(japanese.contains("`mine` に当たるものがいくつもあります"), "{japanese}");
}

#[test]
fn presets_in_the_other_option_are_read_or_told() {
    let s = Sandbox::new();
    s.write("elempresets.txt", "ATT:M00:attn:0.5\n");
    s.write("lbwpresets.txt", "MINE:1,0,0,0,0,0,0,0,0,0,0,0\n");
    let prompt = "x <lora:house:1:lbw=MINE:lbwe=ATT>";
    s.expect(0, &["plan", prompt, "--presets", "elempresets.txt", "--element-presets", "lbwpresets.txt"]);
    // Under other names what they hold is not known.
    s.write("elements.txt", "ATT:M00:attn:0.5\n");
    s.write("notes.txt", "# nothing yet\n\n");
    let (_, err) = s.expect(0, &["plan", "x", "--presets", "elements.txt", "--presets", "notes.txt"]);
    assert!(err.contains("elements.txt: no preset is in it") && err.contains("`--element-presets`"), "{err}");
    assert!(!err.contains("notes.txt"), "{err}");
    let (_, japanese) = expect(0, s.lbw(&["plan", "x", "--presets", "elements.txt"]).env("LBW_LANG", "ja"));
    assert!(japanese.contains("elements.txt: プリセットがありません"), "{japanese}");
}

#[test]
fn names_of_all_blocks_are_understood_and_seeds_are_not_changed() {
    let s = Sandbox::new();
    let prompt = "red circle <lora:night:1:1:lbw=XYZ>";
    for all in ["12ALL", "12all", " 12All"] {
        let axis = format!("Block ID={all}");
        let (out, _) = s.expect(0, &["xyz", prompt, "--x", &axis, "--y", "values=0,1", "--seed", "1", "--dry-run"]);
        assert!(out.starts_with("24 cells") && out.contains("BASE | IN04") && out.contains("OUT05"), "{out}");
    }
    let small = ["--steps", "1", "--size", "32x32", "--seed", "1"];
    s.expect(0, &[&["analyze", "red circle <lora:night:1>", "--blocks", "12all"][..], &small].concat());
    for args in [
        &["xyz", prompt, "--x", "seed=18446744073709551616", "--dry-run"][..],
        &["xyz", prompt, "--x", "Steps=1", "--seed", "13835058055282163712", "--dry-run"],
        &["analyze", "red circle <lora:night:1>", "--seed", "13835058055282163712", "-o", "other"],
    ] {
        let (_, err) = s.expect(2, args);
        assert!(err.contains("from 0 to 922337203685477580"), "{args:?}: {err}");
        let (_, err) = expect(2, s.lbw(args).env("LBW_LANG", "ja"));
        assert!(err.contains("0 から 922337203685477580"), "{args:?}: {err}");
    }
}
