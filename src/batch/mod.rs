//! Many images from one text: webui's "Prompts from file".

mod prompt_file;
mod prompt_line;

pub use prompt_file::{Position, PromptFile, Seeds};
pub use prompt_line::{LineError, parse_line};
