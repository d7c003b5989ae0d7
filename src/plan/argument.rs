//! What webui's LoRA loader and the LoRA Block Weight extension each read in one tag.
//!
//! The two look at the same items by different rules: webui takes positional and exactly named arguments, the extension takes
//! the first item that *contains* the key. Both answers are needed, because the extension changes only prompts it touches.

use std::ops::Range;

use super::ElementRule;
use super::dialect::DialectError;
use super::draw::Draws;
use super::over_time::WeightsOverTime;
use crate::block::Layout;
use crate::preset::{Preset, PresetSet};
use crate::syntax::lora_tag::{self, Weight, WeightError};
use crate::syntax::{Item, Tag, python};

/// What webui's loader reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Strengths {
    pub name: String,
    pub te: f64,
    pub unet: f64,
    /// Rank to cut to.
    pub dyn_dim: Option<i64>,
}

/// Something in a tag that makes webui or the extension raise an exception.
#[derive(Debug, Clone, PartialEq)]
pub struct ArgumentError {
    pub kind: ArgumentErrorKind,
    /// Where it stands in the prompt.
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ArgumentErrorKind {
    /// Every item has an `=`, so there is no name.
    NoName,
    /// Not a number (`whole`: not a whole number), for the argument of this name.
    BadNumber { argument: &'static str, text: String, whole: bool },
    /// An entry of the vector, and the preset it comes from.
    BadEntry { entry: String, error: WeightError, preset: Option<String> },
    /// A preset whose line passes by the commas of its name.
    BadCount { preset: String, entries: usize },
    /// `X` in the vector, and the item where the base is looked for has an `=`.
    NoBase,
    /// `step=1-2-3`.
    BadStep,
    /// An item with `@` where the weights are looked for.
    AtSign,
    /// Weights over time that are not written as `NAME@0,NAME@0.5`.
    BadFrames(String),
    /// Weights at one time that are neither a preset nor a vector.
    UnknownWeights(String),
    /// Weights that the chosen dialect cannot read.
    Dialect(DialectError),
}

/// Reads a tag as webui does.
pub fn webui(tag: &Tag) -> Result<Strengths, ArgumentError> {
    let positional: Vec<&Item> = tag.positional().take(4).collect();
    let name = positional.first().ok_or(ArgumentError { kind: ArgumentErrorKind::NoName, span: tag.span.clone() })?;
    // Positional numbers are converted even where a named one overrides them.
    let float = |argument, item: Option<&&Item>| item.map(|item| number(argument, &item.text, &item.span)).transpose();
    let named = |argument| match tag.named(argument) {
        Some(item) => number(argument, item.named().map_or("", |(_, value)| value), &item.value_span()).map(Some),
        None => Ok(None),
    };
    let te = float("te", positional.get(1))?.unwrap_or(1.0);
    let te = named("te")?.unwrap_or(te);
    let unet = float("unet", positional.get(2))?.unwrap_or(te);
    let unet = named("unet")?.unwrap_or(unet);
    let dyn_dim = positional.get(3).map(|item| integer("dyn", &item.text, &item.span)).transpose()?;
    let dyn_named =
        tag.named("dyn").map(|item| integer("dyn", item.named().map_or("", |(_, v)| v), &item.value_span()));
    let dyn_dim = dyn_named.transpose()?.or(dyn_dim);
    Ok(Strengths { name: name.text.clone(), te, unet, dyn_dim })
}

fn number(argument: &'static str, text: &str, span: &Range<usize>) -> Result<f64, ArgumentError> {
    python::float(text).ok_or_else(|| bad_number(argument, text, span, false))
}

fn integer(argument: &'static str, text: &str, span: &Range<usize>) -> Result<i64, ArgumentError> {
    python::int(text).ok_or_else(|| bad_number(argument, text, span, true))
}

fn bad_number(argument: &'static str, text: &str, span: &Range<usize>, whole: bool) -> ArgumentError {
    let kind = ArgumentErrorKind::BadNumber { argument, text: text.to_owned(), whole };
    ArgumentError { kind, span: span.clone() }
}

/// What the extension finds for one argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'t> {
    Nothing,
    /// The value, the item it stands in, and whether the key was written.
    Text {
        value: String,
        item: &'t Item,
        keyed: bool,
    },
    /// The item at the fallback position has an `@`; the extension takes the number 1.
    One(&'t Item),
}

/// The extension's search: the first item that contains `key`, with every occurrence of `key` removed, else the item at
/// `position` unless it has an `=`.
pub fn find<'t>(tag: &'t Tag, key: &str, position: Option<usize>) -> Found<'t> {
    if let Some(item) = tag.items.iter().find(|item| item.text.contains(key)) {
        return Found::Text { value: item.text.replace(key, ""), item, keyed: true };
    }
    match position.and_then(|at| tag.items.get(at)).filter(|item| !item.text.contains('=')) {
        None => Found::Nothing,
        Some(item) if item.text.contains('@') => Found::One(item),
        Some(item) => Found::Text { value: item.text.clone(), item, keyed: false },
    }
}

