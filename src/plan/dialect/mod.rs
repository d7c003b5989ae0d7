//! How other tools read the block weights of a tag: SD.Next, the Inspire pack of ComfyUI, kohya's scripts.
//!
//! They agree with LoRA Block Weight on what a weight of a block is, and differ in which blocks a vector leaves out, in
//! what happens outside the blocks, and in notation. A dialect brings all of that to the same plan: one weight per block,
//! and element rules for what no block holds. Step windows and `lbwe=` are the extension's alone and mean the same in
//! every dialect.
//!
//! ```
//! use lbw::plan::{Dialect, Request, lower};
//! use lbw::preset::PresetSet;
//! let mut request = Request::new("<lora:a:0.8:in=0.5>", "");
//! request.settings.lbw_dialect = Dialect::Sdnext;
//! let lora = &lower(&request, PresetSet::builtin()).plan.unwrap().first.loras[0];
//! assert_eq!((lora.te, lora.unet * lora.blocks[5], lora.unet * lora.blocks[14]), (0.8, 0.5, 0.8));
//! ```

mod error;
pub mod inspire;
mod kohya;
mod sdnext;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use error::DialectError;

use super::argument::{self, ArgumentError, ArgumentErrorKind, Reading, Strengths, Vector};
use super::draw::Draws;
use super::network::{Networks, lora_tags};
use super::over_time::{WeightsOverTime, Written};
use super::strengths::{self, StrengthsOverTime};
use super::{ElementRule, Words};
use crate::block::{Family, Space};
use crate::preset::{Preset, PresetSet};
use crate::syntax::{Item, Tag};

/// The tool whose reading of block weights is followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// webui with the LoRA Block Weight extension.
    #[default]
    Webui,
    /// SD.Next's own loader.
    Sdnext,
    /// "LoRA Loader (Block Weight)" of ComfyUI's Inspire pack.
    Inspire,
    /// `svd_merge_lora.py --lbws` of kohya's scripts.
    Kohya,
}

impl Dialect {
    pub const ALL: [Dialect; 4] = [Dialect::Webui, Dialect::Sdnext, Dialect::Inspire, Dialect::Kohya];

    /// The name on the command line and in infotext.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Webui => "webui",
            Dialect::Sdnext => "sdnext",
            Dialect::Inspire => "inspire",
            Dialect::Kohya => "kohya",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// The tool's name as people write it.
    pub fn tool(self) -> &'static str {
        match self {
            Dialect::Webui => "webui",
            Dialect::Sdnext => "SD.Next",
            Dialect::Inspire => "Inspire",
            Dialect::Kohya => "kohya's script",
        }
    }

    pub fn is_webui(&self) -> bool {
        *self == Dialect::Webui
    }
}

/// What is known besides the tag.
#[derive(Clone, Copy)]
pub struct Context<'a, 'p> {
    pub dialect: Dialect,
    pub family: Family,
    pub presets: &'p PresetSet,
    /// The modules of a LoRA file by its name, where it is known: Inspire counts the blocks that are there.
    pub modules: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

/// Weights as a dialect reads them.
#[derive(Debug, Clone, PartialEq)]
struct Weights {
    /// One per block of the UNet space.
    blocks: Vec<f64>,
    /// Ratios of what lies outside the blocks, and of parts of blocks.
    rules: Vec<ElementRule>,
    /// How they change over the steps; `blocks` are then those of the beginning.
    over_time: Option<WeightsOverTime>,
}

/// A tag with those items alone that every dialect reads as webui does.
pub(super) fn plain(tag: &Tag, dialect: Dialect) -> Tag {
    let mut positional = 0;
    let mut keep = |item: &Item| {
        positional += usize::from(item.named().is_none());
        // SD.Next has one number without a name.
        !is_weights(item) && (dialect != Dialect::Sdnext || item.named().is_some() || positional <= 2)
    };
    Tag { items: tag.items.iter().filter(|item| keep(item)).cloned().collect(), ..tag.clone() }
}

fn is_weights(item: &Item) -> bool {
    item.text.starts_with("lbw=")
}

/// Sets strengths and ratios of all files as the dialect reads their first tags.
pub(super) fn edit<'p>(
    networks: &mut Networks<'p>,
    tags: &[Tag],
    context: Context<'_, 'p>,
    draws: &mut Draws,
) -> Vec<ArgumentError> {
    let mut errors = Vec::new();
    let index: std::collections::HashMap<String, usize> =
        networks.files.iter().enumerate().map(|(at, file)| (file.name.clone(), at)).collect();
    for tag in lora_tags(tags) {
        let (reading, over_time) = match read(tag, context, draws) {
            Ok(read) => read,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        if let Some(start) = reading.start {
            networks.starts.insert(reading.name.clone(), (start, reading.te, reading.unet));
        }
        if let Some(stop) = reading.stop {
            networks.stops.insert(reading.name.clone(), stop);
        }
        let file = index.get(&reading.name).map(|at| &mut networks.files[*at]);
        if let Some(file) = file.filter(|file| file.reading.is_none()) {
            (file.te, file.unet, file.over_time) = (reading.te, reading.unet, over_time);
            file.reading = Some(reading);
        }
    }
    errors
}

/// What the dialect reads in a tag.
type Read<'p> = (Reading<'p>, Option<StrengthsOverTime>);

