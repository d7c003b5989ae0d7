//! Command lines that are not what they seem: what clap refuses, and slips that it would take for a prompt.

mod flag;
mod refused;
mod slip;

pub use refused::{is_negative, told, with_negative};
pub use slip::{dashes, first_word, prompts};
