//! Command lines that are not what they seem: what clap refuses, and slips that it would take for a prompt.

mod flag;
mod refused;
mod slip;

pub use refused::told;
pub use slip::{dashes, first_word, prompts};
