//! What an analysis found, as data, as a table for the terminal, as CSV and as a page.

mod html;
mod table;

pub use html::page;

use serde::Serialize;

use super::metrics::Change;
use super::suggest::{Errors, Goal};
use super::words::Idle;
use crate::diagnostic::Language;

/// An analysis: everything that its HTML page, table and CSV say.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this structure.
    pub format: u32,
    /// The language of the sentences and of the page.
    #[serde(skip)]
    pub language: Language,
    /// As it was analysed.
    pub prompt: String,
    /// The LoRAs under test.
    pub loras: Vec<String>,
    /// The seed that was asked for or drawn; a run that goes on in the same folder takes it again.
    pub seed: i64,
    /// The seeds of the pictures.
    pub seeds: Vec<i64>,
    /// Weight of the changed block and of all others.
    pub range: [String; 2],
    /// The difference of a channel from which it counts, as it was given (0–255).
    pub threshold: String,
    /// Sampling steps of each picture.
    pub steps: u32,
    /// Whether the pictures were drawn with a quarter of the steps.
    pub quick: bool,
    /// What it cost.
    pub work: Work,
    /// What the whole LoRA does to the plain base.
    pub effect: Change,
    /// Its distance from the plain base.
    pub errors: Errors,
    /// In the order asked for.
    pub blocks: Vec<Block>,
    /// Ids, the one that changes the picture most first.
    pub ranking: Vec<String>,
    /// Ids, the guiltiest first.
    pub guilty: Vec<String>,
    /// One for each seed.
    pub grids: Vec<String>,
    /// One for each seed: the plain base and the whole LoRA.
    pub references: Vec<References>,
    /// Only where a goal was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
}

/// What the analysis cost; pictures that were there already cost nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Distinct pictures of the analysis.
    pub pictures: usize,
    /// Of these and those of the suggestion, how many were drawn in this run.
    pub drawn: usize,
    /// Calls of the UNet in this run.
    pub evaluations: usize,
    /// How often the text encoders ran in this run.
    pub text_encodings: usize,
}

/// Files of one seed that the blocks are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct References {
    /// The seed of both.
    pub seed: i64,
    /// Without the LoRA.
    pub base: String,
    /// With the whole LoRA.
    pub full: String,
}

/// One block, or one list of blocks.
#[derive(Debug, Clone, Serialize)]
pub struct Block {
    /// `IN04`, or several blocks as they were asked for.
    pub id: String,
    /// Modules whose factor changes. With 0 the picture is that of the whole LoRA and is not drawn.
    pub modules: usize,
    /// Why nothing changes, where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Idle>,
    /// Channel samples that differ by more than the threshold from the whole LoRA's picture, in percent: mean over the seeds.
    pub percent: f64,
    /// Standard deviation of `percent` over the seeds.
    pub spread: f64,
    /// What the block does: from the pictures without it (its weight changed) to those of the whole LoRA.
    pub effect: Change,
    /// What is left without it: from the plain base to the pictures without the block.
    pub left: Change,
    /// The shares of the whole LoRA's distance from the plain base that go with the block.
    pub colors: f64,
    /// The same of gradient energy: what is drawn, not its colours.
    pub lines: f64,
    /// How guilty the block is: the share of that distance, colours and lines together, that is gone without the block.
    pub guilt: f64,
    /// The distance of the pictures without the block from the plain base.
    pub errors: Errors,
    /// What the block does, in words.
    pub sentence: String,
    /// One for each seed.
    pub pictures: Vec<Pictures>,
}

/// Files of one seed, in the folder of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pictures {
    /// The seed of these.
    pub seed: i64,
    /// The picture without the block.
    pub changed: String,
    /// The picture of the differences from the whole LoRA's.
    pub difference: String,
    /// As [`Block::percent`], of this seed.
    pub percent: f64,
}

/// A vector for a goal.
#[derive(Debug, Clone, Serialize)]
pub struct Suggestion {
    /// What was asked for.
    pub goal: Goal,
    /// Nothing where no vector gains anything.
    pub found: Option<Found>,
    /// What was found, in words.
    pub sentence: String,
}

/// A vector that comes nearer to the goal.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// As it is written behind `lbw=`.
    pub vector: String,
    /// The LoRA tags with this vector, as they are written in a prompt.
    pub tags: String,
    /// The prompt of the analysis with these tags.
    pub prompt: String,
    /// The blocks that are lowered.
    pub weights: Vec<(String, f64)>,
    /// On the prompt and seeds of the analysis.
    pub errors: Errors,
    /// On other prompts and seeds: the whole LoRA, and the suggestion.
    pub verified_full: Errors,
    /// On other prompts and seeds: the suggestion.
    pub verified: Errors,
    /// Whether the goal is reached on the other prompts and seeds.
    pub holds: bool,
    /// One for each of the other prompts and seeds.
    pub pictures: Vec<Verified>,
}

/// Pictures of one prompt and seed that the suggestion was not made from.
#[derive(Debug, Clone, Serialize)]
pub struct Verified {
    /// Another prompt.
    pub prompt: String,
    /// Another seed.
    pub seed: u64,
    /// The file without the LoRA.
    pub base: String,
    /// The file with the whole LoRA.
    pub full: String,
    /// The file with the suggested vector.
    pub suggested: String,
}

/// Numbers over seeds: mean and standard deviation.
pub fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt())
}

/// The numbers of the blocks, the one with the largest `key` first; among equals, the one that changes more pixels.
fn by(blocks: &[Block], key: impl Fn(&Block) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by(|p, q| {
        let (p, q) = (&blocks[*p], &blocks[*q]);
        key(q).total_cmp(&key(p)).then(q.percent.total_cmp(&p.percent))
    });
    order
}

/// The numbers of the blocks, the one that changes the picture most first: by the mean ΔE.
pub fn ranking(blocks: &[Block]) -> Vec<usize> {
    by(blocks, |block| block.effect.delta_e)
}

/// The numbers of the blocks, the guiltiest first.
pub fn guilty(blocks: &[Block]) -> Vec<usize> {
    by(blocks, |block| block.guilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_standard_deviations() {
        assert_eq!(mean_and_spread(&[1.0, 3.0]), (2.0, 1.0));
        assert_eq!(mean_and_spread(&[5.0]), (5.0, 0.0));
    }
}
