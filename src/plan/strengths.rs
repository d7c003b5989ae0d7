//! Strengths and weights that change over the steps, as tags write them.
//!
//! Strengths are written as for webui's extension loractl, `<lora:a:0@0,1@0.5>`, with `te=`, `unet=`, and `hr=`, `hrte=` and
//! `hrunet=` for the second pass; SD.Next reads the same, and `in=`, `mid=` and `out=`. Weights that change are lbw's own:
//! `lbw=XLALL@0,XLOUT@0.5`.

use super::argument::{self, ArgumentError, ArgumentErrorKind, BaseRule, Reading, Strengths, Vector};
use super::draw::Draws;
use super::over_time::{WeightsOverTime, Written, frames, is_over_time};
use crate::preset::PresetSet;
use crate::syntax::{Item, Tag};

/// The arguments of the second pass.
pub const HIRES: [&str; 3] = ["hr", "hrte", "hrunet"];

/// The strengths of a tag over the steps of each pass.
#[derive(Debug, Clone, PartialEq)]
pub struct StrengthsOverTime {
    pub te: Written<f64>,
    pub unet: Written<f64>,
    /// Those of the second pass, where they are other ones.
    pub hires_te: Option<Written<f64>>,
    pub hires_unet: Option<Written<f64>>,
}

impl StrengthsOverTime {
    /// The strengths of a pass for text encoders and UNet.
    pub fn of_pass(&self, is_second: bool) -> (&Written<f64>, &Written<f64>) {
        let or_first = |second: &Option<Written<f64>>| second.is_some() && is_second;
        let te = if or_first(&self.hires_te) { self.hires_te.as_ref() } else { None };
        let unet = if or_first(&self.hires_unet) { self.hires_unet.as_ref() } else { None };
        (te.unwrap_or(&self.te), unet.unwrap_or(&self.unet))
    }
}

/// What a tag says of its strengths. Over time where any of them changes, or where there are others for the second pass.
pub fn read(tag: &Tag) -> Result<(Strengths, Option<StrengthsOverTime>), ArgumentError> {
    if !is_timed(tag) {
        return Ok((argument::webui(tag)?, None));
    }
    let Strengths { name, dyn_dim, .. } = argument::webui(&without_strengths(tag))?;
    let positional: Vec<&Item> = tag.positional().collect();
    let unnamed = |at: usize, argument| positional.get(at).map(|item| written(argument, &item.text, item)).transpose();
    let named = |argument: &'static str| match tag.named(argument).and_then(|item| Some((item, item.named()?.1))) {
        Some((item, value)) => written(argument, value, item).map(Some),
        None => Ok(None),
    };
    let te = named("te")?.or(unnamed(1, "te")?).unwrap_or(Written::constant(1.0));
    let unet = named("unet")?.or(unnamed(2, "unet")?).unwrap_or(te.clone());
    let hires = named("hr")?;
    let over_time = StrengthsOverTime {
        hires_te: named("hrte")?.or(hires.clone()),
        hires_unet: named("hrunet")?.or(hires),
        te,
        unet,
    };
    Ok((Strengths { name, te: over_time.te.first(), unet: over_time.unet.first(), dyn_dim }, Some(over_time)))
}

/// A number that may change over the steps.
pub fn written(argument: &'static str, text: &str, item: &Item) -> Result<Written<f64>, ArgumentError> {
    let bad = || ArgumentError {
        kind: ArgumentErrorKind::BadNumber { argument, text: text.to_owned(), whole: false },
        span: item.value_span(),
    };
    Written::read(text).ok_or_else(bad)
}

/// Whether a strength of a tag changes over the steps, or is another one in the second pass.
pub fn is_timed(tag: &Tag) -> bool {
    timed_item(tag).is_some()
}

/// The first item that says so.
pub fn timed_item(tag: &Tag) -> Option<&Item> {
    let in_place = tag.positional().skip(1).take(2).find(|item| is_over_time(&item.text));
    let named = |name: &&str| tag.named(name).filter(|item| item.named().is_some_and(|(_, value)| is_over_time(value)));
    let of_hires = || HIRES.iter().find_map(|name| tag.named(name));
    in_place.or_else(|| ["te", "unet"].iter().find_map(named)).or_else(of_hires)
}

/// The tag without its strengths, so that whoever reads the rest finds no points where numbers should be.
fn without_strengths(tag: &Tag) -> Tag {
    let mut positional = 0;
    let mut keeps = |item: &Item| match item.named() {
        Some((name, _)) => !["te", "unet"].contains(&name) && !HIRES.contains(&name),
        None => {
            positional += 1;
            !(2..=3).contains(&positional)
        }
    };
    Tag { items: tag.items.iter().filter(|item| keeps(item)).cloned().collect(), ..tag.clone() }
}

/// The weights of a tag where they change over the steps: the item, and the places of the weights in it with their positions.
pub fn weights_over_time<'t>(tag: &'t Tag, presets: &PresetSet) -> Option<(&'t Item, Option<Frames>)> {
    let item = tag.items.iter().find(|item| item.text.starts_with("lbw="))?;
    let value = &item.text["lbw=".len()..];
    (value.contains('@') && presets.weights.get(value).is_none()).then(|| (item, frames(value)))
}

/// Ranges of weights in a text, each with its position.
pub type Frames = Vec<(std::ops::Range<usize>, f64)>;

/// What the extension reads in a tag, and the weights over time that only lbw reads.
pub fn extension<'p>(
    tag: &Tag,
    presets: &'p PresetSet,
    base: BaseRule,
    draws: &mut Draws,
) -> Result<Reading<'p>, ArgumentError> {
    let plain = if is_timed(tag) { without_strengths(tag) } else { tag.clone() };
    let Some((item, frames)) = weights_over_time(&plain, presets) else {
        return argument::extension(&plain, presets, base, draws);
    };
    let error = |kind, span| ArgumentError { kind, span };
    let value = &item.text["lbw=".len()..];
    let frames = frames.ok_or_else(|| error(ArgumentErrorKind::BadFrames(value.to_owned()), item.value_span()))?;
    let mut reading: Option<Reading<'p>> = None;
    let (mut points, mut sources) = (Vec::new(), Vec::new());
    for (range, position) in frames {
        let text = &value[range.clone()];
        let start = item.span.start + "lbw=".len();
        let span = start + range.start..start + range.end;
        // The tag as it would be with these weights alone.
        let own = Item { text: format!("lbw={text}"), span: span.start.saturating_sub("lbw=".len())..span.end };
        let with_own = |other: &Item| if other.span == item.span { own.clone() } else { other.clone() };
        let alone = Tag { items: plain.items.iter().map(with_own).collect(), ..plain.clone() };
        let read = argument::extension(&alone, presets, base, draws)?;
        let vector = read.vector.as_ref();
        let vector = vector.ok_or_else(|| error(ArgumentErrorKind::UnknownWeights(text.to_owned()), span))?;
        points.push((position, vector.blocks.clone()));
        sources.push(match vector.preset {
            Some(preset) => format!("{} ({}) at {position}", preset.name, preset.origin),
            None => format!("tag at {position}"),
        });
        reading.get_or_insert(read);
    }
    let Some(mut reading) = reading else { return argument::extension(&plain, presets, base, draws) };
    if let Some(vector) = &mut reading.vector {
        let over_time = Some(WeightsOverTime::Frames { points: Written::new(points), source: sources.join(", ") });
        *vector = Vector { over_time, preset: None, span: item.value_span(), ..vector.clone() };
    }
    Ok(reading)
}
