//! Files: written whole or not at all, and known by the hash of what they hold.

mod hash;
mod text;
mod write;

pub use hash::{cached_sha256, hex, known_sha256, sha256_of_file};
pub use text::{NotText, decode};
pub use write::{Existing, write};
