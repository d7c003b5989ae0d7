//! The two halves of the program stay apart: text knows nothing of tensors, numbers nothing of grammars or terminals.

use std::path::{Path, PathBuf};

const TEXT_HALF: [&str; 6] = ["syntax", "block", "preset", "plan", "infotext", "diagnostic"];
const NUMERIC_HALF: [&str; 6] = ["checkpoint", "lora", "text", "model", "sampling", "engine"];

#[test]
fn the_text_half_knows_no_tensors() {
    let rooms = NUMERIC_HALF.map(|room| format!("crate::{room}"));
    let forbidden = ["candle", "safetensors", "clap", "crate::cli"].map(str::to_owned);
    assert_imports_none(&TEXT_HALF, &[&forbidden[..], &rooms[..]].concat());
}

#[test]
fn the_numeric_half_knows_no_grammars_and_no_terminal() {
    let rooms = ["syntax", "preset", "infotext", "cli"].map(|room| format!("crate::{room}"));
    let forbidden = ["pest", "clap", "indicatif", "annotate_snippets", "println!", "eprintln!"].map(str::to_owned);
    assert_imports_none(&NUMERIC_HALF, &[&forbidden[..], &rooms[..]].concat());
}

#[test]
fn what_lies_below_everything_knows_no_other_room() {
    let rooms = ["block", "syntax", "preset", "plan", "infotext", "batch", "study", "image_io", "cli"];
    let forbidden: Vec<_> = NUMERIC_HALF.iter().chain(&rooms).map(|room| format!("crate::{room}")).collect();
    assert_imports_none(&["diagnostic", "files"], &forbidden);
}

/// Looks at every line of code of the rooms, comments left out.
fn assert_imports_none(rooms: &[&str], forbidden: &[String]) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for file in rooms.iter().flat_map(|room| rust_files(&src.join(room))) {
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let words = || code.split(|c: char| !(c.is_alphanumeric() || "_:!.".contains(c)));
            let names = |name: &String| words().any(|w| w == name || w.starts_with(&format!("{name}::")));
            if let Some(name) = forbidden.iter().find(|n| names(n)) {
                found.push(format!("{}:{}: {name}", file.display(), number + 1));
            }
        }
    }
    assert!(found.is_empty(), "across the line between the halves:\n{}", found.join("\n"));
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(rust_files(&path)),
            false => files.extend(path.extension().is_some_and(|e| e == "rs").then_some(path)),
        }
    }
    files
}
