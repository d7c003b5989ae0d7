//! Files: written whole or not at all, read up to their limits, and known by the hash of what they hold.

mod hash;
pub mod limits;
mod open;
mod text;
pub mod values;
mod write;
pub mod yaml;

pub use hash::{cached_sha256, hex, known_sha256, sha256_of_file};
pub use open::{is_standard_input, open, open_named, read, standard_input, too_large};
pub use text::{NotText, decode};
pub use write::{Existing, write};

use std::path::Path;

use serde::Serializer;

/// Writes a path as text. A name need not be any; what is none in it is replaced.
pub fn lossy<P: AsRef<Path>, S: Serializer>(path: &P, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.as_ref().to_string_lossy())
}
