//! An atlas of a LoRA on a checkpoint: what each block does alone on the base model, over all steps and in each third of them, attribute by
//! attribute. Whoever calls draws the pictures.

mod compare;
mod page;
mod words;

use serde::{Deserialize, Serialize};

use super::report::Work;
use super::tune::{Attribute, Look, distance, least};
use crate::block::Layout;
use crate::diagnostic::Language;

pub use compare::{Comparison, Difference, compare};

/// No measure is so large.
const MOST: f64 = 1e6;

/// Parts that the steps are divided into.
pub const PARTS: u32 = 3;

/// What the blocks of a LoRA do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Atlas {
    /// The version of this structure.
    pub format: u32,
    /// The language of the page.
    #[serde(skip)]
    pub language: Language,
    /// The checkpoint.
    pub model: Named,
    /// The LoRAs.
    pub loras: Vec<Named>,
    /// Their tags, as the first prompt has them.
    pub tags: String,
    /// Prompts and seeds that were drawn.
    pub scenes: Vec<(String, i64)>,
    /// Sampling steps of each picture.
    pub steps: u32,
    /// From which step on and up to which each part goes.
    pub parts: Vec<[u32; 2]>,
    /// What is measured, in the order of all lists of measures.
    pub attributes: Vec<Attribute>,
    /// What the whole LoRA does.
    pub whole: Vec<Measure>,
    /// The blocks in which the LoRA has weights.
    pub blocks: Vec<Block>,
    /// The blocks in which it has none.
    pub idle: Vec<String>,
    /// The blocks in which its strength is 0, or element rules say all ratios.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub off: Vec<String>,
    /// The first scene without the LoRA and with all of it.
    pub references: [String; 2],
    /// What it cost in this run.
    #[serde(skip_deserializing)]
    pub work: Work,
}

/// A file, by its name and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its SHA-256, or as much of it as is known; nothing where another host has the file.
    pub hash: Option<String>,
}

/// A block alone on the base model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Block {
    /// `IN04`.
    pub id: String,
    /// What it does over all steps.
    pub always: Vec<Measure>,
    /// What it does in each part of the steps. Nothing of BASE, which acts on the prompt before the first.
    pub parts: Vec<Vec<Measure>>,
    /// The first scene with it.
    pub picture: String,
}

/// How far one attribute is from the base model's pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The mean over the scenes; what colours and motifs are measured in is ΔE, the others have no unit.
    pub mean: f64,
    /// The standard deviation over the scenes.
    pub spread: f64,
    /// The mean as a share of the whole LoRA's; nothing where that hardly changes the attribute.
    pub share: Option<f64>,
}

/// What a picture says about each attribute, next to the base model's and the whole LoRA's of the same prompt and seed: how far it is from the
/// base model's, and of the motif how far it has gone on the way to the whole LoRA's.
pub fn read(attributes: &[Attribute], base: &Look, full: &Look, picture: &Look) -> Vec<f64> {
    let of = |attribute: &Attribute| match attribute {
        Attribute::Motif => base.measured.along(&full.measured, &picture.measured),
        other => distance(*other, base, picture),
    };
    attributes.iter().map(of).collect()
}

impl Measure {
    /// One for each attribute. `readings` and `whole` have a list for each scene.
    pub fn all(attributes: &[Attribute], readings: &[Vec<f64>], whole: &[Vec<f64>]) -> Vec<Measure> {
        let of = |(at, attribute): (usize, &Attribute)| {
            let (mean, spread) = mean_and_spread(readings, at);
            let (full, _) = mean_and_spread(whole, at);
            Measure { mean, spread, share: (full >= least(*attribute)).then(|| mean / full) }
        };
        attributes.iter().enumerate().map(of).collect()
    }

    /// The spread as a share of what the whole LoRA does.
    fn doubt(&self) -> Option<f64> {
        let share = self.share?;
        Some(if share == 0.0 { 0.0 } else { (self.spread * share / self.mean).abs() })
    }
}

fn mean_and_spread(readings: &[Vec<f64>], at: usize) -> (f64, f64) {
    let values = || readings.iter().filter_map(|reading| reading.get(at));
    let count = values().count().max(1) as f64;
    let mean = values().sum::<f64>() / count;
    let squares = values().map(|value| (value - mean).powi(2)).sum::<f64>();
    (mean, (squares / (count - 1.0).max(1.0)).sqrt())
}

impl Atlas {
    /// Its format.
    pub const FORMAT: u32 = 1;

    /// Where the parts of so many steps lie; nothing where a part would have less than two, as a LoRA cannot begin at the second.
    pub fn parts_of(steps: u32) -> Option<Vec<[u32; 2]>> {
        let at = |part: u32| part * steps / PARTS;
        (steps >= 2 * PARTS).then(|| (0..PARTS).map(|part| [at(part), at(part + 1)]).collect())
    }

    /// Whether it says what this version writes: each block once, by its name, with finite measures of all attributes in all parts.
    pub fn is_sound(&self) -> bool {
        let is_once = |names: &[&str]| (1..names.len()).all(|at| !names[..at].contains(&names[at]));
        let names: Vec<&str> = self.blocks.iter().map(|block| block.id.as_str()).collect();
        let all = Layout::Full26;
        let is_known = |name: &&str| (0..all.len()).any(|at| all.block(at).is_some_and(|block| block.name() == *name));
        let fits = |block: &Block| block.parts.is_empty() || block.parts.len() == self.parts.len();
        let lists = self.blocks.iter().flat_map(Atlas::columns).chain([&self.whole]);
        let is_measure = |measure: &Measure| {
            [Some(measure.mean), Some(measure.spread), measure.share].into_iter().flatten().all(|n| n.abs() < MOST)
        };
        let mut measured = lists.map(|list| list.len() == self.attributes.len() && list.iter().all(is_measure));
        let attributes = (1..self.attributes.len()).all(|at| !self.attributes[..at].contains(&self.attributes[at]));
        self.format == Atlas::FORMAT
            && !self.attributes.is_empty()
            && attributes
            && names.iter().all(is_known)
            && is_once(&names)
            && self.blocks.iter().all(fits)
            && measured.all(|is_sound| is_sound)
    }

    /// All measures of a block: over all steps, then part by part.
    fn columns(block: &Block) -> impl Iterator<Item = &Vec<Measure>> {
        std::iter::once(&block.always).chain(&block.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_two_steps_at_least() {
        assert_eq!(Atlas::parts_of(5), None);
        assert_eq!(Atlas::parts_of(6).unwrap(), [[0, 2], [2, 4], [4, 6]]);
        assert_eq!(Atlas::parts_of(20).unwrap(), [[0, 6], [6, 13], [13, 20]]);
    }

    #[test]
    fn shares_are_of_what_the_whole_lora_does() {
        let attributes = [Attribute::Colors, Attribute::Lines];
        let whole = vec![vec![20.0, 0.01], vec![40.0, 0.01]];
        let of = Measure::all(&attributes, &[vec![10.0, 0.3], vec![20.0, 0.3]], &whole);
        assert_eq!((of[0].mean, of[0].share), (15.0, Some(0.5)));
        assert!(
            (of[0].spread - 50f64.sqrt()).abs() < 1e-9 && (of[0].doubt().unwrap() - 50f64.sqrt() / 30.0).abs() < 1e-9
        );
        assert_eq!((of[1].share, of[1].doubt()), (None, None));
    }
}
