//! A short run of the fuzz targets: every file of their corpora, and 10,000 texts and 4,000 files made from them, always the same.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fmt::Debug;
use std::panic::RefUnwindSafe;
use std::path::Path;

/// Longer inputs would only make the run slower.
const LONGEST: usize = 500;
const MUTATED: usize = 10_000;

type Target = (&'static str, fn(&str));
type FileTarget = (&'static str, fn(&[u8]));

const TARGETS: [Target; 14] = [
    ("prompt", targets::prompt),
    ("tag", targets::tag),
    ("preset", targets::preset),
    ("infotext", targets::infotext),
    ("prompt_line", targets::prompt_line),
    ("foreign", targets::foreign),
    ("picture", targets::picture),
    ("prompt_file", targets::prompt_file),
    ("request", targets::request),
    ("plan", targets::plan),
    ("manifest", targets::manifest),
    ("config", targets::config),
    ("axis", targets::axis),
    ("name", targets::name),
];

/// Targets whose inputs are no texts.
const FILES: [FileTarget; 3] = [("tensors", targets::tensors), ("lora", targets::lora), ("image", targets::image)];
const MUTATED_FILES: usize = 4_000;

fn corpus(target: &str) -> Vec<String> {
    files(target).into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
}

fn files(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5, "{}", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Runs `target`, and says with which input it failed.
fn run<T: ?Sized + Debug + RefUnwindSafe>(name: &str, target: fn(&T), input: &T) {
    if let Err(panic) = std::panic::catch_unwind(|| target(input)) {
        eprintln!("target {name} failed with {input:?}");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn the_corpora_pass() {
    for (name, target) in TARGETS {
        corpus(name).iter().for_each(|text| run(name, target, text.as_str()));
    }
    for (name, target) in FILES {
        files(name).iter().for_each(|file| run(name, target, file.as_slice()));
    }
}

#[test]
fn thousands_of_mutated_files_pass() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (name, target) in FILES {
        let corpus = files(name);
        for _ in 0..MUTATED_FILES / FILES.len() {
            let mut file = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(3) {
                mutate_bytes(&mut file, &mut random);
            }
            run(name, target, file.as_slice());
        }
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
            run(name, target, text.as_str());
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

/// One small change somewhere in `file`.
fn mutate_bytes(file: &mut Vec<u8>, random: &mut Random) {
    const WORDS: [u64; 8] = [0, 1, 0x7f, 0xff, 0xffff_ffff, 0x7fff_ffff, u64::MAX, 1 << 40];
    let at = random.below(file.len());
    let end = (at + random.below(20)).min(file.len());
    match random.below(5) {
        0 => file.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        1 => {
            let (word, width) = (WORDS[random.below(WORDS.len())].to_le_bytes(), [1, 2, 4, 8][random.below(4)]);
            file.iter_mut().skip(at).zip(&word[..width]).for_each(|(byte, new)| *byte = *new);
        }
        2 => file.truncate(at),
        3 => drop(file.drain(at..end)),
        _ => {
            let part = file[at..end].to_vec();
            let to = random.below(file.len() + 1);
            file.splice(to..to, part);
        }
    }
}
