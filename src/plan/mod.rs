//! The plan: what one image is made from, as plain data with every default resolved and every weight a number.
//!
//! It is all that the text half hands to the numeric half. It can be printed, stored in a PNG, sent to another machine
//! and run there: it has a format number and holds no paths.

pub mod argument;
pub mod check;
pub mod dialect;
pub mod draw;
pub mod element;
mod enlarge;
mod format;
mod hires;
mod id;
mod limits;
mod lower;
mod mask;
pub mod network;
mod over_time;
mod pass;
mod request;
mod sampler;
mod sampler_name;
pub mod settings;
pub mod strengths;
mod unipc;
pub mod webui_option;

pub use check::unknown_lora;
pub use dialect::{Dialect, DialectError};
pub use enlarge::{HiresSize, HiresUpscaler, LatentUpscaler, Tiles};
pub use format::FORMAT;
pub use hires::Hires;
pub use id::job_id;
pub use limits::{LimitError, limits};
pub use lower::{Lowering, lower, lower_with_files};
pub use mask::Mask;
#[cfg(feature = "engine")]
pub(crate) use over_time::frames;
pub use over_time::{BlocksPoint, Moment, OverTime, Point};
pub use pass::{Pass, Start};
pub use request::{Options, Request};
pub use sampler::{Sampler, ScheduleType};
pub use settings::{
    Choice, Emphasis, MaskedContent, NoiseSource, PadConds, Patch, PatchError, RefinerPass, ResizeMode, Setting,
    Settings, Wanted,
};
pub use unipc::{UniPcOptions, UniPcSkipType, UniPcVariant};

use serde::{Deserialize, Serialize};

use crate::block::{Block, Family};
pub use crate::syntax::attention::Piece;

/// One image, ready to be executed: a list of passes, each of which draws over what the one before has drawn.
///
/// Its JSON begins with a format number; plans of older formats are read as well.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub family: Family,
    /// What is drawn first.
    pub first: Pass,
    /// What is drawn over it.
    pub later: Vec<Pass>,
}

impl Plan {
    /// All passes, in order.
    pub fn passes(&self) -> impl Iterator<Item = &Pass> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The settings of the first pass: those that a picture is known by.
    pub fn settings(&self) -> &Settings {
        &self.first.settings
    }

    /// Every LoRA that any pass loads, each once.
    pub fn loras(&self) -> impl Iterator<Item = &LoraPlan> {
        let mut all: Vec<&LoraPlan> = Vec::new();
        for lora in self.passes().flat_map(|pass| &pass.loras) {
            if !all.contains(&lora) {
                all.push(lora);
            }
        }
        all.into_iter()
    }

    /// Pixels of the finished image.
    pub fn size(&self) -> (u32, u32) {
        self.later.iter().fold((self.first.settings.width, self.first.settings.height), |_, pass| pass.size())
    }
}

/// One part of a composed prompt (`a AND b:0.5`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Multiplies the CFG scale for this part.
    pub weight: f64,
    pub schedule: Schedule,
}

/// A prompt over the sampling steps: entries in order, the last one ending at the last step.
pub type Schedule = Vec<Segment>;

/// A text and the last step (1-based) at which it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    pub last_step: u32,
    pub pieces: Vec<Piece>,
}

/// What is applied of one LoRA.
///
/// The factor of a module is strength × block weight, or strength × the ratio of the last element rule that matches it,
/// or 0 outside the step window (UNet modules only). Strength and block weights may change over the steps, [`LoraPlan::at`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoraPlan {
    /// The name as the tag has it, resolved against the LoRA index by the engine.
    pub name: String,
    /// The addnet-style hash (12 hex digits) the file must have, when it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Strength for the text encoders.
    #[serde(with = "number")]
    pub te: f64,
    /// Strength for the UNet.
    #[serde(with = "number")]
    pub unet: f64,
    /// Rank to which the file is cut (webui's `dyn`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dyn_dim: Option<i64>,
    /// One weight per block of the family's space (26, or 61 for Flux). Modules outside the blocks have ratio 1.
    #[serde(with = "numbers")]
    pub blocks: Vec<f64>,
    /// Rules in order; the last match replaces the block weight.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<ElementRule>,
    #[serde(default, skip_serializing_if = "Window::is_always")]
    pub window: Window,
    /// What of it changes over the steps. `unet` and `blocks` are then those of the beginning.
    #[serde(default, skip_serializing_if = "OverTime::is_level")]
    pub over_time: OverTime,
    /// Where `blocks` comes from, for people: `tag`, or a preset's name and the file and line that define it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// `blocks : elements : ratio` of an element rule, with block ranges expanded to names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ElementRule {
    pub blocks: Words,
    pub elements: Words,
    #[serde(with = "number")]
    pub ratio: f64,
}

