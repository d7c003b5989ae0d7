//! `lbw plan` as a user runs it: where each number comes from, and what other tools make of the same tags.

use crate::sandbox::{Sandbox, json};

/// Runs `lbw plan` with these arguments and expects this exit code; gives standard output and standard error.
#[track_caller]
fn plan(code: i32, args: &[&str]) -> (String, String) {
    Sandbox::new().expect(code, &[&["plan", "--seed", "1"], args].concat())
}

#[track_caller]
fn contains_all(text: &str, wanted: &[&str]) {
    wanted.iter().for_each(|line| assert!(text.contains(line), "no `{line}` in\n{text}"));
}

#[test]
fn every_number_has_a_source() {
    let (out, _) = plan(0, &["<lora:overcooked:0.8:0.5:lbw=XLOUT1:lbwe=ATTNDEEPON:step=2-9>"]);
    contains_all(
        &out,
        &[
            "overcooked: text encoders 0.8, UNet 0.5, block weights from XLOUT1 (sdxl.yaml:",
            ", element rules from ATTNDEEPON (elements.yaml:",
            "acts on the UNet from step 2 to before step 9",
            "  BASE       0.8 × 1       = 0.8      36 modules\n",
            "  IN04       0.5 × 0       = 0        12 modules\n",
            "  IN05       0.5 × 0       = 0        12 modules, 8 by rule 1 = 0.5\n",
            "  rule 1: IN05-OUT05 : attn → ratio 1\n",
        ],
    );
    assert!(!out.contains("IN09") && !out.contains('\x1b'), "{out}");
}

#[test]
fn what_changes_over_the_steps_has_its_course_and_its_cost() {
    let (out, err) = plan(0, &["<lora:overcooked:0.8:lbw=XLALL@0,XLOUT@0.5>", "--steps", "12"]);
    contains_all(
        &out,
        &[
            "block weights from XLALL (sdxl.yaml:",
            " at 0, XLOUT (sdxl.yaml:",
            // Steps 1 to 5, IN04 to M00 with 12 modules each.
            "  changes at 5 steps, where 300 modules are merged again in all\n",
            "  step          0        5       10\n",
            "  IN04        0.8        0        0\n",
            "  OUT00       0.8      0.8      0.8\n",
            "  at the beginning:\n",
        ],
    );
    contains_all(&err, &["note[N1309]"]);
    let (out, _) = plan(0, &["<lora:overcooked:1:0@0,1@1>", "--steps", "12", "--json"]);
    let lora = &json(&out)["passes"][0]["loras"][0];
    assert_eq!(
        lora["over_time"]["unet"],
        serde_json::json!([{"step": 0.0, "value": 0.0}, {"step": 10.0, "value": 1.0}])
    );
    let (_, err) = Sandbox::new().expect(2, &["lora", "bake", "<lora:overcooked:1:0@0,1@1>", "-o", "x.safetensors"]);
    contains_all(&err, &["what changes over the steps"]);
}

#[test]
fn a_dialect_is_followed_and_named() {
    let (out, _) = plan(0, &["<lora:overcooked:0.8:in=0.5>", "--lbw-dialect", "sdnext"]);
    contains_all(
        &out,
        &["block weights from tag, read as SD.Next", "  IN04         1 × 0.5     = 0.5", "outside the blocks"],
    );
    let (_, err) = plan(2, &["<lora:overcooked:0.8:lbw=%in1-4=0.5,default=1>"]);
    assert_eq!(err.matches("error[E0227]").count(), 1, "{err}");
    contains_all(&err, &["written for Inspire", "--lbw-dialect inspire"]);
    let (json, _) = plan(0, &["<lora:overcooked:lbw=%in1-4=0.5,default=1>", "--lbw-dialect", "inspire", "--json"]);
    contains_all(&json, &[r#""lbw_dialect":"inspire""#]);
}

#[test]
fn dialects_are_compared() {
    let vector = "<lora:overcooked:0.8:0.5:lbw=1,0.5,1,1,1,1,1,1,1,1,1,0.2>";
    let (out, err) = plan(0, &[vector, "--compare"]);
    assert_eq!(err, "");
    let cells = |name: &str| -> Vec<String> {
        let line = out.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    // Modules; webui, SD.Next, stable-diffusion.cpp and SuperMerger, which squares.
    assert_eq!(cells("IN04"), ["12", "0.25", "0.4", "0.8", "0.25"]);
    assert_eq!(cells("OUT05"), ["12", "0.1", "0.16", "0.8", "0.04"]);
    contains_all(&out, &["versions that the rules were read from", "(2025-06-19)"]);
    contains_all(
        &out,
        &["as webui: Forge", "W1304 SuperMerger ignores the strength 0.8", "stable-diffusion.cpp ignores `0.5:lbw="],
    );
    let (text, _) = plan(0, &[vector, "--compare", "--json"]);
    let json = json(&text);
    assert_eq!(json["factors"]["IN04"]["sdnext"], 0.4);
    let (out, _) = plan(0, &["<lora:overcooked:0.8:lbw=%in1-2=0.5,default=1>", "--compare"]);
    contains_all(
        &out,
        &[
            "webui, Forge, reForge, Forge Neo cannot read it: these block weights are written for Inspire",
            "SD.Next, kohya's script cannot read it",
            "without a factor: webui, Forge",
        ],
    );
    contains_all(&plan(0, &["a cat", "--compare"]).0, &["no LoRA tag"]);
    contains_all(&plan(2, &["<lora:nope:1>", "--compare"]).1, &["E0218"]);
}

#[test]
fn a_picture_is_audited() {
    let s = Sandbox::new();
    let tag = "<lora:house:0.8:lbw=1,0.5,1,1,1,1,1,1,1,1,1,0.2:start=1>";
    s.write(
        "forge.txt",
        format!("a house {tag}\nSteps: 4, Sampler: Euler, Seed: 1, Version: f2.0.1v1.10.1-previous-659-gc055f2d4"),
    );
    let (out, err) = s.expect(0, &["info", "forge.txt", "--audit"]);
    assert_eq!(err, "");
    contains_all(
        &out,
        &[
            "drawn by Forge (`f2.0.1v1.10.1-previous-659-gc055f2d4` in its infotext)",
            "W1306",
            "LoRA Block Weight b403cb7",
        ],
    );
    let cells: Vec<_> =
        out.lines().find(|l| l.trim_start().starts_with("BASE")).unwrap().split_whitespace().skip(2).collect();
    assert_eq!(cells, ["0.8", "0"]);
    let audit = s.json(&["info", "forge.txt", "--audit", "--json"]);
    assert_eq!(audit["program"], "forge");
    assert_eq!(audit["loras"][0]["factors"]["OUT05"]["forge"], 0.8 * 0.2);
    let (ja, _) = s.expect(0, &["info", "forge.txt", "--audit", "--lang", "ja"]);
    contains_all(&ja, &["描いたのは Forge"]);
    // What lbw drew is what its plan says.
    s.expect(
        0,
        &["txt2img", &format!("house {tag}"), "--steps", "1", "--width", "64", "--height", "64", "-o", "own.png"],
    );
    contains_all(
        &s.expect(0, &["info", "own.png", "--audit"]).0,
        &["drawn by lbw, whose plan is in the picture", "IN04"],
    );
    s.write("empty.txt", "");
    contains_all(&s.expect(0, &["info", "empty.txt", "--audit"]).0, &["it has no LoRA"]);
}
