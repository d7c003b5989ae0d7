//! The language of the diagnostics on the command line.

use crate::sandbox::{Sandbox, expect, json};

/// Runs with these environment variables and no other word about the language, and expects this exit code; gives standard output
/// and standard error.
#[track_caller]
fn lbw(code: i32, environment: &[(&str, &str)], args: &[&str]) -> (String, String) {
    let s = Sandbox::new();
    expect(code, s.lbw(args).env_remove("LBW_LANG").envs(environment.iter().copied()))
}

const WRONG: &str = "red house <lora:house:1:lbw=XLUOT>";

#[test]
fn findings_are_told_in_japanese() {
    let (out, err) = lbw(2, &[], &["check", WRONG, "--lang", "ja"]);
    assert_eq!(out, "エラー 1 件、警告 0 件\n");
    assert!(err.starts_with("エラー[E0201]: プリセット `XLUOT` はありません\n --> prompt:1:29\n"), "{err}");
    assert!(
        err.contains("プリセットでもベクトルでもありません") && err.contains("ヒント: `XLOUT` ではありませんか"),
        "{err}"
    );
}

#[test]
fn the_flag_stands_anywhere_and_beats_the_environment_which_beats_the_locale() {
    let japanese = |environment: &[(&str, &str)], args: &[&str]| lbw(2, environment, args).1.contains("はありません");
    assert!(!japanese(&[], &["check", WRONG]));
    assert!(japanese(&[], &["--lang", "ja", "check", WRONG]));
    assert!(japanese(&[], &["--lang=ja", "plan", WRONG]));
    assert!(japanese(&[], &["--lang", "ja", WRONG]), "a prompt alone");
    assert!(japanese(&[("LBW_LANG", "ja")], &["plan", WRONG]));
    assert!(japanese(&[("LANG", "ja_JP.UTF-8")], &["plan", WRONG]));
    assert!(!japanese(&[("LANG", "ja_JP.UTF-8"), ("LBW_LANG", "en")], &["plan", WRONG]));
    assert!(!japanese(&[("LBW_LANG", "ja")], &["plan", WRONG, "--lang", "en"]));
    lbw(2, &[], &["plan", WRONG, "--lang", "tlh"]);
}

#[test]
fn codes_are_explained_in_japanese() {
    let (out, _) = lbw(0, &[], &["explain", "w0203", "--lang", "ja"]);
    assert!(out.starts_with("W0203: ほかのモデル系列のための重みベクトルです\n\n12 個と 20 個は SDXL"), "{out}");
    let (out, _) = lbw(0, &[], &["explain", "--lang", "ja"]);
    assert!(out.lines().all(|line| line.split("  ").nth(1).is_some_and(|title| !title.is_ascii())), "{out}");
}

#[test]
fn json_keeps_its_fields() {
    let (en, _) = lbw(2, &[], &["check", "--json", WRONG]);
    let (ja, _) = lbw(2, &[], &["check", "--json", WRONG, "--lang", "ja"]);
    let [en, ja] = [en, ja].map(|line| json(&line));
    assert!(en.as_object().unwrap().keys().eq(ja.as_object().unwrap().keys()));
    assert_eq!((&ja["code"], &ja["span"], &ja["severity"]), (&en["code"], &en["span"], &en["severity"]));
    assert_eq!(ja["message"], "プリセット `XLUOT` はありません");
}

#[test]
fn a_report_is_in_japanese() {
    let s = Sandbox::new();
    let small = ["--width", "64", "--height", "64", "--sampler", "Euler", "--steps", "1", "--seed", "1"];
    let args = ["analyze", "red circle <lora:night:0:1>", "--blocks", "BASE,OUT04", "--lang", "ja"];
    let (out, _) = s.expect(0, &[&args[..], &small].concat());
    assert!(out.starts_with("ブロック") && out.contains("\nOUT04: "), "{out}");
    assert!(out.lines().filter(|line| line.starts_with("OUT04: ")).all(|line| line.ends_with('。')), "{out}");
    let html = s.text("lbw-analysis/analysis.html");
    assert!(html.contains("<html lang=ja>") && html.contains("どのブロックが何をするか"), "{html}");
    assert!(s.text("lbw-analysis/analysis.csv").contains('。'));
    // All of these LoRAs' text encoders are out of force, which is not the same as having none.
    let (out, _) =
        s.expect(0, &[&["analyze", "red circle <lora:house:0:1>", "--blocks", "BASE", "-o", "b"], &small[..]].concat());
    assert!(out.contains("the LoRA's strength is 0 here"), "{out}");
}
