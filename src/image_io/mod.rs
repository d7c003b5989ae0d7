//! Images in and out: PNG files with the text that tells how they were made.
//!
//! A written PNG carries webui's `parameters` and, under the keyword `lbw`, the plan as JSON. It appears whole or not at
//! all, and never replaces another file unless that is asked for. Reading also understands what webui and its
//! relatives write: PNG text anywhere in the file, EXIF in JPEG, WebP and PNG, and a `.txt` beside the image.

mod exif_comment;
mod picture;
mod read;
mod resample;
#[cfg(test)]
mod tests;
mod write;

pub use picture::read_picture;
pub use read::{ImageText, read_text};
pub use resample::Rgb;
pub use write::{Existing, encode_png, write_file, write_png};

use std::path::PathBuf;

/// PNG keyword of webui's infotext.
const PARAMETERS: &str = "parameters";
/// PNG keyword of the plan.
const PLAN: &str = "lbw";

/// Why an image could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path} exists already; it is not overwritten")]
    Exists { path: PathBuf },
    #[error("{path} is damaged: {what}")]
    Damaged { path: PathBuf, what: String },
    #[error("{path} is not a PNG, JPEG, WebP or text file")]
    UnknownFormat { path: PathBuf },
    #[error("the text of {path} is longer than {limit} bytes")]
    TooLong { path: PathBuf, limit: u64 },
    #[error("the image cannot be encoded: {0}")]
    Encode(#[from] png::EncodingError),
}
