//! A wish in the words of whoever asks: flags of a command, or fields of JSON.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Bound, Goals, Wish};
use crate::app::error::{Error, Result};
use crate::app::wished::words;
use crate::diagnostic::{Language, code};

/// What is asked for, in words: what `lbw tune` has flags for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// The LoRA under test, where none is marked lbw=XYZ.
    pub lora: Option<String>,
    /// Goals, separated by commas or in a list.
    #[serde(deserialize_with = "words")]
    pub keep: Vec<String>,
    /// The same.
    #[serde(deserialize_with = "words")]
    pub toward: Vec<String>,
    /// Pictures.
    #[serde(deserialize_with = "words")]
    pub away: Vec<String>,
    /// Bounds of blocks.
    #[serde(deserialize_with = "words")]
    pub fix: Vec<String>,
    /// How many seeds the prompts are searched with.
    pub seeds: Option<usize>,
    /// Prompts to search with beside the first.
    pub prompts: Vec<String>,
    /// Prompts to verify on.
    pub verify_prompts: Vec<String>,
    /// How many whole pictures the work may be worth.
    pub budget: Option<u32>,
    /// The name of the folder.
    pub folder: Option<String>,
}

impl Fields {
    /// The wish, with its pictures in the folder `output`.
    pub fn wish(&self, output: PathBuf, language: Language) -> Result<Wish> {
        let default = Wish::default();
        Ok(Wish {
            lora: self.lora.clone(),
            goals: Goals::parse(&self.keep, &self.toward, &self.away)
                .map_err(|error| Error::words(code::GOAL, error))?,
            bounds: Bound::parse_all(&self.fix).map_err(|error| Error::words(code::BOUND, error))?,
            seeds: self.seeds.unwrap_or(default.seeds),
            verify_prompts: self.verify_prompts.clone(),
            budget: self.budget.unwrap_or(default.budget),
            save_preset: None,
            output,
            language,
        })
    }
}
