//! What holds for several commands.

use std::process::Stdio;

use crate::sandbox::{Sandbox, expect};

#[test]
fn strict_makes_warnings_errors() {
    let s = Sandbox::new();
    s.expect(0, &["plan", "a [cat:dog:99]"]);
    s.expect(2, &["plan", "a [cat:dog:99]", "--strict"]);
}

#[test]
fn a_megabyte_of_brackets_is_answered() {
    let s = Sandbox::new();
    std::fs::write(s.path("p.txt"), "(".repeat(1 << 20)).unwrap();
    let output = s.lbw(&["check", "p.txt"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 2)), "{:?}", output.status);
}

#[test]
fn plans_presets_and_loras_are_shown() {
    let s = Sandbox::new();
    let (plan, _) = s.expect(0, &["plan", "<lora:house:0.8:1:lbw=XLOUT1>", "--seed", "1"]);
    assert!(plan.contains("BASE       0.8 × 1       = 0.8"), "{plan}");
    assert!(plan.contains("block weights from XLOUT1 (sdxl.yaml:"), "{plan}");
    let (json, _) = s.expect(0, &["plan", "a <lora:house:1:lbw=XLMID>", "--seed", "1", "--json"]);
    s.write("plan.json", &json);
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

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_is_full_or_closed_is_no_panic() {
    let s = Sandbox::new();
    for args in [
        &["preset", "list"][..],
        &["explain", "W0103"],
        &["plan", "a", "--json"],
        &["check", "a"],
        &["samplers"],
        &["lora", "inspect", "house"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = s.lbw(args).stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(3) && said.contains("E0706"), "{args:?}: {said}");
        // Who reads has gone before anything is written: that is as good as read.
        let mut child = s.lbw(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(0) && !said.contains("panicked"), "{args:?}: {said}");
    }
}

/// What is said while pictures are drawn is not what was asked for.
#[test]
#[cfg(target_os = "linux")]
fn words_that_nobody_can_read_stop_no_picture() {
    let s = Sandbox::new();
    s.write("a.txt", "--prompt a --seed 1 --steps 1 --width 32 --height 32\n".repeat(2));
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = s.lbw(&["batch", "a.txt", "-o", "out"]).stderr(full()).status().unwrap();
    assert_eq!((status.code(), s.tree("out").len()), (Some(0), 3), "two pictures and the manifest");
    let small = ["txt2img", "a", "--steps", "1", "--size", "32x32", "--seed", "1", "-o", "p.png"];
    assert_eq!(s.lbw(&small).stderr(full()).status().unwrap().code(), Some(0));
    assert!(s.path("p.png").is_file());
    // Events are what a program asked for: one that cannot be written ends with a code, and the pictures are whole.
    let status = s.lbw(&["batch", "a.txt", "-o", "out2", "--json"]).stdout(full()).status().unwrap();
    assert_eq!(status.code(), Some(3));
    s.expect(0, &["batch", "a.txt", "-o", "out2"]);
    s.expect(0, &["batch", "verify", "out2"]);
}

#[test]
fn what_info_prints_is_drawn_again() {
    let s = Sandbox::new();
    s.expect(0, &["red circle", "--steps", "1", "--size", "64x64", "--seed", "5", "-o", "first.png"]);
    let (text, _) = s.expect(0, &["info", "first.png"]);
    s.write("text.txt", &text);
    let input = std::fs::File::open(s.path("text.txt")).unwrap();
    expect(0, s.lbw(&["txt2img", "-", "-o", "second.png"]).stdin(input));
    s.assert_same_picture("first.png", "second.png");
}

#[test]
fn a_drawn_seed_is_told_whatever_the_prompt_says() {
    let s = Sandbox::new();
    let small = ["--steps", "1", "--size", "64x64", "-o"];
    let plot = ["xyz", "a sign, Seed: 3 <lora:house:1:lbw=XYZ>", "--x", "Block ID=IN04", "--y", "values=0"];
    let analysis = ["analyze", "a sign, Seed: 3 <lora:house:1>", "--blocks", "IN04"];
    for (args, folder) in [(&plot[..], "plot"), (&analysis, "analysis")] {
        let (_, err) = s.expect(0, &[args, &small, &[folder]].concat());
        assert!(err.contains("note[N0801]: seed "), "{err}");
    }
}

#[test]
fn notes_do_not_refuse_a_batch() {
    let s = Sandbox::new();
    s.write("notes.txt", "mutual#kiss\n");
    let (_, err) = s.expect(0, &["batch", "notes.txt", "--strict", "--dry-run"]);
    assert!(err.contains("N0123"), "{err}");
    s.write("warned.txt", "a [cat:dog:99]\n");
    s.expect(2, &["batch", "warned.txt", "--strict", "--dry-run"]);
}
