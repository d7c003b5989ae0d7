//! What tells some bytes from others, short enough for a name.

use sha2::{Digest, Sha256};

use crate::files::hex;

/// What tells some bytes from others.
pub fn fingerprint(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}
