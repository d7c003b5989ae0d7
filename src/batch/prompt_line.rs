//! One line of a prompt file: `--prompt "a cat" --steps 30 --seed 5`.
//!
//! Only lines with `--` in them are read this way. Quotes and backslashes work as in a shell, so an apostrophe opens a
//! quotation.
//!
//! ```
//! use lbw::batch::parse_line;
//! let options = parse_line("--prompt a cat --steps 30", &|_| None).unwrap();
//! assert_eq!(options["prompt"], "a cat");
//! assert_eq!(options["steps"], 30);
//! ```

use pest::Parser;
use serde_json::{Map, Value};

use crate::diagnostic::{Said, Text};
use crate::plan::Sampler;
use crate::plan::settings::table;
use crate::say;
use crate::syntax::python;

#[derive(pest_derive::Parser)]
#[grammar = "grammar/prompt_line.pest"]
struct LineGrammar;

/// Why a line is no command line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum LineError {
    /// A quotation or an escape has no end.
    OpenQuotation,
    /// A value stands where an option should.
    NotAnOption(String),
    /// webui has no such option.
    UnknownOption(String),
    /// An option stands at the end of the line.
    NoValue(String),
    /// A value of the wrong type.
    BadValue { option: String, value: String, what: Text },
}

impl Said for LineError {
    fn said(&self) -> Text {
        match self {
            LineError::OpenQuotation => say!(
                "a quotation is not closed, or a backslash stands at the end (an apostrophe opens a quotation: write \\')",
                "引用符が閉じていないか、末尾にバックスラッシュがあります (アポストロフィは引用を開きます: \\' と書いてください)"
            ),
            LineError::NotAnOption(word) => say!(
                "`{word}` stands where an option that begins with `--` should",
                "`--` で始まるオプションがあるべき所に `{word}` があります"
            ),
            LineError::UnknownOption(option) => {
                say!("there is no option `{option}`", "オプション `{option}` はありません")
            }
            LineError::NoValue(option) => say!("`{option}` needs a value after it", "`{option}` の後に値が要ります"),
            LineError::BadValue { option, value, what } => {
                say!(
                    "`{value}` is not {what}, which `{option}` needs",
                    "`{option}` の値 `{value}` は{what}ではありません",
                    with what
                )
            }
        }
    }
}

impl LineError {
    /// What to do about it in this line.
    pub fn help(&self, line: &str) -> Option<Text> {
        match self {
            LineError::NotAnOption(_) if line.starts_with("#lbw") => {
                Some(say!("settings are options: `#lbw --steps 20`", "設定はオプションで書きます: `#lbw --steps 20`"))
            }
            // A prompt that has options behind it.
            LineError::NotAnOption(_) if !line.starts_with("--") => {
                let (prompt, options) = line.split_at(line.find(" --")?);
                let (prompt, options) = (prompt.trim().replace('\\', "\\\\").replace('"', "\\\""), options.trim());
                Some(say!(
                    "write the prompt behind an option, too: `--prompt \"{prompt}\" {options}`",
                    "プロンプトもオプションとして書いてください: `--prompt \"{prompt}\" {options}`"
                ))
            }
            LineError::NotAnOption(word) => {
                let name = word.trim_start_matches(['-', '—', '–', '−', '―']);
                Some(match name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() < word.len() {
                    true => say!("write `--{name}`", "`--{name}` と書いてください"),
                    false => say!(
                        "put a value of several words into quotes, as in `--sampler_name \"Euler a\"`",
                        "空白のある値は `--sampler_name \"Euler a\"` のように引用符で囲んでください"
                    ),
                })
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for LineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.said())
    }
}

impl std::error::Error for LineError {}

enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Checkpoint,
    Sampler,
}

const OPTIONS: [(&str, Kind); 24] = [
    ("sd_model", Kind::Checkpoint),
    ("outpath_samples", Kind::Text),
    ("outpath_grids", Kind::Text),
    ("prompt_for_display", Kind::Text),
    ("styles", Kind::Text),
    ("seed", Kind::Int),
    ("subseed_strength", Kind::Float),
    ("subseed", Kind::Int),
    ("seed_resize_from_h", Kind::Int),
    ("seed_resize_from_w", Kind::Int),
    ("sampler_index", Kind::Int),
    ("sampler_name", Kind::Sampler),
    ("batch_size", Kind::Int),
    ("n_iter", Kind::Int),
    ("steps", Kind::Int),
    ("cfg_scale", Kind::Float),
    ("width", Kind::Int),
    ("height", Kind::Int),
    ("restore_faces", Kind::Bool),
    ("tiling", Kind::Bool),
    ("do_not_save_samples", Kind::Bool),
    ("do_not_save_grid", Kind::Bool),
    // These take all words up to the next option.
    ("prompt", Kind::Text),
    ("negative_prompt", Kind::Text),
];

