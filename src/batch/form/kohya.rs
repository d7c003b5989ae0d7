//! The prompt lines of kohya's scripts, `a cat --n blurry --w 832 --h 1216 --d 1 --l 7 --s 28`, and the names of the same options in their
//! JSON and TOML.

use serde_json::Value;

use super::Read;
use crate::diagnostic::{Diagnostic, code};
use crate::plan::Patch;
use crate::say;

/// Options by kohya's letters, in either case.
const LETTERS: [(&str, &str); 10] = [
    ("n", "negative_prompt"),
    ("w", "width"),
    ("h", "height"),
    ("s", "steps"),
    ("d", "seed"),
    ("l", "cfg_scale"),
    ("ss", "sampler"),
    ("ct", "crop_top"),
    ("cl", "crop_left"),
    ("t", "denoising_strength"),
];
/// Options of features that lbw does not have.
const NOT_DONE: [&str; 12] = ["am", "nl", "ow", "oh", "nw", "nh", "nt", "c", "cn", "ctrl", "g", "i"];

/// The names in JSON and TOML that are not those of any other program.
const KEYS: [(&str, &str); 3] = [("scale", "cfg_scale"), ("sample_steps", "steps"), ("sample_sampler", "sampler")];
/// Names that say nothing about the picture.
const WITHOUT_EFFECT: [&str; 2] = ["enum", "subset"];

/// What an option of kohya's JSON and TOML is called here; nothing for one that has no effect.
pub(super) fn key(name: &str) -> Option<&str> {
    if WITHOUT_EFFECT.contains(&name) {
        return None;
    }
    Some(KEYS.iter().find(|(key, _)| *key == name).map_or(name, |(_, name)| name))
}

fn letter(part: &str) -> (String, &str) {
    let (letter, value) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
    (letter.to_ascii_lowercase(), value.trim())
}

/// Whether `line` has options that only this form has.
pub(super) fn is_line(line: &str) -> bool {
    let is_option = |part: &str| {
        let (letter, _) = letter(part);
        LETTERS.iter().any(|(known, _)| *known == letter) || NOT_DONE.contains(&letter.as_str())
    };
    !line.starts_with('#') && !line.starts_with("--") && line.split(" --").skip(1).any(is_option)
}

pub(super) fn read(text: &str, read: &mut Read) {
    for (number, whole) in (1..).zip(text.lines()) {
        let line = whole.trim();
        if !line.is_empty() && !line.starts_with('#') {
            read_line(number, line, read);
        }
    }
}

/// One line; everything wrong with it is told at once.
pub(super) fn read_line(number: usize, line: &str, read: &mut Read) {
    let mut parts = line.split(" --");
    let mut values = vec![("prompt", Value::from(parts.next().unwrap_or_default().trim()))];
    let mut seeds: Vec<&str> = Vec::new();
    let mut good = true;
    for part in parts {
        let (letter, value) = letter(part);
        match LETTERS.iter().find(|(l, _)| *l == letter) {
            Some((_, "seed")) if value.contains(',') => seeds = value.split(',').map(str::trim).collect(),
            Some((_, option)) if !value.is_empty() || *option == "negative_prompt" => {
                values.push((option, value.into()))
            }
            Some(_) => {
                let message = say!("`--{letter}` needs a value after it", "`--{letter}` の後に値が要ります");
                read.wrong(number, line, message);
                good = false;
            }
            None => {
                unknown(number, line, part, &letter, read);
                good = false;
            }
        }
    }
    // Several seeds are several pictures.
    let several = seeds.into_iter().map(|seed| Some(("seed", Value::from(seed))));
    let pictures: Vec<_> = several.collect();
    for seed in if pictures.is_empty() { vec![None] } else { pictures } {
        let all = values.iter().chain(&seed).map(|(name, value)| (*name, value));
        let entries = read.entries.len();
        read.push(number, line, &Patch::default(), all);
        if !good {
            read.entries.truncate(entries);
            break;
        }
    }
}

fn unknown(number: usize, line: &str, part: &str, letter: &str, read: &mut Read) {
    let written = part.split_whitespace().next().unwrap_or_default();
    let (code, message) = if NOT_DONE.contains(&letter) {
        (
            code::OPTION_NOT_DONE,
            say!("`--{written}` is something lbw does not do", "`--{written}` は lbw にない機能です"),
        )
    } else {
        let known = LETTERS.map(|(letter, _)| format!("--{letter}")).join(", ");
        let message = say!(
            "`--{written}` is not one of {known}, the options of this form",
            "`--{written}` はこの書式のオプション ({known}) ではありません"
        );
        (code::BAD_LINE, message)
    };
    let source = super::line(&read.file, number, line);
    let at = part.as_ptr() as usize - line.as_ptr() as usize;
    let diagnostic = Diagnostic::new(code, message).within(&source).at(at - 2..at + written.len());
    read.found.push(super::Finding { place: read.place(number), diagnostic });
}