/// Substrings looked for in a module's name followed by its block's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Words {
    /// The rule applies where *none* of the words occurs.
    #[serde(default)]
    pub not: bool,
    pub words: Vec<String>,
}

impl Words {
    /// Whether `text` is selected. Without `not`, any word is enough; the empty word occurs in everything.
    pub fn selects(&self, text: &str) -> bool {
        self.words.iter().any(|w| text.contains(w.as_str())) != self.not
    }
}

/// `start=` and `stop=` as written, in sampling steps; what they mean per model call is [`Window::is_on`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<i64>,
}

impl Window {
    pub fn is_always(&self) -> bool {
        self.start.is_none() && self.stop.is_none()
    }

    /// Whether the LoRA acts on the UNet when the extension's callback sees `sampling_step`.
    ///
    /// `sampling_step` lags: during the first model call of iteration i (0-based) it is max(i − 1, 0), during the second
    /// call of a second-order sampler it is i. A start fires for good once `sampling_step > start − 2`; so does a stop.
    /// When both fire at once the stop wins, and a stop that fired before its start is forgotten: then the LoRA stays
    /// on to the end.
    pub fn is_on(&self, sampling_step: i64) -> bool {
        let fires_at = |s: i64| s.saturating_sub(1).max(0);
        match (self.start.map(fires_at), self.stop.map(fires_at)) {
            (None, None) => true,
            (Some(start), None) => sampling_step >= start,
            (None, Some(stop)) => sampling_step < stop,
            (Some(start), Some(stop)) if stop < start => sampling_step >= start,
            (Some(start), Some(stop)) => (start..stop).contains(&sampling_step),
        }
    }
}

impl LoraPlan {
    /// Whether all steps have the same of it.
    pub fn is_always_the_same(&self) -> bool {
        self.window.is_always() && self.over_time.is_level()
    }

    /// All the strengths of the UNet between which it goes.
    pub fn strengths(&self) -> impl Iterator<Item = f64> {
        std::iter::once(self.unet).chain(self.over_time.unet.iter().map(|point| point.value))
    }

    /// All the sets of block weights that are in force at some step, or between which it goes.
    pub fn weights(&self) -> impl Iterator<Item = &[f64]> {
        std::iter::once(&self.blocks[..]).chain(self.over_time.blocks.iter().map(|point| &point.blocks[..]))
    }

    /// Block weight, or ratio of the last matching element rule, of the webui module `module`; at the beginning, where weights change.
    pub fn ratio(&self, family: Family, module: &str) -> f64 {
        self.ratio_among(&self.blocks, family, module)
    }

    /// The same with these block weights.
    pub fn ratio_among(&self, blocks: &[f64], family: Family, module: &str) -> f64 {
        match (self.rule(family, module), Block::of_module(family, module)) {
            (Some(rule), _) => self.elements[rule].ratio,
            (None, Some(block)) => blocks.get(block.index()).copied().unwrap_or(0.0),
            (None, None) => 1.0,
        }
    }

    /// The element rule, by its place in `elements`, that decides over the webui module `module`.
    pub fn rule(&self, family: Family, module: &str) -> Option<usize> {
        if self.elements.is_empty() {
            return None;
        }
        let block = Block::of_module(family, module);
        let searched = format!("{module}{}", block.map_or("", |b| b.name()));
        self.elements.iter().rposition(|r| r.blocks.selects(&searched) && r.elements.selects(&searched))
    }
}

/// Numbers that may be infinite or NaN, which JSON has no notation for: those are written as strings.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Repr {
        Number(f64),
        Text(String),
    }

    impl From<f64> for Repr {
        fn from(value: f64) -> Self {
            if value.is_finite() { Repr::Number(value) } else { Repr::Text(value.to_string()) }
        }
    }

    impl Repr {
        pub(super) fn value<E: serde::de::Error>(self) -> Result<f64, E> {
            match self {
                Repr::Number(value) => Ok(value),
                Repr::Text(text) => text.parse().map_err(|_| E::custom(format!("`{text}` is not a number"))),
            }
        }
    }

    pub(super) fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
        Repr::from(*value).serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        Repr::deserialize(d)?.value()
    }
}

/// A list of [`number`]s.
mod numbers {
    use super::number::Repr;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[f64], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(values.iter().map(|v| Repr::from(*v)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
        Vec::<Repr>::deserialize(d)?.into_iter().map(Repr::value).collect()
    }
}
