//! What an axis varies, and over which values.

use super::super::xyz_weights::{AxisKind, CELL_LIMIT, all_blocks};
use super::{Error, tags, values};
use crate::diagnostic::{Said, Text, did_you_mean};
use crate::infotext::float_text;
use crate::plan::{Request, Sampler, ScheduleType};
use crate::say;
use crate::syntax::python;

/// What an axis varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AxisType {
    /// An axis of the extension's plot.
    Weights(AxisKind),
    /// An axis of webui's plot, or `strength`.
    Setting(Setting),
}

/// What an axis can vary besides block weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Sampling steps.
    Steps,
    /// The CFG scale.
    CfgScale,
    /// The sampler, by any of its names.
    Sampler,
    /// The schedule, by its name.
    ScheduleType,
    /// Search and replace: the first value is what is replaced by each.
    PromptSr,
    /// Both strengths of the LoRA whose tag names XYZ, or of the only one.
    Strength,
}

/// An axis with its values as they are applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// What it varies.
    pub kind: AxisType,
    /// At least one, checked.
    pub values: Vec<String>,
}

/// What is wrong with an axis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said())]
#[allow(missing_docs, reason = "`said` tells what each of them is")]
pub enum AxisError {
    Form(String),
    Unknown { name: String, near: Option<&'static str> },
    Empty(&'static str),
    Value { axis: &'static str, value: String, expected: Text },
    Seed(String),
    TooMany(&'static str),
}

impl Said for AxisError {
    fn said(&self) -> Text {
        match self {
            AxisError::Form(text) => say!(
                "an axis is written TYPE=VALUES, as in `Block ID=IN04,IN05`; `{text}` is not",
                "軸は `Block ID=IN04,IN05` のように TYPE=VALUES と書きます。`{text}` は違います"
            ),
            AxisError::Unknown { name, near } => {
                let (hint, names) = (hint(*near), names());
                say!(
                    "there is no axis `{name}`{hint}; there are: {names}",
                    "軸 `{name}` はありません{hint}。あるのは次のとおりです: {names}",
                    with hint
                )
            }
            AxisError::Empty(axis) => say!("the axis `{axis}` has no values", "軸 `{axis}` に値がありません"),
            AxisError::Value { axis, value, expected } => say!(
                "`{value}` is not a value for the axis `{axis}`: {expected}",
                "`{value}` は軸 `{axis}` の値になりません: {expected}",
                with expected
            ),
            AxisError::Seed(value) => say!(
                "`{value}` is not a seed of a plot: a whole number from 0 to 9223372036854775806, or -1 to draw one",
                "`{value}` はプロットのシードではありません。0 から 9223372036854775806 までの整数か、ランダムにする -1 を書いてください"
            ),
            AxisError::TooMany(axis) => {
                say!(
                    "the axis `{axis}` has more than {CELL_LIMIT} values",
                    "軸 `{axis}` の値が {CELL_LIMIT} 個を超えています"
                )
            }
        }
    }
}

fn hint(near: Option<&str>) -> Text {
    near.map_or(Text::default(), |near| say!(" (did you mean `{near}`?)", " (`{near}` ではありませんか)"))
}

fn names() -> String {
    TYPES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The names of the axes: those of the extension and of webui first.
const TYPES: [(&str, AxisType); 11] = [
    ("values", AxisType::Weights(AxisKind::Values)),
    ("Block ID", AxisType::Weights(AxisKind::BlockId)),
    ("Original Weights", AxisType::Weights(AxisKind::OriginalWeights)),
    ("elements", AxisType::Weights(AxisKind::Elements)),
    ("seed", AxisType::Weights(AxisKind::Seed)),
    ("strength", AxisType::Setting(Setting::Strength)),
    ("Steps", AxisType::Setting(Setting::Steps)),
    ("CFG Scale", AxisType::Setting(Setting::CfgScale)),
    ("Sampler", AxisType::Setting(Setting::Sampler)),
    ("Schedule type", AxisType::Setting(Setting::ScheduleType)),
    ("Prompt S/R", AxisType::Setting(Setting::PromptSr)),
];

/// What people also call them.
const ALIASES: [(&str, &str); 6] = [
    ("blocks", "Block ID"),
    ("block", "Block ID"),
    ("preset", "Original Weights"),
    ("presets", "Original Weights"),
    ("cfg", "CFG Scale"),
    ("prompt", "Prompt S/R"),
];

impl AxisType {
    /// The type called `name`; case, spaces, `-`, `_` and `/` do not count.
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = |text: &str| text.to_lowercase().replace([' ', '-', '_', '/'], "");
        let alias = ALIASES.iter().find(|(alias, _)| plain(alias) == plain(name)).map(|(_, name)| *name);
        let name = plain(alias.unwrap_or(name));
        TYPES.iter().find(|(known, _)| plain(known) == name).map(|(_, kind)| *kind)
    }

    /// As it is written before the `=`.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|(_, kind)| *kind == self).map_or("none", |(name, _)| name)
    }

    /// What the extension's plot makes of it.
    pub(super) fn kind(self) -> AxisKind {
        match self {
            AxisType::Weights(kind) => kind,
            AxisType::Setting(_) => AxisKind::Other,
        }
    }

    pub(super) fn setting(self) -> Option<Setting> {
        match self {
            AxisType::Setting(setting) => Some(setting),
            AxisType::Weights(_) => None,
        }
    }
}

impl Axis {
    /// An axis with one value that changes nothing.
    pub fn none() -> Self {
        Axis { kind: AxisType::Weights(AxisKind::None), values: vec![String::new()] }
    }

    /// Reads `TYPE=VALUES`. The values of block weights are separated by commas as in the extension; others may be quoted
    /// and, where they are numbers, be ranges (`1-5`, `1-10 (+3)`, `4-8 [3]`) as in webui.
    pub fn parse(text: &str) -> Result<Self, AxisError> {
        let (name, list) = text.split_once('=').ok_or_else(|| AxisError::Form(text.to_owned()))?;
        let unknown = || {
            let near = did_you_mean(name, TYPES.iter().map(|(name, _)| *name).chain(ALIASES.map(|(alias, _)| alias)));
            AxisError::Unknown { name: name.trim().to_owned(), near }
        };
        let kind = AxisType::from_name(name).ok_or_else(unknown)?;
        if python::strip(list).is_empty() {
            return Err(AxisError::Empty(kind.name()));
        }
        let values = match kind {
            AxisType::Weights(AxisKind::Seed) => seeds(kind, list)?,
            AxisType::Setting(Setting::Steps) => integers(kind, list)?,
            AxisType::Weights(AxisKind::BlockId) => all_blocks(list).split(',').map(stripped).collect(),
            AxisType::Weights(_) => list.split(',').map(stripped).collect(),
            AxisType::Setting(Setting::CfgScale | Setting::Strength) => floats(kind, list)?,
            AxisType::Setting(Setting::PromptSr) => values::list(list),
            AxisType::Setting(Setting::Sampler) => {
                let find = |name: &str| Sampler::from_name(name).map(|sampler| sampler.label());
                named(kind, list, find, Sampler::ALL.iter().map(|sampler| sampler.label()))?
            }
            AxisType::Setting(Setting::ScheduleType) => {
                let find = |name: &str| ScheduleType::from_name(name).map(|schedule| schedule.label());
                named(kind, list, find, ScheduleType::ALL.iter().map(|schedule| schedule.label()))?
            }
        };
        match values.len() {
            0 => Err(AxisError::Empty(kind.name())),
            1..=CELL_LIMIT => Ok(Axis { kind, values }),
            _ => Err(AxisError::TooMany(kind.name())),
        }
    }

    /// The label of a value; for a seed −1 the seed that is drawn.
    pub(super) fn label(&self, value: &str, draw: &mut dyn FnMut() -> i64) -> String {
        match self.kind {
            AxisType::Weights(AxisKind::Seed) if value == "-1" => draw().to_string(),
            AxisType::Weights(_) | AxisType::Setting(Setting::Sampler | Setting::PromptSr) => value.to_owned(),
            AxisType::Setting(Setting::Strength) => format!("Strength: {value}"),
            AxisType::Setting(_) => format!("{}: {value}", self.kind.name()),
        }
    }
}

fn stripped(value: &str) -> String {
    python::strip(value).to_owned()
}

fn integers(kind: AxisType, list: &str) -> Result<Vec<String>, AxisError> {
    let expected = say!(
        "whole numbers, or a range as in 1-5 or 1-10 (+3)",
        "整数か、1-5 や 1-10 (+3) のような範囲を書いてください"
    );
    let numbers = values::list(list).into_iter().map(|value| match values::integers(&value) {
        Some(numbers) if !numbers.is_empty() => Ok(numbers),
        _ => Err(AxisError::Value { axis: kind.name(), value, expected: expected.clone() }),
    });
    Ok(all(kind, numbers)?.iter().map(i64::to_string).collect())
}

/// The numbers of all ranges, no more than a plot has cells: a line of ranges could name billions.
fn all<T>(kind: AxisType, ranges: impl Iterator<Item = Result<Vec<T>, AxisError>>) -> Result<Vec<T>, AxisError> {
    let mut numbers = Vec::new();
    for range in ranges {
        numbers.extend(range?);
        if numbers.len() > CELL_LIMIT {
            return Err(AxisError::TooMany(kind.name()));
        }
    }
    Ok(numbers)
}

fn seeds(kind: AxisType, list: &str) -> Result<Vec<String>, AxisError> {
    let seeds = integers(kind, list)?;
    // Numbers beyond 64 bits have become the largest that there is.
    let is_wrong = |seed: &&String| (*seed != "-1" && seed.starts_with('-')) || **seed == i64::MAX.to_string();
    let wrong = seeds.iter().find(is_wrong);
    wrong.map_or(Ok(()), |seed| Err(AxisError::Seed(seed.clone())))?;
    Ok(seeds)
}

fn floats(kind: AxisType, list: &str) -> Result<Vec<String>, AxisError> {
    let expected = say!(
        "numbers, or a range as in 1-5, 0-1 (+0.25) or 4-8 [3]",
        "数値か、1-5、0-1 (+0.25)、4-8 [3] のような範囲を書いてください"
    );
    let numbers = values::list(list).into_iter().map(|value| match values::floats(&value) {
        Some(numbers) if numbers.iter().all(|n| n.is_finite()) && !numbers.is_empty() => Ok(numbers),
        _ => Err(AxisError::Value { axis: kind.name(), value, expected: expected.clone() }),
    });
    // webui labels numbers with eight places.
    let text = |number: &f64| float_text((number * 1e8).round_ties_even() / 1e8);
    Ok(all(kind, numbers)?.iter().map(text).collect())
}

/// Names, each as `find` writes it.
fn named(
    kind: AxisType,
    list: &str,
    find: impl Fn(&str) -> Option<&'static str>,
    known: impl Iterator<Item = &'static str>,
) -> Result<Vec<String>, AxisError> {
    let known = known.collect::<Vec<_>>().join(", ");
    let expected = say!("there are {known}", "あるのは {known} です");
    let name = |value: String| match find(&value) {
        Some(label) => Ok(label.to_owned()),
        None => Err(AxisError::Value { axis: kind.name(), value, expected: expected.clone() }),
    };
    values::list(list).into_iter().map(name).collect()
}

impl Setting {
    /// Gives `request` this value, which has been checked. Prompts are replaced elsewhere.
    pub(super) fn apply(self, value: &str, request: &mut Request) -> Result<(), Error> {
        let settings = &mut request.settings;
        let wrong = || {
            let axis = AxisType::Setting(self).name();
            AxisError::Value {
                axis, value: value.to_owned(), expected: say!("it is out of range", "範囲の外です")
            }
        };
        match self {
            Setting::Steps => settings.steps = value.parse().map_err(|_| wrong())?,
            Setting::CfgScale => settings.cfg_scale = value.parse().map_err(|_| wrong())?,
            Setting::Sampler => settings.sampler = Sampler::from_name(value).ok_or_else(wrong)?,
            Setting::ScheduleType => settings.schedule_type = ScheduleType::from_name(value).ok_or_else(wrong)?,
            Setting::PromptSr => {}
            Setting::Strength => tags::set_strength(&mut request.prompt, value)?,
        }
        Ok(())
    }
}