impl Found<'_> {
    fn number(&self, argument: &'static str) -> Result<Option<f64>, ArgumentError> {
        match self {
            Found::Nothing => Ok(None),
            Found::One(_) => Ok(Some(1.0)),
            Found::Text { value, item, .. } => number(argument, value, &item.value_span()).map(Some),
        }
    }

    fn integer(&self, argument: &'static str) -> Result<Option<i64>, ArgumentError> {
        match self {
            Found::Nothing => Ok(None),
            Found::One(_) => Ok(Some(1)),
            Found::Text { value, item, .. } => integer(argument, value, &item.value_span()).map(Some),
        }
    }
}

/// Which base `X` counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseRule {
    /// As the extension: `x=` counts only in tags of four items or more, where a missing base is an exception.
    Extension,
    /// `x=` counts wherever it stands; without it, an unnamed fourth item, or 1.
    Anywhere,
}

/// What the extension reads in one tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading<'p> {
    /// Item 0, whatever it is.
    pub name: String,
    pub te: f64,
    pub unet: f64,
    pub start: Option<i64>,
    pub stop: Option<i64>,
    /// `None`: ratio 1 everywhere.
    pub vector: Option<Vector<'p>>,
    pub elements: Option<&'p Preset>,
}

/// A weight vector with every entry a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector<'p> {
    /// The vector's shape in webui; other dialects have their own.
    pub layout: Option<Layout>,
    /// One number per block of the space.
    pub blocks: Vec<f64>,
    /// What a dialect says of modules outside the blocks. The tag's element rules come after it.
    pub rules: Vec<ElementRule>,
    pub preset: Option<&'p Preset>,
    /// The value of `lbw=` in the prompt.
    pub span: Range<usize>,
    /// Whether `X` occurs in it.
    pub relative: bool,
    /// How the weights change over the steps; `blocks` are then those of the beginning.
    pub over_time: Option<WeightsOverTime>,
}

impl Reading<'_> {
    /// Whether this tag makes the extension act on the prompt.
    pub fn acts(&self) -> bool {
        self.vector.is_some() || self.elements.is_some() || self.start.is_some() || self.stop.is_some()
    }
}

/// Reads a tag as the extension does.
pub fn extension<'p>(
    tag: &Tag,
    presets: &'p PresetSet,
    base: BaseRule,
    draws: &mut Draws,
) -> Result<Reading<'p>, ArgumentError> {
    let (te, unet) = (find(tag, "te=", Some(1)).number("te")?, find(tag, "unet=", Some(2)).number("unet")?);
    let (te, unet) = (te.or(unet).unwrap_or(1.0), unet.or(te).unwrap_or(1.0));
    let vector = vector(tag, presets, base, draws)?;
    let elements = match find(tag, "lbwe=", Some(3)) {
        Found::Text { value, .. } => presets.elements.get(&value),
        _ => None,
    };
    let (start, stop) = window(tag)?;
    let name = tag.items.first().map_or(String::new(), |item| item.text.clone());
    Ok(Reading { name, te, unet, start, stop, vector, elements })
}

/// Where the weights are given: `lbw=`, else `w=`, else the third item.
pub fn find_weights(tag: &Tag) -> Found<'_> {
    match find(tag, "lbw=", Some(2)) {
        Found::Nothing => find(tag, "w=", Some(2)),
        // Without `lbw=` the third item answers for both, so `w=` is reached only where that has an `=`, or is not there.
        found => found,
    }
}

