//! Reading infotext.

use pest::Parser;
use serde_json::{Map, Value};

use super::heading::{Heading, Part};
use crate::syntax::python;

#[derive(pest_derive::Parser)]
#[grammar = "grammar/infotext.pest"]
struct InfotextGrammar;

/// The line that begins a negative prompt.
pub(super) const NEGATIVE: &str = "Negative prompt:";
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
        let text = python::strip(text);
        let last = text.rfind('\n').map_or(0, |end| end + 1);
        let mut pairs = pairs(&text[last..]);
        let prompts = if pairs.len() < FEWEST_PAIRS {
            pairs.clear();
            Some(text)
        } else {
            text[..last].strip_suffix('\n')
        };
        let lines = prompts.into_iter().flat_map(|text| text.split('\n'));
        Infotext::of(lines.map(|line| (line, Heading::of_webui(line))), pairs)
    }

    /// Prompts from these lines, with their headings, and fields from these pairs.
    pub(super) fn of<'t>(
        prompts: impl IntoIterator<Item = (&'t str, Option<Heading<'t>>)>,
        pairs: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Self {
        let mut infotext = Infotext::default();
        infotext.read_prompts(prompts);
        for (key, value) in pairs {
            infotext.add(key, value);
        }
        infotext
    }

    fn read_prompts<'t>(&mut self, lines: impl IntoIterator<Item = (&'t str, Option<Heading<'t>>)>) {
        let mut target = &mut self.prompt;
        for (line, heading) in lines {
            let mut text = python::strip(line);
            if let Some(heading) = heading {
                target = match heading.part {
                    Part::Prompt => &mut self.prompt,
                    Part::Negative => &mut self.negative_prompt,
                };
                text = heading.rest;
            }
            if !target.is_empty() {
                target.push('\n');
            }
            target.push_str(text);
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

/// So many lists and maps without quotes are read in a line; no program writes more.
const MOST_LISTS: usize = 64;

/// The `key: value` pairs of a line as they are meant: a list or map without quotes is one value, which webui tears at its commas.
pub(super) fn whole_pairs(line: &str) -> Vec<(&str, &str)> {
    let (mut whole, mut from) = (Vec::new(), 0);
    for _ in 0..MOST_LISTS {
        let mut torn = None;
        for (key, value) in pairs(&line[from..]) {
            let at = value.as_ptr() as usize - line.as_ptr() as usize;
            match json_length(&line[at..]).filter(|length| *length > value.len()) {
                Some(length) => {
                    whole.push((key, &line[at..at + length]));
                    torn = Some(at + length);
                    break;
                }
                None => whole.push((key, value)),
            }
        }
        let Some(end) = torn else { return whole };
        from = end + line[end..].find(',').map_or(line.len() - end, |comma| comma + 1);
    }
    whole.extend(pairs(&line[from..]));
    whole
}

/// How long the list or map is that `text` begins with.
fn json_length(text: &str) -> Option<usize> {
    if !text.starts_with(['[', '{']) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok().map(|_| values.byte_offset())
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
