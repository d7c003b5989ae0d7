//! The networks a prompt loads, with what webui and the extension make of all its tags together.

use std::collections::HashMap;

use super::argument::{self, ArgumentError, ArgumentErrorKind, BaseRule, Reading, Strengths};
use super::draw::Draws;
use super::strengths::{self, StrengthsOverTime};
use crate::preset::PresetSet;
use crate::syntax::Tag;

/// Kinds of tags that load LoRAs.
pub const LORA_KINDS: [&str; 2] = ["lora", "lyco"];

/// The tags that load LoRAs in webui's order: the kind that appears first in the prompt first.
pub fn lora_tags(tags: &[Tag]) -> Vec<&Tag> {
    by_kind(tags).into_iter().flatten().collect()
}

fn by_kind(tags: &[Tag]) -> Vec<Vec<&Tag>> {
    let mut kinds: Vec<Vec<&Tag>> = Vec::new();
    for tag in tags.iter().filter(|tag| LORA_KINDS.contains(&tag.kind.as_str())) {
        match kinds.iter_mut().find(|list| list[0].kind == tag.kind) {
            Some(list) => list.push(tag),
            None => kinds.push(vec![tag]),
        }
    }
    kinds
}

/// What is loaded for the tags of a prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Networks<'p> {
    /// One per file, in the order of their first tag.
    pub files: Vec<Network<'p>>,
    /// For every entry of webui's list, its index in `files`.
    pub list: Vec<usize>,
    /// Pending starts by name: step and the strengths that are set then.
    pub starts: HashMap<String, (i64, f64, f64)>,
    /// Pending stops by name.
    pub stops: HashMap<String, i64>,
}

/// One file with the strengths and ratios that are in force before sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct Network<'p> {
    pub name: String,
    pub te: f64,
    pub unet: f64,
    pub dyn_dim: Option<i64>,
    /// Its strengths, where they change over the steps.
    pub over_time: Option<StrengthsOverTime>,
    /// What the extension read in the tag it used; `None` if it left this file alone.
    pub reading: Option<Reading<'p>>,
}

/// Loads the tags as webui does: a file is loaded once and keeps the strengths of its last tag, or with loractl, where they change
/// over the steps, of its first one. One bad tag and nothing is loaded; all bad ones are returned.
pub fn load(tags: &[Tag]) -> Result<Networks<'static>, Vec<ArgumentError>> {
    let mut networks = Networks::default();
    let mut index: HashMap<String, usize> = HashMap::new();
    let mut errors = Vec::new();
    for tag in lora_tags(tags) {
        match strengths::read(tag) {
            Ok((Strengths { name, te, unet, dyn_dim }, over_time)) => {
                let network = Network { name: name.clone(), te, unet, dyn_dim, over_time, reading: None };
                let at = *index.entry(name).or_insert(networks.files.len());
                match networks.files.get_mut(at) {
                    Some(file) if file.over_time.is_some() || network.over_time.is_some() => {}
                    Some(file) => *file = network,
                    None => networks.files.push(network),
                }
                networks.list.push(at);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(networks) } else { Err(errors) }
}

/// Edits the loaded networks as the extension does, kind by kind: if any tag of a kind acts, every loaded file named by a
/// tag of this kind gets the strengths and ratios of its first tag. Files an earlier kind has edited are left alone.
///
/// Bad tags make the extension stop: the kinds before stay edited, and the errors are returned.
pub fn edit<'p>(
    networks: &mut Networks<'p>,
    tags: &[Tag],
    presets: &'p PresetSet,
    base: BaseRule,
    draws: &mut Draws,
) -> Vec<ArgumentError> {
    let index: HashMap<String, usize> =
        networks.files.iter().enumerate().map(|(at, file)| (file.name.clone(), at)).collect();
    for kind in by_kind(tags) {
        let (readings, errors) = read_all(&kind, presets, base, draws);
        if !errors.is_empty() {
            return errors;
        }
        let acts = readings.iter().any(Reading::acts);
        for reading in readings {
            if let Some(start) = reading.start {
                networks.starts.insert(reading.name.clone(), (start, reading.te, reading.unet));
            }
            if let Some(stop) = reading.stop {
                networks.stops.insert(reading.name.clone(), stop);
            }
            let file = index.get(&reading.name).map(|at| &mut networks.files[*at]);
            if let Some(file) = file.filter(|file| acts && file.reading.is_none()) {
                (file.te, file.unet) = (reading.te, reading.unet);
                file.reading = Some(reading);
            }
        }
    }
    Vec::new()
}

fn read_all<'p>(
    tags: &[&Tag],
    presets: &'p PresetSet,
    base: BaseRule,
    draws: &mut Draws,
) -> (Vec<Reading<'p>>, Vec<ArgumentError>) {
    let mut readings = Vec::new();
    let mut errors = Vec::new();
    for tag in tags {
        match strengths::extension(tag, presets, base, draws) {
            Ok(reading) => readings.push(reading),
            Err(error) => {
                let is_entry = matches!(error.kind, ArgumentErrorKind::BadEntry { .. });
                let others = if is_entry { argument::bad_entries(tag, presets) } else { Vec::new() };
                let others: Vec<_> = others.into_iter().filter(|other| *other != error).collect();
                errors.push(error);
                errors.extend(others);
            }
        }
    }
    (readings, errors)
}