/// The options of `line` and their values; the last of several equal ones counts.
///
/// `checkpoint` finds a checkpoint by a part of its name. A sampler that does not exist is null, as in webui.
pub fn parse_line(line: &str, checkpoint: &dyn Fn(&str) -> Option<String>) -> Result<Map<String, Value>, LineError> {
    let mut options = Map::new();
    each_option(
        line,
        |name| matches!(name, "prompt" | "negative_prompt"),
        |option, name, value| {
            options.insert(name.to_string(), convert(option, name, value, checkpoint)?);
            Ok(())
        },
    )?;
    Ok(options)
}

/// The options of `line` as they are written, hyphens included, and their values; a text takes all words up to the next option.
pub(super) fn options_of(line: &str) -> Result<Vec<(String, String)>, LineError> {
    let mut options = Vec::new();
    let is_text = |name: &str| table::find(name).is_some_and(|s| s.name.ends_with("prompt"));
    each_option(line, is_text, |option, _, value| {
        options.push((option.to_owned(), value));
        Ok(())
    })?;
    Ok(options)
}

/// Gives `take` each option, its name without hyphens and its value; those that are `greedy` have several words.
fn each_option(
    line: &str,
    greedy: impl Fn(&str) -> bool,
    mut take: impl FnMut(&str, &str, String) -> Result<(), LineError>,
) -> Result<(), LineError> {
    let words = split_words(line)?;
    let mut rest = words.as_slice();
    while let [option, tail @ ..] = rest {
        let name = option.strip_prefix("--").ok_or_else(|| LineError::NotAnOption(option.clone()))?;
        let [value, tail @ ..] = tail else { return Err(LineError::NoValue(option.clone())) };
        let mut value = value.clone();
        rest = tail;
        if greedy(name) {
            while let [word, tail @ ..] = rest
                && !word.starts_with("--")
            {
                value.push(' ');
                value.push_str(word);
                rest = tail;
            }
        }
        take(option, name, value)?;
    }
    Ok(())
}

fn convert(
    option: &str,
    name: &str,
    value: String,
    checkpoint: &dyn Fn(&str) -> Option<String>,
) -> Result<Value, LineError> {
    let kind = OPTIONS.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind);
    let kind = kind.ok_or_else(|| LineError::UnknownOption(option.to_string()))?;
    let converted: Result<Value, Text> = match kind {
        Kind::Text => Ok(value.as_str().into()),
        Kind::Bool => Ok((value == "true").into()),
        Kind::Int => python::int(&value).map(Value::from).ok_or_else(|| say!("a whole number", "整数")),
        Kind::Float => python::float(&value).map(Value::from).ok_or_else(|| say!("a number", "数値")),
        Kind::Sampler => Ok(Sampler::from_name(&value).map(Sampler::label).into()),
        Kind::Checkpoint => {
            checkpoint(&value).map(Value::from).ok_or_else(|| say!("a known checkpoint", "ここにあるチェックポイント"))
        }
    };
    converted.map_err(|what| LineError::BadValue { option: option.to_string(), value, what })
}

/// The words of a line without their quotes and backslashes.
fn split_words(line: &str) -> Result<Vec<String>, LineError> {
    let tokens = LineGrammar::parse(Rule::line, line).ok().and_then(|mut tokens| tokens.next());
    let tokens = tokens.ok_or(LineError::OpenQuotation)?;
    let words = tokens.into_inner().filter(|token| token.as_rule() == Rule::word);
    let piece = |token: pest::iterators::Pair<'_, Rule>| match token.as_rule() {
        Rule::escaped | Rule::double_escaped => token.as_str()[1..].to_string(),
        _ => token.as_str().to_string(),
    };
    Ok(words.map(|word| word.into_inner().map(piece).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let words = |line| split_words(line).unwrap();
        assert_eq!(words(r#"  a"b c"'d e'\ f  '' "\n\"\\" # x"#), ["ab cd e f", "", r#"\n"\"#, "#", "x"]);
        for open in [r#"a "b"#, "it's", "a\\"] {
            assert_eq!(split_words(open), Err(LineError::OpenQuotation), "{open}");
        }
    }

    #[test]
    fn a_line_of_a_megabyte() {
        assert!(parse_line(&"--prompt 'a' ".repeat(80_000), &|_| None).is_ok());
        assert!(parse_line(&"'".repeat(1_000_001), &|_| None).is_err());
    }
}
