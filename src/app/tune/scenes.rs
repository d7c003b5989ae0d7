//! Prompts with seeds: those that are searched with, and those that the result is verified on.

use crate::app::scene::Scene;
use crate::app::subject::{Subject, other_seeds};

/// All scenes.
pub struct Scenes {
    /// Each prompt in turn, with another seed each time: every vector is tried on these.
    pub search: Vec<Scene>,
    /// Of other prompts and seeds, in the order they are taken.
    pub others: Vec<Scene>,
}

/// Seeds that are searched with at most.
pub const SEEDS: usize = 3;
/// Scenes that are searched with where there are fewer prompts.
const FEW: usize = 3;

impl Scenes {
    pub fn new(subject: &Subject, texts: &[String], seeds: usize, verify: &[String]) -> Self {
        let (seeds, count) = (seeds.clamp(1, SEEDS), texts.len().max(FEW));
        let seed = |n: usize| subject.seed().saturating_add(i64::try_from(n).unwrap_or(i64::MAX));
        let prompts = || texts.iter().enumerate();
        let scene =
            |round: usize, at: usize, text: &str| Scene { prompt: text.to_owned(), seed: seed((round + at) % seeds) };
        let search = (0..seeds).flat_map(|round| prompts().map(move |(at, text)| scene(round, at, text)));
        let search = search.take(count).collect();
        let verify = subject.other_prompts(verify);
        let others = other_seeds(seed(seeds)).flat_map(|seed| verify.iter().map(move |text| (seed, text)));
        let others = others.map(|(seed, text)| Scene { prompt: text.clone(), seed }).collect();
        Scenes { search, others }
    }
}
