//! What an image is asked to be.

use super::{Hires, Settings, Start};
use crate::block::Family;
use crate::diagnostic::Source;

/// What an image is asked to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub prompt: Source,
    pub negative_prompt: Source,
    pub settings: Settings,
    /// What the first pass starts from.
    pub start: Start,
    /// The second pass, where there is one.
    pub hires: Option<Hires>,
    /// The family of the checkpoint, which decides what blocks there are.
    pub family: Family,
    pub options: Options,
    /// The prompts of the second pass, where the settings ask for one; an empty one is that of the first pass.
    pub hires_prompt: Source,
    pub hires_negative_prompt: Source,
}

impl Request {
    /// A request for SDXL with default settings.
    pub fn new(prompt: &str, negative_prompt: &str) -> Self {
        Request {
            prompt: Source::new("prompt", prompt),
            negative_prompt: Source::new("negative prompt", negative_prompt),
            settings: Settings::default(),
            start: Start::Noise,
            hires: None,
            family: Family::Sdxl,
            options: Options::default(),
            hires_prompt: Source::new("hires prompt", ""),
            hires_negative_prompt: Source::new("hires negative prompt", ""),
        }
    }
}

/// How prompts are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether `#` begins a comment.
    pub comments: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { comments: true }
    }
}
