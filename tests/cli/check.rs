//! `lbw check` over prompt files and pasted texts: what webui would read otherwise, with its place.

use serde_json::Value;

use crate::sandbox::{Sandbox, json_lines};

/// Runs `lbw check --json` on a file of this name and text and expects this exit code; gives the findings.
#[track_caller]
fn check(code: i32, name: &str, text: &str, args: &[&str]) -> Vec<Value> {
    let s = Sandbox::new();
    s.write(name, text);
    json_lines(&s.expect(code, &[&["check", "--json", name], args].concat()).0)
}

/// Asserts that `code` is said about this line and column.
#[track_caller]
fn assert_said(found: &[Value], code: &str, line: u64, column: u64) {
    let said = found.iter().any(|d| d["code"] == code && d["line"] == line && d["column"] == column);
    assert!(said, "no {code} at {line}:{column} in {found:#?}");
}

#[test]
fn lines_of_a_prompt_file() {
    let text = "a cat\n--prompt \"a [cat:dog:99]\" --steps 20\n--prompt it's a cat\n--prompt x --sampler_name \"Eulr a\"\n\
                --prompt x --sampler_name \"DPM++ 2M Karras\"\n";
    let found = check(2, "prompts.txt", text, &[]);
    assert_said(&found, "W0113", 2, 12);
    assert_said(&found, "E0613", 3, 1);
    assert_said(&found, "E0606", 4, 12);
    let help = found.iter().find(|d| d["code"] == "E0606").unwrap()["help"].to_string();
    assert!(help.contains("did you mean `Euler a`?"), "{found:#?}");
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn texts_that_are_pasted() {
    let s = Sandbox::new();
    let words = |text: &str| -> Vec<Value> {
        let (out, _) = s.expect(0, &["check", "--json", text]);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_said(&words("time: 12:30, where: here, who: me"), "N0601", 1, 1);
    let pasted = "Steps: 20, Sampler: Nope, Frobnicated by: 3";
    let found = words(pasted);
    assert_said(&found, "W0604", 1, 21);
    assert_said(&found, "W0607", 1, 27);
    // A file says the same.
    let found = check(0, "p.txt", &format!("{pasted}\n"), &[]);
    assert_said(&found, "W0604", 1, 21);
    assert_said(&found, "W0607", 1, 27);
}

#[test]
fn tags_of_other_tools() {
    let text = "<lora:house:1:in=0.5>\n<lora:house:1:lbw=[1,1,1,1,1,1,1,1,1,1,1,1]>\n<lora:house:lbw=%in1-4=0.5>\n";
    let found = check(2, "p.txt", text, &[]);
    assert_said(&found, "W0226", 1, 15);
    assert_said(&found, "E0227", 2, 19);
    assert_said(&found, "E0227", 3, 13);
    let found = check(2, "p.txt", text, &["--lbw-dialect", "inspire"]);
    assert_said(&found, "W0226", 1, 15);
    assert_eq!(found.iter().filter(|d| d["line"] == 3).count(), 0, "{found:#?}");
}
