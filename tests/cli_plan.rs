//! `lbw plan` as a user runs it: where each number comes from, and what other tools make of the same tags.

use std::process::Command;

/// Runs `lbw plan` with these arguments; gives exit code, standard output and standard error.
fn plan(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lbw"))
        .arg("plan")
        .args(args)
        .args(["--seed", "1"])
        .env("LBW_CACHE_DIR", std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
        .env_remove("LBW_WEBUI_DIR")
        .env("LBW_LANG", "en")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn contains_all(text: &str, wanted: &[&str]) {
    wanted.iter().for_each(|line| assert!(text.contains(line), "no `{line}` in\n{text}"));
}

#[test]
fn every_number_has_a_source() {
    let (code, out, _) = plan(&["<lora:overcooked:0.8:0.5:lbw=XLOUT1:lbwe=ATTNDEEPON:step=2-9>"]);
    assert_eq!(code, Some(0));
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
fn a_dialect_is_followed_and_named() {
    let (code, out, _) = plan(&["<lora:overcooked:0.8:in=0.5>", "--lbw-dialect", "sdnext"]);
    assert_eq!(code, Some(0));
    contains_all(
        &out,
        &["block weights from tag, read as SD.Next", "  IN04         1 × 0.5     = 0.5", "outside the blocks"],
    );
    let (code, _, err) = plan(&["<lora:overcooked:0.8:lbw=%in1-4=0.5,default=1>"]);
    assert_eq!(code, Some(2));
    assert_eq!(err.matches("error[E0227]").count(), 1, "{err}");
    contains_all(&err, &["written for Inspire", "--lbw-dialect inspire"]);
    let (code, json, _) = plan(&["<lora:overcooked:lbw=%in1-4=0.5,default=1>", "--lbw-dialect", "inspire", "--json"]);
    assert_eq!(code, Some(0));
    contains_all(&json, &[r#""lbw_dialect":"inspire""#]);
}

#[test]
fn dialects_are_compared() {
    let vector = "<lora:overcooked:0.8:0.5:lbw=1,0.5,1,1,1,1,1,1,1,1,1,0.2>";
    let (code, out, err) = plan(&[vector, "--compare"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let cells = |name: &str| -> Vec<String> {
        let line = out.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(cells("IN04"), ["0.25", "0.4", "0.25", "0.25"]);
    assert_eq!(cells("OUT05"), ["0.1", "0.16", "0.1", "0.1"]);
    contains_all(&out, &["the same in all that can read it: BASE"]);
    let (_, json, _) = plan(&[vector, "--compare", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["factors"]["IN04"]["sdnext"], 0.4);
    let (code, out, _) = plan(&["<lora:overcooked:0.8:lbw=%in1-2=0.5,default=1>", "--compare"]);
    assert_eq!(code, Some(0));
    contains_all(
        &out,
        &["webui cannot read it: these block weights are written for Inspire", "SD.Next cannot read it"],
    );
    contains_all(&plan(&["a cat", "--compare"]).1, &["no LoRA tag"]);
    contains_all(&plan(&["<lora:nope:1>", "--compare"]).2, &["E0218"]);
}
