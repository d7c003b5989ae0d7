//! What holds for several commands.

use crate::sandbox::Sandbox;

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
