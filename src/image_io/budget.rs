//! What may still be kept of a picture's texts: whoever sends a picture decides how long they are.

use std::io;

use crate::diagnostic::{Said, Text};
use crate::files::limits::PICTURE_TEXT;
use crate::say;

/// Why a picture does not tell its texts.
#[derive(Debug)]
pub(super) enum Problem {
    Damaged(Text),
    /// They are longer than [`PICTURE_TEXT`].
    TooLong,
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::Damaged(match error.kind() {
            io::ErrorKind::UnexpectedEof => say!("it is cut short", "途中で切れています"),
            _ => error.said(),
        })
    }
}

/// What is left.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Budget(PICTURE_TEXT)
    }
}

impl Budget {
    /// What each text takes beside its letters: millions of empty ones are as bad as a long one.
    const EACH: usize = 128;

    /// Bytes that the next text may have.
    pub fn left(&self) -> usize {
        self.0.saturating_sub(Self::EACH)
    }

    /// Takes what a text of `length` bytes needs.
    pub fn take(&mut self, length: usize) -> Result<(), Problem> {
        self.0 = self.0.checked_sub(length.saturating_add(Self::EACH)).ok_or(Problem::TooLong)?;
        Ok(())
    }
}
