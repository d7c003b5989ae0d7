//! What was searched for, tried and found, as data.

use serde::Serialize;

use super::goal::{Bound, Goals};
use super::score::Score;
use super::search::{Alone, LEAST, Thirds};
use super::verified::Measured;
use crate::diagnostic::Language;
use crate::study::report::Work;

/// A search for weights: everything that its page and the terminal say.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The version of this structure.
    pub format: u32,
    /// The language of the sentences and of the page.
    #[serde(skip)]
    pub language: Language,
    /// The LoRAs under test.
    pub loras: Vec<String>,
    /// What was asked for.
    pub goals: Goals,
    /// What the weights of some blocks may be.
    pub bounds: Vec<Bound>,
    /// Prompts and seeds that were searched with.
    pub search: Vec<(String, i64)>,
    /// Prompts and seeds that the result was verified on.
    pub verification: Vec<(String, i64)>,
    /// Sampling steps of a whole picture, with which it was verified.
    pub steps: u32,
    /// Sampling steps of the pictures that were searched with.
    pub quick_steps: u32,
    /// Whole pictures that everything that was drawn is worth, here or in an earlier run in the same folder.
    pub pictures: f64,
    /// Pictures that the checkpoint itself looked at, in this run.
    pub looked: usize,
    /// What it cost in this run.
    pub work: Work,
    /// Whether the whole LoRA hardly does what should go.
    pub is_idle: bool,
    /// Whether it hardly does so on the other prompts and seeds, which then say nothing of what was found.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_idle_elsewhere: bool,
    /// Whether the whole LoRA hardly does what should stay, so that nothing speaks against lowering it.
    pub keeps_nothing: bool,
    /// Whether changes in some of the steps could not be tried: another host draws.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub level_only: bool,
    /// What each block does alone; of blocks that may be less than whole.
    pub blocks: Vec<Block>,
    /// The blocks that do what should go, the worst first.
    pub guilty: Vec<String>,
    /// Weights that were tried, in order.
    pub trials: Vec<Tried>,
    /// The found weights, gently, in the middle and strongly, and in some of the steps if the search liked that; none where nothing helps.
    pub variants: Vec<Variant>,
    /// The one to take.
    pub suggested: Option<Strength>,
    /// What came of it, in words.
    pub sentence: String,
}

/// A block alone on the base model, on the pictures of the search.
#[derive(Debug, Clone, Serialize)]
pub struct Block {
    /// `IN04`.
    pub id: String,
    /// Its weight.
    pub weight: f64,
    /// How much of what should go it does alone: 1 is as much as the whole LoRA.
    pub does: f64,
    /// How much of what should stay it does alone.
    pub keeps: f64,
    /// What it does of what should go, against what is worth a change: from 1 on it is guilty, if the search agrees.
    pub guilt: f64,
}

impl Block {
    /// Under its name.
    pub fn new(id: &str, alone: &Alone) -> Self {
        let Alone { room, does, keeps, guilt } = *alone;
        Block { id: id.to_owned(), weight: room.whole, does, keeps, guilt }
    }
}

/// Weights that were tried on the pictures of the search.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// What was changed.
    pub weights: Vec<(String, f64)>,
    /// In which thirds of the steps.
    #[serde(skip_serializing_if = "Thirds::is_all")]
    pub thirds: Thirds,
    /// What goes and what stays.
    pub score: Score,
}

/// How far the found weights are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// A third of the way.
    Gentle,
    /// Two thirds.
    Middle,
    /// All of it.
    Strong,
    /// All of it, in some thirds of the steps.
    Timed,
}

impl Strength {
    /// Those on the way to what was found, the weakest first.
    pub const WAY: [Strength; 3] = [Strength::Gentle, Strength::Middle, Strength::Strong];

    /// The weight so far on the way from one to the other, to two places.
    pub fn of(self, whole: f64, found: f64) -> f64 {
        let share = match self {
            Strength::Gentle => 1.0 / 3.0,
            Strength::Middle => 2.0 / 3.0,
            Strength::Strong | Strength::Timed => 1.0,
        };
        ((whole + share * (found - whole)) * 100.0).round() / 100.0
    }
}

/// A vector with what other pictures say of it.
#[derive(Debug, Clone, Serialize)]
pub struct Variant {
    /// How far it goes.
    pub strength: Strength,
    /// In which thirds of the steps.
    #[serde(skip_serializing_if = "Thirds::is_all")]
    pub thirds: Thirds,
    /// As it is written behind `lbw=`.
    pub vector: String,
    /// The LoRA tags with this vector.
    pub tags: String,
    /// The first prompt with these tags.
    pub prompt: String,
    /// The weights that are changed.
    pub weights: Vec<(String, f64)>,
    /// Whether it is a result: something is gone for sure on the other pictures, and more than is lost.
    pub holds: bool,
    /// On the other prompts and seeds.
    pub verified: Measured,
    /// One for each of them.
    pub pictures: Vec<Shown>,
}

/// The files of one prompt and seed that the search has not seen.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// Another prompt.
    pub prompt: String,
    /// Another seed.
    pub seed: i64,
    /// Without the LoRA.
    pub base: String,
    /// With the whole LoRA.
    pub full: String,
    /// With the found vector.
    pub tuned: String,
}

impl Report {
    /// The variant to take: the one that gains most of those that hold. A vector over time has to gain more than the others by what is worth
    /// it: fewer programs read it.
    pub fn suggested(&self) -> Option<&Variant> {
        let price = |variant: &Variant| if variant.thirds.is_all() { 0.0 } else { LEAST };
        self.best(|variant| Some(variant.verified.gain.mean - price(variant)))
    }

    /// The same of those that do not change over the steps.
    pub fn level(&self) -> Option<&Variant> {
        self.best(|variant| variant.thirds.is_all().then_some(variant.verified.gain.mean))
    }

    fn best(&self, value: impl Fn(&Variant) -> Option<f64>) -> Option<&Variant> {
        let held = self.variants.iter().filter(|variant| variant.holds);
        let valued = held.filter_map(|variant| Some((value(variant)?, variant)));
        valued.max_by(|p, q| p.0.total_cmp(&q.0)).map(|(_, variant)| variant)
    }

    /// Writes what came of it.
    pub fn conclude(&mut self) {
        self.format = 3;
        self.suggested = self.suggested().map(|variant| variant.strength);
        self.sentence = super::words::sentence(self).in_language(self.language).to_owned();
    }
}
