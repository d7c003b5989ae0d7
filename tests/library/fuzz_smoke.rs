//! A short run of the fuzz targets: every file of their corpora, and 10,000 inputs made from them, always the same.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::path::Path;

/// Longer inputs would only make the run slower.
const LONGEST: usize = 500;
const MUTATED: usize = 10_000;

type Target = (&'static str, fn(&str));

const TARGETS: [Target; 9] = [
    ("prompt", targets::prompt),
    ("tag", targets::tag),
    ("preset", targets::preset),
    ("infotext", targets::infotext),
    ("prompt_line", targets::prompt_line),
    ("foreign", targets::foreign),
    ("picture", targets::picture),
    ("prompt_file", targets::prompt_file),
    ("request", targets::request),
];

fn corpus(target: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{}", folder.display());
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

/// Runs `target`, and says with which input it failed.
fn run(name: &str, target: fn(&str), text: &str) {
    if let Err(panic) = std::panic::catch_unwind(|| target(text)) {
        eprintln!("target {name} failed with {text:?}");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn the_corpora_pass() {
    for (name, target) in TARGETS {
        corpus(name).iter().for_each(|text| run(name, target, text));
    }
}

#[test]
fn ten_thousand_mutated_inputs_pass() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        for _ in 0..MUTATED / TARGETS.len() {
            let mut text = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(4) {
                text = mutate(&text, &corpus, &mut random);
            }
            run(name, target, &text);
        }
    }
}

/// Marsaglia's xorshift, period 2⁶⁴−1: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// What the languages give a meaning to, and what texts from the wild bring along.
const MEANINGFUL: [&str; 40] = [
    "(",
    ")",
    "[",
    "]",
    ":",
    "|",
    "\\",
    "<",
    ">",
    ",",
    "#",
    "\n",
    " ",
    "=",
    "-",
    "--",
    "\"",
    "'",
    "{",
    "}",
    "%",
    "@",
    "&a ",
    "*a",
    "AND ",
    "BREAK",
    "<lora:",
    "lbw=",
    "step=1-",
    "1e400",
    "nan",
    "-0.5",
    "X-",
    "é",
    "日本語",
    "\u{3000}",
    "\u{85}",
    "\u{0}",
    "🏠",
    "e\u{301}",
];

/// One small change somewhere in `text`.
fn mutate(text: &str, corpus: &[String], random: &mut Random) -> String {
    let chars: Vec<char> = text.chars().take(LONGEST).collect();
    let (a, b) = (random.below(chars.len() + 1), random.below(chars.len() + 1));
    let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 40));
    let (before, middle, after) = (&chars[..from], &chars[from..to], &chars[to..]);
    let string = |parts: &[&[char]]| parts.iter().flat_map(|part| part.iter()).collect::<String>();
    match random.below(5) {
        0 => string(&[before, after]),
        1 => string(&[before, middle, middle, after]),
        2 => string(&[after, middle, before]),
        3 => string(&[before]) + MEANINGFUL[random.below(MEANINGFUL.len())] + &string(&[middle, after]),
        _ => {
            let other: Vec<char> = corpus[random.below(corpus.len())].chars().collect();
            string(&[before, &other[random.below(other.len() + 1)..], after])
        }
    }
}
