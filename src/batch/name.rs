//! Names of output files, from a pattern such as `{line:04}-{seed}-{lora}.png` or webui's `[seed]-[prompt_words]`.
//!
//! A name never leaves the output folder: what is filled in loses its separators, and the pattern itself may not climb.

use crate::diagnostic::{Said, Text};
use crate::say;

/// What a pattern can say about a job.
#[derive(Debug, Clone, Default)]
pub struct NameParts {
    /// The prompt file's name without folders and extension.
    pub file: String,
    /// The line of the prompt file, from 1.
    pub line: usize,
    /// The number of the job in the batch, from 1.
    pub number: usize,
    /// webui's `[seed]`.
    pub seed: u64,
    /// The seed of the variation.
    pub subseed: u64,
    /// Sampling steps.
    pub steps: u32,
    /// Under the name `cfg`.
    pub cfg_scale: f64,
    /// Of the finished picture, in pixels.
    pub width: u32,
    /// Of the finished picture, in pixels.
    pub height: u32,
    /// The sampler's label.
    pub sampler: String,
    /// The schedule's label; under the name `scheduler`.
    pub schedule_type: String,
    /// The checkpoint's file name without extension.
    pub model_name: String,
    /// The ten digits that webui shows.
    pub model_hash: String,
    /// The names of the LoRAs, joined; empty for none.
    pub lora: String,
    /// As written; what a file name cannot hold is replaced later.
    pub prompt: String,
    /// As written.
    pub negative_prompt: String,
}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum NameError {
    Open(String),
    Unknown { name: String },
    Width(String),
    Outside(String),
}

impl Said for NameError {
    fn said(&self) -> Text {
        match self {
            NameError::Open(part) => say!("`{part}` is not closed", "`{part}` が閉じられていません"),
            NameError::Unknown { name } => {
                let names = NAMES.join(", ");
                say!(
                    "there is nothing called `{name}` to put into a name; there are {names}",
                    "ファイル名に `{name}` は使えません。使えるのは {names} です"
                )
            }
            NameError::Width(width) => {
                say!("`{width}` is not a width such as :04", "`{width}` は :04 のような桁数ではありません")
            }
            NameError::Outside(part) => say!(
                "a name stays in the output folder: `{part}` does not",
                "出力フォルダーの外を指す名前は使えません: `{part}`"
            ),
        }
    }
}

const NAMES: [&str; 17] = [
    "file",
    "line",
    "number",
    "seed",
    "subseed",
    "steps",
    "cfg",
    "width",
    "height",
    "sampler",
    "scheduler",
    "model_name",
    "model_hash",
    "lora",
    "prompt",
    "prompt_words",
    "negative_prompt",
];

/// The longest part of a path; file systems take 255 bytes.
const MAX_BYTES: usize = 180;

/// A pattern whose names are all known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name { name: String, width: usize },
}

impl std::str::FromStr for Pattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.strip_suffix(".png").unwrap_or(text);
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(at) = rest.find(['{', '[']) {
            let (before, from) = rest.split_at(at);
            pieces.push(Piece::Text(before.to_owned()));
            let close = if from.starts_with('{') { '}' } else { ']' };
            let end = from.find(close).ok_or_else(|| NameError::Open(from.to_owned()))?;
            let (name, width) = from[1..end].split_once(':').unwrap_or((&from[1..end], "0"));
            // webui's own names for what is there under another.
            let name = match name {
                "generation_number" | "n" | "batch_number" | "image_number" => "number",
                "prompt_no_styles" | "prompt_spaces" => "prompt",
                "sampler_name" => "sampler",
                other => other,
            };
            if !NAMES.contains(&name) {
                return Err(NameError::Unknown { name: name.to_owned() });
            }
            let width = width.parse().ok().filter(|w| *w <= 32).ok_or_else(|| NameError::Width(width.to_owned()))?;
            pieces.push(Piece::Name { name: name.to_owned(), width });
            rest = &from[end + 1..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        // What is filled in is cleaned when it is; here it stands for a letter.
        let plain: String =
            pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.as_str() } else { "x" }).collect();
        let climbs = |part: &str| {
            matches!(part, "" | "." | "..") || part.contains(|c: char| c.is_control() || "\\:".contains(c))
        };
        match plain.split('/').find(|part| climbs(part)) {
            Some("") => Err(NameError::Outside(text.to_owned())),
            Some(part) => Err(NameError::Outside(part.escape_debug().to_string())),
            None => Ok(Pattern(pieces)),
        }
    }
}

