//! Prompts with seeds: those that are searched with, and those that the result is verified on.

use crate::app::error::Result;
use crate::app::subject::{Subject, other_seeds};
use crate::plan::Plan;
use crate::study::analyzer_prompt::{Marked, tags_behind};

/// A prompt and a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// As it was given, with the LoRA's tag or without.
    pub prompt: String,
    pub seed: i64,
}

/// What is drawn of a scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version<'a> {
    /// Without the LoRA.
    Base,
    /// With this vector.
    Vector(&'a str),
}

/// All scenes.
pub struct Scenes {
    /// Each prompt in turn, with another seed each time: every vector is tried on these.
    pub search: Vec<Scene>,
    /// Of other prompts and seeds, in the order they are taken.
    pub others: Vec<Scene>,
}

/// Scenes that are searched with where there are fewer prompts.
const FEW: usize = 3;

impl Scenes {
    pub fn new(subject: &Subject, texts: &[String], seeds: usize, verify: &[String]) -> Self {
        let (seeds, count) = (seeds.clamp(1, FEW), texts.len().max(FEW));
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

impl Scene {
    /// The prompt with the LoRA under test at a vector, or without it.
    pub fn text(&self, subject: &Subject, lora: Option<&str>, version: Version<'_>) -> Result<String> {
        let edit = |marked: &Marked| match version {
            Version::Base => Ok(marked.without(&subject.complement(&subject.reference)?)),
            Version::Vector(vector) => Ok::<_, crate::app::Error>(marked.with(vector, &subject.complement(vector)?)),
        };
        match Marked::new(&self.prompt, lora) {
            Ok(own) if own.names == subject.marked.names => edit(&own),
            _ => Ok(tags_behind(&self.prompt, &edit(&subject.marked)?)),
        }
    }

    /// The plan of it, with all steps or fewer.
    pub fn plan(&self, subject: &Subject, lora: Option<&str>, version: Version<'_>, steps: u32) -> Result<Plan> {
        subject.plan_with(self.text(subject, lora, version)?, self.seed, steps)
    }
}
