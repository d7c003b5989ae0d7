//! Reading golden vectors, and counting what was checked.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// `$LBW_VECTORS`, or the copies in the repository.
pub fn vectors() -> PathBuf {
    match std::env::var_os("LBW_VECTORS") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors"),
    }
}

/// Fails when the folder `half` holds an entry that no test reads.
pub fn assert_known_files(half: &str, known: &[&str]) {
    let dir = vectors().join(half);
    let entries = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let unknown: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| !known.contains(&name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "no test reads {unknown:?} in {}", dir.display());
}

/// The rows of `prompt/NAME.jsonl`; a missing file is reported and has no rows.
pub fn rows(name: &str) -> Vec<Value> {
    let path = vectors().join("prompt").join(format!("{name}.jsonl"));
    let Some(text) = read(&path) else { return Vec::new() };
    // Not `str::lines`: only "\n" ends a row, whatever else the strings hold.
    text.split('\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The JSON of `num/NAME.json`; a missing file is reported.
pub fn case_file(name: &str) -> Option<Value> {
    let path = vectors().join("num").join(format!("{name}.json"));
    Some(serde_json::from_str(&read(&path)?).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

fn read(path: &Path) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            println!("missing: {}", path.display());
            None
        }
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

/// A number that may be written as `"NaN"`, `"Infinity"` or `"-Infinity"`.
pub fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        _ => value.as_f64().unwrap_or_else(|| panic!("not a number: {value}")),
    }
}

/// Collects the outcome of each row, so that one run shows every failure.
#[derive(Default)]
pub struct Tally {
    name: &'static str,
    passed: usize,
    skipped: BTreeMap<&'static str, usize>,
    failures: Vec<String>,
}

impl Tally {
    pub fn new(name: &'static str) -> Self {
        Tally { name, ..Tally::default() }
    }

    /// Counts a row that is not supported yet, by the feature it needs.
    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    pub fn check(&mut self, row: impl std::fmt::Display, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => self.failures.push(format!("{row}\n    {why}")),
        }
    }

    /// Prints the counts and fails if any row failed.
    pub fn finish(self) {
        println!("{}: passed: {}", self.name, self.passed);
        for (reason, count) in &self.skipped {
            println!("{}: skipped: {count} ({reason})", self.name);
        }
        let shown = self.failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.failures.is_empty(), "{}: {} failed:\n{shown}", self.name, self.failures.len());
    }
}