impl Pattern {
    /// The path, relative to the output folder, with `.png`.
    pub fn name(&self, parts: &NameParts) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Name { name, width } => {
                    let value = value(name, parts);
                    let padding = width.saturating_sub(value.chars().count());
                    out.extend(std::iter::repeat_n('0', padding));
                    out.push_str(&cleaned(&value));
                }
            }
        }
        let short: Vec<String> = out.split('/').map(shortened).collect();
        format!("{}.png", short.join("/"))
    }
}

fn value(name: &str, p: &NameParts) -> String {
    match name {
        "file" => p.file.clone(),
        "line" => p.line.to_string(),
        "number" => p.number.to_string(),
        "seed" => p.seed.to_string(),
        "subseed" => p.subseed.to_string(),
        "steps" => p.steps.to_string(),
        "cfg" => p.cfg_scale.to_string(),
        "width" => p.width.to_string(),
        "height" => p.height.to_string(),
        "sampler" => p.sampler.clone(),
        "scheduler" => p.schedule_type.clone(),
        "model_name" => p.model_name.clone(),
        "model_hash" => p.model_hash.clone(),
        "lora" => {
            if p.lora.is_empty() {
                "none".to_owned()
            } else {
                p.lora.clone()
            }
        }
        "prompt_words" => {
            let words = p.prompt.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
            words.take(8).collect::<Vec<_>>().join(" ")
        }
        "negative_prompt" => p.negative_prompt.clone(),
        _ => p.prompt.clone(),
    }
}

/// Without what file systems do not take, as webui replaces it.
fn cleaned(text: &str) -> String {
    let text: String =
        text.chars().map(|c| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c }).collect();
    text.trim_start_matches([' ', '.']).trim_end_matches([' ', '.']).to_owned()
}

fn shortened(part: &str) -> String {
    let mut end = part.len().min(MAX_BYTES);
    while !part.is_char_boundary(end) {
        end -= 1;
    }
    match &part[..end] {
        "" | "." | ".." => "_".to_owned(),
        part => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(pattern: &str, prompt: &str) -> Result<String, NameError> {
        let parts = NameParts { line: 7, seed: 42, prompt: prompt.to_owned(), ..NameParts::default() };
        Ok(pattern.parse::<Pattern>()?.name(&parts))
    }

    #[test]
    fn names_are_filled_in() {
        assert_eq!(name("{line:04}-{seed}-{lora}.png", "").unwrap(), "0007-42-none.png");
        assert_eq!(
            name("[seed]-[prompt_words]", "a (red:1.2) cat <lora:x:1>").unwrap(),
            "42-a red 1 2 cat lora x 1.png"
        );
        assert_eq!(name("a/{line}", "").unwrap(), "a/7.png");
    }

    #[test]
    fn nothing_leaves_the_folder() {
        for prompt in ["../../x", "..", "/etc/passwd", "C:\\x", "a\0b", ".hidden", ""] {
            let name = name("{prompt}", prompt).unwrap();
            assert!(!name.contains(['/', '\\', ':', '\0']) && !name.starts_with('.'), "{name}");
        }
        for pattern in [
            "../{seed}",
            "/x",
            "a//b",
            "a/../b",
            "{seed",
            "{nope}",
            "{line:x}",
            "",
            "C:\\x",
            // A field beside it excuses nothing.
            "..\\..\\{seed}",
            "C:\\x{seed}",
            "[seed]:x",
            "{seed}\0",
            "a\x1b[2J{seed}",
        ] {
            assert!(name(pattern, "").is_err(), "{pattern:?}");
        }
        assert_eq!(name("..{line:04}", "").unwrap(), "..0007.png");
        assert!(name("{prompt}", &"あ".repeat(500)).unwrap().len() < 200);
    }
}