fn vector<'p>(
    tag: &Tag,
    presets: &'p PresetSet,
    base: BaseRule,
    draws: &mut Draws,
) -> Result<Option<Vector<'p>>, ArgumentError> {
    let (value, item) = match find_weights(tag) {
        Found::Nothing => return Ok(None),
        Found::One(item) => return Err(ArgumentError { kind: ArgumentErrorKind::AtSign, span: item.span.clone() }),
        Found::Text { value, item, .. } => (value, item),
    };
    let preset = presets.weights.get(&value);
    if preset.is_none() && Layout::from_len(value.matches(',').count() + 1).is_none() {
        return Ok(None);
    }
    let text = preset.map_or(value.as_str(), |p| &p.value);
    let span = item.value_span();
    let error = |kind| ArgumentError { kind, span: span.clone() };
    let entries = lora_tag::entries(text);
    let mut numbers = Vec::with_capacity(entries.len());
    let mut relative = false;
    for range in entries {
        numbers.push(match entry(text, range, &span, preset)? {
            Weight::Number(number) => number,
            Weight::UnitDraw => {
                let drawn = python::round3(draws.unit());
                draws.note(drawn)
            }
            Weight::WideDraw => {
                let drawn = python::round3(-0.5 + 2.0 * draws.unit());
                draws.note(drawn)
            }
            Weight::Relative(shift) => {
                relative = true;
                x_base(tag, base)? + shift
            }
        });
    }
    let count = || ArgumentErrorKind::BadCount {
        preset: preset.map_or(String::new(), |p| p.name.clone()),
        entries: numbers.len(),
    };
    let layout = Layout::from_len(numbers.len()).ok_or_else(|| error(count()))?;
    Ok(Some(Vector {
        layout: Some(layout),
        blocks: layout.expand(&numbers),
        rules: Vec::new(),
        preset,
        span: item.value_span(),
        relative,
        over_time: None,
    }))
}

/// Reads the entry at `range` of a vector's text, which is that of `preset` or else stands in the prompt at `span`.
fn entry(
    text: &str,
    range: Range<usize>,
    span: &Range<usize>,
    preset: Option<&Preset>,
) -> Result<Weight, ArgumentError> {
    let entry = &text[range.clone()];
    lora_tag::weight(entry).map_err(|error| {
        let (entry, preset_name) = (python::strip(entry).to_owned(), preset.map(|p| p.name.clone()));
        let kind = ArgumentErrorKind::BadEntry { entry, error, preset: preset_name };
        let of_entry = if preset.is_some() { span.clone() } else { span.start + range.start..span.start + range.end };
        ArgumentError { kind, span: of_entry }
    })
}

/// Every entry of the tag's vector that cannot be read, whatever its length; not those with a `=`, which are another dialect's.
pub fn bad_entries(tag: &Tag, presets: &PresetSet) -> Vec<ArgumentError> {
    let Found::Text { value, item, .. } = find_weights(tag) else { return Vec::new() };
    let preset = presets.weights.get(&value);
    let text = preset.map_or(value.as_str(), |p| &p.value);
    let span = item.value_span();
    let entries = lora_tag::entries(text).into_iter().filter(|range| !text[range.clone()].contains('='));
    entries.filter_map(|range| entry(text, range, &span, preset).err()).collect()
}

/// The number `X` stands for.
pub fn x_base(tag: &Tag, rule: BaseRule) -> Result<f64, ArgumentError> {
    let long = tag.items.len() >= 4;
    let found = match rule {
        BaseRule::Extension if !long => return Ok(1.0),
        // Where the extension does not look at all, a key hidden in another text is not taken for one.
        BaseRule::Anywhere if !long && !tag.items.iter().any(|item| item.text.starts_with("x=")) => return Ok(1.0),
        _ => find(tag, "x=", long.then_some(3)),
    };
    match (found.number("x")?, rule) {
        (Some(base), _) => Ok(base),
        (None, BaseRule::Anywhere) => Ok(1.0),
        (None, BaseRule::Extension) => {
            Err(ArgumentError { kind: ArgumentErrorKind::NoBase, span: tag.items[3].span.clone() })
        }
    }
}

/// `start=` and `stop=`, or the two halves of `step=`.
pub(super) fn window(tag: &Tag) -> Result<(Option<i64>, Option<i64>), ArgumentError> {
    if let Found::Text { value, item, .. } = find(tag, "step=", None)
        && let Some((start, stop)) = value.split_once('-')
    {
        if stop.contains('-') {
            return Err(ArgumentError { kind: ArgumentErrorKind::BadStep, span: item.value_span() });
        }
        let half = |text| integer("step", text, &item.value_span());
        return Ok((Some(half(start)?), Some(half(stop)?)));
    }
    Ok((find(tag, "start=", None).integer("start")?, find(tag, "stop=", None).integer("stop")?))
}
