//! Reading infotext.

use pest::Parser;
use serde_json::{Map, Value};

use crate::syntax::python;

#[derive(pest_derive::Parser)]
#[grammar = "grammar/infotext.pest"]
struct InfotextGrammar;

/// The line that begins a negative prompt.
const NEGATIVE: &str = "Negative prompt:";
/// With fewer pairs, the last line is part of the prompt.
pub(super) const FEWEST_PAIRS: usize = 3;

/// An infotext taken apart. Every text is one: without a parameter line all of it is prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Infotext {
    pub prompt: String,
    pub negative_prompt: String,
    /// The fields in the order they were first written. `Size: 512x768` stands as `Size-1` and `Size-2`.
    pub fields: Map<String, Value>,
    /// Keys without a value, which are dropped.
    pub empty: Vec<String>,
}

impl Infotext {
    /// Reads `text` as webui does.
    pub fn parse(text: &str) -> Self {
        let mut lines: Vec<&str> = python::strip(text).split('\n').collect();
        let mut pairs = lines.last().map(|last| pairs(last)).unwrap_or_default();
        if pairs.len() < FEWEST_PAIRS {
            pairs.clear();
        } else {
            lines.pop();
        }
        let mut infotext = Infotext::default();
        infotext.read_prompts(&lines);
        for (key, value) in pairs {
            infotext.add(key, value);
        }
        infotext
    }

    fn read_prompts(&mut self, lines: &[&str]) {
        let mut target = &mut self.prompt;
        for line in lines {
            let mut line = python::strip(line);
            if let Some(rest) = line.strip_prefix(NEGATIVE) {
                target = &mut self.negative_prompt;
                line = python::strip(rest);
            }
            if !target.is_empty() {
                target.push('\n');
            }
            target.push_str(line);
        }
    }

    fn add(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return self.empty.push(key.to_string());
        }
        let value = unquote(value);
        match size(&value) {
            Some((width, height)) => {
                self.fields.insert(format!("{key}-1"), width.into());
                self.fields.insert(format!("{key}-2"), height.into());
            }
            None => {
                self.fields.insert(key.to_string(), value.into());
            }
        }
    }
}

/// Whether `text` was made by webui rather than typed: it has a line that begins `Negative prompt:`, or ends in a line of
/// parameters with `Steps` among them. Ordinary prompts with colons (`time: 12:30, where: here, who: me`) are not taken
/// for one, though webui would.
pub fn looks_like_infotext(text: &str) -> bool {
    let text = python::strip(text);
    if text.split('\n').any(|line| python::strip(line).starts_with(NEGATIVE)) {
        return true;
    }
    let pairs = text.rsplit('\n').next().map(pairs).unwrap_or_default();
    pairs.len() >= FEWEST_PAIRS && pairs.iter().any(|(key, _)| *key == "Steps")
}

/// The `key: value` pairs of a line, values as written.
pub(super) fn pairs(line: &str) -> Vec<(&str, &str)> {
    let tokens = InfotextGrammar::parse(Rule::parameters, line).ok().and_then(|mut tokens| tokens.next());
    let pairs = tokens.into_iter().flat_map(|t| t.into_inner()).filter(|t| t.as_rule() == Rule::pair);
    pairs
        .filter_map(|pair| {
            let mut parts = pair.into_inner();
            Some((parts.next()?.as_str(), parts.next()?.as_str()))
        })
        .collect()
}

/// A JSON string decoded; anything else, and what is no valid JSON, as it is.
fn unquote(value: &str) -> String {
    let quoted = value.starts_with('"') && value.ends_with('"');
    quoted.then(|| serde_json::from_str(value).ok()).flatten().unwrap_or_else(|| value.to_string())
}

/// The two numbers of `512x768`.
fn size(value: &str) -> Option<(&str, &str)> {
    let value = value.strip_suffix('\n').unwrap_or(value);
    let is_number = |text: &str| !text.is_empty() && text.chars().all(pest::unicode::DECIMAL_NUMBER);
    value.split_once('x').filter(|(width, height)| is_number(width) && is_number(height))
}
