//! `lbw preset convert` and `lbw preset add` as a user runs them.

use crate::sandbox::Sandbox;

/// Runs `lbw preset` and expects this exit code; gives standard output and standard error.
#[track_caller]
fn preset(s: &Sandbox, code: i32, args: &[&str]) -> (String, String) {
    s.expect(code, &[&["preset"], args].concat())
}

const LINES: &str = "# SDXL, warm\nWARM:1,0,0,0,0,1,0,0,0,0,0,0.5\n#cold\nCOLD: R,U,X,X-0.1,0,1,0,0,0,0,0,0\nD:1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\n# end\n";

#[test]
fn webui_files_come_back_from_yaml() {
    let s = Sandbox::new();
    s.write("lbwpresets.txt", LINES);
    preset(&s, 0, &["convert", "lbwpresets.txt", "-o", "mine.yaml"]);
    assert!(s.text("mine.yaml").contains("# SDXL, warm"), "{}", s.text("mine.yaml"));
    let (back, err) = preset(&s, 0, &["convert", "mine.yaml"]);
    assert_eq!((back.as_str(), err.as_str()), (LINES, ""));
    let rules = "DEEP:IN04-OUT05:NOT attn:1\nM00::0\n\nOTHER:OUT00:ff:0.5\n\n";
    s.write("elempresets.txt", rules);
    let (yaml, _) = preset(&s, 0, &["convert", "elempresets.txt"]);
    s.write("rules.yaml", &yaml);
    assert_eq!(preset(&s, 0, &["convert", "rules.yaml"]).0, rules);
}

#[test]
fn yaml_comes_back_from_webui_files() {
    let s = Sandbox::new();
    let yaml = "# mine\nlayout: sdxl-12\npresets:\n  A: {BASE: 1, OUT00-OUT02: 0.5} # soft\n  # stronger\n  B: {of: A, OUT01: 0.8}\nelements:\n  E: IN04:attn:0.5\n";
    s.write("mine.yaml", yaml);
    let (lines, err) = preset(&s, 0, &["convert", "mine.yaml"]);
    assert_eq!(lines, "# mine\n# soft\nA:1,0,0,0,0,0,0.5,0.5,0.5,0,0,0\n# stronger\nB:1,0,0,0,0,0,0.5,0.8,0.5,0,0,0\n");
    assert!(err.contains("1 presets are left out: they need a file called elempresets.txt"), "{err}");
    preset(&s, 0, &["convert", "mine.yaml", "-o", "elempresets.txt"]);
    assert_eq!(s.text("elempresets.txt"), "E:IN04:attn:0.5\n\n");
    s.write("lines.txt", &lines);
    let (again, _) = preset(&s, 0, &["convert", "lines.txt"]);
    s.write("again.yaml", &again);
    assert_eq!(preset(&s, 0, &["convert", "again.yaml"]).0, lines);
}

#[test]
fn nothing_is_overwritten_or_lost_unsaid() {
    let s = Sandbox::new();
    s.write("lbwpresets.txt", LINES);
    s.write("there.yaml", "presets: {}\n");
    let (_, err) = preset(&s, 3, &["convert", "lbwpresets.txt", "-o", "there.yaml"]);
    assert!(err.contains("there.yaml"), "{err}");
    assert_eq!(s.text("there.yaml"), "presets: {}\n");
    preset(&s, 0, &["convert", "lbwpresets.txt", "-o", "there.yaml", "--force"]);
    s.write("odd.txt", "SHORT:1,1,1,1,1,1,1,1,1,1,1,1,1,1,1\nfree text\n");
    let (yaml, err) = preset(&s, 0, &["convert", "odd.txt"]);
    assert!(err.contains("W0403") && yaml.contains("#SHORT:1,1") && yaml.contains("#free text"), "{yaml}{err}");
    s.write("bad.yaml", "presets:\n  A: 1,1\n");
    assert!(preset(&s, 2, &["convert", "bad.yaml"]).1.contains("E0402"));
    s.write("name.yaml", "presets:\n  \"a:b\": 1,1,1,1,1,1,1,1,1,1,1,1\n");
    assert!(preset(&s, 2, &["convert", "name.yaml"]).1.contains("cannot hold `a:b`"));
}

#[test]
fn presets_are_added() {
    let s = Sandbox::new();
    let vector = "1,0,0,0,0,1,0,0,0,0,0,0.5";
    for file in ["new.yaml", "lbwpresets.txt"] {
        preset(&s, 0, &["add", file, "WARM", vector]);
        preset(&s, 0, &["add", file, "COLD", "-1,R,U,X,0,1,0,0,0,0,0,0"]);
        let (shown, _) = preset(&s, 0, &["show", "COLD", "--presets", file]);
        assert!(shown.contains(&format!("[{file}:")) && shown.contains("IN04   R"), "{shown}");
        let before = s.text(file);
        let (_, err) = preset(&s, 2, &["add", file, "WARM", vector]);
        assert!(err.contains("`WARM` is there already"), "{err}");
        let (_, err) = preset(&s, 2, &["add", file, "SHORT", "1,1,1"]);
        assert!(err.contains("has 3 entries"), "{err}");
        let (_, err) = preset(&s, 2, &["add", file, "LOW", "r,0,0,0,0,1,0,0,0,0,0,0.5"]);
        assert!(err.contains("E0402") && err.contains("an entry `r`"), "{err}");
        assert_eq!(s.text(file), before);
    }
    preset(&s, 0, &["add", "new.yaml", "SOFT", "IN04-OUT05:attn:0.5", "--elements"]);
    preset(&s, 0, &["add", "elempresets.txt", "SOFT", "IN04-OUT05:attn:0.5", "--elements"]);
    assert!(preset(&s, 2, &["add", "lbwpresets.txt", "SOFT", "M00:ff:1", "--elements"]).1.contains("elempresets.txt"));
    assert!(preset(&s, 0, &["show", "SOFT", "--presets", "new.yaml"]).0.contains("IN04-OUT05:attn:0.5"));
}
