//! Numbers that nobody can guess.

use std::hash::{BuildHasher, Hasher};

/// A seed as webui draws it, below 2³².
pub fn drawn_seed() -> u64 {
    new_seed_base() >> 32
}

/// A name that nobody can guess, for what others may ask for by it.
pub fn new_id() -> String {
    format!("{:016x}", new_seed_base())
}

/// A number nobody can guess, for the seeds of a new batch.
pub fn new_seed_base() -> u64 {
    // The standard library's hasher is keyed by the system's random numbers.
    std::hash::RandomState::new().build_hasher().finish()
}