fn read<'p>(tag: &Tag, context: Context<'_, 'p>, draws: &mut Draws) -> Result<Read<'p>, ArgumentError> {
    let plain = plain(tag, context.dialect);
    let (Strengths { name, te, mut unet, .. }, mut over_time) = strengths::read(&plain)?;
    let sections = match context.dialect {
        Dialect::Sdnext => {
            let mut of_unet = over_time.as_ref().map_or(Written::constant(unet), |o| o.unet.clone());
            let sections = sdnext::Sections::read(&plain, &mut of_unet)?;
            unet = of_unet.first();
            if let Some(over_time) = &mut over_time {
                over_time.unet = of_unet;
                // It has no strengths for the second pass.
                (over_time.hires_te, over_time.hires_unet) = (None, None);
            }
            sections
        }
        _ => None,
    };
    let item = tag.items.iter().rfind(|item| is_weights(item));
    let span = item.map_or(tag.span.clone(), value_span);
    let error = |why| ArgumentError { kind: ArgumentErrorKind::Dialect(why), span: span.clone() };
    let value = item.map(|item| item.text["lbw=".len()..].trim());
    let preset = value.and_then(|value| context.preset(value));
    let text = preset.map_or(value, |preset| Some(preset.value.as_str()));
    let weights = match (context.dialect, text) {
        (_, None) if sections.is_none() => None,
        _ if context.family.space() == Space::Flux => return Err(error(DialectError::Flux)),
        (Dialect::Webui, _) => None,
        (Dialect::Sdnext, text) => Some(sdnext::weights(text, sections, context.family)),
        (Dialect::Inspire, Some(text)) => {
            Some(inspire::weights(text, (context.modules)(&name).as_deref(), context.family, draws))
        }
        (Dialect::Kohya, Some(text)) => Some(kohya::weights(text, context.family)),
        (_, None) => None,
    };
    let vector = weights.transpose().map_err(error)?.map(|Weights { blocks, rules, over_time }| Vector {
        layout: None,
        blocks,
        rules,
        preset,
        span: span.clone(),
        relative: false,
        over_time,
    });
    let (start, stop) = argument::window(tag)?;
    let elements = tag.named("lbwe").and_then(|item| context.presets.elements.get(item.named()?.1));
    Ok((Reading { name, te, unet, start, stop, vector, elements }, over_time))
}

/// The value of an `lbw=` item, which may hold further `=`.
fn value_span(item: &Item) -> Range<usize> {
    (item.span.start + "lbw=".len()).min(item.span.end)..item.span.end
}

impl<'p> Context<'_, 'p> {
    /// The preset that the value names, unless it means something in the dialect itself.
    fn preset(&self, value: &str) -> Option<&'p Preset> {
        let own = self.dialect == Dialect::Sdnext && sdnext::is_classic(value);
        self.presets.weights.get(value).filter(|_| !own)
    }
}

/// Everything that belongs to no block.
fn outside_blocks() -> Words {
    Words { not: true, words: Space::Unet.names().iter().map(|name| (*name).to_owned()).collect() }
}

/// Everything.
fn anything() -> Words {
    Words { not: false, words: vec![String::new()] }
}

fn containing<const N: usize>(words: [&str; N]) -> Words {
    Words { not: false, words: words.map(str::to_owned).to_vec() }
}
