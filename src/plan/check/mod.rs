//! What lbw says about a prompt: every way in which webui would surprise its author.

mod arguments;
mod dialect;
mod no_tag;
mod over_time;
mod prompt;
mod prompt_file;
mod prose;
mod tag;
mod vector;

pub(super) use prompt::{attention, composition, negative_tags, schedule};
pub use prompt_file::{raw_prompt_line, unknown_sampler};
pub(super) use prose::{empty, prose};
pub(super) use tag::{argument_error, tags};
pub use tag::{left_out_parts, nonlinear_kind, unknown_lora, unmatched_keys};
pub use vector::preset_file;
