//! One line of a prompt file: a prompt and the settings that were written with it.

use serde_json::{Map, Value};

use super::LineError;
use crate::diagnostic::{Said, Text, did_you_mean};
use crate::infotext::Infotext;
use crate::say;

/// Most images one line may ask for.
const MAX_IMAGES: u64 = 10_000;

/// What one line asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The prompt file as the user named it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Prompts and settings, under infotext's names.
    pub infotext: Infotext,
    /// Images from this line, seeds counting up.
    pub images: u64,
}

/// Something to say about a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The prompt file as the user named it.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// What is wrong, without the place.
    pub message: Text,
    /// Nothing can be drawn from the line.
    pub is_error: bool,
}

impl Said for Problem {
    fn said(&self) -> Text {
        let Problem { file, line, message, .. } = self;
        say!("{file}:{line}: {message}", "{file}:{line}: {message}", with message)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.said().fmt(f)
    }
}

/// Options by webui's names, and the infotext fields that mean the same.
const FIELDS: [(&str, &str); 13] = [
    ("steps", "Steps"),
    ("sampler_name", "Sampler"),
    ("schedule_type", "Schedule type"),
    ("cfg_scale", "CFG scale"),
    ("seed", "Seed"),
    ("width", "Size-1"),
    ("height", "Size-2"),
    ("subseed", "Variation seed"),
    ("subseed_strength", "Variation seed strength"),
    ("seed_resize_from_w", "Seed resize from-1"),
    ("seed_resize_from_h", "Seed resize from-2"),
    ("clip_skip", "Clip skip"),
    ("sd_model", "Model"),
];

/// Options that have no meaning here and change nothing.
const IGNORED: [&str; 7] = [
    "outpath_samples",
    "outpath_grids",
    "prompt_for_display",
    "do_not_save_samples",
    "do_not_save_grid",
    "restore_faces",
    "tiling",
];

impl Entry {
    /// The entry of a line with these options; every option that cannot be used is a problem.
    pub fn new(file: &str, line: usize, options: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut wrong = |message: Text| {
            problems.push(Problem { file: file.to_owned(), line, message, is_error: true });
        };
        let mut infotext = Infotext::default();
        let mut images = 1u64;
        for (key, value) in options {
            let Some(text) = text_of(value) else {
                wrong(say!("`{key}` is neither text nor a number", "`{key}` が文字列でも数値でもありません"));
                continue;
            };
            match key.as_str() {
                "prompt" => infotext.prompt = text,
                "negative_prompt" => infotext.negative_prompt = text,
                // The two multiply, as in webui; each image has a seed of its own either way.
                "batch_size" | "n_iter" => match text.parse::<u64>() {
                    Ok(count @ 1..) => images = images.saturating_mul(count),
                    _ => wrong(say!(
                        "`{key}` is {text}; it must be 1 or more",
                        "`{key}` が {text} です。1 以上にしてください"
                    )),
                },
                "restore_faces" | "tiling" if text == "true" => {
                    wrong(say!("`{key}` is something lbw does not do", "`{key}` は lbw にできないことです"));
                }
                "seed" if text == "-1" => {}
                key if IGNORED.contains(&key) => {}
                key => match FIELDS.iter().find(|(name, _)| *name == key) {
                    Some((_, field)) => {
                        infotext.fields.insert((*field).to_owned(), text.into());
                    }
                    // Infotext's own names are understood as well, so that nothing is out of reach.
                    None if key.starts_with(char::is_uppercase) => {
                        infotext.fields.insert(key.to_owned(), text.into());
                    }
                    None => wrong(unknown_option(key)),
                },
            }
        }
        if images > MAX_IMAGES {
            wrong(say!(
                "the line asks for {images} images; at most {MAX_IMAGES} are drawn from one",
                "この行は {images} 枚を求めています。1 行から描けるのは {MAX_IMAGES} 枚までです"
            ));
        }
        match problems.is_empty() {
            true => Ok(Entry { file: file.to_owned(), line, infotext, images }),
            false => Err(problems),
        }
    }

    /// The entry of a pasted infotext.
    pub fn pasted(file: &str, line: usize, infotext: Infotext) -> Self {
        Entry { file: file.to_owned(), line, infotext, images: 1 }
    }
}

/// Says that there is no such option, and which one may be meant.
pub fn unknown_option(name: &str) -> Text {
    let bare = name.trim_start_matches('-');
    let known = FIELDS.iter().map(|(name, _)| *name).chain(["prompt", "negative_prompt", "batch_size", "n_iter"]);
    match did_you_mean(bare, known) {
        Some(near) => say!(
            "there is no option `{name}`; did you mean `--{near}`?",
            "オプション `{name}` はありません。`--{near}` ではありませんか"
        ),
        None => LineError::UnknownOption(name.to_owned()).said(),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}
