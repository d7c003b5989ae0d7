//! A wish in the words of whoever asks: fields of JSON, called as the flags of `lbw analyze`.

use std::path::PathBuf;

use serde::Deserialize;

use super::Wish;
use crate::app::error::{Error, Result};
use crate::diagnostic::{Language, Text, code};

/// What is asked for, in words.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// The LoRA under test, where none is marked lbw=XYZ.
    pub lora: Option<String>,
    /// Weight of the changed block, and of all others.
    pub range: Option<String>,
    /// Blocks, as the extension writes them.
    pub blocks: Option<String>,
    /// A channel sample counts as changed when it differs by more.
    pub threshold: Option<u8>,
    /// Blocks along the columns of the grid.
    pub swap_axes: bool,
    /// How many seeds, counting up.
    pub seeds: Option<usize>,
    /// A quarter of the steps.
    pub quick: bool,
    /// What a suggestion is to bring back.
    pub toward: Option<String>,
    /// Prompts to verify the suggestion on.
    pub verify_prompts: Vec<String>,
    /// The name of the folder.
    pub folder: Option<String>,
}

impl Fields {
    /// The wish, with its pictures in the folder `output`.
    pub fn wish(self, output: PathBuf, language: Language) -> Result<Wish> {
        let default = Wish::default();
        let goal = |text: String| text.parse().map_err(|error: Text| Error::words(code::STUDY, error));
        Ok(Wish {
            lora: self.lora,
            range: self.range.unwrap_or(default.range),
            blocks: self.blocks,
            threshold: self.threshold.map_or(default.threshold, |threshold| threshold.to_string()),
            swap_axes: self.swap_axes,
            seeds: self.seeds.unwrap_or(default.seeds),
            quick: self.quick,
            toward: self.toward.filter(|goal| !goal.is_empty()).map(goal).transpose()?,
            verify_prompts: self.verify_prompts,
            output,
            language,
            white: default.white,
            save_preset: None,
            webui_quirks: false,
        })
    }
}
