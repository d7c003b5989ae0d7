//! webui's infotext: what it writes into images and what users paste from everywhere.
//!
//! ```
//! use lbw::infotext::Infotext;
//! let pasted = Infotext::parse("a cat\nNegative prompt: dog\nSteps: 28, Sampler: Euler a, CFG scale: 5, Size: 832x1216");
//! assert_eq!(pasted.prompt, "a cat");
//! assert_eq!(pasted.text("Size-2"), Some("1216"));
//! ```

use crate::diagnostic::{Said, Text};
use crate::say;

mod check;
mod defaults;
pub mod foreign;
mod format;
mod heading;
mod layout;
mod of_plan;
mod parse;
mod paste;
mod python_text;
mod sampler;
mod version;

pub use check::{paste, paste_foreign, too_long};
pub use format::{Parameters, postprocessed};
pub use heading::is_headed_negative;
pub use layout::{
    ends as ends_infotext, ends_in as ends_infotext_in, is_measure, is_tail, length as parameter_lines,
    looks_like_infotext, without_markup,
};
pub use of_plan::{ModelInfo, further_fields, infotext};
pub use parse::Infotext;
pub use paste::{Known, NotUnderstood, Pasted, Why, known_field};
pub use python_text::float as float_text;
pub use sampler::{resolve_hires_sampler, resolve_sampler};

/// Why an infotext cannot be pasted as a whole; webui fails here too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// A weight such as `(text:1.2.3)`.
    BadEmphasis,
    /// A size that is none.
    BadSize { key: String },
}

impl Said for Problem {
    fn said(&self) -> Text {
        match self {
            Problem::BadEmphasis => say!(
                "a weight in the prompt is not a number, as in `(text:1.2.3)`",
                "プロンプトの重みが `(text:1.2.3)` のように数値になっていません"
            ),
            Problem::BadSize { key } => say!(
                "`{key}` of the pasted parameters is no usable size",
                "貼り付けたパラメーターの `{key}` は使える大きさではありません"
            ),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.said())
    }
}

impl std::error::Error for Problem {}
